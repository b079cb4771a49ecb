"""One attempt, from the job to the result: secrets, browser, walk, identity state.

Owns the order: nothing is started for a secret that was refused before, and the result is told
before anything is closed.  Playwright is imported only when a browser is really wanted.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harvester import redact
from harvester.errors import (
    Bug,
    ConfigInvalid,
    CredentialsRejected,
    HarvesterError,
    NeedsHuman,
    NotConfigured,
    StoreCorrupt,
    TimedOut,
)
from harvester.signin.codes import read_seed
from harvester.signin.confine import allowed_environment
from harvester.signin.consents import Consents
from harvester.signin.dialogue import Job, SignedIn, Stage, Stopped
from harvester.signin.find import Found, find_browser
from harvester.signin.jar import as_stored, is_for
from harvester.signin.parent import Parent, ParentGone
from harvester.signin.traffic import Traffic
from harvester.vault import keys
from harvester.vault.seal import MAX_PLAINTEXT_BYTES, Seal
from harvester.vault.secret import read_secret

# The watcher kills at the limit itself; this much before it there is still time to say why.
_LAST_WORDS_S = 2.0


class _Remembered:
    """The identity state, opened: the provider's cookies, and what was agreed to there."""

    def __init__(self, job: Job, ring: keys.KeyRing) -> None:
        self._job = job
        self._seal = Seal(ring)
        self.cookies: list[dict[str, Any]] = []
        self.consents = Consents()
        self._generation = 0
        if job.identity_state is not None:
            self._open(job.identity_state)

    def _open(self, sealed: str) -> None:
        try:
            opened = self._seal.open(
                sealed.encode("ascii", "replace"),
                profile=self._job.profile,
                purpose="identity-state",
            )
            state = json.loads(opened.plaintext)
            self.cookies = list(state["cookies"])
            self.consents = Consents.from_stored(state.get("consents", {}))
            self._generation = opened.generation
        except (StoreCorrupt, ValueError, KeyError, TypeError):
            return  # a state that cannot be read is none: the provider asks again

    def sealed(self, everything: list[dict[str, Any]]) -> str | None:
        """The state after this sign-in: all cookies but the site's own."""
        host = urlsplit(self._job.origin).hostname or ""
        kept = [one for one in everything if not is_for(host, str(one["domain"]))]
        state = {"cookies": kept, "origins": [], "consents": self.consents.given}
        plaintext = json.dumps(state).encode()
        if not kept or len(plaintext) > MAX_PLAINTEXT_BYTES:
            return None
        now_s = time.time()
        return self._seal.seal(
            plaintext,
            profile=self._job.profile,
            purpose="identity-state",
            # Later than the one before, also where that one could not be read.
            generation=max(int(now_s), self._generation + 1),
            now_s=now_s,
        ).decode("ascii")


class Attempt:
    def __init__(self, job: Job, parent: Parent, scratch: Path, started: float) -> None:
        self._job = job
        self._parent = parent
        self._scratch = scratch
        self._until = started + job.timeout_s - _LAST_WORDS_S
        self._fingerprint: str | None = None
        self._stage: Stage = "before_submit"
        self._traffic = Traffic(job.origin)
        self._secret: tuple[str, ...] = ()

    async def run(self) -> SignedIn | Stopped:
        """The result; every failure is one, none is raised."""
        await self._parent.connect()
        try:
            async with asyncio.timeout(self._until - time.monotonic()):
                return await self._run()
        except HarvesterError as error:
            return self._stopped(error)
        except TimeoutError:
            late = TimedOut(
                f"the sign-in took more than {self._job.timeout_s:.0f} s",
                hint="raise HARVESTER_SIGN_IN_TIMEOUT if the pages are slow",
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
            clock_skew_s=self._traffic.clock_skew_s,
        )

    async def _run(self) -> SignedIn | Stopped:
        job = self._job
        if job.rung == "silent" and job.identity_state is None:
            error = NeedsHuman("no identity provider remembers us", hint="run: harvester login")
            return self._stopped(error, asked=True)
        ring, _ = keys.load(job.key, Path(), may_create=False)
        password = totp = None
        if job.rung == "scripted":
            password, totp = _secrets_of(job)
            self._fingerprint = keys.fingerprint(
                ring, job.origin, job.username or "", password, totp or ""
            )
            if self._fingerprint in job.rejected:
                return self._stopped(
                    CredentialsRejected(
                        "these credentials were refused before, and are not sent again",
                        hint="correct HARVESTER_USERNAME or HARVESTER_PASSWORD, "
                        "or run: harvester unlock",
                        latched=True,
                    )
                )
        remembered = _Remembered(job, ring)
        found = find_browser(job.browser.browser)
        if job.browser.ca_file is not None:
            raise ConfigInvalid(
                "HARVESTER_CA_FILE cannot be given to the browser in this release",
                hint="add the authority to the browser's own store and unset HARVESTER_CA_FILE",
            )
        # From here on there are children: they know nothing of the user's environment.
        kept = allowed_environment(os.environ, self._scratch)
        os.environ.clear()
        os.environ.update(kept)
        return await self._browse(found, remembered, password, totp)

    async def _browse(
        self, found: Found, remembered: _Remembered, password: str | None, totp: str | None
    ) -> SignedIn | Stopped:
        from harvester.signin.browser import Browser

        job = self._job
        seed = read_seed(totp, "HARVESTER_TOTP_SECRET") if totp else None
        browser = Browser(self._traffic)
        renew = job.rung == "renew"
        cookies = [as_stored(one) for one in job.jar] if renew else remembered.cookies
        launching = asyncio.create_task(browser.launch(found, job.browser, cookies))
        # The driver takes 0.3 s to start: the rest of the program is loaded meanwhile.
        await asyncio.to_thread(import_module, "harvester.signin.walk")
        from harvester.signin.act import Hand, Secrets
        from harvester.signin.walk import Asked, Walk

        secrets = None
        if password is not None:
            secrets = Secrets(password, self._fingerprint or "", seed, totp or "")
            self._secret = secrets.all()
        await launching
        hand = Hand(job, browser, self._parent, secrets)
        walk = Walk(job, browser, self._parent, hand, secrets=secrets, consents=remembered.consents)
        try:
            arrived = await (walk.renew() if renew else walk.sign_in())
        except Asked as asked:
            return self._stopped(asked.error, asked=True)
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
            identity_state=None if renew else remembered.sealed(arrived.everything),
            identity=arrived.identity,
            organization=arrived.organization,
            secrets_sent=hand.sent,
            fingerprint=self._fingerprint,
            sandboxed=browser.sandboxed,
        )


def _secrets_of(job: Job) -> tuple[str, str | None]:
    if job.username is None or job.password is None:
        raise NotConfigured(
            "no user name or no password is configured",
            hint="set HARVESTER_USERNAME and HARVESTER_PASSWORD (or HARVESTER_PASSWORD_FILE)",
        )
    return read_secret(job.password), None if job.totp is None else read_secret(job.totp)
