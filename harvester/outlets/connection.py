"""One connection to the API: who may open it, how long and how big its requests may be.

    connected → peer's uid? → room? → header (5 s, 16 KiB) → body (10 s) → answer → idle (30 s) ↺
                                      └ asked before, in the same bytes ─────┘  (the fast lane)

Who comes by ``doorstep.py`` has had the first three there.

aiohttp has no deadline for a header and no limit for a whole one; both are built here, on the
protocol class that it offers for it.  Knows nothing of paths, sessions or profiles: it hands
each request that is whole enough to one coroutine and turns what is not into a problem.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Collection
from typing import Any, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from harvester.audit import NoAudit
from harvester.errors import Usage
from harvester.log import event
from harvester.outlets.guests import (
    FULL,
    HEADER_LIMIT_BYTES,
    Guests,
)
from harvester.outlets.lane import Lane, is_plain
from harvester.outlets.peer import still_reads
from harvester.outlets.problems import problem_response, raw_problem, unexpected
from harvester.visitor import CLIENT_HEADER, STRANGER, Caller, is_client_name

# aiohttp's own time for idle connections does not see what the fast lane answers, so that ours is
# the only one: this one is never over.
_NEVER_S = 1e9
BODY_LIMIT_BYTES = 64 * 1024

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """aiohttp's connection, with a door in front and deadlines around the header."""

    __slots__ = (
        "_asked",
        "_awaiting",
        "_body",
        "_deadline",
        "_door",
        "_has_ended",
        "_header_bytes",
        "_idling",
        "_outside",
        "_owed",
        "_quiet",
        "_rested_s",
        "_said",
        "_since_s",
        "visitor",
    )

    def __init__(self, door: Door, **settings: Any) -> None:
        super().__init__(door, **settings)
        self._door = door
        self._awaiting = True
        # Of the request under way.
        self._body: StreamReader | None = None
        # It says nothing more, and waits for its answer.
        self._has_ended = False
        self._header_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        # Since when nobody asks anything, and what ends the connection for it.
        self._rested_s = 0.0
        self._idling: asyncio.TimerHandle | None = None
        # The parser holds nothing, and no request is under way: what comes now begins a request.
        self._quiet = True
        # The one whole request under way, in its very bytes; empty where it is none of the plain.
        self._asked = b""
        # Who comes from the doorstep: since when, what he said there, what he was not sent yet.
        self._since_s: float | None = None
        self._said = self._owed = b""
        self.visitor = STRANGER
        # Set while a connection that was not let in is told so and closed.
        self._outside: asyncio.Transport | None = None

    def greeted(self, said: bytes, since_s: float, owed: bytes) -> None:
        """Comes from the doorstep, where he was looked at and has had his room since."""
        self._said, self._since_s, self._owed = said, since_s, owed
        self._door.inside.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)
        if self._since_s is None and not self._looked_at(transport):
            return
        self.visitor = self._door.visitor(transport.get_extra_info("socket"))
        self._door.waiting[self] = None
        self._door.inside.add(self)
        super().connection_made(transport)
        if self._owed:
            self.begun()
            transport.write(self._owed)
            self._answered()
        else:
            self._arm()
        if self._said:
            self.data_received(self._said)
        self._said = self._owed = b""

    def _looked_at(self, transport: asyncio.Transport) -> bool:
        """Whether he may come in; who may not is told, or not even that."""
        if not self._door.lets_in(transport.get_extra_info("socket")):
            # Nothing has been read, and nothing is told.
            self._outside = transport
            transport.abort()
            return False
        if not self._door.make_room():
            self._outside = transport
            transport.write(FULL)
            self._arm()
            return False
        return True

    def data_received(self, data: bytes) -> None:
        if self._outside is not None:
            # It has sent its request, so it will read our answer; a close before that could
            # make the kernel throw the answer away.
            self._outside.close()
            return
        if self._quiet and self._answered_at_once(data):
            return
        self._asked = data if self._quiet and is_plain(data) else b""
        self._quiet = False
        if self._awaiting:
            self._header_bytes += len(data)
            self._arm()
        super().data_received(data)
        if self._awaiting and self._header_bytes > HEADER_LIMIT_BYTES:
            # A whole header has just woken the task that begins the request; this runs after it.
            self._loop.call_soon(self._measure)

    def _answered_at_once(self, data: bytes) -> bool:
        """The fast lane, for who reads what he is sent.  Leaves all as after an ordinary answer."""
        lane, transport = self._door.lane, self.transport
        if lane is None or transport is None or transport.get_write_buffer_size():
            return False
        answer = lane.again(data, self.visitor)
        if answer is None:
            return False
        self.begun()
        transport.write(answer)
        self._answered()
        return True

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's says nothing by it
        self._has_ended = (
            self._body is not None
            and self._body.is_eof()
            and self.transport is not None
            and still_reads(self.transport.get_extra_info("socket"))
        )
        return self._has_ended

    def close(self) -> None:
        """Answer what is under way, and no more."""
        self._quiet = False
        super().close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._disarm()
        if self._idling is not None:
            self._idling.cancel()
        self._door.waiting.pop(self, None)
        self._door.inside.discard(self)
        if self._outside is None:
            super().connection_lost(exc)

    def begun(self, body: StreamReader | None = None) -> None:
        """A request's header is whole."""
        self._awaiting = False
        self._body = body
        self._disarm()
        self._door.waiting.pop(self, None)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if self._has_ended or not request.content.is_eof():
            # What is left of the body must not be taken for the next header.
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        if request.content.is_eof() and self.transport is not None:
            self._answered()
            if self._asked and resp.keep_alive:
                self._quiet = True
                if self._door.lane is not None:
                    self._door.lane.learn(self._asked, request, resp)
        self._asked = b""
        return finished

    def _answered(self) -> None:
        """A request was answered, and the next one is awaited."""
        self._awaiting = True
        self._body = None
        self._header_bytes = 0
        self._door.waiting[self] = None
        self._rested_s = self._loop.time()
        if self._idling is None:
            self._idling = self._loop.call_later(self._door.idle_s, self._idle)

    def _idle(self) -> None:
        """Close what has been idle for long; one timer, whatever was asked since it was set."""
        self._idling = None
        if not self._awaiting or self._header_bytes:
            return  # a request is under way, and its end begins anew
        left_s = self._rested_s + self._door.idle_s - self._loop.time()
        if left_s > 0:
            self._idling = self._loop.call_later(left_s, self._idle)
        else:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp could not parse, or an error that nobody caught."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer has been sent already")
        if isinstance(exc, ConnectionError):
            raise exc  # whoever asked is gone, in the middle of what he sent: nobody's mistake
        if isinstance(exc, LineTooLong):
            response = problem_response(too_large_header(), status=431)
        elif status == 400:
            response = problem_response(
                Usage(
                    "the request is not HTTP/1.1 as we understand it",
                    hint="speak plain HTTP over the socket: curl --unix-socket PATH http://harvester/v1/session",
                )
            )
        else:
            response = problem_response(unexpected(exc))
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """aiohttp's tracebacks may hold what a caller sent: only the class is logged."""
        exc = kw.get("exc_info")
        event("socket.error", level=logging.WARNING, error=type(exc).__name__)

    def _arm(self) -> None:
        if self._deadline is None:
            since_s, self._since_s = self._since_s or self._loop.time(), None
            self._deadline = self._loop.call_at(since_s + self._door.header_s, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._outside is not None:
            self._outside.abort()
        elif self._awaiting:
            self.force_close()

    def _measure(self) -> None:
        """Looks again: a request that was begun and answered meanwhile was whole."""
        transport = self.transport
        if self._awaiting and self._header_bytes > HEADER_LIMIT_BYTES and transport is not None:
            transport.write(_HEADER_TOO_LARGE)
            self.force_close()


class Door(Guests, web.Server):
    """Makes the connections of one listening socket and counts them."""

    def __init__(
        self, answer: Answer, *, allow_uids: Collection[int], lane: Lane | None = None,
        audit: NoAudit | None = None,
    ) -> None:  # fmt: skip
        Guests.__init__(self, allow_uids, audit)
        web.Server.__init__(
            self,
            answer,
            request_factory=self._begin,
            access_log=None,
            keepalive_timeout=_NEVER_S,
            lingering_time=self.linger_s,
            tcp_keepalive=False,
            auto_decompress=False,
        )
        self.lane = lane

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)

    async def let_in(
        self, sock: socket.socket, said: bytes, since_s: float, *, owed: bytes, full: bool
    ) -> None:
        """See ``Room``."""
        inside = self()
        if not full:
            inside.greeted(said, since_s, owed)
        try:
            await self._loop.connect_accepted_socket(lambda: inside, sock)
        except OSError:
            self.inside.discard(inside)
            sock.close()

    def _begin(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        cast(Connection, protocol).begun(payload)
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=BODY_LIMIT_BYTES
        )


def caller_of(request: web.BaseRequest) -> Caller:
    """Who asks, on one of our connections.  Raises Usage for a name that is none."""
    named = request.headers.getall(CLIENT_HEADER, [])
    if len(named) > 1 or not all(is_client_name(one) for one in named):
        raise Usage(
            f"{CLIENT_HEADER} is no name of a client",
            hint="one, of 1 to 64 letters, digits and signs, no blank",
        )

    def is_gone() -> bool:
        transport = request.transport
        return transport is None or transport.is_closing()

    visitor = cast(Connection, request.protocol).visitor
    return Caller(visitor, named[0] if named else None, is_gone)


def header_bytes(request: web.BaseRequest) -> int:
    """The size of a whole header, names and values with their separators."""
    return len(request.raw_path) + sum(len(k) + len(v) + 4 for k, v in request.raw_headers)


def too_large_header() -> Usage:
    return Usage(
        f"the request's header is over {HEADER_LIMIT_BYTES // 1024} KiB, or a line of it over 8",
        hint="send only the headers that the request needs; none of ours is long",
    )


_HEADER_TOO_LARGE = raw_problem(too_large_header(), status=431)
