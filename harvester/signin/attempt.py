"""One attempt, from the job to the result: secrets, browser, walk, identity state.

Owns the order: nothing is started for a secret that was refused before, and the result is told
before anything is closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from harvester import redact
from harvester.errors import (
    Bug,
    ConfigClock,
    CredentialsRejected,
    HarvesterError,
    NeedsHuman,
    NotConfigured,
    TimedOut,
)
from harvester.signin.act import Hand, Secrets
from harvester.signin.arrival import Asked
from harvester.signin.carried import Carried
from harvester.signin.codes import read_seed
from harvester.signin.dialogue import Job, SignedIn, Stage, Stopped
from harvester.signin.film import Film
from harvester.signin.headed import closed_too_soon
from harvester.signin.inperson import InPerson
from harvester.signin.jar import as_stored
from harvester.signin.launch import is_reachable
from harvester.signin.parent import Parent, ParentGone
from harvester.signin.remembered import Remembered
from harvester.signin.renewal import renew
from harvester.signin.start import Start
from harvester.signin.taught import Taught
from harvester.signin.traffic import Traffic
from harvester.signin.walk import Walk
from harvester.vault import keys
from harvester.vault.keys import KeyRing
from harvester.vault.seal import Seal
from harvester.vault.secret import read_secret

# The watcher kills at the limit itself; this much before it there is still time to say why.
_LAST_WORDS_S = 2.0


class Attempt:
    def __init__(self, job: Job, parent: Parent, start: Start) -> None:
        self._job = job
        self._parent = parent
        self._start = start
        self._until = time.monotonic() + job.timeout_s - _LAST_WORDS_S
        self._fingerprint: str | None = None
        self._stage: Stage = "before_submit"
        self._traffic = Traffic(
            job.origin,
            blocks=lambda host: not is_reachable(host, job.browser),
            on_blocked=lambda host: parent.step("host_blocked", host),
        )
        self._secret: tuple[str, ...] = ()
        self._seal: Seal
        self._evidence: Callable[[HarvesterError], Awaitable[str | None]] | None = None

    async def run(self) -> SignedIn | Stopped:
        """The result; every failure is one, none is raised."""
        result = await self._ended()
        if isinstance(result, SignedIn) or result.asked or self._evidence is None:
            return result
        try:
            return replace(result, evidence=await self._evidence(result.error))
        except Exception as error:  # how the sign-in ended matters more; told, by kind and place
            result.error.hint += f" (what was seen is not kept: {Bug.of(error).message})"
            return result

    async def _ended(self) -> SignedIn | Stopped:
        try:
            async with asyncio.timeout(self._until - time.monotonic()):
                return await self._run()
        except HarvesterError as error:
            return self._stopped(error)
        except TimeoutError:
            late = TimedOut(
                f"the sign-in took more than {self._job.timeout_s:.0f} s",
                hint="run it again"
                if self._job.rung == "headed"
                else "raise HARVESTER_SIGN_IN_TIMEOUT if the pages are slow",
            )
            return self._stopped(late)
        except ParentGone:
            raise
        except Exception as error:  # told as a bug, by kind and place, never by its words
            return self._stopped(Bug.of(error))

    def _stopped(self, error: HarvesterError, *, asked: bool = False) -> Stopped:
        # Messages quote pages, and a page can echo what was typed into it.
        error.message = redact.scrub(error.message, self._secret)
        error.hint = redact.scrub(error.hint, self._secret)
        return Stopped(
            error,
            stage=self._stage,
            asked=asked,
            fingerprint=self._fingerprint,
            clock_skew_s=self._traffic.clock_skew_s(self._traffic.last_but_site),
        )

    async def _run(self) -> SignedIn | Stopped:
        job = self._job
        if job.rung == "silent" and job.identity_state is None and job.passkeys is None:
            error = NeedsHuman("no identity provider remembers us", hint="run: harvester login")
            return self._stopped(error, asked=True)
        environ = self._start.environ
        ring = KeyRing.from_lines(job.ring)
        password = totp = None
        if job.rung == "scripted":
            password, totp = _secrets_of(job, environ)
            parts = (job.origin, job.username or "", password, totp or "")
            self._fingerprint = keys.fingerprint(ring, *parts)
            if keys.is_among(ring, job.rejected, *parts):
                return self._stopped(_refused_before(ring, job))
        remembered = Remembered(job, ring)
        self._seal = Seal(ring)
        carried = Carried(job, self._seal, self._parent)
        if job.rung == "silent" and job.identity_state is None and not carried.fitting:
            error = NeedsHuman(
                f"the passkeys of this machine are for {carried.elsewhere()}, where this profile "
                "does not sign in",
                hint="check HARVESTER_IDENTITY_ORIGINS, or run: harvester passkey enroll",
            )
            return self._stopped(error, asked=True)
        if job.rung == "headed":
            await self._start.believe(job.browser)
            person = InPerson(job, self._parent, self._start, remembered, carried, self._traffic)
            signed = await person.sign_in()
            return await self._finish_silently(remembered, carried) if signed is None else signed
        return await self._browse(remembered, carried, password, totp)

    async def _finish_silently(
        self, remembered: Remembered, carried: Carried
    ) -> SignedIn | Stopped:
        """The person closed the browser before the site had made its session: what the provider
        remembers of him is enough for that, if he was let in."""
        self._job = replace(self._job, rung="silent")
        self._traffic.visited.clear()
        result = await self._browse(remembered, carried, None, None)
        if isinstance(result, SignedIn) or not result.asked:
            return result
        return self._stopped(closed_too_soon(urlsplit(self._job.origin).netloc))

    async def _browse(
        self, remembered: Remembered, carried: Carried, password: str | None, totp: str | None
    ) -> SignedIn | Stopped:
        job = self._job
        seed = read_seed(totp, "HARVESTER_TOTP_SECRET") if totp else None
        renewing = job.rung == "renew"
        cookies = [as_stored(one) for one in job.jar] if renewing else remembered.cookies
        secrets = None
        if password is not None:
            secrets = Secrets(password, self._fingerprint or "", seed, totp or "")
            self._secret = secrets.all()
        browser = await self._start.browser(job.browser)
        browser.taught = Taught(job.pages)
        origins = () if renewing else remembered.origins
        await browser.open(cookies, self._traffic, origins, carried.authenticator)
        hand = Hand(job, browser, self._parent, secrets)
        film = Film(job, browser, hand)
        walk = Walk(
            job,
            browser,
            self._parent,
            hand,
            secrets=secrets,
            consents=remembered.consents,
            carried=carried,
            film=film,
        )
        self._evidence = lambda error: film.sealed(error, walk.known(), self._seal)
        try:
            way = renew(job, browser, self._parent) if renewing else walk.sign_in()
            arrived = await way
        except Asked as asked:
            return self._stopped(asked.error, asked=True)
        except ConfigClock as error:
            # Who is asked for a code has been let past the password.
            self._stage = hand.stage
            return replace(self._stopped(error), accepted=hand.sent)
        except HarvesterError as error:
            if not walk.let_in:
                raise
            self._stage = hand.stage
            state = remembered.sealed(await browser.cookies())
            return replace(self._stopped(error), accepted=True, identity_state=state)
        finally:
            self._stage = hand.stage
        return SignedIn(
            cookies=arrived.jar,
            user_agent=self._traffic.user_agent,
            identity_state=None if renewing else remembered.sealed(arrived.everything),
            identity=arrived.identity,
            organization=arrived.organization,
            secrets_sent=hand.sent,
            fingerprint=self._fingerprint,
            sandboxed=browser.sandboxed,
        )


def _refused_before(ring: KeyRing, job: Job) -> CredentialsRejected:
    if keys.of_a_gone_key(ring, job.rejected):
        return CredentialsRejected(
            "a password was refused under a sealing key that is gone, so nobody can tell whether "
            "it was this one: it is not sent",
            hint="when you know that the password is right, run: harvester unlock",
            latched=True,
        )
    return CredentialsRejected(
        "these credentials were refused before, and are not sent again",
        hint="correct HARVESTER_USERNAME or HARVESTER_PASSWORD, or run: harvester unlock",
        latched=True,
    )


def _secrets_of(job: Job, environ: Mapping[str, str]) -> tuple[str, str | None]:
    if job.username is None or job.password is None:
        raise NotConfigured(
            "no user name or no password is configured",
            hint="set HARVESTER_USERNAME and HARVESTER_PASSWORD (or HARVESTER_PASSWORD_FILE)",
        )
    password = read_secret(job.password, environ=environ)
    return password, None if job.totp is None else read_secret(job.totp, environ=environ)
