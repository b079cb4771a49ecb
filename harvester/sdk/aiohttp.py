"""The session for aiohttp: ``aiohttp.ClientSession(middlewares=[harvester_middleware()])``.

aiohttp asks a middleware for each sending, those of followed redirects too, and keeps what a
middleware puts into one request out of the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie

from harvester import knoq
from harvester.sdk.absent import absent
from harvester.sdk.binding import carries, cookie_line, origin_at, origin_line
from harvester.sdk.credentials import Credentials
from harvester.sdk.doubt import Hop, is_short_page
from harvester.sdk.exchange import advance_async, exchange
from harvester.sdk.session import Session

try:
    import aiohttp
    from aiohttp.base_protocol import BaseProtocol
except ModuleNotFoundError as missing:
    raise absent("aiohttp", missing) from None

__all__ = ["harvester_middleware"]

Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
Middleware = Callable[[aiohttp.ClientRequest, Handler], Awaitable[aiohttp.ClientResponse]]


def harvester_middleware(credentials: Credentials | None = None) -> Middleware:
    """A middleware that sends the session with each request to its origin, and to no other.

    A 401 is reported and the request sent once more with the new session, never twice; for GET and
    HEAD an answer that leads to a sign-in page counts as one.  Raises HarvesterError where no
    session can be had, and NotReplayed where a body cannot be sent again.  ``credentials`` may be
    shared with other clients; the default is that of the profile ``default``.
    """
    held = Credentials() if credentials is None else credentials

    async def middleware(
        request: aiohttp.ClientRequest, handler: Handler
    ) -> aiohttp.ClientResponse:
        flow = exchange(held, request, origin=_origin(request))
        send = await advance_async(flow)
        while send is not None:
            _attach(request, send.session)
            response = await handler(request)
            if send.session is None:
                return response
            try:
                _keep_out_of_the_jar(send.session, response)
                send = await advance_async(flow, [await _hop(request, response, send.session)])
            except BaseException:
                response.close()  # nobody else will
                raise
            if send is not None:
                response.release()
        return response

    return middleware


def _origin(request: aiohttp.ClientRequest) -> str | None:
    url = request.url
    return origin_at(url.scheme, url.host, url.port)


def _attach(request: aiohttp.ClientRequest, session: Session | None) -> None:
    if session is None:
        return
    given = "; ".join(request.headers.getall("Cookie", ()))
    request.headers["Cookie"] = cookie_line(session, given)
    origin = origin_line(session, request.method)
    if origin is not None:
        request.headers[knoq.ORIGIN_HEADER] = origin


async def _hop(
    request: aiohttp.ClientRequest, response: aiohttp.ClientResponse, session: Session
) -> Hop:
    headers, body = response.headers, request.body
    page = ""
    if is_short_page(headers.get("Content-Type", ""), headers.get("Content-Length", "")):
        page = await _read(response)
    return Hop(
        request=request,
        method=request.method,
        origin=_origin(request),
        path=request.url.path,
        status=response.status,
        sent=carries(session, request.headers.get("Cookie", "")),
        location=headers.get("Location", ""),
        page=page,
        replayable=isinstance(body, bytes) or not body.consumed,
    )


async def _read(response: aiohttp.ClientResponse) -> str:
    """The page, which the caller can read as if nobody had."""
    whole = await response.read()
    loop = asyncio.get_running_loop()
    content = aiohttp.StreamReader(BaseProtocol(loop), limit=len(whole) + 1, loop=loop)
    content.feed_data(whole)
    content.feed_eof()
    response.content = content
    return whole.decode("utf-8", "replace")


def _keep_out_of_the_jar(session: Session, response: aiohttp.ClientResponse) -> None:
    """The session is not the jar's: by a jar's rules it would go to other ports of the host, and
    as a domain cookie to other hosts."""
    ours = {cookie.name for cookie in session.cookies}
    if ours.isdisjoint(response.cookies):
        return
    others: SimpleCookie = SimpleCookie()
    for name, morsel in response.cookies.items():
        if name not in ours:
            others[name] = morsel
    response.cookies = others
