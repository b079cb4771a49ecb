"""The keeper of one profile's session: one owner, one flight, and generations.

Five hundred callers that saw the same 401 are one refresh; callers with an older session are
none.  The last good session is served until the site itself refuses it on our own probe; nothing
else takes it away.

Every public method has the same beats: look at what is held, join or start the one flight,
answer with a frozen value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from harvester import ladder
from harvester.afterlife import Afterlife
from harvester.ascent import Ascent
from harvester.by_hand import ByHand
from harvester.climb import Climber
from harvester.condition import Condition
from harvester.errors import (
    HarvesterError,
    IdentityMismatch,
    OrganizationMismatch,
    SignInForbidden,
    StoreFull,
    Usage,
)
from harvester.flight import Flight, not_yet
from harvester.handout import Handout, through_the_door
from harvester.held import Held
from harvester.opening import Opening
from harvester.profile import Profile
from harvester.records import Records
from harvester.reports import Judged, Reports
from harvester.session import Cookie, Served
from harvester.session import Verdict as Answered
from harvester.setcookie import Brought
from harvester.staging import Staging
from harvester.standing import Standing, standing_of, why_none
from harvester.steady import SteadyClock
from harvester.summons import Summons
from harvester.timekeeping import Timekeeping
from harvester.upkeep import Upkeep
from harvester.verdict import Verdict
from harvester.witness import Witness

# What makes a stored session one that is not for these settings; a new one is the way out.
_FOR_OTHERS = (IdentityMismatch, OrganizationMismatch)


class Keeper:
    """One profile's session."""

    def __init__(
        self,
        profile: Profile,
        *,
        held: Held,
        climber: Climber,
        staging: Staging,
        records: Records,
        clock: SteadyClock,
        on_change: Callable[[], None],
        summons: Summons,
    ) -> None:
        """``on_change`` is called when the next look may be due earlier than was said;
        ``summons`` is told of what may need a person."""
        self.profile = profile
        self._held, self._climber, self._staging = held, climber, staging
        self._records = records
        self._clock = clock
        self._condition = Condition(profile.name, records=records, clock=clock, learn=held.learn)
        self.handout = Handout(profile, records=records, clock=clock, summons=summons)
        held.guard(self.handout.guard)
        held.on_older, staging.on_cookies = self.handout.conflict, self.handout.other_owner
        self._afterlife = Afterlife(profile.name, staging=staging, records=records, clock=clock)
        self._witness = Witness(
            profile.name, held=held, staging=staging, clock=clock, note=self._condition.note,
            on_silence=on_change,
        )  # fmt: skip
        self._reports = Reports(self._witness.probe, clock)
        self._opening = Opening(held, self._condition, staging, summons)
        self._on_change = on_change
        self._summons = summons
        self._by_hand = ByHand(profile, held=held, staging=staging, records=records, clock=clock)
        self._ascent = Ascent(
            profile, held=held, climber=climber, by_hand=self._by_hand, witness=self._witness,
            afterlife=self._afterlife, condition=self._condition, summons=summons,
            on_change=on_change, on_failure=self._failed,
        )  # fmt: skip
        self._flight = Flight(self._ascent.climb, clock, note=self._condition.note)
        self._timekeeping = Timekeeping(
            clock, held, self._flight, self._witness, self._condition, records, self._afterlife
        )
        self._upkeep = Upkeep(
            profile.name, held=held, flight=self._flight, witness=self._witness,
            afterlife=self._afterlife, condition=self._condition, clock=clock,
            remember=self._ascent.remember,
        )  # fmt: skip

    async def start(self) -> None:
        """Take up what the store has.  Raises KeyWrong (see ``opening.py``)."""
        await self.handout.start()
        await self._opening.open()

    async def take_over(self, before: Keeper) -> None:
        """As ``start``, in the place of a keeper with other settings: what that one holds and the
        store does not have yet comes along, if it is for these."""
        await self.start()
        # Another process may have signed in since: that session is looked after.
        self._condition.signed_out = before._condition.signed_out and not self._held.session
        self._condition.last_event = before._condition.last_event
        await self._held.inherit(before._held)
        if self._held.session is not None and isinstance(self._condition.broken, StoreFull):
            self._condition.mended()  # a disk that does not read just now takes no session away

    @property
    def busy(self) -> bool:
        """Callers wait for a climb or for a probe."""
        return self._flight.up or self._reports.up or self._witness.looking

    async def landed(self) -> None:
        """Wait until nobody waits any more: what is under way ends in its own time."""
        while self.busy:
            await asyncio.gather(
                self._reports.landed(), self._witness.landed(), self._flight.landed()
            )

    # what callers ask

    @through_the_door
    async def get(
        self, *, min_valid_s: float = 0.0, wait_s: float = 60.0, may_sign_in: bool = True
    ) -> Served:
        """A session that stays valid for ``min_valid_s`` more seconds, if one can be had.

        Answers from memory when it can; otherwise waits up to ``wait_s`` for the flight, which
        is not started where ``may_sign_in`` is false.  Raises only when there is nothing to give.
        """
        await self._opening.raise_if_broken()
        served = self.at_hand(min_valid_s)
        if served is not None:
            return served
        session = self._held.usable()
        if self._held.doubt:
            began_s = self._clock.running_s()
            served = await self._timekeeping.after_asking(min_valid_s, wait_s)
            if served is not None:
                return served
            self._held.still()
            session, wait_s = self._held.usable(), self._left_s(wait_s, began_s)
        if not may_sign_in and not self._flight.up:
            if session is not None and not self._held.over(session):
                return self._held.served(session, min_valid_s)
            await self._ascent.remember()
            raise SignInForbidden(
                "there is no live session, and signing in was forbidden",
                hint="leave --no-sign-in out, or run: harvester login",
            )
        return await self._fly(self._held.need("spent"), wait_s, min_valid_s=min_valid_s)

    def at_hand(self, min_valid_s: float = 0.0) -> Served | None:
        """What ``get`` answers from memory, without waiting for anything; None where it would
        not."""
        if self._condition.broken is not None or self.handout.shut is not None:
            return None
        self._timekeeping.mind()
        session = self._held.usable()
        if session is None or not self._held.good_enough(session, min_valid_s):
            return None
        return self._held.served(session, min_valid_s)

    @through_the_door
    async def report(self, *, generation: int, wait_s: float = 60.0) -> Served:
        """A caller says that ``generation`` was refused (401)."""
        await self._opening.raise_if_broken()
        self._timekeeping.mind()
        if generation > self._highest:
            await self.follow_store()  # another process may have made it since we looked
        session = self._held.session
        if generation > self._highest:
            raise Usage(
                f"generation {generation} was never handed out",
                hint="report the generation of the session that was refused",
            )
        if session is None:
            return replace(await self.get(wait_s=wait_s), verdict="refreshed")
        if not self._held.refused:
            if generation != session.generation:
                # Older; or newer than what a damaged store gave back: what is held is all there is.
                return Served(session, verdict="superseded")
            if self._witness.rest_s > 0:
                return Served(session, stale=True, verdict="unreachable")
            began_s = self._clock.running_s()
            try:
                judged = await self._reports.judge(generation, wait_s)
            except TimeoutError:
                judged = Judged(Verdict.UNREACHABLE)
            session = self._held.still()
            # By others, while we asked: then no answer of ours is any good.
            if not self._held.refused:
                if session.generation > generation:
                    return Served(session, verdict="superseded")
                if judged.verdict is Verdict.UNREACHABLE:
                    return Served(session, stale=True, verdict="unreachable")
                if judged.verdict is Verdict.ALIVE:
                    self._held.highest = self._highest
                    await self._held.renumber_if_rolled()
                    age_s = judged.age_s if judged.age_s > 0 else None
                    session = self._held.still()
                    return Served(session, verdict="alive", probed_s_ago=age_s)
                self._witness.refuse("a report and our own probe", session)
            wait_s = self._left_s(wait_s, began_s)
        return await self._fly("denied", wait_s, verdict="refreshed")

    @through_the_door
    async def refresh(
        self, *, hard: bool = False, headed: bool = False, wait_s: float = 60.0
    ) -> Served:
        """The cheapest rung that works; ``hard``: a new sign-in; ``headed``: by a person."""
        # A new sign-in is the way out of a stored session that is not for these settings.
        await self._opening.raise_if_broken(but=_FOR_OTHERS if hard or headed else ())
        new: ladder.Why = "headed" if headed else "hard"
        why = new if hard or headed else self._held.need("asked")
        return await self._fly(why, wait_s, anew=True)

    @through_the_door
    async def take_in(
        self, cookies: tuple[Cookie, ...], *, user_agent: str = "", wait_s: float = 60.0
    ) -> Served:
        """A person brings a session: proved first, then served as the next generation.

        Raises HarvesterError, and then nothing has changed.
        """
        await self._opening.raise_if_broken(but=_FOR_OTHERS)
        try:
            session = await self._flight.carry(
                lambda: self._ascent.bring(cookies, user_agent), wait_s
            )
        except TimeoutError:
            raise not_yet(wait_s) from None
        return Served(session)

    async def rolled(self, generation: int, brought: Brought) -> None:
        """An answer to a client's request with the session of ``generation`` brought cookies:
        taken in at once, where that session is still the one at hand."""
        session = self._held.usable()
        if session is not None and session.generation == generation:
            await self._held.rolled(self._staging.rolled(session, brought))

    async def prove(self, *, within_s: float) -> Verdict:
        """Is the session alive?  Asks the site unless it was proved less than ``within_s`` ago."""
        self._timekeeping.mind()
        return await self._witness.prove(within_s=within_s)

    async def check(self) -> float:
        """What the timer calls: do what is due; returns seconds until the next call."""
        self._timekeeping.mind()
        if self._condition.broken is not None:
            with suppress(HarvesterError):
                await self._opening.raise_if_broken()  # what was mended tells nobody
        wait_s = await self._upkeep.check()
        if self._condition.broken is not None:
            self._summons.needed(self._condition.broken, self._condition.ledger)
        return wait_s

    async def follow_store(self) -> None:
        """Take up what another process did to the store."""
        await self._upkeep.follow_store()
        await self.handout.give_back(self.current)

    async def unlock(self, *, force: bool = False) -> dict[str, Any]:
        """A person mended the cause: open the latch.  Raises AccountLocked (see pardon.py), or
        the error of a latch that was set while this waited."""
        asked_at = self._clock.wall_s()
        await self._flight.landed()
        self._condition.ledger, before = await self._by_hand.unlock(asked_at=asked_at, force=force)
        newer = self._condition.ledger.latch
        if newer is not None:
            raise newer.as_error()
        self.handout.admit()
        self._flight.forgive()
        self._summons.over()
        was, alarm = before.latch, before.alarm
        if was is not None:
            self._condition.note("unlocked", "a person cleared the latch")
        if alarm is not None:
            self._condition.note("alarm.cleared", f"a person unlocked: {alarm.evidence}")
        await self.handout.give_back(self.current)
        self._on_change()
        cleared = None if was is None else was.error.get("code")
        return {"done": True, "cleared": cleared, "alarm": alarm and alarm.sign}

    async def logout(self) -> dict[str, Any]:
        """Sign out at the site if it can be done, prove the cookie dead, forget everything but
        the ledger."""
        await self._flight.cancel()
        self._condition.ledger, told = await self._by_hand.logout()
        self._condition.broken, self._condition.signed_out = None, True
        self._condition.note("signed_out", "a person asked")
        return {"done": True, **told}

    async def close(self) -> None:
        """End the flight, and with it the signer; keep what is known."""
        await self._reports.close()
        await self._witness.close()
        await self._flight.cancel()
        await self.handout.close()
        await self._summons.close()
        await self._held.close()

    @property
    def _highest(self) -> int:
        """The highest generation that anybody is known to have been given."""
        return max(self._held.highest, self._condition.ledger.generation)

    def _left_s(self, wait_s: float, began_s: float) -> float:
        return max(0.0, wait_s - (self._clock.running_s() - began_s))

    # what status shows

    @property
    def current(self) -> Served | None:
        """What would be served now without any work."""
        session = self._held.usable()
        return None if session is None or self.handout.shut is not None else Served(session)

    @property
    def ready(self) -> bool:
        """A session that would work: not refused, not over, and nothing keeps it from callers."""
        broken = self._condition.broken or self.handout.shut
        session = self._held.usable() if broken is None else None
        return session is not None and not self._held.over(session)

    @property
    def why_not(self) -> str:
        """Why there is no working session; empty when there is one."""
        if self.ready:
            return ""
        error = self._condition.broken or self.handout.shut or self._flight.error
        return why_none(error, self._condition.ledger)

    def standing(self) -> Standing:
        self._timekeeping.mind()
        return standing_of(
            self.profile, self._held, self._condition, self._flight, self._witness,
            now=self._clock.wall_s(), sandboxed=self._climber.sandboxed,
            clock_skew_s=self._staging.clock_skew_s, shut=self.handout.shut,
        )  # fmt: skip

    # the one flight

    async def _fly(
        self, why: ladder.Why, wait_s: float, *, min_valid_s: float = 0.0,
        verdict: Answered | None = None, anew: bool = False,
    ) -> Served:  # fmt: skip
        """Join the flight or start it; give its result, or the last good session.  ``anew``:
        whoever asks wants no answer from before his question."""
        try:
            session = await self._flight.join(why, wait_s, anew=anew)
            return self._held.served(session, min_valid_s, verdict=verdict)
        except TimeoutError:
            failure: HarvesterError = not_yet(wait_s)
        except HarvesterError as error:
            failure = error
        last = self._held.usable()
        if last is None:
            await self._ascent.remember()
            raise failure
        return self._held.served(last, min_valid_s, failure, verdict)

    def _failed(self) -> None:
        if not self._upkeep.looking:
            self._on_change()  # what was promised for later is upkeep's to do
