"""The sealing keys: what they are called, how they are written, and fingerprints made with them.

Owns the 32 bytes that everything stored depends on.  A key is made here only while there is no
record that an older one could have sealed: a new key beside old records would lock them for
good.  Standard library only; ciphers are ``seal.py``'s.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harvester.errors import ConfigInvalid, KeyWrong
from harvester.profile import SecretSource
from harvester.vault.durable import Disk
from harvester.vault.secret import read_secret

MASTER_KEY_BYTES = 32
KEY_NAME = "key"
# 32 bytes in base64 are 44 characters: room for a few score of keys, and spaces around them.
KEY_FILE_LIMIT_BYTES = 4096
# 64 bits: two keys of one user never meet, and nothing is learned about the key.
_KID_CHARS = 16
_MAKE_ONE = "harvester key new --print"
# Between the name of a fingerprint's key and the fingerprint.
_OF = ":"

# What a header may ask of us before anything of it is proved: 256 MiB, a few seconds.
_MEMORY_MOST_KIB: Final = 256 * 1024
_PASSES_MOST: Final = 10
_LANES_MOST: Final = 16
_SALT_BYTES = range(16, 65)


@dataclass(frozen=True, slots=True)
class Kdf:
    """How a key was made of a passphrase (Argon2id).  Not secret: it stands in each record."""

    salt: bytes
    memory_kib: int = 64 * 1024
    passes: int = 3
    lanes: int = 4

    @property
    def too_costly(self) -> bool:
        """More than anybody of ours asks for: whoever wrote it wants to stop us."""
        return (
            self.memory_kib > _MEMORY_MOST_KIB
            or self.passes > _PASSES_MOST
            or self.lanes > _LANES_MOST
        )

    def as_dict(self) -> dict[str, Any]:
        salt = base64.b64encode(self.salt).decode("ascii")
        costs = {"m": self.memory_kib, "t": self.passes, "p": self.lanes}
        return {"name": "argon2id", **costs, "salt": salt}

    @staticmethod
    def is_known(data: Any) -> bool:
        """Whether it is of this kind, whatever its figures are; a later release may have others."""
        if not isinstance(data, dict) or set(data) != {"name", "m", "t", "p", "salt"}:
            return False
        return bool(data["name"] == "argon2id")

    @classmethod
    def from_dict(cls, data: Any) -> Kdf:
        """Raises ValueError for what Argon2id cannot be given."""
        if not cls.is_known(data):
            raise ValueError("no kdf")
        costs = [data[name] for name in ("m", "t", "p")]
        if not all(type(cost) is int for cost in costs):
            raise ValueError("no kdf")
        memory_kib, passes, lanes = costs
        salt = data["salt"]
        if not isinstance(salt, str):
            raise ValueError("no salt")
        raw = base64.b64decode(salt, validate=True)
        if len(raw) not in _SALT_BYTES or lanes < 1 or passes < 1 or memory_kib < 8 * lanes:
            raise ValueError("no kdf")
        return cls(raw, memory_kib, passes, lanes)


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 secret bytes.  ``kid`` is derived from them, so a key cannot be given a wrong name.
    ``kdf`` where it was made of a passphrase."""

    material: bytes = field(repr=False)
    kdf: Kdf | None = None

    def __post_init__(self) -> None:
        if len(self.material) != MASTER_KEY_BYTES:
            raise ValueError(f"a sealing key is {MASTER_KEY_BYTES} bytes")

    @property
    def kid(self) -> str:
        digest = hmac.digest(self.material, b"harvester key id 1", "sha256")
        return digest.hex()[:_KID_CHARS]

    def text(self) -> str:
        """The key itself, as it is written in a key file."""
        return base64.b64encode(self.material).decode("ascii")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key to seal with, and others that may still open what they sealed."""

    primary: MasterKey
    others: tuple[MasterKey, ...] = ()

    @property
    def all(self) -> tuple[MasterKey, ...]:
        return (self.primary, *self.others)

    def current(self) -> KeyRing:
        """This ring: it stays as it is (``ring.LiveRing`` does not)."""
        return self

    def find(self, kid: str, kdf: Kdf | None = None) -> MasterKey | None:
        return next((key for key in self.all if key.kid == kid), None)

    def with_others(self, more: Iterable[MasterKey]) -> KeyRing:
        """These too may open; none is there twice."""
        by_kid = {key.kid: key for key in (*self.others, *more) if key.kid != self.primary.kid}
        return KeyRing(self.primary, tuple(by_kid.values()))

    def lines(self) -> tuple[str, ...]:
        """The keys themselves, for the pipe to the signer and nowhere else."""
        return tuple(
            key.text() if key.kdf is None else f"{key.text()} {json.dumps(key.kdf.as_dict())}"
            for key in self.all
        )

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> KeyRing:
        """Raises ValueError for what ``lines`` did not write."""
        keys = []
        for line in lines:
            text, _, kdf = line.partition(" ")
            made = Kdf.from_dict(json.loads(kdf)) if kdf else None
            keys.append(MasterKey(base64.b64decode(text, validate=True), made))
        if not keys:
            raise ValueError("no key")
        return cls(keys[0], tuple(keys[1:]))


def fresh() -> MasterKey:
    return MasterKey(os.urandom(MASTER_KEY_BYTES))


def load(
    source: SecretSource | None,
    store: Path,
    *,
    may_create: bool,
    environ: Mapping[str, str] | None = None,
    disk: Disk | None = None,
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
        return decoded(text, source.name, source.where()), []
    return _of_the_store(store, disk or Disk(private_dirs=True), may_create=may_create)


def _of_the_store(store: Path, disk: Disk, *, may_create: bool) -> tuple[KeyRing, list[str]]:
    path = store / KEY_NAME
    warnings: list[str] = []
    data = disk.read(store, KEY_NAME, KEY_FILE_LIMIT_BYTES)
    if data is None and not may_create:
        raise KeyWrong(
            f"the store {store} holds records, but its key file {KEY_NAME} is gone",
            hint=f"put the key back at {shlex.quote(str(path))} or set HARVESTER_KEY_FILE; "
            "without it the records cannot be opened, and nothing was changed",
        )
    if data is None:
        disk.make_dir(store)
        # Two first starts at once: one makes the key, the other finds it made.
        if disk.create(store, KEY_NAME, fresh().text().encode("ascii") + b"\n"):
            warnings.append(
                f"made a new sealing key, {path}: it protects records that are copied without it "
                "(backups, caches), not from somebody who can read that directory; "
                "to keep it elsewhere set HARVESTER_KEY_FILE or HARVESTER_KEY_COMMAND"
            )
        data = disk.read(store, KEY_NAME, KEY_FILE_LIMIT_BYTES) or b""
    try:
        return decoded(data.decode("ascii", "replace"), KEY_NAME, str(path)), warnings
    except ConfigInvalid as error:
        hint = "put the right key file back; nothing was changed"
        if may_create:
            hint = f"nothing is sealed with it yet: rm {shlex.quote(str(path))} and start again"
        raise KeyWrong(error.message, hint=hint) from None


def decoded(text: str, name: str, where: str) -> KeyRing:
    """The keys in ``text``, one a line or with commas; the first one seals.

    Raises ConfigInvalid if any is none: one that is left out would be missed much later.
    """
    keys: dict[str, MasterKey] = {}
    words = [word.strip() for line in text.strip().splitlines() for word in line.split(",")]
    for word in words or [""]:
        try:
            key = MasterKey(base64.b64decode(word, validate=True))
        except (binascii.Error, ValueError):
            which = "is no sealing key: it" if len(words) < 2 else "holds one that is no key: each"
            # Never how long it was instead: that tells about a secret put in the wrong place.
            wrong = ConfigInvalid(
                f"{name} ({where}) {which} must be {MASTER_KEY_BYTES} bytes in base64",
                hint=f"make one with: {_MAKE_ONE}",
            )
        else:
            keys.setdefault(key.kid, key)
            continue
        raise wrong
    primary, *others = keys.values()
    return KeyRing(primary, tuple(others))


def fingerprint(ring: KeyRing, *parts: str) -> str:
    """A keyed fingerprint of ``parts``, with the name of its key: equal for equal parts and key
    only.

    Keyed, because a plain hash of a password in a stolen ledger can be guessed at; each part goes
    in with its length, so that ("ab", "c") and ("a", "bc") differ.
    """
    return named(_mac(ring.primary, parts), ring.primary.kid)


def named(fingerprint: str, kid: str) -> str:
    """The fingerprint with its key's name; those of before 0.6 have none."""
    return fingerprint if _OF in fingerprint else f"{kid}{_OF}{fingerprint}"


def is_among(ring: KeyRing, fingerprints: Iterable[str], *parts: str) -> bool:
    """Whether one of ``fingerprints`` is of these parts, or may be: whose key is gone nobody can
    tell any more, so it counts as theirs."""
    for one in fingerprints:
        kid, of, mac = one.rpartition(_OF)
        key = ring.find(kid) if of else None
        if of and key is None:
            return True  # see ``of_a_gone_key``
        keys = ring.all if key is None else (key,)
        if any(hmac.compare_digest(mac, _mac(each, parts)) for each in keys):
            return True
    return False


def of_a_gone_key(ring: KeyRing, fingerprints: Iterable[str]) -> bool:
    """Whether one of them was made with a key that is not at hand any more."""
    kids = [one.rpartition(_OF)[0] for one in fingerprints]
    return any(kid and ring.find(kid) is None for kid in kids)


def _mac(key: MasterKey, parts: Iterable[str]) -> str:
    subkey = hmac.digest(key.material, b"harvester fingerprint 1", "sha256")
    mac = hmac.new(subkey, digestmod=hashlib.sha256)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        mac.update(len(raw).to_bytes(8, "big"))
        mac.update(raw)
    return mac.hexdigest()


def audit_key(ring: KeyRing) -> bytes:
    """What the audit hashes cookies with: whoever has it can test a guess, and learn no more."""
    return hmac.digest(ring.primary.material, b"harvester audit 1", "sha256")
