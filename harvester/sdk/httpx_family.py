"""The exchange as httpx and httpx2 play it: both ask an ``Auth`` for requests and tell it answers.

Written against what the two have in common, and imports neither.  Such a client follows redirects
below its ``Auth``, and tells the whole chain afterwards: it drops every ``Cookie`` on the way, so
what it was led to inside the origin is sent once more with the session.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from harvester import knoq
from harvester.sdk.binding import carries, cookie_line, origin_at, origin_line
from harvester.sdk.credentials import Credentials
from harvester.sdk.doubt import Hop, is_short_page
from harvester.sdk.exchange import Send, advance, advance_async, exchange
from harvester.sdk.session import Session

# Up to this size a body that comes from files is read into memory first, so that it can be sent
# again: as much as the proxy of this program takes.
BUFFERED_BYTES = 8 * 1024 * 1024


class Url(Protocol):
    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...
    @property
    def path(self) -> str: ...


class Headers(Protocol):
    def get(self, key: str, default: str) -> str: ...
    def get_list(self, key: str) -> list[str]: ...
    def __setitem__(self, key: str, value: str) -> None: ...


class Request(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def url(self) -> Url: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def stream(self) -> Any: ...
    def read(self) -> bytes: ...
    async def aread(self) -> bytes: ...


class Response(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def history(self) -> Sequence[Any]: ...
    @property
    def request(self) -> Any: ...
    @property
    def text(self) -> str: ...
    def read(self) -> bytes: ...
    async def aread(self) -> bytes: ...


R = TypeVar("R", bound=Request)


@dataclass(frozen=True, slots=True)
class Streams:
    """The client's classes of bodies: in memory, and what its two kinds of clients can read."""

    whole: type[Any]
    blocking: type[Any]
    awaited: type[Any]


def sync_flow(
    credentials: Credentials, request: R, streams: Streams
) -> Generator[R, Response, None]:
    """What ``Auth.sync_auth_flow`` returns."""
    if _is_worth_buffering(request, streams, streams.blocking):
        request.read()
    flow = exchange(credentials, request, origin=_origin(request))
    send = advance(flow)
    while send is not None:
        _attach(send.request, send.session)
        response = yield send.request
        if send.session is not None and _is_page(response):
            response.read()
        send = advance(flow, _hops(response, send, streams))


async def async_flow(
    credentials: Credentials, request: R, streams: Streams
) -> AsyncGenerator[R, Response]:
    """What ``Auth.async_auth_flow`` returns; for asyncio."""
    if _is_worth_buffering(request, streams, streams.awaited):
        await request.aread()
    flow = exchange(credentials, request, origin=_origin(request))
    send = await advance_async(flow)
    while send is not None:
        _attach(send.request, send.session)
        response = yield send.request
        if send.session is not None and _is_page(response):
            await response.aread()
        send = await advance_async(flow, _hops(response, send, streams))


def _origin(request: Request) -> str | None:
    url = request.url
    return origin_at(url.scheme, url.host, url.port)


def _attach(request: Request, session: Session | None) -> None:
    if session is None:
        return
    request.headers["Cookie"] = cookie_line(session, _cookies(request))
    origin = origin_line(session, request.method)
    if origin is not None:
        request.headers[knoq.ORIGIN_HEADER] = origin


def _cookies(request: Request) -> str:
    return "; ".join(request.headers.get_list("cookie"))


def _is_worth_buffering(request: Request, streams: Streams, readable: type[Any]) -> bool:
    if isinstance(request.stream, streams.whole) or not isinstance(request.stream, readable):
        return False
    length = request.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= BUFFERED_BYTES


def _is_page(response: Response) -> bool:
    headers = response.headers
    return is_short_page(headers.get("content-type", ""), headers.get("content-length", ""))


def _hops(response: Response, send: Send, streams: Streams) -> list[Hop]:
    """The answers since that sending; what was before it in the history is told already."""
    if send.session is None:
        return []
    chain = [*response.history, response]
    begins = max(at for at, one in enumerate(chain) if one.request is send.request)
    return [_hop(one, send.session, streams) for one in chain[begins:]]


def _hop(response: Response, session: Session, streams: Streams) -> Hop:
    request: Request = response.request
    return Hop(
        request=request,
        method=request.method,
        origin=_origin(request),
        path=request.url.path,
        status=response.status_code,
        sent=carries(session, _cookies(request)),
        location=response.headers.get("location", ""),
        page=response.text if _is_page(response) else "",
        replayable=isinstance(request.stream, streams.whole),
    )
