"""The records of one profile, typed: its session, its ledger, its identity state.

Between the keeper, which thinks in sessions, and the vault, which keeps sealed bytes.  Calls
touch the disk and may take milliseconds: the engine makes them in a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from harvester import older, passkeys
from harvester.clock import Clock, Moment, reckon
from harvester.errors import KeyWrong, StoreCorrupt, StoreError
from harvester.evidence import Evidence
from harvester.kept_ledger import KeptLedger, See, dated, dated_text, not_understood, parsed
from harvester.ledger import Ledger
from harvester.log import event
from harvester.passkeys import Passkey
from harvester.profile import DEFAULT_PROFILE
from harvester.session import Session
from harvester.timeline import Journal
from harvester.vault.directory import Lock, Stored
from harvester.vault.seal import Opened, Purpose

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
    def is_older(self, profile: str, purpose: Purpose, record: bytes) -> bool: ...
    def write_sealed(self, profile: str, purpose: Purpose, record: bytes) -> None: ...
    def seal(self, profile: str, purpose: Purpose, plaintext: bytes, generation: int) -> bytes: ...
    def open(self, profile: str, purpose: Purpose, record: bytes) -> bytes: ...
    def created_at(self, profile: str, purpose: Purpose, record: bytes) -> float: ...
    def delete(self, profile: str, purpose: Purpose) -> None: ...
    def set_aside(self, profile: str, purpose: Purpose) -> list[str]: ...
    def stamp(self, profile: str, purpose: Purpose) -> object | None: ...
    def last_generation(self, profile: str, purpose: Purpose) -> int: ...
    def evidence(self, profile: str) -> Shelf: ...
    def journal(self, profile: str) -> Journal: ...
    def lock(self, profile: str) -> Lock: ...
    def audit_key(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Dated:
    """A stored session.  ``sure``: its times can be relied on; ``older``: what is wrong where it is
    not the last one that was written (see ``older.py``)."""

    session: Session | None
    sure: bool = True
    older: StoreError | None = None


class Records:
    """One profile's records in a store.

    Whoever changes the ledger, or a session by more than its age, holds ``lock``: a copy that was
    read before another process wrote must not be written back over it.
    """

    def __init__(self, store: Store, profile: str, clock: Clock, *, alone: bool = False) -> None:
        """``alone``: a ledger that begins here is a CI job's (see ``Ledger``)."""
        self._store = store
        self._profile = profile
        self._clock = clock
        self._ledger = KeptLedger(store, profile, clock, alone=alone)
        self._passkey_generation = 0

    @property
    def profile(self) -> str:
        """Whose they are."""
        return self._profile

    def lock(self) -> Lock:
        return self._store.lock(self._profile)

    # the session

    def session(self) -> Session | None:
        """The stored session, or None.  Raises a StoreError or KeyWrong; never drops a record."""
        return self.dated_session().session

    def dated_session(self) -> Dated:
        """The same, its times by our clock, and whether it is to be believed."""
        stored = self._store.read(self._profile, "session")
        if stored is None:
            return Dated(None)
        if stored.rolled_back:
            last = self._store.last_generation(self._profile, "session")
            self._ledger.put_back("session", stored.generation, last)
        session, then = parsed(stored.plaintext, dated(Session.from_dict), "session")
        reckoned = reckon(then, Moment.of(self._clock))
        if reckoned.by_s:
            session = session.shifted(reckoned.by_s)
        return Dated(session, sure=reckoned.sure, older=older.warning_of(stored, self._profile))

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
        text = dated_text(session.as_dict(), self._clock)
        self._store.write(self._profile, "session", text, session.generation)

    def keep_session_if_newest(self, session: Session) -> bool:
        """Store it unless another process works on the profile, has stored a later one or has
        signed out: what a person deleted does not come back."""
        lock = self.lock()
        if not lock.acquire_nonblocking():
            return False
        try:
            try:
                stored = self.session()
            except StoreCorrupt:
                stored = None  # it was set aside; what is at hand takes its place
            if stored is None and self.ledger().signed_out:
                return False
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

    @property
    def foreign(self) -> bool:
        """The ledger that was read last is dated by other clocks than ours."""
        return self._ledger.foreign

    def watched_by(self, see: See, put_back: Callable[[str, int, int], None]) -> None:
        """See ``KeptLedger.see`` and ``put_back``."""
        self._ledger.see, self._ledger.put_back = see, put_back

    def ledger(self) -> Ledger:
        """The ledger, its own clock moved on to now.

        One that cannot be read counts as spent: nothing secret is typed until a person says so
        (KeyWrong is raised: then nothing at all is known).
        """
        return self._ledger.read()

    def keep_ledger(self, ledger: Ledger) -> None:
        """Durable when this returns; raises StoreError when it could not be made so."""
        self._ledger.write(ledger)

    def note_ledger(self, ledger: Ledger) -> None:
        """The same for what is true already; where StoreError is raised it counts all the same,
        in this process, and the store is owed it (``pay``)."""
        self._ledger.note(ledger)

    def count(self, generation: int) -> bool:
        """Write down that ``generation`` is given out.  False where another process gave it, or
        is at work and may.  Where StoreError is raised it counts all the same, as above."""
        lock = self.lock()
        if not lock.acquire_nonblocking():
            return False
        try:
            ledger = self.ledger()
            if ledger.generation >= generation:
                return False
            self.note_ledger(replace(ledger, generation=generation))
            return True
        finally:
            lock.release()

    def keep_unlocked_ledger(self, ledger: Ledger) -> None:
        """A person cleared it: one that could not be read is set aside, not overwritten."""
        self._ledger.write_unlocked(ledger)

    def other_ledgers(self, account: str) -> tuple[Ledger, ...]:
        """The ledgers of other profiles for the same account at the same site."""
        return self._ledger.others(account)

    @property
    def owes(self) -> bool:
        """The store has yet to be told what the ledger says."""
        return self._ledger.owed

    def pay(self) -> None:
        """Store the ledger that no disk took, unless another process is at work or wrote a later
        one.  Raises StoreError."""
        lock = self.lock()
        if lock.acquire_nonblocking():
            try:
                self._ledger.pay()
            finally:
                lock.release()

    def shift(self, by_s: float) -> None:
        """Our clock was set forward by ``by_s``: what is counted in memory moves with it."""
        self._ledger.shift(by_s)

    def account_lock(self, account: str) -> Lock:
        """Held while a secret of the account may be sent, whichever profile sends it."""
        return self._store.lock(f"account-{account}")

    # the identity state

    def identity_state(self) -> str | None:
        """The sealed identity state; only the signer opens it.  A damaged one is gone."""
        return self._sealed("identity-state")

    def keep_identity_state(self, sealed: str) -> None:
        self._store.write_sealed(self._profile, "identity-state", sealed.encode("ascii"))

    # what is carried to another store

    def seal_bundle(self, plaintext: bytes, generation: int) -> bytes:
        """One record of its own, sealed for this profile."""
        return self._store.seal(self._profile, "bundle", plaintext, generation)

    def open_bundle(self, record: bytes) -> bytes:
        """Raises a StoreError or KeyWrong; nothing is touched."""
        return self._store.open(self._profile, "bundle", record)

    def newer_identity_state(self, sealed: str) -> bool:
        """Whether a carried one was made after the one that is stored.  Raises as
        ``open_bundle`` for the carried one."""
        carried = self._store.created_at(self._profile, "identity-state", sealed.encode("ascii"))
        stored = self.identity_state()
        if stored is None:
            return True
        ours = self._store.created_at(self._profile, "identity-state", stored.encode("ascii"))
        return carried > ours

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
            raise not_understood("evidence") from None

    # the passkeys

    def has_passkeys(self) -> bool:
        """Whether there are any; what they are for only their record tells."""
        return self._store.stamp(self._profile, "passkey") is not None

    def sealed_passkeys(self) -> str | None:
        """The sealed record of the passkeys, for the signer.  A damaged one is gone."""
        return self._sealed("passkey")

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
            raise not_understood("passkeys") from None

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

    def _sealed(self, purpose: Purpose) -> str | None:
        try:
            record = self._store.read_sealed(self._profile, purpose)
            if record is not None and self._store.is_older(self._profile, purpose, record):
                older.tell_sealed(self._profile, purpose)
        except StoreCorrupt as error:
            # Set aside, with nothing older: there are other ways in than by what it held.
            event(
                "store.set_aside",
                level=logging.WARNING,
                profile=self._profile,
                code=error.code,
                why=error.message,
            )
            return None
        return None if record is None else record.decode("ascii", "replace")
