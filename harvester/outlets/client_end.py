"""Our end of one connection of a client of the proxy: a request in, its answer out, then the next.

    connected → peer's uid? → room? → head (5 s, 16 KiB) → answered (its body as it is read) ─┐
                                        ↑                                    idle (30 s)      │
                                        └─────────────────────────────────────────────────────┘

Owns the deadlines around a head and when a connection may carry another request: after one that
came whole and was answered to its end.  What a client sends ahead is held, not read.  Knows nothing
of paths, sessions or profiles: each request is handed to one coroutine, which answers it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from typing import cast

from harvester.audit import NoAudit
from harvester.errors import Usage
from harvester.outlets.client_request import ClientRequest, Malformed, head_end
from harvester.outlets.entrance import Entered
from harvester.outlets.guests import FULL, HEADER_LIMIT_BYTES, Guests
from harvester.outlets.peer import hung_up, still_reads
from harvester.outlets.receiving import Receiving
from harvester.visitor import STRANGER

# Of what a client sends before he has his answer; one read of a connection may come on top.
_AHEAD_BYTES = HEADER_LIMIT_BYTES

Answer = Callable[[ClientRequest], Awaitable[None]]
Refuse = Callable[[int, Usage], bytes]


class ClientEnd(Receiving):
    """``force_close`` makes it a guest of the hall."""

    __slots__ = (
        "_ends_s",
        "_hall",
        "_has_ended",
        "_is_outside",
        "_leaving",
        "_loop",
        "_paused",
        "_request",
        "_room",
        "_said",
        "_task",
        "_timer",
        "_transport",
        "closed",
        "entered",
        "visitor",
    )

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self.visitor = STRANGER
        self.entered: Entered | None = None
        # Under way, and what answers it.
        self._request: ClientRequest | None = None
        self._task: asyncio.Task[None] | None = None
        # Of a head that is not whole; of the next requests while one is under way.
        self._said = b""
        # He has his last answer; what else he says is swallowed.
        self._leaving = False
        # He says nothing more, and waits for his answers.
        self._has_ended = False
        # There was no room for him.
        self._is_outside = False
        self._paused = False
        # Set while he reads slower than we write.
        self._room: asyncio.Future[None] | None = None
        # One timer, whatever is waited for: it looks whether the time is over and is set anew.
        self._ends_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        if not self._hall.lets_in(transport.get_extra_info("socket")):
            # Nothing has been read, and nothing is told.
            self._leaving = True
            transport.abort()
            return
        self.visitor = self._hall.visitor(transport.get_extra_info("socket"))
        self._until(self._loop.time() + self._hall.header_s)
        if self._hall.make_room():
            self._hall.inside.add(self)
            self._hall.waiting[self] = None
        else:
            self._is_outside = True
            transport.write(FULL)

    def data_received(self, data: bytes) -> None:
        if self._leaving:
            return
        request = self._request
        if request is None:
            self._hear(data)
            return
        if not request.whole:
            data = request.feed(data)
        self._said += data
        if len(self._said) > _AHEAD_BYTES:
            self._pause(paused=True)

    def eof_received(self) -> bool:
        request, transport = self._request, self._transport
        self._has_ended = (
            request is not None
            and request.whole
            and transport is not None
            and still_reads(transport.get_extra_info("socket"))
        )
        if self._task is not None and not self._has_ended:
            self._task.cancel()
        return self._has_ended

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._hall.waiting.pop(self, None)
        self._hall.inside.discard(self)
        if self._request is not None:
            self._request.broken()
        if self._task is not None:
            self._task.cancel()
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    # What a request and its answer ask for.

    def hold(self, *, full: bool) -> None:
        self._pause(paused=full or len(self._said) > _AHEAD_BYTES)

    @property
    def is_last(self) -> bool:
        return self._hall.closes or (self._has_ended and not self._said)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def drained(self) -> None:
        if self._room is not None:
            await self._room

    def is_gone(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # What the hall asks for.

    def force_close(self) -> None:
        self.abort()

    def finish(self) -> None:
        """Answer what is under way, and no more."""
        if self._request is None and not self._leaving:
            self._leave(swallows=False)

    async def gone(self) -> None:
        """Wait until it is closed and nobody works for it."""
        await self.closed
        if self._task is not None:
            await asyncio.wait([self._task])

    # From a head to the next one.

    def _hear(self, data: bytes) -> None:
        if self._is_outside:
            # It has sent its request, so it will read our answer; a close before that could
            # make the kernel throw the answer away.
            self._leave(swallows=False)
            return
        said = self._said + data if self._said else data
        try:
            end = head_end(said, len(self._said))
            if (end or len(said)) > HEADER_LIMIT_BYTES:
                self._refuse(431, _TOO_LARGE)
                return
            if not end:
                self._said = said
                self._until(min(self._ends_s, self._loop.time() + self._hall.header_s))
                return
            request = ClientRequest(self, said[:end])
        except Malformed:
            self._refuse(400, _MALFORMED)
            return
        rest = said[end:]
        self._said = rest if request.whole or not rest else request.feed(rest)
        self._request = request
        if self._has_ended:
            request.broken()  # if its body is not here, it will not come
        if len(self._said) > _AHEAD_BYTES:
            self._pause(paused=True)
        self._until(self._loop.time() + self._hall.idle_s)
        self._hall.waiting.pop(self, None)
        self._task = self._loop.create_task(self._answer(request))

    async def _answer(self, request: ClientRequest) -> None:
        answered = False
        try:
            await self._hall.answer(request)
            answered = True
        except ConnectionError:
            pass  # who asked is gone, or what he asked for broke off
        finally:
            self._task = None
            if not answered:
                self.abort()
        if answered and self._transport is not None:
            self._over(request)

    def _over(self, request: ClientRequest) -> None:
        """It was answered; may another one follow?"""
        self._request = None
        self._hall.waiting[self] = None
        if not request.keeps or not request.whole or self.is_last:
            self._leave(swallows=not request.whole or bool(self._said))
            return
        self._until(self._loop.time() + self._hall.idle_s)
        self._pause(paused=False)
        if self._said:
            ahead, self._said = self._said, b""
            self._hear(ahead)
            if self._has_ended and self._request is None:
                self._leave(swallows=False)  # what he said last is no whole head

    def _refuse(self, status: int, error: Usage) -> None:
        self.write(self._hall.refuse(status, error))
        self._leave(swallows=True)

    def _leave(self, *, swallows: bool) -> None:
        """Close after what was written.  A close with bytes unread would make the kernel throw
        that away: where more may come it is swallowed for a while."""
        self._leaving = True
        self._said = b""
        transport = self._transport
        if transport is None:
            return
        if not swallows:
            transport.close()
            return
        if not transport.is_closing() and not transport.get_write_buffer_size():
            # Else it would be said by asyncio, which does not expect him to be gone.
            with contextlib.suppress(OSError):
                transport.write_eof()
        self._pause(paused=False)
        self._until(self._loop.time() + self._hall.linger_s)

    def _pause(self, *, paused: bool) -> None:
        if paused != self._paused and self._transport is not None:
            self._paused = paused
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _until(self, ends_s: float) -> None:
        self._ends_s = ends_s
        if self._timer is not None:
            if self._timer.when() <= ends_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(ends_s, self._look)

    def _look(self) -> None:
        """Close where the time is over, after what was written: a client that reads slowly may
        still have the end of an answer before him.

        A request takes its time.  But of a client that we do not read, since he has ended or is
        far ahead, nobody tells that he is gone: his stream would be held until the site speaks."""
        self._timer = None
        transport, now_s = self._transport, self._loop.time()
        if transport is None:
            return
        if now_s >= self._ends_s:
            if self._request is None or hung_up(transport.get_extra_info("socket")):
                transport.close()
                return
            self._ends_s = now_s + self._hall.idle_s
        self._timer = self._loop.call_at(self._ends_s, self._look)


class Hall(Guests):
    """Makes the connections of one listening socket.  ``refuse`` words what is no request."""

    def __init__(
        self, answer: Answer, refuse: Refuse, *, allow_uids: Collection[int],
        audit: NoAudit | None = None,
    ) -> None:  # fmt: skip
        super().__init__(allow_uids, audit)
        self.answer = answer
        self.refuse = refuse
        self.closes = False
        """Nobody is answered twice any more."""

    def __call__(self) -> ClientEnd:
        return ClientEnd(self)

    async def stop(self, grace_s: float) -> None:
        """Give those inside ``grace_s`` to be answered, close all."""
        self.closes = True
        ends = [end for end in self.inside if isinstance(end, ClientEnd)]
        for end in ends:
            end.finish()
        if ends:
            await asyncio.wait([end.closed for end in ends], timeout=grace_s)
        for end in ends:
            end.abort()
        await asyncio.gather(*(end.gone() for end in ends))


_MALFORMED = Usage(
    "the request is not HTTP/1.1 as we understand it",
    hint="speak plain HTTP over the socket: curl --unix-socket PATH http://site/",
)
_TOO_LARGE = Usage(
    f"the request's header is over {HEADER_LIMIT_BYTES // 1024} KiB",
    hint="send only the headers that the request needs",
)
