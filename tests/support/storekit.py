"""Hands for tests of the store: what lies where, what damage looks like, records to plant."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import Seal

SEAL = Seal(KeyRing(MasterKey(b"k" * 32)))
OTHER_SEAL = Seal(KeyRing(MasterKey(b"o" * 32)))


class StillClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now_s = 1_763_900_000.5

    def wall_s(self) -> float:
        return self.now_s

    def awake_s(self) -> float:
        return self.now_s


def at(root: Path, name: str, profile: str = "default") -> Path:
    return root / "profiles" / profile / name


def names(root: Path, profile: str = "default") -> list[str]:
    return sorted(item.name for item in (root / "profiles" / profile).iterdir())


def damage(path: Path) -> None:
    """Half of the file is lost, as after a crash of a disk that lied about syncing."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def replace(path: Path, record: bytes) -> None:
    path.write_bytes(record)


def record(seal: Seal = SEAL, *, profile: str = "default", generation: int = 9) -> bytes:
    return seal.seal(
        b"planted", profile=profile, purpose="session", generation=generation, now_s=1.0
    )


def tampered() -> bytes:
    return resealed(record().replace(b'"generation":9', b'"generation":8'))


def resealed(changed: bytes) -> bytes:
    """With a checksum that fits: what somebody does on purpose."""
    body = changed[: changed.rindex(b"sha256:")]
    return body + b"sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n"


def too_new() -> bytes:
    body = b"harvester-sealed 2\nanything\n"
    return body + b"sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n"
