"""One request on its way through the proxy: its turn, the session, the site's answer.

Owns the order of these steps and what a 401 leads to: it is reported, and with another session than
the refused one the request is sent once more if that does no harm.  It is sent a second time after
a 401 alone, never after a time-out, a broken connection or any other answer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol, Self

from multidict import CIMultiDict

from harvester import knoq
from harvester.clock import Clock
from harvester.errors import HarvesterError
from harvester.log import event
from harvester.outlets.asked import Asked
from harvester.outlets.client_request import ClientRequest
from harvester.outlets.entrance import Entrance
from harvester.outlets.passing import Refusal, headers_for_client, pass_on
from harvester.outlets.sent_body import Sent, SentBody, Shelf
from harvester.outlets.site_answer import SiteAnswer
from harvester.outlets.turns import Client, Pace, Places
from harvester.outlets.upstream import Upstream
from harvester.porter import Porter
from harvester.probe import retry_after_s
from harvester.profile import Profile
from harvester.session import Served, Session, cookie_header
from harvester.setcookie import Brought
from harvester.tally import Tally

# As long as the API waits for a session, unless told otherwise.
WAIT_S = 60.0
# Why a client gets to see a 401 of the site: the verdict on his report, the code of what failed.
VERDICT_HEADER = "Harvester-Verdict"
ERROR_HEADER = "Harvester-Error"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TO_BE_HEEDED = (429, 503)


class Door(Protocol):
    """``handout.Handout``."""

    def admit(self) -> None: ...


class Keeper(Protocol):
    """The owner of one profile's session, as far as the proxy needs it (see ``api.Keeper``)."""

    @property
    def profile(self) -> Profile: ...

    @property
    def handout(self) -> Door: ...

    async def get(self, *, min_valid_s: float, wait_s: float, may_sign_in: bool) -> Served: ...

    async def report(self, *, generation: int, wait_s: float) -> Served: ...

    async def rolled(self, generation: int, brought: Brought) -> None: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What all errands share."""

    upstream: Upstream
    pace: Pace
    places: Places
    shelf: Shelf
    tally: Tally
    clock: Clock
    porter: Porter


class Errand:
    """From a request's header to the end of its answer.  A context manager: it keeps a body."""

    def __init__(
        self, means: Means, request: ClientRequest, asked: Asked, keeper: Keeper, *, on_tcp: bool
    ) -> None:
        self._means = means
        self._request = request
        self._asked = asked
        self._keeper = keeper
        self._profile = keeper.profile
        self._on_tcp = on_tcp
        self._entrance = Entrance(means.porter, request.end, self._profile.name, asked.client)
        self._client: Client = asked.client or id(request.end)
        self._waits_to_send = asked.expects
        self._body = SentBody(
            request,
            length=asked.length,
            keep=asked.may_be_sent_twice(keeper.profile.site),
            shelf=means.shelf,
            go_on=self._go_on,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._body.close()

    async def run(self) -> None:
        """Raises HarvesterError, Refused, ConnectionError."""
        asked = self._asked
        # First the session: without one nothing is sent that would count at the site.
        served = await self._entrance.session(
            lambda: self._keeper.get(min_valid_s=0.0, wait_s=WAIT_S, may_sign_in=True)
        )
        await self._means.pace.turn(self._profile, asked.method, asked.path, self._client)
        refusal = await self._exchange(served.session, self._body.first())
        if refusal is not None:
            # Whoever waits for a sign-in holds no place.
            await self._after_401(refusal, served.session)

    async def _exchange(
        self, session: Session, body: Sent, *, again: bool = False
    ) -> Refusal | None:
        """Ask the site and give the client its answer; a first 401 is held back."""
        places = self._means.places
        await places.take(self._client)
        try:
            # For its turn and a place one may wait for a minute: who paused meanwhile, or saw a
            # theft, means what waits here too.
            self._keeper.handout.admit()
            self._entrance.check()
            answer = await self._ask(session, body)
            try:
                if answer.status != 401 or again:
                    await self._give(answer, session)
                    return None
                refusal = await Refusal.of(answer)
                if refusal.whole:
                    return refusal
                await self._give_refusal(refusal, {})
                return None
            finally:
                # Of an answer that was read to its end, the connection has gone back already.
                answer.close()
        finally:
            places.give_back()

    async def _after_401(self, refusal: Refusal, refused: Session) -> None:
        verdict: str | None = None
        try:
            served = await self._keeper.report(generation=refused.generation, wait_s=WAIT_S)
            verdict = served.verdict
            self._entrance.check()
        except HarvesterError as error:
            self._log("proxy.not_refreshed", refused, level=logging.WARNING, code=error.code)
            await self._give_refusal(refusal, {ERROR_HEADER: error.code})
            return
        finally:
            self._means.tally.reported(self._profile.name, verdict)
        told: dict[str, str] = {} if verdict is None else {VERDICT_HEADER: verdict}
        if served.error is not None:
            told[ERROR_HEADER] = served.error.code
        session = served.session
        if (session.generation, session.cookies) == (refused.generation, refused.cookies):
            await self._give_refusal(refusal, told)
            return
        if not self._body.may_come_again or not await self._body.rest():
            self._log("proxy.not_replayed", session)
            await self._give_refusal(refusal, told)
            return
        self._entrance.uses(session)
        self._means.tally.replayed(self._profile.name)
        self._log("proxy.replayed", session, refused=refused.generation)
        await self._exchange(session, self._body.again(), again=True)

    async def _ask(self, session: Session, body: Sent) -> SiteAnswer:
        asked, site = self._asked, self._profile.site
        try:
            answer = await self._means.upstream.ask(
                site, asked.method, asked.target, self._headers(session), body
            )
        except HarvesterError as error:
            if self._body.trouble is not None:
                raise self._body.trouble from None
            self._log("proxy.no_answer", session, level=logging.WARNING, why=error.message)
            raise
        if answer.status in _TO_BE_HEEDED:
            self._heed(answer)
        return answer

    def _headers(self, session: Session) -> CIMultiDict[str]:
        asked, site = self._asked, self._profile.site
        headers = asked.headers.copy()
        host, path = site.host, asked.path
        sent = tuple([one for one in session.cookies if one.goes_to(host, path)])
        if sent:
            headers["Cookie"] = cookie_header(sent)
        if asked.names_origin:
            headers[knoq.ORIGIN_HEADER] = site.origin
        if asked.length:
            headers["Content-Length"] = str(asked.length)
        return headers

    def _heed(self, answer: SiteAnswer) -> None:
        """The site asked to be left alone: by all clients, since its limits are the account's."""
        asked = self._asked
        rest_s = retry_after_s(answer.headers.get("Retry-After"), self._means.clock.wall_s())
        if not rest_s:
            return
        self._means.pace.told(
            self._profile, asked.method, asked.path, status=answer.status, retry_after_s=rest_s
        )
        event(
            "proxy.site_rests", profile=self._profile.name, method=asked.method, path=asked.path,
            status=answer.status, rest_s=rest_s,
        )  # fmt: skip

    async def _give(self, answer: SiteAnswer, session: Session) -> None:
        if "Set-Cookie" in answer.headers:
            brought = Brought(
                answer.status,
                self._asked.path,
                answer.headers.get("Location"),
                tuple(answer.headers.getall("Set-Cookie")),
            )
            await self._keeper.rolled(session.generation, brought)
        self._means.tally.proxied(self._profile.name, answer.status)
        await pass_on(self._request, answer, self._for_client(answer))

    async def _give_refusal(self, refusal: Refusal, told: dict[str, str]) -> None:
        self._means.tally.proxied(self._profile.name, refusal.answer.status)
        await refusal.pass_on(self._request, self._for_client(refusal.answer), told)

    def _for_client(self, answer: SiteAnswer) -> CIMultiDict[str]:
        return headers_for_client(answer, readable_by_pages=not self._on_tcp)

    def _go_on(self) -> None:
        """Tell a client that waits for it to send his body: when it is asked for, not before."""
        if self._waits_to_send and not self._request.begun:
            self._request.end.write(_CONTINUE)
        self._waits_to_send = False

    def _log(
        self, name: str, session: Session, *, level: int = logging.INFO, **more: object
    ) -> None:
        event(
            name, level=level, profile=self._profile.name, generation=session.generation,
            method=self._asked.method, path=self._asked.path, **more,
        )  # fmt: skip
