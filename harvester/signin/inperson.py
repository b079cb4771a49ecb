"""A sign-in by a person: the window that he gets, and what is kept of it afterwards.

    a window of ours      while the provider lets it in; we look on (``headed.py``)
    an ordinary browser   where it does not, or is known not to (``plain.py``)

No secret is read for it, and none is typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from harvester.errors import ProviderRefuses, SiteDown
from harvester.session import Cookie
from harvester.signin import lexicon
from harvester.signin.arrival import Arrived
from harvester.signin.carried import Carried
from harvester.signin.decision import Known
from harvester.signin.dialogue import Job, SignedIn
from harvester.signin.find import find_browser
from harvester.signin.headed import AutomationRefused, Onlooker
from harvester.signin.jar import site_jar
from harvester.signin.lessons import Lessons
from harvester.signin.parent import Parent
from harvester.signin.plain import PlainWindow
from harvester.signin.remembered import Remembered
from harvester.signin.screen import screen_of
from harvester.signin.start import Start
from harvester.signin.taught import Taught
from harvester.signin.traffic import Traffic


class InPerson:
    """One sign-in by a person, in one window or the other."""

    def __init__(
        self,
        job: Job,
        parent: Parent,
        start: Start,
        remembered: Remembered,
        carried: Carried,
        traffic: Traffic,
    ) -> None:
        self._job = job
        self._parent = parent
        self._start = start
        self._remembered = remembered
        self._carried = carried
        self._traffic = traffic
        self._host = urlsplit(job.origin).hostname or ""

    async def sign_in(self) -> SignedIn | None:
        """None where the site has no session, and what the provider remembers may still make one:
        it is in ``remembered`` then.

        Raises NeedsHuman where there is no screen or the person gave up, and what stops any
        sign-in.
        """
        screen = screen_of(self._start.environ)
        making = self._job.passkey_name is not None
        if making or not (self._job.plain or _refuses_by_name(self._job)):
            try:
                return await self._in_our_window(screen)
            except AutomationRefused as refused:
                if making:
                    raise _no_passkey_at(refused.host) from None
                self._parent.step("automation_refused", refused.host)
        return await self._in_a_plain_window(screen)

    async def _in_our_window(self, screen: dict[str, str]) -> SignedIn:
        job = self._job
        browser = await self._start.window(job.browser, screen)
        browser.taught = Taught(job.pages)
        # A person who only signs in does so with what is his own: an authenticator of ours would
        # answer in his place.
        making = job.passkey_name is not None
        await browser.open(
            self._remembered.cookies,
            self._traffic,
            self._remembered.origins,
            self._carried.authenticator if making else None,
        )
        lessons = Lessons(_known_of(job))
        await browser.listen(lessons.heard)
        onlooker = Onlooker(job, browser, self._parent, self._carried)
        try:
            arrived = await onlooker.sign_in()
            if making:
                self._parent.step("make_passkey", onlooker.host)
                await onlooker.until_closed()
        except AutomationRefused:
            await browser.close()
            raise
        for rule in lessons.rules:
            self._parent.lesson(rule)
        stored = None if browser.closed else await browser.stored()
        return self._signed_in(arrived, stored, browser.sandboxed)

    async def _in_a_plain_window(self, screen: dict[str, str]) -> SignedIn | None:
        job = self._job
        found = find_browser(job.browser.browser, self._start.environ, windows=True)
        window = PlainWindow(found, job.browser, self._start.scratch / "window")
        self._parent.step("plain_window", self._host)
        await window.until_closed(job.sign_in_url, screen)
        self._parent.step("take_over", self._host)
        taken = await self._start.take_over(job.browser, found, window.place, job.identity_origins)
        self._traffic.user_agent = taken.user_agent
        jar = site_jar(taken.cookies, self._host)
        if jar and await self._alive(jar):
            return self._signed_in(Arrived(jar, taken.cookies), taken.origins, None)
        self._remembered.replace(taken.cookies, taken.origins)
        return None

    async def _alive(self, jar: tuple[Cookie, ...]) -> bool:
        verdict = await self._parent.verdict(jar, self._traffic.user_agent)
        if verdict == "unreachable":
            raise SiteDown(
                f"{self._host} did not answer the request that proves a session",
                hint="run it again when it does",
            )
        return verdict == "alive"

    def _signed_in(
        self,
        arrived: Arrived,
        stored: Sequence[dict[str, Any]] | None,
        sandboxed: bool | None,
    ) -> SignedIn:
        return SignedIn(
            cookies=arrived.jar,
            user_agent=self._traffic.user_agent,
            identity_state=self._remembered.sealed(arrived.everything, stored),
            identity=arrived.identity,
            organization=arrived.organization,
            sandboxed=sandboxed,
        )


def _known_of(job: Job) -> Known:
    return Known(
        rung=job.rung,
        site_origin=job.origin,
        identity_origins=job.identity_origins,
        provider=job.provider,
        username=job.username,
        organization=job.organization,
        stay_signed_in=job.stay_signed_in,
        consent=job.consent,
    )


def _refuses_by_name(job: Job) -> bool:
    """Whether the provider is one of those that say so to every program."""
    refusing = lexicon.PROVIDER_HOSTS[lexicon.REFUSES_AUTOMATION]
    hosts = {urlsplit(origin).hostname for origin in job.identity_origins}
    named = (job.provider or "").casefold() == lexicon.REFUSES_AUTOMATION
    return named or not hosts.isdisjoint(refusing)


def _no_passkey_at(host: str) -> ProviderRefuses:
    return ProviderRefuses(
        f"{host} lets no window in that a program holds, and a passkey for this machine can be "
        "made in no other",
        hint="sign in there yourself, and keep the session, with: harvester login --headed",
    )
