"""The door through which a profile's session is handed out, and who shuts it: an alarm.

    a sign (tripwire.py) ──► suspect: shut, in memory, at once
                                 │ rides on the next ledger that is written, or is written here
                                 ▼
    any ledger read or written ──► see: shut or open ──► settle: durable, then told, then the bell

``shut`` is all that a caller's way costs: one attribute.  It is set before anything is written, so
nothing passes between a sign and the disk; and it is opened by a ledger without an alarm alone,
which only ``unlock`` makes.  Knows no rung, no outlet and no reason: those are ``tripwire.py``'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from harvester import tripwire, whose
from harvester.clock import Clock
from harvester.errors import Busy, HarvesterError, IdentityMismatch, KeyWrong, StoreError, from_dict
from harvester.held import Publish
from harvester.ledger import Ledger
from harvester.locking import locked, to_the_end
from harvester.log import event
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Jar, Served, Session
from harvester.summons import Summons
from harvester.tripwire import Alarm

# Another process at work on the profile is waited for so long; then the next ledger read tells.
_PATIENCE_S = 60.0
# An end that somebody asked for is not held up for longer; what is not written is seen again.
_CLOSE_S = 5.0


class Handout:
    """One profile's.  Everything but ``settle`` and ``close`` may be called in any thread."""

    def __init__(
        self, profile: Profile, *, records: Records, clock: Clock, summons: Summons
    ) -> None:
        self._profile = profile
        self._records = records
        self._clock = clock
        self._summons = summons
        self._publish: Publish = _nowhere
        self._pending: Alarm | None = None
        self._unsaid: Alarm | None = None
        self._uncalled = ""
        self._stands: Alarm | None = None
        self._pardoned = ""
        self._taken_back = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self.only_looks = False
        """Shuts the door, and writes, takes back and tells nothing: for who only shows a store."""
        self.shut: HarvesterError | None = None
        """Why nothing may be handed out; None where it may."""
        records.watched_by(self.see, self._put_back)

    def guard(self, publish: Publish) -> Publish:
        """``publish``, behind the door: what lies about is taken back while it is shut."""
        self._publish = publish

        async def guarded(served: Served | None) -> None:
            await publish(None if self.shut is not None else served)

        return guarded

    async def start(self) -> None:
        """Know whether the door is shut before anything of the store is taken up."""
        self._loop = asyncio.get_running_loop()
        with suppress(KeyWrong):  # told by who opens the records
            await asyncio.to_thread(self._records.ledger)

    def admit(self) -> None:
        """Raises NeedsHuman where nothing may be handed out."""
        if self.shut is not None:
            # One exception raised to a thousand callers would gather all their frames.
            raise from_dict(self.shut.as_dict())

    # what shuts it

    def suspect(self, alarm: Alarm | None) -> None:
        """A sign was seen that no ledger tells of yet."""
        if alarm is None or self._pending is not None or alarm.mark == self._pardoned:
            return
        if self._stands is not None and self._stands.mark == alarm.mark:
            return
        alarm = replace(alarm, held=self._profile.tripwire == "hold")
        self._pending = self._unsaid = alarm
        self.shut = self.shut or tripwire.closed(alarm, self._profile.tripwire)
        self._soon()

    def other_owner(self, session: Session, before: Jar, now: Jar) -> None:
        """The site gave other cookies to ``session``, which may be somebody else's.

        Raises IdentityMismatch for another user's: whatever is alarmed, those are not taken.
        """
        was, says = whose.from_claims(before), whose.from_claims(now)
        alarm = tripwire.other_owner(session, was, says, now=self._clock.wall_s())
        self.suspect(alarm)
        if alarm is not None and tripwire.differ(was.identity, says.identity):
            raise IdentityMismatch(alarm.evidence, hint=alarm.hint)

    def conflict(self, ours: Session, stored: Session) -> None:
        """The store holds ``stored``, which may be another one of the same number."""
        self.suspect(tripwire.conflict(ours, stored, now=self._clock.wall_s()))

    def _put_back(self, what: str, generation: int, last: int) -> None:
        self.suspect(tripwire.put_back(what, generation, last, now=self._clock.wall_s()))

    def see(self, ledger: Ledger, *, sure: bool = True) -> Ledger:
        """A ledger that was read, or is about to be written (then it is not ``sure`` yet, and opens
        nothing): with the sign that no disk has so far.  Its alarm shuts the door."""
        pending = self._pending
        seen = ledger.with_alarm(pending)
        if sure:
            self._stands, self._pardoned = seen.alarm, ledger.pardoned
        if sure and pending is not None and ledger.pardoned == pending.mark:
            self._pending = self._unsaid = None
        closed = tripwire.closed(seen.alarm, self._profile.tripwire)
        self.shut = closed if sure else closed or self.shut
        if seen.alarm is not None and (
            self._pending is not None
            or self._must_call(seen.alarm)
            or (self.shut is not None and not self._taken_back)
        ):
            self._soon()
        return seen

    # what follows

    def _must_call(self, alarm: Alarm) -> bool:
        return self._summons.calls and not alarm.told and self._uncalled != alarm.mark

    def _soon(self) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # a loop that has just ended
                loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self._task is None and self._loop is not None and not self.only_looks:
            self._task = self._loop.create_task(self.settle())
            self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None

    async def settle(self) -> None:
        """Take back what lies about, write the alarm down, say it, and call a person: each once."""
        if self.shut is not None and not self._taken_back:
            self._taken_back = True
            await self._publish(None)
        try:
            await self._settle()
        except Busy:
            return  # the next ledger that is read asks for it again
        except (StoreError, KeyWrong) as error:
            event(
                "store.not_durable", level=logging.ERROR, profile=self._profile.name,
                code=error.code, why=error.message,
            )  # fmt: skip
            # No disk knows of it, and a person is to all the same.
            unsaid, self._unsaid = self._unsaid, None
            if unsaid is not None:
                announce(self._profile, unsaid)
            alarm = self._stands
            if alarm is not None and self._must_call(alarm):
                self._uncalled = alarm.mark
                self._summons.ring(tripwire.as_error(alarm))

    async def _settle(self) -> None:
        alarm = (await asyncio.to_thread(self._records.ledger)).alarm
        if alarm is None:
            return
        called = False
        # Whoever holds the lock writes what he read before the sign was seen, again and again: it
        # rides on each of these until we hold the lock ourselves.
        if self._pending is not None or self._must_call(alarm):
            async with locked(self._records.lock(), _PATIENCE_S):
                ledger = await asyncio.to_thread(self._records.ledger)
                alarm = ledger.alarm
                if alarm is None:
                    return
                called = self._must_call(alarm)
                alarm = replace(alarm, told=alarm.told or called)
                await to_the_end(self._records.keep_ledger, replace(ledger, alarm=alarm))
                self._pending = None
        unsaid, self._unsaid = self._unsaid, None
        if unsaid is not None:
            # Beside another one, which stands for both, it is told as it was seen.
            announce(self._profile, alarm if unsaid.mark == alarm.mark else unsaid)
        if called:
            self._summons.ring(tripwire.as_error(alarm))

    async def give_back(self, served: Served | None) -> None:
        """The door is open again: what was taken back is laid out, if it is still of use."""
        if self.shut is None and self._taken_back:
            self._taken_back = False
            if served is not None:
                await self._publish(served)

    async def close(self) -> None:
        """What was seen is written down before the process ends, if the disk takes it soon."""
        if self._task is None and self._pending is not None:
            self._begin()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_CLOSE_S)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def announce(profile: Profile, alarm: Alarm) -> None:
    """Say in log and timeline what was seen, on which evidence, and what comes next."""
    held = tripwire.closed(alarm, profile.tripwire) is not None
    does = "nothing is handed out, and nobody signs in" if held else "serving goes on"
    event(
        "alarm.raised",
        level=logging.ERROR if held else logging.WARNING,
        profile=profile.name,
        sign=alarm.sign,
        generation=alarm.generation,
        why=alarm.message,
        next=f"{does}; {alarm.hint}",
    )


async def _nowhere(served: Served | None) -> None:
    """Where nothing is laid out."""


class _Kept(Protocol):
    @property
    def handout(self) -> Handout: ...


_F = TypeVar("_F", bound=Callable[..., Coroutine[Any, Any, Served]])


def through_the_door(hand_out: _F) -> _F:
    """A keeper's way of handing a session out: nothing enters while the door is shut, and what was
    on its way when it fell shut does not leave."""

    @wraps(hand_out)
    async def guarded(self: _Kept, *args: Any, **kwargs: Any) -> Served:
        self.handout.admit()
        served = await hand_out(self, *args, **kwargs)
        self.handout.admit()
        return served

    return cast(_F, guarded)
