"""A site, an identity provider and an account that go wrong by themselves, in simulated time.

What ``engine.World`` is to one story, this is to a year of them: sessions that end, a provider
that forgets, an account that locks, requests and sign-ins that fail by chance.  It keeps the truth
(which session lives, what was sent to the account) and writes down what must never happen.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from engine import FakeClock, World
from harvester.errors import (
    AccountLocked,
    BrowserFailed,
    Challenge,
    CodeRejected,
    CredentialsRejected,
    HarvesterError,
    NeedsHuman,
    PageNotRecognised,
    ProviderDown,
    RateLimited,
    SiteDown,
    TimedOut,
)
from harvester.session import Cookie
from harvester.signer import Overseer
from harvester.signin.dialogue import Job, SignedIn, Stopped
from harvester.verdict import Answer, Verdict
from jars import jwt

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
LOCKS_AT = 3
# "declared": the cookie says when it ends.  "opaque": nothing says.  "jwt": a token of minutes,
# minted anew by a page load while the session beside it lives.
Form = Literal["declared", "opaque", "jwt"]


class TownClock(FakeClock):
    """Ours, and the town's, which no setting of ours moves."""

    def __init__(self) -> None:
        super().__init__()
        self.true_s = self.wall

    def suspend(self, seconds: float) -> None:
        super().suspend(seconds)
        self.true_s += seconds

    def reboot(self, *, off_s: float = 30.0) -> None:
        super().reboot(off_s=off_s)
        self.true_s += off_s


@dataclass
class Weather:
    """What goes wrong by chance: ``rate`` of all requests, and of all sign-ins.

    One failing request in ``outage_in`` is the first of an outage.
    """

    chance: random.Random
    rate: float = 0.01
    outage_in: int = 50
    site_down_until: float = 0.0
    provider_down_until: float = 0.0
    page_changed_until: float = 0.0

    def span_s(self, least_s: float, most_s: float) -> float:
        """Short ones are more usual than long ones."""
        return float(least_s * (most_s / least_s) ** self.chance.random())

    def strikes(self) -> bool:
        return self.chance.random() < self.rate


@dataclass
class Town(World):
    """``life_s`` is how long a session lives; ``token_s`` a JWT of it."""

    clock: TownClock
    chance: random.Random = field(default_factory=random.Random)
    weather: Weather = field(default_factory=lambda: Weather(random.Random(0), 0.0))
    form: Form = "declared"
    token_s: float = 300.0
    remembers_s: float = 14 * DAY_S
    wants_code: bool = True
    remembered_until: float = 0.0
    ends: dict[str, float] = field(default_factory=dict)
    """When each session or token that lives will end."""
    wrong_in_a_row: int = 0
    locked: bool = False
    sent_since_success: int = 0
    sent_at: dict[str, deque[float]] = field(default_factory=dict)
    """When a profile sent a password."""
    submits_per_hour: int = 3
    submits_per_day: int = 30
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    """What must never happen, and did."""
    denied: Callable[[str], None] = lambda value: None
    """Told of each cookie value that a probe was refused with."""
    unsaid: Callable[[str], None] = lambda value: None
    """Told of each cookie value about which a probe was told nothing."""
    accepted: Callable[[str], None] = lambda value: None
    """Told of each cookie value that a probe was content with."""

    @property
    def now(self) -> float:
        """The town's own time: no step of our clocks moves it."""
        return self.clock.true_s

    def site_up(self) -> bool:
        return not self.down and self.now >= self.weather.site_down_until

    def alive(self, cookies: tuple[Cookie, ...]) -> bool:
        return any(self.ends.get(cookie.value, 0.0) > self.now for cookie in cookies)

    def revoke(self) -> None:
        self.ends.clear()

    def person_mends(self) -> None:
        """A person signs in by himself, with the right password: the count begins anew."""
        self.wrong_in_a_row, self.locked, self.sent_since_success = 0, False, 0

    # the site

    def issue(self) -> tuple[Cookie, ...]:
        self.issued += 1
        assert self.life_s is not None
        self.ends = {value: at for value, at in self.ends.items() if at > self.now}
        value = f"session-{self.issued}-{'x' * 20}"
        ends_at = self.now + self.life_s
        shown = None if self.form == "opaque" else self.clock.wall_s() + self.life_s
        theme = Cookie("theme", "dark", "knoq.one")
        if self.form == "jwt":
            # The session itself is not what the site asks for: its token is.
            self._parents[value] = ends_at
            sid = Cookie("sid", value, "knoq.one", expires_at=shown, http_only=True)
            return (sid, self._token(value), theme)
        self.ends[value] = ends_at
        return (Cookie("sid", value, "knoq.one", expires_at=shown, http_only=True), theme)

    _parents: dict[str, float] = field(default_factory=dict)

    def _token(self, parent: str) -> Cookie:
        self.issued += 1
        life_s = min(self.token_s, self._parents[parent] - self.now)
        made = jwt(exp=int(self.clock.wall_s() + life_s), of=parent, number=self.issued)
        self.ends[made] = self.now + life_s
        ends_at = self.clock.wall_s() + self._parents[parent] - self.now
        return Cookie("sid_jwt", made, "knoq.one", expires_at=ends_at)

    async def probe(self, cookies: tuple[Cookie, ...]) -> Answer:
        self.counts["probe" if cookies else "control probe"] += 1
        return await self._asked(cookies)

    async def get(self, path: str, cookies: tuple[Cookie, ...]) -> Answer:
        self.counts["get"] += 1
        return await self._asked(cookies)

    async def post(self, path: str, cookies: tuple[Cookie, ...], body: bytes) -> Answer:
        for cookie in cookies:
            self.ends.pop(cookie.value, None)
            self._parents.pop(cookie.value, None)
        return Answer(200)

    async def _asked(self, cookies: tuple[Cookie, ...]) -> Answer:
        await asyncio.sleep(0.05 + self.chance.random() / 4)
        trouble = await self._trouble()
        if trouble is not None:
            for cookie in cookies:
                self.unsaid(cookie.value)
            return trouble
        if self.answer is not None:
            return self.answer
        if self.alive(cookies):
            for cookie in cookies:
                self.accepted(cookie.value)
            return Answer(200, body="[]")
        for cookie in cookies:
            self.denied(cookie.value)
        return Answer(401, words="session expired")

    async def _trouble(self) -> Answer | None:
        weather = self.weather
        if self.site_up() and weather.strikes():
            self.counts["request failed"] += 1
            if self.chance.random() * weather.outage_in < 1:
                self.counts["site outage"] += 1
                weather.site_down_until = self.now + weather.span_s(60, 4 * HOUR_S)
            return await self._one_of_them()
        return None if self.site_up() else await self._one_of_them()

    async def _one_of_them(self) -> Answer:
        match self.chance.randrange(5):
            case 0:
                await asyncio.sleep(10)
                return Answer(trouble="time-out")
            case 1:
                return Answer(trouble="connection reset")
            case 2:
                return Answer(self.chance.choice((500, 502, 504)))
            case 3:
                return Answer(503, retry_after_s=self.chance.choice((1.0, 30.0, 120.0)))
            case _:
                return Answer(429, retry_after_s=self.chance.choice((1.0, 60.0)))

    # the provider, through a signer

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        self.counts[job.rung] += 1
        await asyncio.sleep(
            {"renew": 2.0, "silent": 4.0, "scripted": 5.0, "headed": 60.0}[job.rung]
        )
        stopped = None if job.rung == "headed" else await self._stops(job)
        if stopped is None:
            match job.rung:
                case "renew":
                    return await self._renews(job, overseer)
                case "silent" if self.now >= self.remembered_until:
                    stopped = Stopped(NeedsHuman("it asks"), asked=True)
                case "scripted":
                    stopped = await self._types(job, overseer)
                case "headed":
                    self.person_mends()
                    self.remembered_until = self.now + self.remembers_s
        if stopped is not None:
            self.counts[f"{job.rung}: {'asked' if stopped.asked else stopped.error.code}"] += 1
            return stopped
        cookies = self.issue()
        scripted = job.rung == "scripted"
        verdict = await overseer.candidate(cookies, "browser")
        if verdict is not Verdict.ALIVE:
            self.counts[f"{job.rung}: not proved"] += 1
            fingerprint = self._fingerprint(job) if scripted else None
            stage = "answered" if scripted else "before_submit"
            return Stopped(SiteDown("the probe did not say"), stage, fingerprint=fingerprint)
        if scripted:
            self.sent_since_success = 0
        return SignedIn(
            cookies,
            "browser",
            identity_state=self._sealed_state(job),
            secrets_sent=scripted,
            fingerprint=self._fingerprint(job) if scripted else None,
        )

    async def _stops(self, job: Job) -> Stopped | None:
        """What keeps a sign-in from coming to the password."""
        weather, now = self.weather, self.now
        if weather.strikes():
            self.counts["sign-in struck"] += 1
            match self.chance.randrange(4):
                case 0:
                    weather.provider_down_until = now + weather.span_s(60, 2 * HOUR_S)
                case 1 if job.rung != "renew":
                    weather.page_changed_until = now + weather.span_s(60, 2 * HOUR_S)
                case 2:
                    await asyncio.sleep(20)
                    return Stopped(TimedOut("the sign-in took too long"))
                case _:
                    return Stopped(BrowserFailed("the browser ended"))
        if job.rung == "renew":
            return None if self.site_up() else Stopped(SiteDown("no answer"))
        if now < weather.provider_down_until:
            error: HarvesterError = ProviderDown("the identity provider does not answer")
            if self.chance.random() < 0.2:
                error = RateLimited("too many requests", retry_after_s=60.0)
            return Stopped(error)
        if now < weather.page_changed_until:
            if self.chance.random() < 0.1:
                return Stopped(Challenge("a captcha"))
            return Stopped(PageNotRecognised("a page of another look"))
        return None

    async def _renews(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        parents = [cookie for cookie in job.jar if self._parents.get(cookie.value, 0.0) > self.now]
        if not parents:
            self.counts["renew: asked"] += 1
            return Stopped(NeedsHuman("it asks to sign in"), asked=True)
        renewed = (*(c for c in job.jar if c.name != "sid_jwt"), self._token(parents[0].value))
        if await overseer.candidate(renewed, "browser") is not Verdict.ALIVE:
            return Stopped(SiteDown("the probe did not say"))
        return SignedIn(renewed, "browser")

    @staticmethod
    def _fingerprint(job: Job) -> str:
        assert job.password is not None
        return f"fp-{job.password.value}"

    async def _types(self, job: Job, overseer: Overseer) -> Stopped | None:
        fingerprint = self._fingerprint(job)
        if fingerprint in job.rejected:
            return Stopped(CredentialsRejected("refused before", latched=True))
        refusal = await overseer.submit(fingerprint)
        if refusal is not None:
            return Stopped(refusal)
        self._received(job.profile)
        assert job.password is not None
        if self.locked:
            locked = AccountLocked("the account is locked")
            return Stopped(locked, "answered", fingerprint=fingerprint)
        right = job.password.value == self.password
        if not right:
            self.wrong_in_a_row += 1
            if self.wrong_in_a_row >= LOCKS_AT:
                self.locked = True
                self.broken.append(f"the account was locked at {self.now:.0f}")
        else:
            self.wrong_in_a_row = 0
        if self.weather.strikes():
            await asyncio.sleep(30)
            return Stopped(TimedOut("no answer after it was sent"), "after_submit")
        await asyncio.sleep(1)
        if not right:
            return Stopped(CredentialsRejected("refused"), "answered", fingerprint=fingerprint)
        if self.wants_code:
            code = await self._asks_code(job, overseer)
            if code is not None:
                return code
        self.remembered_until = self.now + self.remembers_s
        return None

    async def _asks_code(self, job: Job, overseer: Overseer) -> Stopped | None:
        step = int(self.clock.wall_s() // 30)
        if job.totp_last_step is not None and step <= job.totp_last_step:
            step = job.totp_last_step + 1
            await asyncio.sleep(30)
        refusal = await overseer.code(step)
        if refusal is not None:
            return Stopped(refusal, "answered", fingerprint=self._fingerprint(job))
        if self.weather.strikes() and self.chance.random() < 0.3:
            error = CodeRejected("the code was refused")
            return Stopped(error, "answered", fingerprint=self._fingerprint(job))
        return None

    def _received(self, profile: str) -> None:
        """A password has come to the account."""
        self.counts["submit"] += 1
        self.sent_since_success += 1
        sent_at = self.sent_at.setdefault(profile, deque(maxlen=100))
        sent_at.append(self.now)
        if self.sent_since_success > 2:
            self.broken.append(f"{self.sent_since_success} submits since the last success")
        for span_s, limit in ((HOUR_S, self.submits_per_hour), (DAY_S, self.submits_per_day)):
            sent = sum(1 for at in sent_at if at > self.now - span_s)
            if sent > limit:
                self.broken.append(f"{sent} submits within {span_s:.0f} s")
