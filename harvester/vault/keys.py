"""The sealing key: where it comes from, what it is called, and fingerprints made with it.

Owns the 32 bytes that everything stored depends on.  A key is made here only while there is no
record that an older one could have sealed: a new key beside old records would lock them for
good.  Standard library only; ciphers are ``seal.py``'s.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harvester.errors import ConfigInvalid, KeyWrong
from harvester.profile import SecretSource
from harvester.vault.durable import Disk
from harvester.vault.secret import read_secret

MASTER_KEY_BYTES = 32
KEY_NAME = "key"
# 32 bytes in base64 are 44 characters; the rest is room for spaces around them.
_KEY_FILE_LIMIT_BYTES = 4096
# 64 bits: two keys of one user never meet, and nothing is learned about the key.
_KID_CHARS = 16
_MAKE_ONE = "head -c 32 /dev/urandom | base64"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 secret bytes.  ``kid`` is derived from them, so a key cannot be given a wrong name."""

    material: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.material) != MASTER_KEY_BYTES:
            raise ValueError(f"a sealing key is {MASTER_KEY_BYTES} bytes")

    @property
    def kid(self) -> str:
        digest = hmac.digest(self.material, b"harvester key id 1", "sha256")
        return digest.hex()[:_KID_CHARS]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key to seal with, and others that may still open what they sealed."""

    primary: MasterKey
    others: tuple[MasterKey, ...] = ()

    def find(self, kid: str) -> MasterKey | None:
        return next((key for key in (self.primary, *self.others) if key.kid == kid), None)


def load(
    source: SecretSource | None,
    store: Path,
    *,
    may_create: bool,
    environ: Mapping[str, str] | None = None,
) -> tuple[KeyRing, list[str]]:
    """The keys, and warnings for a person.

    ``source`` None means the file ``key`` in the store's directory.  ``may_create`` says that the
    store holds no record at all: only then is a missing key file made.  ``environ`` is for a
    command that prints the key, ours by default.
    Raises ConfigInvalid or ConfigUnsafe for a given key that is none, KeyWrong where the store's
    own key is missing or no key, StoreUnsafe for its owner, mode or kind.
    """
    if source is not None:
        text = read_secret(source, key=True, environ=environ)
        return KeyRing(_decoded(text, source.name, source.where())), []
    return _of_the_store(store, may_create=may_create)


def _of_the_store(store: Path, *, may_create: bool) -> tuple[KeyRing, list[str]]:
    disk = Disk(private_dirs=True)
    path = store / KEY_NAME
    warnings: list[str] = []
    data = disk.read(store, KEY_NAME, _KEY_FILE_LIMIT_BYTES)
    if data is None and not may_create:
        raise KeyWrong(
            f"the store {store} holds records, but its key file {KEY_NAME} is gone",
            hint=f"put the key back at {shlex.quote(str(path))} or set HARVESTER_KEY_FILE; "
            "without it the records cannot be opened, and nothing was changed",
        )
    if data is None:
        disk.make_dir(store)
        # Two first starts at once: one makes the key, the other finds it made.
        fresh = base64.b64encode(os.urandom(MASTER_KEY_BYTES)) + b"\n"
        if disk.create(store, KEY_NAME, fresh):
            warnings.append(
                f"made a new sealing key, {path}: it protects records that are copied without it "
                "(backups, caches), not from somebody who can read that directory; "
                "to keep it elsewhere set HARVESTER_KEY_FILE or HARVESTER_KEY_COMMAND"
            )
        data = disk.read(store, KEY_NAME, _KEY_FILE_LIMIT_BYTES) or b""
    try:
        return KeyRing(_decoded(data.decode("ascii", "replace"), KEY_NAME, str(path))), warnings
    except ConfigInvalid as error:
        hint = "put the right key file back; nothing was changed"
        if may_create:
            hint = f"nothing is sealed with it yet: rm {shlex.quote(str(path))} and start again"
        raise KeyWrong(error.message, hint=hint) from None


def _decoded(text: str, name: str, where: str) -> MasterKey:
    try:
        material = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        material = b""
    if len(material) != MASTER_KEY_BYTES:
        # Never how long it was instead: that tells about a secret put in the wrong place.
        raise ConfigInvalid(
            f"{name} ({where}) is no sealing key: it must be {MASTER_KEY_BYTES} bytes in base64",
            hint=f"make one with: {_MAKE_ONE}",
        )
    return MasterKey(material)


def fingerprint(key: KeyRing | MasterKey, *parts: str) -> str:
    """A keyed fingerprint of ``parts``, 64 hex digits: equal for equal parts and key only.

    Keyed, because a plain hash of a password in a stolen ledger can be guessed at; each part goes
    in with its length, so that ("ab", "c") and ("a", "bc") differ.
    """
    master = key.primary if isinstance(key, KeyRing) else key
    subkey = hmac.digest(master.material, b"harvester fingerprint 1", "sha256")
    mac = hmac.new(subkey, digestmod=hashlib.sha256)
    for part in _encoded(parts):
        mac.update(len(part).to_bytes(8, "big"))
        mac.update(part)
    return mac.hexdigest()


def audit_key(key: KeyRing | MasterKey) -> bytes:
    """What the audit hashes cookies with: whoever has it can test a guess, and learn no more."""
    master = key.primary if isinstance(key, KeyRing) else key
    return hmac.digest(master.material, b"harvester audit 1", "sha256")


def _encoded(parts: Iterable[str]) -> list[bytes]:
    return [part.encode("utf-8", "surrogatepass") for part in parts]
