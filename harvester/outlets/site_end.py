"""Our end of one connection to a site: one request out, its answer in, then the next.

Owns when a connection may carry another request: after an answer that came whole and in order to a
request that was sent whole.  Sends nothing twice, and what breaks is not mended here.  Knows
neither where it leads nor what it carries.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from harvester.outlets.receiving import Receiving
from harvester.outlets.sent_body import Sent
from harvester.outlets.site_answer import BrokeOff, Late, SiteAnswer

# The length that a request's head tells of its body where it is sent in chunks.
CHUNKED = -1


class Pool(Protocol):
    """Where it comes from."""

    def rests(self, end: SiteEnd) -> None:
        """It may carry another request."""

    def gone(self, end: SiteEnd) -> None:
        """It is closed."""


class SiteEnd(Receiving):
    """``origin`` is where it leads."""

    def __init__(self, pool: Pool, origin: str) -> None:
        self.origin = origin
        self.rested_s = 0.0
        """Since when it has carried nothing, by the loop's clock."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: SiteAnswer | None = None
        self._sending: asyncio.Task[None] | None = None
        # Set while the site reads slower than we send.
        self._room: asyncio.Future[None] | None = None
        self._holds = False
        # Since when the site has been thinking, for how long it may, and who looks at that.
        self._moved_s = self._patience_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def ask(
        self, head: bytes, body: Sent, *, length: int, head_only: bool, patience_s: float
    ) -> SiteAnswer:
        """Begin to send; the answer is still to come.  ``length`` is the body's."""
        answer = self._answer = SiteAnswer(self, head_only=head_only)
        transport = self._transport
        if transport is None or not self.is_open:
            self._break(BrokeOff("it closed the connection"))
            return answer
        self._moved_s, self._patience_s = self._loop.time(), patience_s
        if self._timer is None:
            self._timer = self._loop.call_later(patience_s, self._look)
        if body is None or isinstance(body, bytes):
            transport.write(head + body if body else head)
        else:
            transport.write(head)
            self._sending = self._loop.create_task(self._send(body, length))
        return answer

    @property
    def is_open(self) -> bool:
        """As far as we have heard."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """At once; what is under way breaks off."""
        if self._transport is not None:
            self._transport.abort()

    # What the answer asks for.

    def hold(self, answer: SiteAnswer, *, full: bool) -> None:
        if answer is self._answer and full != self._holds and self._transport is not None:
            self._holds = full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def let_go(self, answer: SiteAnswer) -> None:
        if answer is self._answer:
            self._break(ConnectionAbortedError())

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.close()  # nobody asked
            return
        try:
            answer.feed(data)
        except BrokeOff as broken:
            self._break(broken)
            return
        if answer.whole:
            self._over(answer)

    def eof_received(self) -> None:
        if self._answer is not None:
            self._answer.ended()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._break(exc or BrokeOff("it closed the connection"))
        if self._timer is not None:
            self._timer.cancel()
        self._pool.gone(self)
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def _over(self, answer: SiteAnswer) -> None:
        """The answer is whole; the connection is free once the request is too."""
        if self._sending is not None:
            return
        if not answer.may_go_on or not self.is_open:
            self.close()
            return
        self.hold(answer, full=False)
        self._answer = None
        self.rested_s = self._loop.time()
        self._pool.rests(self)

    def _break(self, trouble: Exception) -> None:
        """It ends here, whatever is under way."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.broken(trouble)
        if self._sending is not None:
            self._sending.cancel()
        self.close()

    async def _send(self, body: Sent, length: int) -> None:
        """A body that comes in pieces; while they come, the site is not late with its answer."""
        assert body is not None and not isinstance(body, bytes)  # noqa: S101
        sent_bytes = 0
        try:
            async for piece in body:
                # Let an answer be heard that came meanwhile: a site that refuses a body may reset
                # the connection, and with one more piece sent that answer would be lost.
                await asyncio.sleep(0)
                if self._transport is None or not self.is_open:
                    return
                sent_bytes += len(piece)
                self._moved_s = self._loop.time()
                self._transport.write(
                    b"%x\r\n%b\r\n" % (len(piece), piece) if length == CHUNKED else piece
                )
                if self._room is not None:
                    await self._room
            if length not in (CHUNKED, sent_bytes):
                raise ValueError("a body of another length than its head told")
            if length == CHUNKED and self._transport is not None:
                self._transport.write(b"0\r\n\r\n")
        except Exception as trouble:  # told to who waits for the answer, by its class
            self._sending = None
            self._break(trouble)
            return
        finally:
            self._sending = None
        if self._answer is not None and self._answer.whole:
            self._over(self._answer)

    def _look(self) -> None:
        """Whether the answer is late; one timer, whatever was asked since it was set."""
        self._timer = None
        if self._answer is None or self._answer.begun:
            return  # the next request sets it anew
        left_s = self._moved_s + self._patience_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self._break(Late("no answer in time"))
