"""What a keeper does unasked: looks when something is due, follows what others did to the store.

A failure here is a warning: nobody waits, and the last good session goes on being served.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from harvester import ladder, lifetime, reasons
from harvester.afterlife import Afterlife
from harvester.clock import Clock
from harvester.condition import Condition
from harvester.errors import Busy, HarvesterError, StoreError, WrongSetting
from harvester.flight import Flight
from harvester.held import LOOK_AT_LEAST_EVERY_S, Held
from harvester.lifetime import Freshness
from harvester.log import event
from harvester.rest import (
    AFTER_CLIMB_S,
    LOOK_AGAIN_S,
    PERSON_LOOK_S,
    SCHEDULED_PROBE_EVERY_S,
    after_failure,
)
from harvester.session import Session
from harvester.verdict import Verdict
from harvester.witness import Witness

# A refresh that moves by less is the same plan; a session that is used slides all the time.
MOVED_LEAST_S = 600.0


class Upkeep:
    """One profile's."""

    def __init__(
        self,
        profile: str,
        *,
        held: Held,
        flight: Flight,
        witness: Witness,
        afterlife: Afterlife,
        condition: Condition,
        clock: Clock,
        remember: Callable[[], Awaitable[None]],
    ) -> None:
        """``remember`` writes down what the site refused, where no climb could."""
        self._profile = profile
        self._held = held
        self._flight = flight
        self._witness = witness
        self._afterlife = afterlife
        self._asked_at = float("-inf")
        self._condition = condition
        self._clock = clock
        self._remember = remember
        self._told: tuple[int, float | None] = (0, None)
        self.looking = False
        """A look is under way: what fails meanwhile is told to it."""

    async def check(self) -> float:
        """Do what is due; returns the seconds until the next look."""
        self.looking = True
        try:
            wait_s = await self._check()
        except Busy:
            # Another process holds on to the profile, or all was ended while we asked: what is due
            # is looked into again, if there is anybody then who looks.
            wait_s = LOOK_AGAIN_S
        finally:
            self.looking = False
        self._condition.next_look_at = self._clock.wall_s() + wait_s
        return wait_s

    async def _check(self) -> float:
        if self._flight.up:
            return LOOK_AGAIN_S
        await self.follow_store()
        if self._condition.broken is not None:
            return PERSON_LOOK_S
        session = self._held.usable()
        if session is None:
            return await self._quietly("none")
        if self._held.moved:
            await self._held.settle_labels()
        match self._held.freshness(session):
            case Freshness.STALE | Freshness.SPENT:
                return await self._quietly("stale")
            case Freshness.UNKNOWN:
                if not self._held.doubt and self._rest_s() > 0:
                    return self._rest_s()
                self._asked_at = self._clock.awake_s()
                verdict = await self._witness.look()
                if verdict is Verdict.DENIED:
                    return await self._quietly("denied")
                if verdict is Verdict.UNREACHABLE:
                    return max(SCHEDULED_PROBE_EVERY_S, self._witness.rest_s)
                return 0.0
            case Freshness.FRESH:
                self._tell_schedule(session)
                if self._witness.silent_since is not None:
                    return await self._ask_again()
                return min(self._held.until_due_s(session), await self._after_death())

    async def _ask_again(self) -> float:
        """The site gave no verdict when it was asked last: it is asked until it does."""
        rest_s = max(self._rest_s(), self._witness.rest_s)
        if rest_s <= 0:
            self._asked_at = self._clock.awake_s()
            if await self._witness.look() is Verdict.DENIED:
                return await self._quietly("denied")
            rest_s = self._rest_s()
        return rest_s

    async def _after_death(self) -> float:
        """See how long the session before lives on; returns the seconds until the next time."""
        due_in_s = self._afterlife.due_in_s
        if due_in_s > 0:
            return due_in_s
        rest_s = max(self._rest_s(), self._witness.rest_s)
        if rest_s > 0:
            return rest_s
        self._asked_at = self._clock.awake_s()
        await self._afterlife.look(self._held.learned)
        await self._condition.read_ledger()
        return self._afterlife.due_in_s

    def _rest_s(self) -> float:
        """Seconds until the next scheduled probe may be, of this session or of the one before."""
        apart_s = lifetime.apart_s(self._held.learned)
        return max(0.0, self._asked_at + apart_s - self._clock.awake_s())

    def _tell_schedule(self, session: Session) -> None:
        """Say when it is refreshed, and why then: once, unless that moves by much."""
        when = self._held.windows(session)
        generation, told_at = self._told
        moved_s = abs((when.stale_at or 0.0) - (told_at or 0.0))
        if generation == session.generation and moved_s <= MOVED_LEAST_S:
            return
        self._told = (session.generation, when.stale_at)
        told = reasons.of_schedule(session, when)
        event("refresh.scheduled", profile=self._profile, generation=session.generation, **told)

    async def follow_store(self) -> None:
        """Take up what another process stored, removed or wrote down meanwhile, and give the
        store what it could not take."""
        condition = self._condition
        await condition.read_ledger()
        session = self._held.session
        if session is not None and session.generation <= condition.ledger.refused:
            self._witness.refuse("another process, which wrote it down", session)
        if self._flight.up:
            return
        await condition.pay()
        if self._held.unsaved or not self._held.durable:
            await self._held.store()
        if not await self._held.stamp.changed():
            return
        if await self._held.stamp.gone():
            if condition.ledger.signed_out:
                await self._held.let_go()
                condition.signed_out = True
                condition.note("signed_out", "another process signed out")
            else:
                event(
                    "store.lost",
                    level=logging.ERROR,
                    profile=self._profile,
                    why="the stored session is gone, and nobody signed out",
                    next="it is stored again",
                )
                await self._held.store()
            return
        try:
            if await self._held.read(refused=condition.ledger.refused):
                condition.mended()
                condition.note("session.read", "another process stored it")
        except (StoreError, WrongSetting) as error:
            event(
                "store.unreadable",
                level=logging.ERROR,
                profile=self._profile,
                code=error.code,
                why=error.message,
                next="the session in memory is served on",
            )

    async def _quietly(self, why: ladder.Why) -> float:
        """Climb on the timer's behalf: a failure is a warning.  Whoever signed out, meanwhile too,
        is not signed in again unasked."""
        if self._condition.signed_out:
            return LOOK_AT_LEAST_EVERY_S
        try:
            await self._flight.join(self._held.need(why))
        except HarvesterError as error:
            await self._remember()
            serving = self._held.usable() is not None
            now = self._clock.wall_s()
            return after_failure(error, self._condition.ledger, now, serving=serving)
        return AFTER_CLIMB_S
