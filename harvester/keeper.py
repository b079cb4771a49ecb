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
from dataclasses import dataclass, replace
from typing import Any

from harvester import ladder, lifetime
from harvester.climb import SECOND_OPINION_S, Climber
from harvester.clock import Clock
from harvester.errors import (
    HarvesterError,
    NeedsPerson,
    Refused,
    StoreCorrupt,
    StoreError,
    TimedOut,
    Usage,
    WrongSetting,
)
from harvester.flight import Flight
from harvester.held import LOOK_AT_LEAST_EVERY_S, Held
from harvester.ledger import Ledger
from harvester.lifetime import Freshness
from harvester.log import event
from harvester.profile import Profile
from harvester.records import Records
from harvester.reports import Reports
from harvester.session import Served, Session
from harvester.staging import Staging
from harvester.verdict import Verdict

# Scheduled looks after a failure that nothing else times: a silent site is asked again so often.
LOOK_AGAIN_S = 30.0
# Where only a person can help, looking costs a process and finds the same for hours; who has
# mended something and asks for a session is answered at once all the same.
PERSON_LOOK_S = 300.0
# At most one scheduled probe a minute, whatever the windows say.
SCHEDULED_PROBE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a profile stands, for ``status.py``."""

    state: str
    session: Session | None
    ledger: Ledger
    next_refresh_at: float | None
    last_event: dict[str, Any] | None
    durable: bool
    life_s: float | None
    sandboxed: bool | None


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
    ) -> None:
        self.profile = profile
        self._held = held
        self._climber = climber
        self._staging = staging
        self._records = records
        self._clock = clock
        self._reports = Reports(self._probe, clock)
        self._ledger = Ledger()
        self._flight = Flight(self._climb, clock)
        self._signed_out = False
        self._last_event: dict[str, Any] | None = None

    async def start(self) -> None:
        """Take up what the store has.  Raises StoreError or WrongSetting; a session that is
        merely damaged is set aside and the ladder will climb."""
        try:
            await self._held.read()
        except StoreCorrupt as error:
            event("store.set_aside", level=logging.WARNING, why=error.message)
        self._ledger = await asyncio.to_thread(self._records.ledger)
        self._staging.recall(self._ledger)

    # what callers ask

    async def get(
        self, *, min_valid_s: float = 0.0, wait_s: float = 60.0, may_sign_in: bool = True
    ) -> Served:
        """A session that stays valid for ``min_valid_s`` more seconds, if one can be had.

        Answers from memory when it can; otherwise waits up to ``wait_s`` for the flight.  Raises
        HarvesterError only when there is nothing to give.
        """
        session = self._held.usable()
        if session is not None and self._held.good_enough(session, min_valid_s):
            return Served(session, min_valid_met=self._held.meets(session, min_valid_s))
        return await self._fly(
            self._need("spent"), wait_s, min_valid_s=min_valid_s, may_sign_in=may_sign_in
        )

    async def report(self, *, generation: int, wait_s: float = 60.0) -> Served:
        """A caller says that ``generation`` was refused (401)."""
        session = self._held.session
        if session is None:
            return replace(await self.get(wait_s=wait_s), verdict="refreshed")
        if generation > session.generation:
            raise Usage(
                f"generation {generation} was never handed out",
                hint="report the generation of the session that was refused",
            )
        if not self._held.refused:
            if generation < session.generation:
                return Served(session, verdict="superseded")
            judged = await self._reports.judge(generation)
            session = self._held.session or session
            if session.generation > generation and not self._held.refused:
                return Served(session, verdict="superseded")
            if judged.verdict is Verdict.UNREACHABLE:
                return Served(session, stale=True, verdict="unreachable")
            if judged.verdict is Verdict.ALIVE:
                await self._held.renumber_if_rolled()
                age_s = judged.age_s if judged.age_s > 0 else None
                session = self._held.session or session
                return Served(session, verdict="alive", probed_s_ago=age_s)
            self._refuse("a report and our own probe")
        return replace(await self._fly("denied", wait_s), verdict="refreshed")

    async def refresh(self, *, hard: bool = False, wait_s: float = 60.0) -> Served:
        """Refresh now: the cheapest rung that works, or with ``hard`` a new sign-in."""
        self._flight.forgive()
        return await self._fly("hard" if hard else self._need("asked"), wait_s)

    async def prove(self, *, within_s: float) -> Verdict:
        """Is the session alive?  Asks the site unless it was proved less than ``within_s`` ago."""
        session = self._held.usable()
        if session is None:
            return Verdict.DENIED
        if 0 <= self._clock.wall_s() - session.proved_at < within_s:
            return Verdict.ALIVE
        return await self._look()

    async def check(self) -> float:
        """What the timer calls: do what is due; returns seconds until the next call."""
        if self._flight.up:
            return LOOK_AGAIN_S
        await self.follow_store()
        session = self._held.usable()
        if session is None:
            return LOOK_AT_LEAST_EVERY_S if self._signed_out else await self._quietly("none")
        if not self._held.durable:
            await self._held.store()
        match self._held.freshness(session):
            case Freshness.STALE | Freshness.SPENT:
                return await self._quietly("stale")
            case Freshness.UNKNOWN:
                verdict = await self._look()
                if verdict is Verdict.DENIED:
                    return await self._quietly("denied")
                return SCHEDULED_PROBE_EVERY_S if verdict is Verdict.UNREACHABLE else 0.0
            case Freshness.FRESH:
                return self._held.until_due_s(session)

    async def unlock(self, *, force: bool = False) -> dict[str, Any]:
        """A person mended the cause: open the latch.  Raises AccountLocked (see ledger.py)."""
        ledger = await asyncio.to_thread(self._records.ledger)
        was = ledger.latch
        self._ledger = ledger.unlocked(self._clock.wall_s(), force=force)
        await asyncio.to_thread(self._records.keep_unlocked_ledger, self._ledger)
        self._flight.forgive()
        self._note("unlocked", "a person cleared the latch")
        return {"done": True, "cleared": None if was is None else was.error.get("code")}

    async def logout(self) -> dict[str, Any]:
        """Sign out at the site if it can be done, prove the cookie dead, forget everything but
        the ledger."""
        session = self._held.session
        signed_out: bool | None = None
        denied: bool | None = None
        if session is not None:
            if self.profile.site.sign_out_path is not None:
                signed_out = await self._staging.sign_out(session, self.profile.site.sign_out_path)
            denied = (await self._staging.verdict(session)).verdict is Verdict.DENIED
        await asyncio.to_thread(self._records.forget)
        await self._held.let_go()
        self._signed_out = True
        self._note("signed_out", "a person asked")
        return {
            "done": True,
            "had_session": session is not None,
            "signed_out": signed_out,
            "denied": denied,
        }

    async def follow_store(self) -> None:
        """Take up what another process stored, removed or wrote down meanwhile."""
        self._ledger = await asyncio.to_thread(self._records.ledger)
        if self._flight.up or not await self._held.changed_in_store():
            return
        if self._held.gone_from_store:
            await self._held.let_go()
            self._signed_out = True
            self._note("signed_out", "another process removed the session")
            return
        try:
            if await self._held.read():
                self._signed_out = False
                self._note("session.read", "another process stored it")
        except (StoreError, WrongSetting) as error:
            event("store.unreadable", level=logging.ERROR, code=error.code, why=error.message)

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
        error = self._flight.error
        if error is None and self._ledger.latch is not None:
            error = self._ledger.latch.as_error()
        return "no session yet" if error is None else f"{error.code}: {error.message}"

    def standing(self) -> Standing:
        session = self._held.usable()
        return Standing(
            state=self._state(session),
            session=session,
            ledger=self._ledger,
            next_refresh_at=None if session is None else self._held.windows(session).stale_at,
            last_event=self._last_event,
            durable=self._held.durable,
            life_s=None if session is None else lifetime.known_life_s(session),
            sandboxed=self._climber.sandboxed,
        )

    def _state(self, session: Session | None) -> str:
        if self._flight.up:
            return "refreshing"
        if session is not None:
            fresh = self._held.freshness(session)
            return "live" if fresh in (Freshness.FRESH, Freshness.UNKNOWN) else "stale"
        if self._signed_out:
            return "signed_out"
        if self._ledger.latch is not None:
            return "latched"
        return "no_session" if self._flight.error is None else "waiting"

    # the one flight

    def _need(self, otherwise: ladder.Why) -> ladder.Why:
        if self._held.session is None:
            return "none"
        return "denied" if self._held.refused else otherwise

    async def _fly(
        self, why: ladder.Why, wait_s: float, *, min_valid_s: float = 0.0, may_sign_in: bool = True
    ) -> Served:
        """Join the flight or start it; give its result, or the last good session."""
        try:
            async with asyncio.timeout(wait_s):
                session = await self._flight.join(why, may_sign_in=may_sign_in)
            return Served(session, min_valid_met=self._held.meets(session, min_valid_s))
        except TimeoutError:
            failure: HarvesterError = TimedOut(
                f"no session within {wait_s:.0f} s; the work goes on",
                hint="ask again, or with a longer wait_s",
                retry_after_s=1.0,
            )
        except HarvesterError as error:
            failure = error
        last = self._held.usable()
        if last is None:
            raise failure
        met = self._held.meets(last, min_valid_s)
        return Served(last, stale=True, error=failure, min_valid_met=met)

    async def _climb(self, why: ladder.Why, may_sign_in: bool) -> Session:
        try:
            climbed = await self._climber.climb(why, self._held.session, may_sign_in=may_sign_in)
        except HarvesterError as error:
            self._note("refresh.failed", f"{error.code}: {error.message}")
            raise
        finally:
            self._ledger = await asyncio.to_thread(self._records.ledger)
        self._signed_out = False
        generation = climbed.session.generation
        self._note("session.new", f"{climbed.rung}, because: {why}", generation=generation)
        await self._held.take(climbed.session, durable=climbed.durable)
        return climbed.session

    async def _quietly(self, why: ladder.Why) -> float:
        """Climb on the timer's behalf: a failure is a warning; returns seconds to sleep."""
        why = self._need(why)
        try:
            await self._flight.join(why)
        except (NeedsPerson, Refused, WrongSetting):
            return PERSON_LOOK_S
        except HarvesterError as error:
            wait_s = error.retry_after_s or self._ledger.retry_at - self._clock.wall_s()
            return min(LOOK_AGAIN_S, max(1.0, wait_s))
        return 0.0

    # asking the site

    def _refuse(self, witnesses: str) -> None:
        if not self._held.refused:
            self._held.refuse()
            self._note("session.refused", f"the site said no to {witnesses}")

    async def _probe(self) -> Verdict:
        """One probe of the current session; takes in what the answer rolled."""
        session = self._held.session
        if session is None:
            return Verdict.DENIED
        touched = await self._staging.verdict(session)
        if touched.session is not None:
            await self._held.proved(session, touched.session)
        event("probe", profile=self.profile.name, verdict=touched.verdict.value)
        return touched.verdict

    async def _look(self) -> Verdict:
        """A scheduled probe; a DENIED is believed when a second one, a second later, agrees."""
        verdict = await self._probe()
        if verdict is Verdict.DENIED:
            await asyncio.sleep(SECOND_OPINION_S)
            verdict = await self._probe()
            if verdict is Verdict.DENIED:
                self._refuse("two probes of ours")
        return verdict

    def _note(self, name: str, why: str, **fields: Any) -> None:
        self._last_event = {"at": self._clock.wall_s(), "event": name, "why": why}
        event(name, profile=self.profile.name, why=why, **fields)
