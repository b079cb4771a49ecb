"""One climb up the ladder: from "we need a session" to a proved one, or to an honest error.

Stage, prove, promote: nothing replaces a good session before the probe called the new one alive
and its owner and organisation were checked.  A climb holds the profile's lock, so that of all
tasks, processes and cron jobs one works and the others join its result.

Knows no caller and no generation policy beyond "one more": that is the keeper's.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from harvester import ladder, lifetime
from harvester.clock import Clock
from harvester.errors import Busy, HarvesterError, KeyWrong, NotConfigured, SiteDown, StoreError
from harvester.ledger import Ledger, settings_digest
from harvester.lifetime import Freshness
from harvester.log import event
from harvester.overseer import LedgerOverseer, Step
from harvester.profile import Profile, SecretSource
from harvester.records import Records
from harvester.session import Session
from harvester.settle import settle
from harvester.signer import Signer
from harvester.signin.dialogue import BrowserChoice, Job, SignedIn, Stopped
from harvester.staging import Staging
from harvester.verdict import Verdict

# How often a process that waits for another one's sign-in looks whether it is done.
LOCK_POLL_S = 0.1
# A sign-in that another process holds for longer than its own time limit is stuck there.
LOCK_PATIENCE_S = 30.0
# Two probes this far apart that both say no are two independent witnesses.
SECOND_OPINION_S = 1.0


@dataclass(frozen=True, slots=True)
class Climbed:
    """``durable`` is false when the session could not be stored: it lives in memory only."""

    session: Session
    rung: str
    durable: bool = True


class Climber:
    """Climbs for one profile.  One climb at a time; the keeper sees to that."""

    def __init__(
        self,
        profile: Profile,
        *,
        records: Records,
        staging: Staging,
        signer: Signer,
        clock: Clock,
        key: SecretSource,
        browser: BrowserChoice,
        on_step: Callable[[Step], None],
    ) -> None:
        self._profile = profile
        self._records = records
        self._staging = staging
        self._signer = signer
        self._clock = clock
        self._key = key
        self._browser = browser
        self._on_step = on_step
        self._settings = settings_digest(profile)
        self.sandboxed: bool | None = None
        """Whether the last browser ran in its sandbox; None before one ran."""

    async def climb(
        self, why: ladder.Why, current: Session | None, *, may_sign_in: bool = True
    ) -> Climbed:
        """A session newer or longer than ``current``.  Raises HarvesterError when there is none."""
        async with self._alone(why, current) as adopted:
            if adopted is not None:
                return Climbed(adopted, "store")
            tried: tuple[ladder.Rung, ...] = ()
            while True:
                ledger = await asyncio.to_thread(self._records.ledger)
                facts = await self._facts(why, current, ledger, tried, may_sign_in)
                step = ladder.next_step(facts, self._clock.wall_s())
                if isinstance(step, ladder.Stop):
                    raise step.error
                event("climb.rung", profile=self._profile.name, rung=step.rung, why=why)
                if step.rung == "touch" and current is not None:
                    try:
                        climbed = await self._touch(current, ledger, why)
                    except _RefusedOnTheWay:
                        why, climbed = "denied", None
                else:
                    climbed = await self._browse(step.rung, current, ledger, why)
                if climbed is not None:
                    return climbed
                tried = (*tried, step.rung)

    @asynccontextmanager
    async def _alone(
        self, why: ladder.Why, current: Session | None
    ) -> AsyncIterator[Session | None]:
        """Hold the profile's lock; gives the session that another process made meanwhile."""
        lock = self._records.lock()
        waited_s = 0.0
        while not lock.acquire_nonblocking():
            if waited_s >= self._profile.sign_in_timeout_s + LOCK_PATIENCE_S:
                raise Busy(
                    "another process has been signing in for a long time",
                    hint="see: harvester status",
                    retry_after_s=LOCK_PATIENCE_S,
                )
            await asyncio.sleep(LOCK_POLL_S)
            waited_s += LOCK_POLL_S
        try:
            stored = await asyncio.to_thread(self._stored)
            newer = stored is not None and (
                current is None or stored.generation > current.generation
            )
            # Whoever asked for a new sign-in gets one, unless he waited for somebody else's.
            yield stored if newer and (why != "hard" or waited_s > 0) else None
        finally:
            lock.release()

    def _stored(self) -> Session | None:
        try:
            session = self._records.session()
        except KeyWrong:
            raise
        except StoreError as error:
            if error.code != "store_corrupt":
                raise
            event("store.set_aside", profile=self._profile.name, level=logging.WARNING)
            return None
        if session is not None and session.origin != self._profile.site.origin:
            return None
        return session

    async def _facts(
        self,
        why: ladder.Why,
        current: Session | None,
        ledger: Ledger,
        tried: tuple[ladder.Rung, ...],
        may_sign_in: bool,
    ) -> ladder.Facts:
        remembers = await asyncio.to_thread(self._records.identity_state) is not None
        return ladder.Facts(
            why=why,
            ledger=ledger,
            settings=self._settings,
            renewable=current is not None and lifetime.renewable(current),
            remembers=remembers,
            username=self._profile.username is not None,
            password=self._profile.password is not None,
            submit_refusal=ledger.refuses_submit(self._clock.wall_s(), self._profile),
            may_sign_in=may_sign_in,
            life_s=None if current is None else lifetime.known_life_s(current),
            tried=tried,
        )

    # the cheap rungs

    async def _touch(self, current: Session, ledger: Ledger, why: ladder.Why) -> Climbed | None:
        touched = await self._staging.touch(current)
        if touched.verdict is Verdict.DENIED:
            await asyncio.sleep(SECOND_OPINION_S)
            if (await self._staging.touch(current)).verdict is Verdict.DENIED:
                raise _RefusedOnTheWay
        if touched.session is None:
            raise SiteDown(
                f"the site did not say whether the session lives ({touched.trouble})",
                hint="the last good session is still served",
                retry_after_s=touched.retry_after_s,
            )
        return await self._judge_cheap("touch", current, touched.session, ledger)

    async def _judge_cheap(
        self, rung: ladder.Rung, current: Session, candidate: Session, ledger: Ledger
    ) -> Climbed | None:
        """Keep what a cheap rung brought, if it moved the end of the session."""
        helped = self._longer(current, candidate)
        now = self._clock.wall_s()
        after = ledger.with_usefulness(now, rung, helped=helped)
        if helped:
            after = after.with_generation(candidate.generation)
        # Usefulness that is known already is no reason for a write on every touch.
        if ledger.worth(rung, now) != helped or after.generation != ledger.generation:
            await asyncio.to_thread(self._records.keep_ledger, after)
        if not helped:
            event("climb.no_help", profile=self._profile.name, rung=rung)
            return None
        return await self._keep(candidate, rung)

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

    # the rungs with a browser

    async def _browse(
        self, rung: ladder.Rung, current: Session | None, ledger: Ledger, why: ladder.Why
    ) -> Climbed | None:
        assert rung != "touch"  # noqa: S101  touch has no browser
        name = self._profile.name
        ledger = await self._staging.with_picture(ledger)
        if rung == "silent":
            life_s = None if current is None else lifetime.known_life_s(current)
            ledger = ledger.with_silent(self._clock.wall_s(), life_s)
        # Written down before it is done: a crash from here on cannot be forgotten.
        await asyncio.to_thread(self._records.keep_ledger, ledger)
        overseer = LedgerOverseer(
            self._profile, self._records, self._staging, self._clock, self._on_step, ledger
        )
        result = await self._signer.run(await self._job(rung, current, ledger), overseer)
        ledger = overseer.ledger
        if isinstance(result, Stopped):
            return await self._stopped(rung, result, ledger)
        self._see_sandbox(result)
        try:
            staged = await self._staging.stage(
                result, current, renewed=rung == "renew", last_generation=ledger.generation
            )
        except HarvesterError as error:
            stopped = Stopped(error, stage="answered" if result.secrets_sent else "before_submit")
            await self._settle(stopped, ledger)
            raise
        if rung == "renew" and current is not None:
            return await self._judge_cheap("renew", current, staged, ledger)
        ledger = ledger.with_success(result.fingerprint).with_generation(staged.generation)
        await asyncio.to_thread(self._records.keep_ledger, ledger)
        climbed = await self._keep(staged, rung)
        await self._keep_identity(result)
        event("session.signed_in", profile=name, generation=staged.generation, rung=rung)
        return climbed

    async def _stopped(self, rung: ladder.Rung, stopped: Stopped, ledger: Ledger) -> Climbed | None:
        if stopped.asked or (rung == "renew" and stopped.stage == "before_submit"):
            event("climb.no_help", profile=self._profile.name, rung=rung)
            if rung == "renew":
                now = self._clock.wall_s()
                ledger = ledger.with_usefulness(now, rung, helped=False)
                await asyncio.to_thread(self._records.keep_ledger, ledger)
            if not isinstance(stopped.error, SiteDown):
                return None
        error = self._staging.explains(stopped.error)
        latch = ledger.latch
        if error.latched and latch is not None and latch.error.get("code") != error.code:
            # The signer knows only that this secret was refused before; the ledger knows how.
            error = latch.as_error()
        await self._settle(replace(stopped, error=error), ledger)
        event(
            "sign_in.stopped",
            level=logging.WARNING,
            profile=self._profile.name,
            rung=rung,
            code=error.code,
            stage=stopped.stage,
            why=error.message,
        )
        raise error

    def _see_sandbox(self, signed: SignedIn) -> None:
        self.sandboxed = signed.sandboxed
        if signed.sandboxed is False:
            event(
                "browser.no_sandbox",
                level=logging.WARNING,
                profile=self._profile.name,
                why="the browser ran without its sandbox: run harvester as a user, not as root",
            )

    async def _settle(self, stopped: Stopped, ledger: Ledger) -> None:
        settled = settle(
            ledger,
            stopped,
            settings=self._settings,
            now=self._clock.wall_s(),
            fraction=random.random(),  # noqa: S311  jitter, no secret
        )
        if settled != ledger:
            await asyncio.to_thread(self._records.keep_ledger, settled)

    async def _job(self, rung: ladder.Rung, current: Session | None, ledger: Ledger) -> Job:
        assert rung != "touch"  # noqa: S101  touch has no browser
        profile = self._profile
        scripted = rung == "scripted"
        state = None if rung == "renew" else await asyncio.to_thread(self._records.identity_state)
        if scripted and (profile.username is None or profile.password is None):
            raise NotConfigured("no user name or no password is configured")
        return Job(
            rung=rung,
            profile=profile.name,
            origin=profile.site.origin,
            sign_in_url=profile.site.sign_in_url,
            probe_path=profile.site.probe_path,
            identity_origins=profile.identity_origins,
            key=self._key,
            timeout_s=profile.sign_in_timeout_s,
            provider=profile.provider,
            username=profile.username,
            password=profile.password if scripted else None,
            totp=profile.totp if scripted else None,
            organization=profile.organization,
            rejected=ledger.rejected_fingerprints(self._clock.wall_s()),
            totp_last_step=ledger.totp_step,
            identity_state=state,
            jar=current.jar if rung == "renew" and current is not None else (),
            browser=self._browser,
        )

    async def _keep(self, session: Session, rung: str) -> Climbed:
        try:
            await asyncio.to_thread(self._records.keep_session, session)
        except StoreError as error:
            event("store.not_durable", level=logging.ERROR, why=error.message, code=error.code)
            return Climbed(session, rung, durable=False)
        return Climbed(session, rung)

    async def _keep_identity(self, result: SignedIn) -> None:
        if result.identity_state is None:
            return
        try:
            await asyncio.to_thread(self._records.keep_identity_state, result.identity_state)
        except StoreError as error:
            event("store.not_durable", level=logging.ERROR, why=error.message, code=error.code)


class _RefusedOnTheWay(Exception):
    """The site refused the session while it was being touched."""
