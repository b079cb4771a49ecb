"""Everything between the browser's cookies and a session that may be served: prove, then promote.

Asks the site (through ``probe.py``), judges by ``verdict.py``, finds which cookies matter by
``discovery.py``, and whose session it is by ``whose.py``.  Stores nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Protocol

from harvester import discovery, lifetime, whose
from harvester.clock import CLOCK_TOLERANCE_S, Clock
from harvester.errors import HarvesterError, ProbeProvesNothing, RateLimited, SiteDown
from harvester.ledger import Ledger
from harvester.log import event
from harvester.profile import Profile
from harvester.session import Cookie, Jar, Session
from harvester.setcookie import Brought, take_in
from harvester.signin.dialogue import SignedIn
from harvester.verdict import Answer, Picture, Verdict, absolute, judge, picture_of


class Client(Protocol):
    """Requests to the site; ``probe.SiteClient`` is one."""

    async def probe(self, cookies: tuple[Cookie, ...]) -> Answer: ...
    async def get(self, path: str, cookies: tuple[Cookie, ...]) -> Answer: ...
    async def post(self, path: str, cookies: tuple[Cookie, ...], body: bytes) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Touched:
    """What a probe or touch brought.  ``session`` is None unless the site said ALIVE;
    ``limited``: it asked to be left alone."""

    verdict: Verdict
    session: Session | None = None
    trouble: str = ""
    retry_after_s: float | None = None
    limited: bool = False


class Staging:
    """Proves candidates for one profile."""

    def __init__(self, profile: Profile, client: Client, clock: Clock) -> None:
        self._profile = profile
        self._client = client
        self._clock = clock
        self._picture: Picture | None = None
        self._last_candidate: Answer | None = None
        self.clock_skew_s: float | None = None
        """Our clock minus the site's, as it told last; None until it did."""
        self._skewed = False
        self.on_cookies: Callable[[Session, Jar, Jar], None] = lambda session, before, now: None
        """Told what shall take the place of a session's cookies; it may raise IdentityMismatch."""

    def recall(self, ledger: Ledger) -> None:
        """Take the picture of "denied" from the ledger, if it is still of this probe."""
        if ledger.picture is not None and ledger.picture.asked == self._asked():
            self._picture = ledger.picture

    async def with_picture(self, ledger: Ledger) -> Ledger:
        """The ledger with this site's picture of "denied", asked for where it is missing.

        Raises ProbeProvesNothing when the probe is alive without a session, and SiteDown or
        RateLimited when there is no picture to be had now.
        """
        site, asked = self._profile.site, self._asked()
        self.recall(ledger)
        if self._picture is not None:
            return ledger
        answer = await self._client.probe(())
        picture = picture_of(answer, asked)
        if picture is None and self._judge(answer) is Verdict.DENIED:
            picture = Picture(asked, answer.status)
        if picture is not None:
            self._picture = picture
            return ledger.with_picture(picture)
        if self._judge(answer) is Verdict.ALIVE:
            raise ProbeProvesNothing(
                f"{site.origin}{site.probe_path} answers {answer.status} without any session, so "
                "it cannot tell a live session from a dead one",
                hint="set HARVESTER_PROBE_PATH to a read-only request that needs a session, or "
                "HARVESTER_PROBE_DENIED_TEXT to what its answer says without one",
            )
        cls = RateLimited if _limited(answer) else SiteDown
        raise cls(
            f"{site.origin} does not answer the probe ({_trouble(answer)})",
            hint="try again later; nothing was typed",
            retry_after_s=answer.retry_after_s,
        )

    async def candidate(self, cookies: tuple[Cookie, ...]) -> Verdict:
        """Does the site accept these cookies?  The answer is remembered for ``explains``."""
        answer = await self._client.probe(self._sent(cookies, self._profile.site.probe_path))
        self._last_candidate = answer
        return self._judge(answer)

    def explains(self, error: HarvesterError) -> HarvesterError:
        """A better error, where the probe's last answer says why no candidate was good enough."""
        answer, self._last_candidate = self._last_candidate, None
        if answer is None or not isinstance(error, SiteDown):
            return error
        if _limited(answer):
            error.retry_after_s = answer.retry_after_s
        if answer.status in (403, 404, 409):
            said = f': "{answer.words}"' if answer.words else ""
            return ProbeProvesNothing(
                f"the probe of the new session is answered with {answer.status}{said}",
                hint="set HARVESTER_PROBE_PATH to a read-only request that this account may make",
            )
        return error

    async def verdict(self, session: Session) -> Touched:
        """One probe with the served cookies; what the answer rolled is in ``session``."""
        answer = await self._client.probe(
            self._sent(session.cookies, self._profile.site.probe_path)
        )
        return self._taken(session, answer)

    async def touch(self, session: Session) -> Touched:
        """The probe, then the front page, with the whole jar, as a browser tab would ask."""
        touched = self._taken(session, await self._client.probe(self._jar(session)))
        if touched.session is None:
            return touched
        after = touched.session
        answer = await self._client.get("/", self._jar(after))
        if 200 <= answer.status < 300:
            after = self._rolled(after, answer)
        if after.cookies != session.cookies:
            proof = await self.verdict(after)
            if proof.session is None:
                return touched
            after = proof.session
        return replace(touched, session=after)

    async def sign_out(self, session: Session, path: str) -> bool:
        """Ask the site to end the session.  True if it said that it did."""
        answer = await self._client.post(path, self._jar(session), b"{}")
        return 200 <= answer.status < 400

    async def switch(self, jar: tuple[Cookie, ...], body: bytes) -> Answer:
        """Ask the site to exchange the session of this jar for one of another organisation."""
        path = self._profile.site.switch_org_path
        return await self._client.post(path, self._sent(jar, path), body)

    async def stage(
        self, signed: SignedIn, current: Session | None, *, renewed: bool, last_generation: int
    ) -> Session:
        """A proved session from what the browser brought; raises HarvesterError.

        ``renewed`` keeps the identity that the current session has.  The caller stores it.
        """
        path = self._profile.site.probe_path
        jar = tuple(c for c in signed.cookies if c.goes_to(self._profile.site.host, c.path))
        if renewed and current is not None:
            self.on_cookies(current, current.jar, jar)
        # Somebody else's session is not worth a search for what it needs.
        whose.decide(self._profile, [whose.from_claims(jar)], whose.Evidence())
        names = await self._needed(jar, current)
        cookies = tuple(c for c in self._sent(jar, path) if c.name in names)
        now = self._clock.wall_s()
        found = lifetime.estimate(cookies, now, ahead_s=self.clock_skew_s or 0.0)
        owner = await self._whose(signed, jar, cookies)
        return Session(
            profile=self._profile.name,
            origin=self._profile.site.origin,
            generation=max(last_generation, 0 if current is None else current.generation) + 1,
            cookies=cookies,
            jar=jar,
            obtained_at=current.obtained_at if renewed and current is not None else now,
            proved_at=now,
            renewed_at=now,
            expires_at=found.expires_at,
            expires_kind=found.kind,
            confidence=found.confidence,
            identity=owner.identity or (current.identity if renewed and current else None),
            organization=owner.organization
            or (current.organization if renewed and current else None),
            organization_proved=owner.organization_proved,
            organization_names=owner.organization_names,
            user_agent=signed.user_agent,
            brought=renewed and current is not None and current.brought,
        )

    async def _needed(self, jar: tuple[Cookie, ...], current: Session | None) -> frozenset[str]:
        sent = self._sent(jar, self._profile.site.probe_path)
        if self._profile.session_cookie is not None:
            return await self._configured(sent, self._profile.session_cookie)
        before = tuple(cookie.name for cookie in current.cookies) if current is not None else ()
        found = await self._search(discovery.search(sent, remembered=before), sent)
        if before and set(found.names) != set(before):
            event(
                "cookies.changed",
                level=logging.WARNING,
                profile=self._profile.name,
                before=sorted(before),
                now=sorted(found.names),
            )
        event(
            "cookies.found",
            profile=self._profile.name,
            needed=list(found.names),
            of=len(sent),
            probes=found.probes,
            complete=found.complete,
        )
        return frozenset(found.names)

    async def _configured(self, sent: tuple[Cookie, ...], name: str) -> frozenset[str]:
        chosen = tuple(cookie for cookie in sent if cookie.name == name)
        verdict = await self._accepts(chosen) if chosen else Verdict.DENIED
        if verdict is Verdict.UNREACHABLE:
            raise SiteDown(
                f"{self._profile.site.origin} stopped answering while the session was looked at",
                hint="try again in a moment; no password is needed for that",
            )
        if verdict is Verdict.DENIED:
            raise ProbeProvesNothing(
                f"the site does not accept the cookie {name} alone",
                hint="correct HARVESTER_SESSION_COOKIE, or unset it: the cookie is then found",
            )
        return frozenset({name})

    async def _search(
        self, flow: Generator[frozenset[str], bool, discovery.Found], sent: tuple[Cookie, ...]
    ) -> discovery.Found:
        try:
            names = next(flow)
            while True:
                verdict = await self._accepts(tuple(c for c in sent if c.name in names))
                if verdict is Verdict.UNREACHABLE:
                    flow.throw(discovery.SiteSilent())
                names = flow.send(verdict is Verdict.ALIVE)
        except StopIteration as end:
            found: discovery.Found = end.value
            return found

    async def _accepts(self, cookies: tuple[Cookie, ...]) -> Verdict:
        answer = await self._client.probe(cookies)
        verdict = self._judge(answer)
        # A part of the jar that is answered with 403 is not accepted, whatever else it means.
        if verdict is Verdict.UNREACHABLE and 400 <= answer.status < 500 and answer.status != 429:
            return Verdict.DENIED
        return verdict

    async def _whose(
        self, signed: SignedIn, jar: tuple[Cookie, ...], cookies: tuple[Cookie, ...]
    ) -> whose.Whose:
        strong = [whose.from_claims(jar)]
        site = self._profile.site
        if site.whoami_path is not None:
            answer = await self._client.get(site.whoami_path, cookies)
            if 200 <= answer.status < 300:
                strong.append(
                    whose.from_whoami(
                        answer.body,
                        identity=site.whoami_identity,
                        organization=site.whoami_organization,
                    )
                )
        shown = whose.Evidence(
            signed.identity, (signed.organization,) if signed.organization else ()
        )
        return whose.decide(self._profile, strong, shown)

    def rolled(self, session: Session, brought: Brought) -> Session:
        """The session with what an answer to a client's request with it set anew.  What a
        refusal brings is not for it, nor is a cookie of a name that its jar does not know: no
        client can make that grow."""
        site, known = self._profile.site, {cookie.name for cookie in session.jar}
        read = brought.cookies(site.host, self._clock.wall_s(), self.clock_skew_s or 0.0)
        answer = Answer(
            status=brought.status,
            location=absolute(site.origin + brought.path, brought.location),
            set_cookies=tuple(cookie for cookie in read if cookie.name in known),
        )
        if not 200 <= brought.status < 400 or self._judge(answer) is Verdict.DENIED:
            return session
        after = self._rolled(session, answer)
        if after is session or brought.path != site.switch_org_path:
            return after
        # Whose it is now, nobody has told.
        return replace(after, organization=None, organization_names=(), organization_proved=False)

    def _taken(self, session: Session, answer: Answer) -> Touched:
        verdict = self._judge(answer)
        if verdict is not Verdict.ALIVE:
            trouble, limited = _trouble(answer), _limited(answer)
            return Touched(verdict, None, trouble, answer.retry_after_s, limited)
        return Touched(verdict, self._rolled(session, answer).proved(self._clock.wall_s()))

    def _rolled(self, session: Session, answer: Answer) -> Session:
        """The session with what an accepted answer set anew; the generation stays."""
        if not answer.set_cookies:
            return session
        now = self._clock.wall_s()
        jar = take_in(session.jar, answer.set_cookies, now_s=now)
        needed = {cookie.name for cookie in session.cookies}
        sent = self._sent(jar, self._profile.site.probe_path)
        cookies = tuple(cookie for cookie in sent if cookie.name in needed)
        if cookies == session.cookies:
            return replace(session, jar=jar)
        try:
            self.on_cookies(session, session.cookies, cookies)
            whose.decide(self._profile, [whose.from_claims(cookies)], whose.Evidence())
        except HarvesterError as error:
            # Somebody else's session in an answer to ours: the one at hand is kept.
            event("cookies.not_ours", level=logging.WARNING, code=error.code, why=error.message)
            return session
        found = lifetime.estimate(cookies, now, ahead_s=self.clock_skew_s or 0.0)
        rolled = replace(session, jar=jar, cookies=cookies)
        if found.expires_at is None and session.expires_kind != "declared":
            return rolled  # another value, of which nothing says that it will live any longer
        return replace(
            rolled,
            renewed_at=now,
            expires_at=found.expires_at,
            expires_kind=found.kind,
            confidence=found.confidence,
            longest_gap_s=0.0,
            declared_at=None,
            declared_confidence=0.0,
        )

    def _asked(self) -> str:
        site = self._profile.site
        return f"{site.origin}|{site.probe_path}|{site.probe_denied_text or ''}"

    def _jar(self, session: Session) -> tuple[Cookie, ...]:
        return self._sent(session.jar, self._profile.site.probe_path)

    def _sent(self, cookies: tuple[Cookie, ...], path: str) -> tuple[Cookie, ...]:
        """What a browser would send: longer paths first, and one value for each name."""
        host = self._profile.site.host
        chosen: dict[str, Cookie] = {}
        for cookie in sorted(cookies, key=lambda c: len(c.path), reverse=True):
            if cookie.goes_to(host, path):
                chosen.setdefault(cookie.name, cookie)
        return tuple(chosen.values())

    def _compare_clocks(self, answer: Answer) -> None:
        if answer.ahead_s is None:
            return
        self.clock_skew_s = answer.ahead_s
        skewed = abs(answer.ahead_s) > CLOCK_TOLERANCE_S
        if skewed and not self._skewed:  # said once while it lasts
            event(
                "clock.skewed",
                level=logging.WARNING,
                profile=self._profile.name,
                by_s=round(answer.ahead_s, 1),
                why=f"this machine's clock and that of {self._profile.site.origin} differ: "
                "no one-time code would be right",
            )
        self._skewed = skewed

    def _judge(self, answer: Answer) -> Verdict:
        self._compare_clocks(answer)
        return judge(
            answer,
            picture=self._picture,
            denied_text=self._profile.site.probe_denied_text,
            identity_origins=self._profile.identity_origins,
            sign_in_url=self._profile.site.sign_in_url,
        )


def _limited(answer: Answer) -> bool:
    return answer.status == 429 or (answer.status == 503 and answer.retry_after_s is not None)


def _trouble(answer: Answer) -> str:
    if answer.status:
        return f"status {answer.status}" + (f": {answer.words}" if answer.words else "")
    return answer.trouble or "no answer"
