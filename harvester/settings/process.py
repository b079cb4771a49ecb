"""What holds for the whole process, whatever its profiles: the value that settings come to.

Reads nothing and checks nothing; it is frozen, so that nobody changes it under another's feet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harvester.profile import KeyChoice, SecretSource
from harvester.signin.dialogue import BrowserChoice


@dataclass(frozen=True, slots=True)
class Process:
    """What holds for the whole process.

    ``socket`` is the path that was asked for, None means the places of the contract (``paths``).
    ``sealing`` says where the sealing key is kept.  ``allow_uids`` always holds
    our own.  ``on_person_needed`` is a program and its words, run when only a person can help.
    ``audit``: who was given what is written down.  ``confirm``: asked before each hand-out.
    ``ci``: the environment says that this is a job of a CI system, as they all do.
    ``proxy`` is ``unix``, ``off``, or ``127.0.0.1:PORT`` or ``[::1]:PORT`` (beside ``unix``);
    ``proxy_governor``: it keeps its clients below the site's documented limits.
    """

    store: Path
    socket: str | None
    key: SecretSource | None
    browser: BrowserChoice
    allow_uids: tuple[int, ...]
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["text", "json"]
    https_proxy: str | None = field(repr=False)  # often with a user and his password in it
    ca_file: str | None
    config_path: Path | None
    on_person_needed: tuple[str, ...] = field(default=(), repr=False)  # may hold a token
    notify: Literal["auto", "off"] = "auto"
    proxy: str = "unix"
    proxy_governor: bool = True
    audit: bool = True
    confirm: tuple[str, ...] = field(default=(), repr=False)  # as well
    ci: bool = False
    passphrase: SecretSource | None = None
    key_source: Literal["keyring"] | None = None

    @property
    def sealing(self) -> KeyChoice:
        return KeyChoice(self.key, self.passphrase, keyring=self.key_source == "keyring")
