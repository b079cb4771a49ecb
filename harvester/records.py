"""The records of one profile, typed: its session, its ledger, its identity state.

Between the keeper, which thinks in sessions, and the vault, which keeps sealed bytes.  Calls
touch the disk and may take milliseconds: the engine makes them in a thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from harvester.errors import StoreCorrupt, StoreError
from harvester.ledger import Ledger
from harvester.session import Session
from harvester.vault.directory import Lock, Stored
from harvester.vault.seal import Purpose

_T = TypeVar("_T")


class Store(Protocol):
    """What is needed of a store; ``vault/directory.py`` is one."""

    def read(self, profile: str, purpose: Purpose) -> Stored | None: ...
    def write(self, profile: str, purpose: Purpose, plaintext: bytes, generation: int) -> None: ...
    def read_sealed(self, profile: str, purpose: Purpose) -> bytes | None: ...
    def write_sealed(self, profile: str, purpose: Purpose, record: bytes) -> None: ...
    def delete(self, profile: str, purpose: Purpose) -> None: ...
    def set_aside(self, profile: str, purpose: Purpose) -> list[str]: ...
    def stamp(self, profile: str, purpose: Purpose) -> object | None: ...
    def lock(self, profile: str) -> Lock: ...


class Records:
    """One profile's records in a store."""

    def __init__(self, store: Store, profile: str) -> None:
        self._store = store
        self._profile = profile
        self._ledger_generation = 0
        self._ledger_readable = True
        self.rolled_back = False

    def session(self) -> Session | None:
        """The stored session, or None.  Raises a StoreError or KeyWrong; never drops a record."""
        stored = self._store.read(self._profile, "session")
        if stored is None:
            return None
        self.rolled_back = stored.rolled_back
        return _parsed(stored.plaintext, Session.from_dict, "session")

    def keep_session(self, session: Session) -> None:
        self._write("session", session.as_dict(), session.generation)

    def session_stamp(self) -> object | None:
        """Changes whenever some process stored a session."""
        return self._store.stamp(self._profile, "session")

    def ledger(self) -> Ledger:
        """The ledger.  One that cannot be read counts as spent: nothing secret is typed until a
        person says so (KeyWrong is raised: then nothing at all is known)."""
        try:
            stored = self._store.read(self._profile, "ledger")
            self._ledger_readable = True
            if stored is None:
                return Ledger()
            self._ledger_generation = max(self._ledger_generation, stored.generation)
            if not stored.from_previous and not stored.rolled_back:
                return _parsed(stored.plaintext, Ledger.from_dict, "ledger")
            trouble: StoreError = StoreCorrupt("the ledger was damaged")
        except StoreError as error:
            self._ledger_readable = False
            trouble = error
        trouble.hint = (
            "attempts made so far are not known, so no secret is typed; when you know that the "
            "account is in order, run: harvester unlock"
        )
        return Ledger().with_latch(0.0, trouble, blocks=("scripted",), settings="", firm=True)

    def keep_ledger(self, ledger: Ledger) -> None:
        """Durable when this returns; raises StoreError when it could not be made so."""
        self._ledger_generation += 1
        self._write("ledger", ledger.as_dict(), self._ledger_generation)

    def keep_unlocked_ledger(self, ledger: Ledger) -> None:
        """A person cleared it: one that could not be read is set aside, not overwritten."""
        if not self._ledger_readable:
            self._store.set_aside(self._profile, "ledger")
        self.keep_ledger(ledger)

    def identity_state(self) -> str | None:
        """The sealed identity state; only the signer opens it."""
        record = self._store.read_sealed(self._profile, "identity-state")
        return None if record is None else record.decode("ascii", "replace")

    def keep_identity_state(self, sealed: str) -> None:
        self._store.write_sealed(self._profile, "identity-state", sealed.encode("ascii"))

    def forget(self) -> None:
        """Delete session and identity state, never the ledger."""
        self._store.delete(self._profile, "session")
        self._store.delete(self._profile, "identity-state")

    def lock(self) -> Lock:
        return self._store.lock(self._profile)

    def _write(self, purpose: Purpose, data: dict[str, Any], generation: int) -> None:
        plaintext = json.dumps(data, separators=(",", ":")).encode()
        self._store.write(self._profile, purpose, plaintext, generation)


def _parsed(plaintext: bytes, read: Callable[[dict[str, Any]], _T], what: str) -> _T:
    try:
        return read(json.loads(plaintext))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        # It was sealed with our key, so we wrote it: another version of this program did.
        raise StoreCorrupt(
            f"the stored {what} cannot be understood",
            hint="it was written by another version of harvester; use that one",
        ) from None
