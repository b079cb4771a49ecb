"""The store that is not there: for a command that only looks, where nothing was ever kept.

Absence is an object, so that whoever reads needs no ``if``; looking makes no directory and no key.
"""

from __future__ import annotations

from harvester.errors import Bug
from harvester.vault.directory import Stored
from harvester.vault.journal import NoJournal
from harvester.vault.lock import Lock
from harvester.vault.seal import Purpose
from harvester.vault.shelf import NoShelf


class NoStore:
    """Holds nothing.  Writing to it is a mistake of ours."""

    def profiles(self) -> list[str]:
        return []

    def read(self, profile: str, purpose: Purpose) -> Stored | None:
        return None

    def read_sealed(self, profile: str, purpose: Purpose) -> bytes | None:
        return None

    def is_older(self, profile: str, purpose: Purpose, record: bytes) -> bool:
        return False

    def stamp(self, profile: str, purpose: Purpose) -> object | None:
        return None

    def last_generation(self, profile: str, purpose: Purpose) -> int:
        return 0

    def write(self, profile: str, purpose: Purpose, plaintext: bytes, generation: int) -> None:
        raise Bug("something was written where nothing is kept")

    def write_sealed(self, profile: str, purpose: Purpose, record: bytes) -> None:
        raise Bug("something was written where nothing is kept")

    def seal(self, profile: str, purpose: Purpose, plaintext: bytes, generation: int) -> bytes:
        raise Bug("something was sealed where there is no key")

    def open(self, profile: str, purpose: Purpose, record: bytes) -> bytes:
        raise Bug("something was opened where there is no key")

    def created_at(self, profile: str, purpose: Purpose, record: bytes) -> float:
        raise Bug("something was opened where there is no key")

    def delete(self, profile: str, purpose: Purpose) -> None:
        """There is nothing to delete."""

    def set_aside(self, profile: str, purpose: Purpose) -> list[str]:
        return []

    def audit_key(self) -> bytes:
        raise Bug("an audit was begun where there is no key")

    def evidence(self, profile: str) -> NoShelf:
        return NoShelf()

    def journal(self, profile: str) -> NoJournal:
        return NoJournal()

    def lock(self, profile: str) -> Lock:
        raise Bug("something was locked where nothing is kept")
