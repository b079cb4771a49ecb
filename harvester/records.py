"""The records of one profile, typed: its session, its ledger, its identity state.

Between the keeper, which thinks in sessions, and the vault, which keeps sealed bytes.  Calls
touch the disk and may take milliseconds: the engine makes them in a thread.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from harvester import ledger_form, passkeys
from harvester.clock import Clock
from harvester.errors import KeyWrong, StoreCorrupt, StoreError
from harvester.evidence import Evidence
from harvester.ledger import Ledger
from harvester.log import event
from harvester.passkeys import Passkey
from harvester.profile import DEFAULT_PROFILE
from harvester.session import Session
from harvester.vault.directory import Lock, Stored
from harvester.vault.seal import Opened, Purpose

_T = TypeVar("_T")

# "s" for sign-in: a number alone would be read as a count.
_EVIDENCE = "s-"
_NUMBER_CHARS = 9


class Shelf(Protocol):
    """Numbered records, of which the oldest go; ``vault/shelf.py`` has one."""

    def numbers(self) -> list[int]: ...
    def read(self, number: int) -> Opened | None: ...
    def add(self, record: bytes) -> int: ...


class Store(Protocol):
    """What is needed of a store; ``vault/directory.py`` is one."""

    def profiles(self) -> list[str]: ...
    def read(self, profile: str, purpose: Purpose) -> Stored | None: ...
    def write(self, profile: str, purpose: Purpose, plaintext: bytes, generation: int) -> None: ...
    def read_sealed(self, profile: str, purpose: Purpose) -> bytes | None: ...
    def write_sealed(self, profile: str, purpose: Purpose, record: bytes) -> None: ...
    def delete(self, profile: str, purpose: Purpose) -> None: ...
    def set_aside(self, profile: str, purpose: Purpose) -> list[str]: ...
    def stamp(self, profile: str, purpose: Purpose) -> object | None: ...
    def evidence(self, profile: str) -> Shelf: ...
    def lock(self, profile: str) -> Lock: ...


class Records:
    """One profile's records in a store.

    Whoever changes the ledger, or a session by more than its age, holds ``lock``: a copy that was
    read before another process wrote must not be written back over it.
    """

    def __init__(self, store: Store, profile: str, clock: Clock) -> None:
        self._store = store
        self._profile = profile
        self._clock = clock
        self._ledger_generation = 0
        self._passkey_generation = 0
        self._unwritable: Ledger | None = None

    def lock(self) -> Lock:
        return self._store.lock(self._profile)

    # the session

    def session(self) -> Session | None:
        """The stored session, or None.  Raises a StoreError or KeyWrong; never drops a record."""
        stored = self._store.read(self._profile, "session")
        if stored is None:
            return None
        if stored.rolled_back:
            event("store.rolled_back", level=logging.WARNING, profile=self._profile)
        return _parsed(stored.plaintext, Session.from_dict, "session")

    def session_at(self, origin: str) -> Session | None:
        """A stored session of this origin, though other settings may forbid to serve it: it can
        be signed out all the same."""
        try:
            session = self.session()
        except (StoreError, KeyWrong):
            return None
        return session if session is not None and session.origin == origin else None

    def keep_session(self, session: Session) -> None:
        """Store it; the caller holds the lock."""
        self._write("session", session.as_dict(), session.generation)

    def keep_session_if_newest(self, session: Session) -> bool:
        """Store it unless another process works on the profile or has stored a later one."""
        lock = self.lock()
        if not lock.acquire_nonblocking():
            return False
        try:
            try:
                stored = self.session()
            except StoreCorrupt:
                stored = None  # it was set aside; what is at hand takes its place
            if stored is not None and stored.generation > session.generation:
                return False
            self.keep_session(session)
            return True
        finally:
            lock.release()

    def session_stamp(self) -> object | None:
        """Changes whenever some process stored a session."""
        return self._store.stamp(self._profile, "session")

    # the ledger

    def ledger(self) -> Ledger:
        """The ledger, its own clock moved on to now.

        One that cannot be read counts as spent: nothing secret is typed until a person says so
        (KeyWrong is raised: then nothing at all is known).
        """
        try:
            stored = self._store.read(self._profile, "ledger")
            if stored is None:
                self._unwritable = None
                return Ledger().aged(self._clock.wall_s())
            self._ledger_generation = max(self._ledger_generation, stored.generation)
            if not stored.from_previous and not stored.rolled_back:
                self._unwritable = None
                read = _parsed(stored.plaintext, ledger_form.from_dict, "ledger")
                return read.aged(self._clock.wall_s())
            trouble: StoreError = StoreCorrupt("the ledger was damaged or put back")
        except StoreError as error:
            trouble = error
        if self._unwritable is None:
            trouble.hint = (
                "attempts made so far are not known, so no secret is typed; when you know that "
                "the account is in order, run: harvester unlock"
            )
            empty = Ledger().aged(self._clock.wall_s())
            self._unwritable = empty.with_latch(
                0.0, trouble, blocks=("scripted",), settings="", firm=True
            )
        return self._unwritable

    def keep_ledger(self, ledger: Ledger) -> None:
        """Durable when this returns; raises StoreError when it could not be made so.

        Over a ledger that cannot be read nothing is written: what happens meanwhile (silent
        sign-ins, never a secret) is counted in memory.
        """
        if self._unwritable is not None:
            self._unwritable = ledger
            return
        self._ledger_generation += 1
        self._write("ledger", ledger_form.to_dict(ledger), self._ledger_generation)

    def keep_unlocked_ledger(self, ledger: Ledger) -> None:
        """A person cleared it: one that could not be read is set aside, not overwritten."""
        if self._unwritable is not None:
            self._store.set_aside(self._profile, "ledger")
            self._unwritable = None
        self.keep_ledger(ledger)

    def other_ledgers(self, account: str) -> tuple[Ledger, ...]:
        """The ledgers of other profiles for the same account at the same site.

        One that cannot be read is its own profile's trouble and tells nothing here.
        """
        found = []
        for name in self._store.profiles() if account else ():
            if name == self._profile:
                continue
            try:
                stored = self._store.read(name, "ledger")
                if stored is None:
                    continue
                ledger = _parsed(stored.plaintext, ledger_form.from_dict, "ledger")
            except (StoreError, KeyWrong):
                continue
            if ledger.account == account:
                found.append(ledger.aged(self._clock.wall_s()))
        return tuple(found)

    def account_lock(self, account: str) -> Lock:
        """Held while a secret of the account may be sent, whichever profile sends it."""
        return self._store.lock(f"account-{account}")

    # the identity state

    def identity_state(self) -> str | None:
        """The sealed identity state; only the signer opens it."""
        record = self._store.read_sealed(self._profile, "identity-state")
        return None if record is None else record.decode("ascii", "replace")

    def keep_identity_state(self, sealed: str) -> None:
        self._store.write_sealed(self._profile, "identity-state", sealed.encode("ascii"))

    # failed sign-ins

    def keep_evidence(self, sealed: str) -> str:
        """Store what the signer sealed; the name that a person can ask for, with the profile's
        where that is not the usual one.  The caller holds the lock.  Raises StoreError."""
        number = self._store.evidence(self._profile).add(sealed.encode("ascii", "replace"))
        name = f"{_EVIDENCE}{number:04d}"
        return name if self._profile == DEFAULT_PROFILE else f"{self._profile}/{name}"

    def evidence_names(self) -> list[str]:
        """The failed sign-ins that are kept, the newest first."""
        numbers = self._store.evidence(self._profile).numbers()
        return [f"{_EVIDENCE}{number:04d}" for number in reversed(numbers)]

    def evidence(self, name: str) -> Evidence | None:
        """One of them, None where there is none of that name.  Raises a StoreError or KeyWrong."""
        number = name.lower().removeprefix(_EVIDENCE)
        if not number.isascii() or not number.isdecimal() or len(number) > _NUMBER_CHARS:
            return None
        opened = self._store.evidence(self._profile).read(int(number))
        if opened is None:
            return None
        try:
            return Evidence.from_bytes(opened.plaintext)
        except (ValueError, KeyError, TypeError):
            raise _not_understood("evidence") from None

    # the passkeys

    def has_passkeys(self) -> bool:
        """Whether there are any; what they are for only their record tells."""
        return self._store.stamp(self._profile, "passkey") is not None

    def sealed_passkeys(self) -> str | None:
        """The sealed record of the passkeys, for the signer."""
        record = self._store.read_sealed(self._profile, "passkey")
        return None if record is None else record.decode("ascii", "replace")

    def keep_passkeys(self, sealed: str) -> None:
        self._store.write_sealed(self._profile, "passkey", sealed.encode("ascii"))

    def passkeys(self) -> tuple[Passkey, ...]:
        """The passkeys, with their private keys in clear: for a command that lists them and ends,
        never for the daemon."""
        stored = self._store.read(self._profile, "passkey")
        if stored is None:
            return ()
        self._passkey_generation = stored.generation
        try:
            return passkeys.from_bytes(stored.plaintext)
        except (ValueError, KeyError, TypeError):
            raise _not_understood("passkeys") from None

    def keep_fewer_passkeys(self, kept: tuple[Passkey, ...]) -> None:
        """What is left of ``passkeys()``; of those that go nothing stays here.  The caller holds
        the lock."""
        if not kept:
            self._store.delete(self._profile, "passkey")
            return
        generation = max(int(self._clock.wall_s()), self._passkey_generation + 1)
        # Twice, because a store keeps the record before the last: now that one holds no more.
        for each in (generation, generation + 1):
            self._store.write(self._profile, "passkey", passkeys.to_bytes(kept), each)

    def forget(self) -> None:
        """Delete session and identity state, never the ledger."""
        self._store.delete(self._profile, "session")
        self._store.delete(self._profile, "identity-state")

    def _write(self, purpose: Purpose, data: dict[str, Any], generation: int) -> None:
        plaintext = json.dumps(data, separators=(",", ":")).encode()
        self._store.write(self._profile, purpose, plaintext, generation)


def _parsed(plaintext: bytes, read: Callable[[dict[str, Any]], _T], what: str) -> _T:
    try:
        return read(json.loads(plaintext))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise _not_understood(what) from None


def _not_understood(what: str) -> StoreCorrupt:
    # It was sealed with our key, so we wrote it: another version of this program did.
    return StoreCorrupt(
        f"the stored {what} cannot be understood",
        hint="it was written by another version of harvester; use that one",
    )
