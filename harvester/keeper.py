"""The keeper of one profile's session: one owner, one flight, and generations.

Five hundred callers that saw the same 401 are one refresh; callers with an older session are
none.  The last good session is served until the site itself refuses it on our own probe; nothing
else takes it away.

Every public method has the same beats: look at what is held, join or start the one flight,
answer with a frozen value.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harvester import ladder
from harvester.by_hand import ByHand
from harvester.climb import Climber
from harvester.clock import Clock
from harvester.condition import Condition
from harvester.errors import (
    HarvesterError,
    IdentityMismatch,
    KeyWrong,
    OrganizationMismatch,
    SignInForbidden,
    StoreCorrupt,
    StoreError,
    Usage,
    WrongSetting,
)
from harvester.flight import Flight, not_yet
from harvester.held import Held
from harvester.log import event
from harvester.profile import Profile
from harvester.records import Records
from harvester.reports import Reports
from harvester.session import Cookie, Served, Session
from harvester.staging import Staging
from harvester.standing import Standing, standing_of, why_none
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
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        """``on_change`` is called when the next look may be due earlier than was said."""
        self.profile = profile
        self._held = held
        self._climber = climber
        self._staging = staging
        self._records = records
        self._clock = clock
        self._condition = Condition(profile.name, records=records, clock=clock)
        self._witness = Witness(
            profile.name, held=held, staging=staging, clock=clock, note=self._condition.note
        )
        self._reports = Reports(self._witness.probe, clock)
        self._on_change = on_change
        self._by_hand = ByHand(profile, held=held, staging=staging, records=records, clock=clock)
        self._flight = Flight(self._climb, clock)
        self._upkeep = Upkeep(
            profile.name,
            held=held,
            flight=self._flight,
            witness=self._witness,
            condition=self._condition,
            clock=clock,
        )

    async def start(self) -> None:
        """Take up what the store has.

        Raises KeyWrong: nothing in the store can be read.  What is wrong with this profile alone
        ends nobody else: it is told to those who ask, until it is mended.
        """
        before, self._condition.broken = self._condition.broken, None
        try:
            await self._held.read()
        except KeyWrong:
            raise
        except StoreCorrupt as error:
            event("store.set_aside", level=logging.WARNING, why=error.message)
        except (StoreError, WrongSetting) as error:
            self._condition.broken = error
            if before is None or before.message != error.message:  # looked at again for each call
                event("session.unusable", level=logging.ERROR, code=error.code, why=error.message)
        await self._condition.read_ledger()
        session = self._held.session
        if session is not None and session.generation <= self._condition.ledger.refused:
            self._held.refuse()
        self._staging.recall(self._condition.ledger)

    # what callers ask

    async def get(
        self, *, min_valid_s: float = 0.0, wait_s: float = 60.0, may_sign_in: bool = True
    ) -> Served:
        """A session that stays valid for ``min_valid_s`` more seconds, if one can be had.

        Answers from memory when it can; otherwise waits up to ``wait_s`` for the flight, which
        is not started where ``may_sign_in`` is false.  Raises only when there is nothing to give.
        """
        await self._raise_if_broken()
        session = self._held.usable()
        if session is not None and self._held.good_enough(session, min_valid_s):
            return Served(session, min_valid_met=self._held.meets(session, min_valid_s))
        if not may_sign_in and not self._flight.up:
            if session is not None and not self._held.over(session):
                return Served(session, min_valid_met=self._held.meets(session, min_valid_s))
            raise SignInForbidden(
                "there is no live session, and signing in was forbidden",
                hint="leave --no-sign-in out, or run: harvester login",
            )
        return await self._fly(self._held.need("spent"), wait_s, min_valid_s=min_valid_s)

    async def report(self, *, generation: int, wait_s: float = 60.0) -> Served:
        """A caller says that ``generation`` was refused (401)."""
        await self._raise_if_broken()
        session = self._held.session
        highest = max(self._held.highest, self._condition.ledger.generation)
        if generation > highest:
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
            try:
                async with asyncio.timeout(wait_s):
                    judged = await self._reports.judge(generation)
            except TimeoutError:
                return Served(session, stale=True, verdict="unreachable")
            session = self._held.session or session
            if session.generation > generation and not self._held.refused:
                return Served(session, verdict="superseded")
            if judged.verdict is Verdict.UNREACHABLE:
                return Served(session, stale=True, verdict="unreachable")
            if judged.verdict is Verdict.ALIVE:
                await self._renumber_if_rolled()
                age_s = judged.age_s if judged.age_s > 0 else None
                session = self._held.session or session
                return Served(session, verdict="alive", probed_s_ago=age_s)
            self._witness.refuse("a report and our own probe")
        return replace(await self._fly("denied", wait_s), verdict="refreshed")

    async def refresh(
        self, *, hard: bool = False, headed: bool = False, wait_s: float = 60.0
    ) -> Served:
        """The cheapest rung that works; ``hard``: a new sign-in; ``headed``: by a person."""
        # A new sign-in is the way out of a stored session that is not for these settings.
        await self._raise_if_broken(but=_FOR_OTHERS if hard or headed else ())
        new: ladder.Why = "headed" if headed else "hard"
        return await self._fly(new if hard or headed else self._held.need("asked"), wait_s)

    async def take_in(
        self, cookies: tuple[Cookie, ...], *, user_agent: str = "", wait_s: float = 60.0
    ) -> Served:
        """A person brings a session: proved first, then served as the next generation.

        Raises HarvesterError, and then nothing has changed.
        """
        await self._raise_if_broken(but=_FOR_OTHERS)
        try:
            async with asyncio.timeout(wait_s):
                session = await self._flight.carry(lambda: self._bring(cookies, user_agent))
        except TimeoutError:
            raise not_yet(wait_s) from None
        return Served(session)

    async def prove(self, *, within_s: float) -> Verdict:
        """Is the session alive?  Asks the site unless it was proved less than ``within_s`` ago."""
        return await self._witness.prove(within_s=within_s)

    async def check(self) -> float:
        """What the timer calls: do what is due; returns seconds until the next call."""
        return await self._upkeep.check()

    async def follow_store(self) -> None:
        """Take up what another process did to the store."""
        await self._upkeep.follow_store()

    async def unlock(self, *, force: bool = False) -> dict[str, Any]:
        """A person mended the cause: open the latch.  Raises AccountLocked (see ledger.py)."""
        await self._flight.landed()
        self._condition.ledger, was = await self._by_hand.unlock(force=force)
        self._flight.forgive()
        if was is not None:
            self._condition.note("unlocked", "a person cleared the latch")
        self._on_change()
        return {"done": True, "cleared": None if was is None else was.error.get("code")}

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
        await self._flight.cancel()
        await self._held.close()

    # what status shows

    @property
    def current(self) -> Served | None:
        """What would be served now without any work."""
        session = self._held.usable()
        return None if session is None else Served(session)

    @property
    def ready(self) -> bool:
        """A session that would work: not refused, not over."""
        session = self._held.usable()
        return session is not None and not self._held.over(session)

    @property
    def why_not(self) -> str:
        """Why there is no working session; empty when there is one."""
        if self.ready:
            return ""
        return why_none(self._condition.broken or self._flight.error, self._condition.ledger)

    def standing(self) -> Standing:
        return standing_of(
            self._held,
            self._condition.ledger,
            flying=self._flight.up,
            signed_out=self._condition.signed_out,
            failed=self._condition.broken is not None or self._flight.error is not None,
            last_event=self._condition.last_event,
            sandboxed=self._climber.sandboxed,
        )

    # the one flight

    async def _fly(self, why: ladder.Why, wait_s: float, *, min_valid_s: float = 0.0) -> Served:
        """Join the flight or start it; give its result, or the last good session."""
        try:
            async with asyncio.timeout(wait_s):
                session = await self._flight.join(why)
            return Served(session, min_valid_met=self._held.meets(session, min_valid_s))
        except TimeoutError:
            failure: HarvesterError = not_yet(wait_s)
        except HarvesterError as error:
            failure = error
        last = self._held.usable()
        if last is None:
            raise failure
        met = self._held.meets(last, min_valid_s)
        return Served(last, stale=True, error=failure, min_valid_met=met)

    async def _climb(self, why: ladder.Why) -> Session:
        try:
            climbed = await self._climber.climb(why, self._held.session, self._held.proved)
        except HarvesterError as error:
            self._condition.note("refresh.failed", f"{error.code}: {error.message}")
            raise
        finally:
            await self._condition.read_ledger()
        await self._take(climbed.session, f"{climbed.rung}, because: {why}", climbed.durable)
        return climbed.session

    async def _bring(self, cookies: tuple[Cookie, ...], user_agent: str) -> Session:
        try:
            session = await self._by_hand.bring(cookies, user_agent)
        except HarvesterError as error:
            self._condition.note("import.failed", f"{error.code}: {error.message}")
            raise
        finally:
            await self._condition.read_ledger()
        await self._take(session, "a person brought it", durable=True)
        return session

    async def _take(self, session: Session, why: str, durable: bool) -> None:
        self._condition.mended()
        self._condition.note("session.new", why, generation=session.generation)
        await self._held.take(session, durable=durable)
        self._on_change()

    async def _raise_if_broken(self, *, but: tuple[type[HarvesterError], ...] = ()) -> None:
        """A record that could not be used may have been mended since: look again, then tell."""
        if self._condition.broken is not None:
            await self.start()
        if self._condition.broken is not None and not isinstance(self._condition.broken, but):
            raise self._condition.broken

    async def _renumber_if_rolled(self) -> None:
        self._held.highest = max(self._held.highest, self._condition.ledger.generation)
        await self._held.renumber_if_rolled()
