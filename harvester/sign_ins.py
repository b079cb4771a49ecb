"""The rungs with a browser: one sign-in, from the job to a proved session and a told ledger.

Before a secret may be sent, the attempt is stored; after the end, what it means is.  Stores no
session: whether to keep what was brought is the climb's to say.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from harvester import lifetime, reasons
from harvester.budgets import refuses_submit
from harvester.clock import Clock
from harvester.digests import account_of, settings_digest
from harvester.errors import (
    HarvesterError,
    KeyWrong,
    NotConfigured,
    ProviderRefuses,
    RateLimited,
    StoreError,
)
from harvester.ledger import Ledger
from harvester.locking import locked, to_the_end
from harvester.log import event
from harvester.notes import heed, not_durable, note_down
from harvester.overseer import LedgerOverseer, Step
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Session
from harvester.settle import settle
from harvester.signer import Overseer
from harvester.signin.dialogue import BrowserChoice, Job, Rung, SignedIn, Stopped
from harvester.staging import Staging
from harvester.switching import Switching

# Beyond a sign-in's own time limit, somebody who holds the account is stuck.
LOCK_PATIENCE_S = 30.0
# A person looks for his telephone, reads a consent, mistypes: minutes.  More, and he has left.
HEADED_LIMIT_S = 600.0


class Runs(Protocol):
    """Does one sign-in; ``signer.Sitting`` is one."""

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped: ...


class Prepares(Protocol):
    """Makes itself ready for a sign-in; ``signer.Signer`` is one."""

    def prepared(self, browser: BrowserChoice | None) -> AbstractAsyncContextManager[Runs]: ...


class SignIns:
    """Sign-ins of one profile.  The caller holds the profile's lock."""

    def __init__(
        self,
        profile: Profile,
        *,
        records: Records,
        staging: Staging,
        signer: Prepares,
        clock: Clock,
        ring: Callable[[], tuple[str, ...]],
        browser: BrowserChoice,
        on_step: Callable[[Step], None],
        plain_window: bool = False,
        passkey_name: str | None = None,
    ) -> None:
        """``ring`` gives the sealing keys as they are now (``LiveRing.lines``).
        ``plain_window``: a person gets an ordinary browser, whatever the provider lets in.
        ``passkey_name``: he makes a passkey in the window, to be kept under this name."""
        self._profile = profile
        self._records = records
        self._staging = staging
        self._signer = signer
        self._clock = clock
        self._ring = ring
        self._browser = replace(browser, hosts=profile.reachable_hosts)
        self._on_step = on_step
        self._plain_window = plain_window
        self._passkey_name = passkey_name
        self._switching = Switching(profile, staging=staging, records=records, clock=clock)
        self._settings = settings_digest(profile)
        self._account = account_of(profile)
        self.sandboxed: bool | None = None
        """Whether the last browser ran in its sandbox; None before one ran."""

    def _patience_s(self) -> float:
        return self._profile.sign_in_limit_s + LOCK_PATIENCE_S

    async def run(self, rung: Rung, current: Session | None, ledger: Ledger) -> Session | None:
        """A proved session, not stored yet; None where a page asked for what this rung may not
        type.  Raises HarvesterError, after the ledger was told."""
        # A secret that may turn out to be one that was refused needs no browser to say so.
        wanted = rung != "headed" and not ledger.rejected_fingerprints()
        browser = self._browser if wanted else None
        async with self._signer.prepared(browser) as runs:
            return await self._run(runs, rung, current, ledger)

    async def _run(
        self, runs: Runs, rung: Rung, current: Session | None, ledger: Ledger
    ) -> Session | None:
        try:
            ledger = (await self._staging.with_picture(ledger)).with_account(self._account)
        except RateLimited as error:
            await heed(self._records, error, self._clock)
            raise
        if rung != "scripted":
            if rung in ("renew", "silent"):
                life_s = None if current is None else lifetime.known_life_s(current)
                ledger = ledger.with_rung(rung, self._clock.wall_s(), life_s)
            await note_down(self._records, ledger)
            return await self._sign_in(runs, rung, current, ledger, ())
        # Of all profiles of one account, one sends its secret at a time, and each counts for all.
        async with locked(self._records.account_lock(self._account), self._patience_s()):
            others = await asyncio.to_thread(self._records.other_ledgers, self._account)
            now = self._clock.wall_s()
            refusal = refuses_submit(ledger, now, self._profile, others=others)
            if refusal is not None:
                raise refusal
            # Written down before it is done: what cannot be written is not done.
            await to_the_end(self._records.keep_ledger, ledger)
            return await self._sign_in(runs, rung, current, ledger, others)

    async def _sign_in(
        self,
        runs: Runs,
        rung: Rung,
        current: Session | None,
        ledger: Ledger,
        others: tuple[Ledger, ...],
    ) -> Session | None:
        overseer = LedgerOverseer(
            self._profile, self._records, self._staging, self._clock, self._on_step, ledger, others
        )
        result = await runs.run(await self._job(rung, current, ledger, others), overseer)
        ledger = overseer.ledger
        if isinstance(result, Stopped):
            return await self._stopped(rung, result, ledger, overseer.host)
        self._see_sandbox(result)
        latched = ledger.latch
        if rung != "renew":
            # The site accepted a candidate: the provider's part is done, and done well, whatever
            # the site says from here on.
            # A secret that was at hand and was not asked for proved nothing of itself.
            ledger = ledger.with_success(result.fingerprint if result.secrets_sent else None)
            if rung == "headed":
                ledger = ledger.with_usefulness(self._clock.wall_s(), "silent", helped=True)
            else:
                await self._keep_identity(result)
        staged, ledger = await self._switching.stage(
            result,
            current,
            ledger,
            last_generation=ledger.generation,
            renewed=rung == "renew",
        )
        if isinstance(staged, HarvesterError):
            if rung != "headed":
                settled = await self._settle(Stopped(staged), ledger, since=overseer.ledger)
                self._tell_latch(overseer.ledger, settled)
            raise staged
        if rung == "headed":
            # Not before it is known to be ours: a person can sign in as anybody.
            await self._keep_identity(result)
        if rung == "renew":
            return staged
        await note_down(self._records, ledger.with_generation(staged.generation))
        if latched is not None and ledger.latch is None:
            code = latched.error.get("code")
            event(
                "latch.cleared",
                profile=self._profile.name,
                code=code,
                why=f"a {rung} sign-in succeeded",
            )
        event(
            "session.signed_in",
            profile=self._profile.name,
            generation=staged.generation,
            rung=rung,
            why="the site accepted what the browser brought",
        )
        return staged

    async def _stopped(
        self, rung: Rung, stopped: Stopped, ledger: Ledger, host: str | None
    ) -> Session | None:
        if stopped.asked:
            event(
                "climb.no_help",
                profile=self._profile.name,
                rung=rung,
                why="a page asked for what this rung does not type",
                next="the next rung",
            )
            # Until a sign-in with the secrets, the answer will be the same.
            now = self._clock.wall_s()
            await note_down(self._records, ledger.with_usefulness(now, rung, helped=False))
            return None
        await self._keep_identity(stopped)
        evidence = await self._keep_evidence(stopped)
        error = self._staging.explains(stopped.error)
        latch = ledger.latch
        if error.latched and latch is not None and latch.error.get("code") != error.code:
            # The signer knows only that this secret was refused before; the ledger knows how.
            error = latch.as_error()
        error.evidence = evidence or error.evidence
        settled = ledger
        if rung != "headed":  # what a person leaves unfinished says nothing of what we may try
            settled = await self._settle(replace(stopped, error=error), ledger)
            # Where the same failure came again and again, the ledger knows better what helps.
            waits = settled.waits(self._clock.wall_s())
            if waits is not None and waits.code == error.code:
                error.hint = waits.hint
        event(
            "sign_in.stopped",
            profile=self._profile.name,
            rung=rung,
            code=error.code,
            stage=stopped.stage,
            counted=stopped.stage != "before_submit" and not stopped.accepted,
            host=host,
            clock_skew_s=stopped.clock_skew_s,
            why=error.message,
            evidence=error.evidence or None,
            **reasons.after(error, settled, self._profile, self._clock.wall_s()),
        )
        self._tell_latch(ledger, settled)
        raise error

    def _tell_latch(self, before: Ledger, after: Ledger) -> None:
        latch = after.latch
        if latch is None or latch == before.latch:
            return
        error = latch.as_error()
        event(
            "latch.set",
            profile=self._profile.name,
            code=error.code,
            why=error.message,
            blocks=list(latch.blocks) or None,
            **reasons.after(error, after, self._profile, self._clock.wall_s()),
        )

    def _see_sandbox(self, signed: SignedIn) -> None:
        self.sandboxed = signed.sandboxed
        if signed.sandboxed is False:
            event(
                "browser.no_sandbox",
                level=logging.WARNING,
                profile=self._profile.name,
                why="the browser ran without its sandbox: run harvester as a user, not as root",
            )

    async def _settle(
        self, stopped: Stopped, ledger: Ledger, *, since: Ledger | None = None
    ) -> Ledger:
        """Write down what the end means; ``since`` is what is stored, if not ``ledger``."""
        settled = settle(
            ledger,
            stopped,
            settings=self._settings,
            now=self._clock.wall_s(),
            fraction=random.random(),  # noqa: S311  jitter, no secret
        )
        if settled != (since or ledger):
            await note_down(self._records, settled)
        return settled

    async def _job(
        self,
        rung: Rung,
        current: Session | None,
        ledger: Ledger,
        others: tuple[Ledger, ...],
    ) -> Job:
        profile = self._profile
        scripted = rung == "scripted"
        state = sealed = None
        if rung != "renew":
            state = await asyncio.to_thread(self._records.identity_state)
            sealed = await asyncio.to_thread(self._records.sealed_passkeys)
        if scripted and (profile.username is None or profile.password is None):
            raise NotConfigured("no user name or no password is configured")
        return Job(
            rung=rung,
            profile=profile.name,
            origin=profile.site.origin,
            sign_in_url=profile.site.sign_in_url,
            probe_path=profile.site.probe_path,
            identity_origins=profile.identity_origins,
            ring=await asyncio.to_thread(self._ring),
            timeout_s=HEADED_LIMIT_S if rung == "headed" else profile.sign_in_limit_s,
            provider=profile.provider,
            username=profile.username,
            password=profile.password if scripted else None,
            totp=profile.totp if scripted else None,
            organization=profile.organization,
            rejected=tuple(
                one for each in (ledger, *others) for one in each.rejected_fingerprints()
            ),
            # One seed, whichever profile it was typed for: no code of it goes twice.
            totp_last_step=max(
                (one.totp_step for one in (ledger, *others) if one.totp_step is not None),
                default=None,
            ),
            identity_state=state,
            jar=current.jar if rung == "renew" and current is not None else (),
            browser=self._browser,
            approval_wait_s=profile.approval_wait_s,
            stay_signed_in=profile.stay_signed_in,
            consent=profile.consent,
            pages=profile.pages,
            passkeys=sealed,
            passkey_name=self._passkey_name if rung == "headed" else None,
            plain=rung == "headed"
            and self._passkey_name is None
            and (self._plain_window or _refused_a_program(ledger)),
        )

    async def _keep_evidence(self, stopped: Stopped) -> str:
        """The name under which it is kept; empty where there is none.  A disk that takes nothing
        changes nothing about the sign-in."""
        if stopped.evidence is None:
            return ""
        try:
            return await to_the_end(self._records.keep_evidence, stopped.evidence)
        except (StoreError, KeyWrong) as error:
            event(
                "evidence.dropped",
                level=logging.WARNING,
                profile=self._profile.name,
                code=error.code,
                why=error.message,
            )
            return ""

    async def _keep_identity(self, result: SignedIn | Stopped) -> None:
        if result.identity_state is None:
            return
        try:
            await to_the_end(self._records.keep_identity_state, result.identity_state)
        except StoreError as error:
            not_durable(self._profile.name, error)


def _refused_a_program(ledger: Ledger) -> bool:
    """Whether the provider said last that it lets no browser in that a program holds."""
    return ledger.latch is not None and ledger.latch.error.get("code") == ProviderRefuses.code
