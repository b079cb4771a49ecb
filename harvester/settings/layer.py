"""What one source of settings says: names resolved, secrets turned into "where it comes from".

For every entry it keeps the words that tell a person where it stands.  Values are not checked
here, and sources not read: ``model`` and ``sources`` do that.
"""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester.errors import ConfigInvalid
from harvester.profile import DEFAULT_PROFILE, SecretSource
from harvester.settings.model import PREFIX, PROFILE_NAMES, SECRETS

# How alike a wrong name must be to a right one before we say "did you mean".
_ALIKE = 0.6

Key = tuple[str, ...]  # ("store",) or ("profiles", "work", "origin")


@dataclass(slots=True)
class Layer:
    """What one source says.  ``where`` has a sentence's end for each entry ("... (from X)")."""

    process: dict[str, Any] = field(default_factory=dict, repr=False)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    where: dict[Key, str] = field(default_factory=dict)

    def tree(self) -> dict[str, Any]:
        return {**self.process, **({"profiles": self.profiles} if self.profiles else {})}

    def put(
        self,
        name: str,
        value: Any,
        *,
        label: str,
        where: str,
        base: Path,
        profile: str | None = None,
    ) -> None:
        """Take in one setting.  ``name`` is in lower case, without prefix; ``label`` is how the
        person wrote it; ``base`` is what relative paths start from; ``profile`` None means a
        plain name.  The caller knows that the name is one of ``every_name``."""
        stem, form = split(name)
        if stem in SECRETS:
            value = _source(value, form=form, label=label, where=where, base=base)
        elif stem in ("store", "socket", "ca_file", "browser") or stem == "files":
            value = _from_base(stem, value, base)
        key: Key = (stem,)
        room = self.process
        if stem in PROFILE_NAMES:
            profile = profile or DEFAULT_PROFILE
            key = ("profiles", profile, stem)
            room = self.profiles.setdefault(profile, {})
        if key in self.where:
            raise ConfigInvalid(
                f"{label} is set twice: {self.where[key]}, and {where}", hint="keep one of them"
            )
        room[stem] = value
        self.where[key] = where


def split(name: str) -> tuple[str, str]:
    """``password_file`` → (password, file); ``ca_file`` is a name of its own."""
    for form in ("file", "command"):
        stem = name.removesuffix("_" + form)
        if stem != name and stem in SECRETS:
            return stem, form
    return name, "value"


def _source(value: Any, *, form: str, label: str, where: str, base: Path) -> SecretSource:
    if form == "value":
        return SecretSource("value", label, value=str(value))
    if form == "file":
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise ConfigInvalid(f"{label} must be a path (from {where})", hint="write one path")
        return SecretSource("file", label, path=str(base / os.path.expanduser(value.strip())))
    try:
        words = tuple(value) if isinstance(value, list) else tuple(shlex.split(str(value)))
    except ValueError:
        words = ()
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise ConfigInvalid(
            f"{label} is no command (from {where})",
            hint="write program and words as in a shell, with every quote closed: pass show knoq",
        )
    return SecretSource("command", label, argv=words)


def _from_base(name: str, value: Any, base: Path) -> Any:
    """Paths of a file count from that file's folder: a daemon's working directory says nothing."""
    if name == "files":
        parts = value if isinstance(value, list) else str(value).split(",")
        return [_kept_from_base(part, base) if isinstance(part, str) else part for part in parts]
    if not isinstance(value, str) or "://" in value or (name == "browser" and "/" not in value):
        return value
    return str(base / os.path.expanduser(value.strip()))


def _kept_from_base(entry: str, base: Path) -> str:
    form, colon, path = entry.strip().partition(":")
    return f"{form}:{base / os.path.expanduser(path.strip())}" if colon and path.strip() else entry


def take(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Our variables and those that name places, with the secrets **removed** from ``environ``.

    A secret that stays in the environment is inherited by the driver, the browser and every
    crash handler.  The copy is what ``load`` reads, at start and at a reload.
    """
    taken = dict(environ)
    for variable in taken:
        if _holds_a_secret(variable):
            del environ[variable]
    return taken


def _holds_a_secret(variable: str) -> bool:
    if not variable.startswith(PREFIX):
        return False
    name = variable.removeprefix(PREFIX).rpartition("__")[2].lower()
    # A company's proxy is often written with user name and password in it.
    return name in SECRETS or name == "https_proxy"


def nearest(name: str, names: list[str], prefix: str = "") -> str:
    shown = (lambda one: prefix + one.upper()) if prefix.startswith(PREFIX) else prefix.__add__
    close = difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)
    if close:
        return f"did you mean {shown(close[0])}?"
    return "`harvester config show` lists all settings"
