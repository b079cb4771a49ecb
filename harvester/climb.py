"""One climb up the ladder: from "we need a session" to a proved one, or to an honest error.

Stage, prove, promote: nothing replaces a good session before the probe called the new one alive
and its owner and organisation were checked.  A climb holds the profile's lock, so that of all
tasks, processes and cron jobs one works and the others join its result.

Knows no caller and no generation policy beyond "one more": that is the keeper's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harvester import ladder, lifetime, reasons, tripwire, whose
from harvester.afterlife import SECOND_OPINION_S
from harvester.budgets import refuses_submit
from harvester.clock import Clock
from harvester.digests import account_of, settings_digest
from harvester.errors import (
    Bug,
    Busy,
    HarvesterError,
    IdentityMismatch,
    OrganizationMismatch,
    OriginMismatch,
    RateLimited,
    SiteDown,
    StoreCorrupt,
    StoreError,
)
from harvester.ledger import Ledger
from harvester.lifetime import Freshness
from harvester.lives import Life
from harvester.locking import locked, to_the_end
from harvester.log import event
from harvester.notes import heed, not_durable, note_down
from harvester.prices import Cheap
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Session
from harvester.sign_ins import LOCK_PATIENCE_S, SignIns
from harvester.staging import Staging
from harvester.succession import Succession
from harvester.verdict import Verdict

# Told what a touch made of the session at hand: before, after; None: the site refused it, twice.
Adopt = Callable[[Session, Session | None], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Climbed:
    """``durable`` is false when the session could not be stored: it lives in memory only.
    ``replaced`` is what the ledger now holds of the life of the one before, if that lives."""

    session: Session
    rung: str
    durable: bool = True
    replaced: Life | None = None


class Climber:
    """Climbs for one profile.  One climb at a time; the keeper sees to that."""

    def __init__(
        self,
        profile: Profile,
        *,
        records: Records,
        staging: Staging,
        sign_ins: SignIns,
        clock: Clock,
    ) -> None:
        self._profile = profile
        self._records = records
        self._staging = staging
        self._sign_ins = sign_ins
        self._clock = clock
        self._succession = Succession(profile, records=records, staging=staging, clock=clock)
        self._settings = settings_digest(profile)
        self._account = account_of(profile)

    @property
    def sandboxed(self) -> bool | None:
        """Whether the last browser ran in its sandbox; None before one ran."""
        return self._sign_ins.sandboxed

    async def climb(
        self,
        why: ladder.Why,
        current: Session | None,
        adopt: Adopt,
        *,
        before: Session | None = None,
    ) -> Climbed:
        """A session newer or longer than ``current``.  Raises HarvesterError when there is none.

        ``adopt`` is told what the site rolled while it was asked: the value that is good now.
        ``before`` is the session that ``current`` took the place of, if nobody refused it.
        """
        async with locked(self._records.lock(), self._patience_s()) as waited_s:
            adopted = await self._made_meanwhile(why, current, waited_s)
            if adopted is not None:
                return Climbed(adopted, "store")
            if why == "denied" and current is not None:
                await self._succession.refused(current)
                back = await self._succession.fall_back(current, before)
                if back is not None:
                    return await self._keep(back, "rollback")
            tried: tuple[ladder.Rung, ...] = ()
            while True:
                ledger = await asyncio.to_thread(self._records.ledger)
                if self._records.foreign:
                    await note_down(self._records, ledger)
                facts = await self._facts(why, current, ledger, tried)
                step = ladder.next_step(facts, self._clock.wall_s())
                if isinstance(step, ladder.Stop):
                    self._tell_stop(facts, step.error)
                    raise step.error
                if isinstance(step, ladder.Enough) and current is not None:
                    return await self._keep(current, "touch")
                assert isinstance(step, ladder.Climb)  # noqa: S101  there is nothing else
                event(
                    "climb.rung",
                    profile=self._profile.name,
                    rung=step.rung,
                    cause=why,
                    why=reasons.BECAUSE[why],
                    risk=reasons.RISK[step.rung],
                    skipped=reasons.skipped(facts, self._clock.wall_s(), step.rung) or None,
                )
                with self._told(step.rung) as ended:
                    if step.rung == "touch" and current is not None:
                        ledger = await self._spend("touch", current, ledger)
                        touched = await self._touch(current)
                        refused = await adopt(current, touched)
                        if touched is None:
                            if not refused:
                                raise _rolled_meanwhile()
                            why = "denied"
                            await self._succession.refused(current)
                            back = await self._succession.fall_back(current, before)
                            climbed = None if back is None else await self._keep(back, "rollback")
                        else:
                            climbed = await self._judge_cheap(
                                "touch", why, current, touched, ledger
                            )
                            current = touched
                    else:
                        climbed = await self._browse(step.rung, why, current, ledger)
                    ended.append("no_help" if climbed is None else "session")
                if climbed is not None:
                    return climbed
                tried = (*tried, step.rung)

    def _tell_stop(self, facts: ladder.Facts, error: HarvesterError) -> None:
        now = self._clock.wall_s()
        event(
            "climb.stopped",
            profile=self._profile.name,
            code=error.code,
            cause=facts.why,
            why=f"{error.code}: {error.message}",
            skipped=reasons.skipped(facts, now),
            **reasons.after(error, facts.ledger, self._profile, now),
        )

    @contextmanager
    def _told(self, rung: ladder.Rung) -> Iterator[list[str]]:
        """Say how a rung ended and how long it took; what it brought is put into the list."""
        ended: list[str] = []
        began = self._clock.awake_s()
        try:
            yield ended
        except HarvesterError as error:
            ended.append(error.code)
            raise
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        finally:
            event(
                "climb.rung_ended",
                profile=self._profile.name,
                rung=rung,
                result=ended[-1] if ended else Bug.code,
                took_s=round(self._clock.awake_s() - began, 3),
            )

    async def remember(self, refused: Session) -> None:
        """The site refused it and nobody may climb now: that is written down all the same."""
        lock = self._records.lock()
        if lock.acquire_nonblocking():
            try:
                await self._succession.refused(refused)
            finally:
                lock.release()

    def _patience_s(self) -> float:
        return self._profile.sign_in_limit_s + LOCK_PATIENCE_S

    async def _made_meanwhile(
        self, why: ladder.Why, current: Session | None, waited_s: float
    ) -> Session | None:
        """The session that another process made, if it is one for these settings and was not
        refused since.  Raises Busy where a person signed out there, behind our question."""
        ledger = await asyncio.to_thread(self._records.ledger)
        if waited_s > 0 and current is not None and ledger.signed_out:
            raise Busy("a person signed out meanwhile", hint="ask for a session anew")
        if why == "headed" or (why == "hard" and waited_s == 0):
            return None  # whoever asked for a new sign-in gets one, or somebody else's of now
        stored = await asyncio.to_thread(self._stored)
        known = ledger.refused if current is None else max(ledger.refused, current.generation)
        return stored if stored is not None and stored.generation > known else None

    def _stored(self) -> Session | None:
        try:
            dated = self._records.dated_session()
            # An older one that stands there was put back, and is nobody's work of just now.
            session = dated.session if dated.older is None else None
            if session is not None:
                whose.check(self._profile, session)
        except (StoreCorrupt, OriginMismatch, IdentityMismatch, OrganizationMismatch) as error:
            event(
                "store.not_ours",
                level=logging.WARNING,
                profile=self._profile.name,
                code=error.code,
                why=error.message,
            )
            return None
        return session

    async def _facts(
        self,
        why: ladder.Why,
        current: Session | None,
        ledger: Ledger,
        tried: tuple[ladder.Rung, ...],
    ) -> ladder.Facts:
        others = await asyncio.to_thread(self._records.other_ledgers, self._account)
        now = self._clock.wall_s()
        remembers = await asyncio.to_thread(self._records.identity_state) is not None
        return ladder.Facts(
            why=why,
            ledger=ledger,
            settings=self._settings,
            renewable=current is not None and lifetime.renewable(current),
            remembers=remembers,
            passkey=await asyncio.to_thread(self._records.has_passkeys),
            username=self._profile.username is not None,
            password=self._profile.password is not None,
            submit_refusal=refuses_submit(ledger, now, self._profile, others=others),
            life_s=None if current is None else lifetime.known_life_s(current),
            tried=tried,
            held=tripwire.closed(ledger.alarm, self._profile.tripwire),
        )

    # the cheap rungs

    async def _spend(self, rung: Cheap, current: Session, ledger: Ledger) -> Ledger:
        """Written down before it is done: a crash loop touches no more than one that runs."""
        spent = ledger.with_rung(rung, self._clock.wall_s(), lifetime.known_life_s(current))
        await note_down(self._records, spent)
        return spent

    async def _touch(self, current: Session) -> Session | None:
        """What a touch made of the session; None if the site refused it, twice."""
        touched = await self._staging.touch(current)
        if touched.verdict is Verdict.DENIED:
            await asyncio.sleep(SECOND_OPINION_S)
            touched = await self._staging.touch(current)
            if touched.verdict is Verdict.DENIED:
                return None
        if touched.session is None:
            why = f"the site did not say whether the session lives ({touched.trouble})"
            hint, after_s = "the last good session is still served", touched.retry_after_s
            if touched.limited:
                limited = RateLimited(why, hint=hint, retry_after_s=after_s)
                await heed(self._records, limited, self._clock)
                raise limited
            raise SiteDown(why, hint=hint, retry_after_s=after_s)
        return touched.session

    async def _judge_cheap(
        self,
        rung: ladder.Rung,
        why: ladder.Why,
        current: Session,
        candidate: Session,
        ledger: Ledger,
    ) -> Climbed | None:
        """Keep what a cheap rung brought, if it moved the end of the session (or if the site had
        refused what we held: then any session that it accepts is help)."""
        helped = why == "denied" or self._longer(current, candidate)
        now = self._clock.wall_s()
        after = ledger
        # Only where it was due does it tell whether the rung is worth its while.
        if why in ("stale", "spent") and ledger.worth(rung, now) != helped:
            after = after.with_usefulness(now, rung, helped=helped)
        if helped:
            after = after.with_renewal().with_generation(candidate.generation)
        if after != ledger:
            await note_down(self._records, after)
        if helped:
            return await self._keep(candidate, rung)
        event(
            "climb.no_help",
            profile=self._profile.name,
            rung=rung,
            why="it did not move the session's end",
            next="the next rung",
        )
        return None

    def _longer(self, current: Session, candidate: Session) -> bool:
        when = lifetime.windows(
            candidate,
            refresh_every_s=self._profile.refresh_every_s,
            max_age_s=self._profile.max_age_s,
        )
        if lifetime.freshness(candidate, self._clock.wall_s(), when) is not Freshness.FRESH:
            return False
        if candidate.expires_at is None or current.expires_at is None:
            return True
        # An end that moves by less than a tenth of the life is the clock's noise, not a renewal.
        life_s = current.expires_at - current.renewed_at
        return candidate.expires_at - current.expires_at > life_s / 10

    async def _keep(self, session: Session, rung: str) -> Climbed:
        try:
            await to_the_end(self._records.keep_session, session)
        except StoreError as error:
            not_durable(self._profile.name, error)
            return Climbed(session, rung, durable=False)
        return Climbed(session, rung)

    async def _browse(
        self, rung: ladder.Rung, why: ladder.Why, current: Session | None, ledger: Ledger
    ) -> Climbed | None:
        assert rung != "touch"  # noqa: S101  touch has no browser
        staged = await self._sign_ins.run(rung, current, ledger)
        if staged is None:
            return None
        if rung == "renew" and current is not None:
            ledger = await asyncio.to_thread(self._records.ledger)
            return await self._judge_cheap("renew", why, current, staged, ledger)
        life = None
        if current is not None and why != "denied":
            life = await self._succession.replaced(current)
        return replace(await self._keep(staged, rung), replaced=life)


def _rolled_meanwhile() -> Busy:
    return Busy(
        "the site gave the session a new value while the old one was asked about",
        hint="ask again",
        retry_after_s=1.0,
    )
