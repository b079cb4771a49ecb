"""What a keeper does unasked: looks when something is due, follows what others did to the store.

A failure here is a warning: nobody waits, and the last good session goes on being served.
"""

from __future__ import annotations

import logging

from harvester import ladder
from harvester.clock import Clock
from harvester.condition import Condition
from harvester.errors import HarvesterError, StoreError, WrongSetting
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
from harvester.verdict import Verdict
from harvester.witness import Witness


class Upkeep:
    """One profile's."""

    def __init__(
        self,
        profile: str,
        *,
        held: Held,
        flight: Flight,
        witness: Witness,
        condition: Condition,
        clock: Clock,
    ) -> None:
        self._profile = profile
        self._held = held
        self._flight = flight
        self._witness = witness
        self._condition = condition
        self._clock = clock

    async def check(self) -> float:
        """Do what is due; returns the seconds until the next look."""
        if self._flight.up:
            return LOOK_AGAIN_S
        await self.follow_store()
        if self._condition.broken is not None:
            return PERSON_LOOK_S
        session = self._held.usable()
        if session is None:
            if self._condition.signed_out:
                return LOOK_AT_LEAST_EVERY_S
            return await self._quietly("none")
        if not self._held.durable:
            await self._held.store()
        match self._held.freshness(session):
            case Freshness.STALE | Freshness.SPENT:
                return await self._quietly("stale")
            case Freshness.UNKNOWN:
                verdict = await self._witness.look()
                if verdict is Verdict.DENIED:
                    return await self._quietly("denied")
                return SCHEDULED_PROBE_EVERY_S if verdict is Verdict.UNREACHABLE else 0.0
            case Freshness.FRESH:
                return self._held.until_due_s(session)

    async def follow_store(self) -> None:
        """Take up what another process stored, removed or wrote down meanwhile."""
        condition = self._condition
        await condition.read_ledger()
        if self._flight.up or not await self._held.changed_in_store():
            return
        if self._held.gone_from_store:
            if condition.ledger.signed_out:
                await self._held.let_go()
                condition.signed_out = True
                condition.note("signed_out", "another process signed out")
            else:
                event("store.lost", level=logging.ERROR, profile=self._profile)
                await self._held.store()
            return
        try:
            if await self._held.read():
                condition.mended()
                condition.note("session.read", "another process stored it")
        except (StoreError, WrongSetting) as error:
            event("store.unreadable", level=logging.ERROR, code=error.code, why=error.message)

    async def _quietly(self, why: ladder.Why) -> float:
        """Climb on the timer's behalf: a failure is a warning."""
        try:
            await self._flight.join(self._held.need(why))
        except HarvesterError as error:
            serving = self._held.usable() is not None
            now = self._clock.wall_s()
            return after_failure(error, self._condition.ledger, now, serving=serving)
        return AFTER_CLIMB_S
