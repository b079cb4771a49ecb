"""One profile's ledger in a store: read, written before each attempt, owed where no disk took it.

Three things may be wrong with it.  One that is damaged, or was put back, counts as spent until a
person says otherwise, and nothing is written over it.  One that cannot be read just now counts as
spent for as long.  One that cannot be written stops what was to be written down first; but what
has happened already is true all the same, so it counts in this process and is owed to the store.

Knows nothing of sessions.  Calls touch the disk; threads may make them at the same time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from harvester import ledger_form
from harvester.clock import Clock, Moment, Reckoned, reckon
from harvester.errors import KeyWrong, StoreCorrupt, StoreError, StoreFull
from harvester.ledger import Ledger
from harvester.vault.directory import Stored
from harvester.vault.seal import Purpose

_T = TypeVar("_T")


class Holds(Protocol):
    """What is needed of a store; ``vault/directory.py`` is one."""

    def profiles(self) -> list[str]: ...
    def read(self, profile: str, purpose: Purpose) -> Stored | None: ...
    def write(self, profile: str, purpose: Purpose, plaintext: bytes, generation: int) -> None: ...
    def set_aside(self, profile: str, purpose: Purpose) -> list[str]: ...
    def last_generation(self, profile: str, purpose: Purpose) -> int: ...


class See(Protocol):
    """Looks at a ledger that was read or written, or (not ``sure``) is about to be."""

    def __call__(self, ledger: Ledger, *, sure: bool = True) -> Ledger: ...


class KeptLedger:
    """Whoever writes it holds the profile's lock."""

    def __init__(self, store: Holds, profile: str, clock: Clock, *, alone: bool = False) -> None:
        """``alone``: one that begins here with nothing is a CI job's (see ``Ledger``)."""
        self._alone = alone
        self._store = store
        self._profile = profile
        self._clock = clock
        self._generation = 0
        self.foreign = False
        """What was read last is dated by other clocks than ours: another boot's, or those of
        before somebody set them.  Until it is written again no wait in it gets shorter where the
        wall clock went back."""
        self._unread: Ledger | None = None
        self._owed: Ledger | None = None
        # What the store may hold while we owe it that: as it was read, or as we tried to write.
        self._texts: set[bytes | None] = set()
        # A reader that is late must not take what a writer just noted for news.
        self._one = threading.RLock()
        self.see: See = _as_it_is
        """Is shown each ledger in any thread, and gives it back with what it has to add."""
        self.put_back: Callable[[str, int, int], None] = lambda what, generation, last: None
        """Told of a record that was put back, before what was read is used."""

    def read(self) -> Ledger:
        """The ledger, its own clock moved on to now.  Never a StoreError: see above.  Raises
        KeyWrong: then nothing at all is known."""
        with self._one:
            try:
                stored = self._store.read(self._profile, "ledger")
                if stored is None or not (stored.from_previous or stored.rolled_back):
                    return self.see(self._whole(stored))
                self._generation = max(self._generation, stored.generation)
                trouble: StoreError = _not_the_last(stored)
                if stored.rolled_back:
                    last = self._store.last_generation(self._profile, "ledger")
                    self.put_back("ledger", stored.generation, last)
            except StoreError as error:
                trouble = error
            if self._unread is None:
                self._unread = self._spent(trouble)
            self._unread = self.see(self._unread)
            return self._unread

    def write(self, ledger: Ledger) -> None:
        """Durable when this returns; raises StoreError when it could not be made so.

        Over a ledger that cannot be read nothing is written: what happens meanwhile (silent
        sign-ins, never a secret) is counted in memory.
        """
        with self._one:
            ledger = self.see(ledger, sure=ledger.unread)
            if ledger.unread:
                self._unread = ledger if self._unread is not None else None
                return
            self._generation += 1
            text = dated_text(ledger_form.to_dict(ledger), self._clock)
            self._texts.add(text)
            self._store.write(self._profile, "ledger", text, self._generation)
            self._unread, self._owed, self._texts = None, None, {text}
            self.see(ledger)

    def note(self, ledger: Ledger) -> None:
        """Store what is true whether it can be stored or not: how an attempt ended, what is to be
        waited for.  Raises StoreError, and then it counts all the same, in this process.

        The story it prevents: a full disk takes no ledger, so each look finds the one of before,
        forgets that it just signed in, was refused or was told to stay away, and does it again.
        """
        with self._one:
            try:
                self.write(ledger)
            except StoreError:
                self._owed = self.see(ledger, sure=False)
                raise

    @property
    def owed(self) -> bool:
        """Whether the store has yet to be told what the ledger says."""
        return self._owed is not None

    def pay(self) -> None:
        """Store what is owed, unless another process wrote since.  Raises StoreError."""
        with self._one:
            ledger = self.read()
            if self._owed is not None and not ledger.unread:
                self.note(ledger)

    def write_unlocked(self, ledger: Ledger) -> None:
        """A person cleared it: one that could not be read is set aside, not overwritten."""
        with self._one:
            if ledger.unread:
                self._store.set_aside(self._profile, "ledger")
                ledger = replace(ledger, unread=False)
            self.write(ledger)

    def others(self, account: str) -> tuple[Ledger, ...]:
        """The ledgers of other profiles for the same account at the same site.

        One that cannot be read may be of this account, and then what it counted counts here: it
        is given as spent.  One sealed with a key that we lack is somebody else's.
        """
        found = []
        for name in self._store.profiles() if account else ():
            if name == self._profile:
                continue
            try:
                stored = self._store.read(name, "ledger")
                if stored is None:
                    continue
                if stored.from_previous or stored.rolled_back:
                    raise _not_the_last(stored)
                ledger, _ = self._ours(stored)
            except KeyWrong:
                continue
            except StoreError as error:
                found.append(self._untold(name, error))
                continue
            if ledger.account == account:
                found.append(ledger)
        return tuple(found)

    def _untold(self, name: str, error: StoreError) -> Ledger:
        why = type(error)(
            f"what profile {name} sent is not known, which may be for the same account: "
            f"{error.message}",
            hint="no secret is typed meanwhile; it is tried again by itself"
            if isinstance(error, StoreFull)
            else "when you know that its account is in order, run: "
            f"harvester --profile {name} unlock",
        )
        return self._shut(why, generation=0)

    def shift(self, by_s: float) -> None:
        """Our clock was set forward by ``by_s``: what is counted in memory moves with it."""
        with self._one:
            if self._unread is not None:
                self._unread = self._unread.shifted(by_s)
            if self._owed is not None:
                self._owed = self._owed.shifted(by_s)

    def _whole(self, stored: Stored | None) -> Ledger:
        now, text = self._clock.wall_s(), None
        ledger, sure = Ledger(alone=self._alone).aged(now), True
        if stored is not None:
            ledger, reckoned = self._ours(stored)
            text, sure = stored.plaintext, reckoned.sure
            self._generation = max(self._generation, stored.generation)
        self._unread, self.foreign = None, not sure
        if self._owed is not None and text in self._texts:
            return self._owed.aged(now)
        # Another process, which saw what we saw, wrote since: what it wrote is what counts.
        self._owed, self._texts = None, {text}
        return ledger

    def _spent(self, trouble: StoreError) -> Ledger:
        # A disk that does not read just now mends itself; what is damaged, a person must see.
        if not isinstance(trouble, StoreFull):
            trouble.hint = (
                "attempts made so far are not known, so no secret is typed; when you know that "
                "the account is in order, run: harvester unlock"
            )
        try:
            # A session that was given out keeps its number, though its ledger is lost.
            generation = self._store.last_generation(self._profile, "session")
        except StoreError:
            generation = 0
        return self._shut(trouble, generation=generation)

    def _shut(self, trouble: StoreError, *, generation: int) -> Ledger:
        spent = Ledger(generation=generation, unread=True).aged(self._clock.wall_s())
        return spent.with_latch(0.0, trouble, blocks=("scripted",), settings="", firm=True)

    def _ours(self, stored: Stored) -> tuple[Ledger, Reckoned]:
        """A stored ledger, its times by our clock, its own clock moved on to now."""
        ledger, then = parsed(stored.plaintext, dated(ledger_form.from_dict), "ledger")
        reckoned = reckon(then, Moment.of(self._clock))
        shifted = ledger.shifted(reckoned.by_s) if reckoned.by_s else ledger
        return shifted.aged(self._clock.wall_s()), reckoned


def _not_the_last(stored: Stored) -> StoreCorrupt:
    if stored.rolled_back:
        return StoreCorrupt(
            "the ledger is older than the last one that was written: it was put back"
        )
    return StoreCorrupt("the ledger was damaged; the one before it lacks what was done since")


def _as_it_is(ledger: Ledger, *, sure: bool = True) -> Ledger:
    return ledger


# the form of what is stored


def dated_text(data: dict[str, Any], clock: Clock) -> bytes:
    """``data`` as it is sealed, with the clocks by which its times are."""
    return json.dumps({**data, "clock": Moment.of(clock).as_dict()}, separators=(",", ":")).encode()


def dated(
    read: Callable[[dict[str, Any]], _T],
) -> Callable[[dict[str, Any]], tuple[_T, Moment | None]]:
    """What ``read`` reads, and when it was written; records of before 0.3 do not tell."""

    def both(data: dict[str, Any]) -> tuple[_T, Moment | None]:
        then = data.get("clock")
        return read(data), None if then is None else Moment.from_dict(then)

    return both


def parsed(plaintext: bytes, read: Callable[[dict[str, Any]], _T], what: str) -> _T:
    """Raises StoreCorrupt for what was sealed and makes no sense."""
    try:
        return read(json.loads(plaintext))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise not_understood(what) from None


def not_understood(what: str) -> StoreCorrupt:
    # It was sealed with our key, so we wrote it: another version of this program did.
    return StoreCorrupt(
        f"the stored {what} cannot be understood",
        hint="it was written by another version of harvester; use that one",
    )
