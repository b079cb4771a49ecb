"""One answer of a site, read from the bytes as they come: its head, then its body piece by piece.

Owns what counts as an answer at all: what two readers might frame differently is none.  llhttp
parses, strictly; what it is generous with is refused here.  Knows no connection: it is fed, and
tells the end of the connection that feeds it whether it wants more.
"""

from __future__ import annotations

import asyncio
import re
from typing import Protocol

import httptools
from multidict import CIMultiDict

# Sites write long heads (Content-Security-Policy, Set-Cookie), no such ones.  Interim answers,
# trailers and the marks between chunks count too: an answer may not go on for ever without a body.
HEAD_BYTES = 256 * 1024
# What is held of a body that the client reads slowly; one read of a connection may come on top.
HELD_BYTES = 128 * 1024
_BODILESS = (204, 304)
_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class BrokeOff(ConnectionError):
    """The answer ended before its end.  ``why`` holds nothing of what the site sent."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Late(BrokeOff):
    """Its head did not come in time."""


class End(Protocol):
    """Our end of the connection, as an answer sees it."""

    def hold(self, answer: SiteAnswer, *, full: bool) -> None:
        """Read no more while ``full``."""

    def let_go(self, answer: SiteAnswer) -> None:
        """Nobody wants the rest."""


class SiteAnswer:
    """Waiting for it raises BrokeOff."""

    __slots__ = (
        "_bytes_without_body",
        "_end",
        "_head_only",
        "_held_bytes",
        "_holds",
        "_parser",
        "_pieces",
        "_raw_reason",
        "_trouble",
        "_until_closed",
        "_waiter",
        "_wrong",
        "begun",
        "headers",
        "may_go_on",
        "reason",
        "status",
        "whole",
    )

    def __init__(self, end: End, *, head_only: bool) -> None:
        self.status = 0
        self.reason = ""
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.begun = False
        """The head is whole."""
        self.whole = False
        """So is the body."""
        self.may_go_on = False
        """The connection is as before the request: another one may follow."""
        self._head_only = head_only
        self._end = end
        self._parser = httptools.HttpResponseParser(self)
        self._wrong = ""
        self._raw_reason = b""
        self._until_closed = False
        self._bytes_without_body = 0
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._holds = False
        self._trouble: BrokeOff | None = None
        self._waiter: asyncio.Future[None] | None = None

    # What whoever passes it on does.

    async def head(self) -> None:
        """Wait for it."""
        while not self.begun:
            await self._more()

    async def read(self) -> bytes:
        """What has come of the body, at least one byte; empty at its end."""
        while not self._pieces and not self.whole:
            await self._more()
        return self.read_now()

    def read_now(self) -> bytes:
        """What has come of the body."""
        pieces = self._pieces
        if not pieces:
            return b""
        self._pieces, self._held_bytes = [], 0
        if self._holds:
            self._holds = False
            self._end.hold(self, full=False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Nobody wants more of it, nor waits for what is still being sent."""
        self._end.let_go(self)

    # What the connection does.

    def feed(self, data: bytes) -> None:
        """Raises BrokeOff where this is no answer."""
        self._bytes_without_body += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self.whole:
                self.may_go_on = False  # what stands behind the end is nobody's
            elif not self._wrong:
                self._wrong = "its answer is not HTTP/1.1 as we understand it"
        if self._bytes_without_body > HEAD_BYTES and not self.whole:
            self._wrong = f"its answer's head is over {HEAD_BYTES // 1024} KiB"
        if self._wrong:
            raise BrokeOff(self._wrong)
        if self._held_bytes > HELD_BYTES and not self._holds and not self.whole:
            self._holds = True
            self._end.hold(self, full=True)
        if self.begun:
            self._wake()

    def ended(self) -> None:
        """The connection was closed in order, which is the end of an answer without a mark."""
        if self.begun and self._until_closed and self._trouble is None:
            self.whole = True
            self._wake()

    def broken(self, trouble: Exception) -> None:
        """No more will come.  What has come of the body is still there."""
        if self.whole or self._trouble is not None:
            return
        if isinstance(trouble, BrokeOff):
            self._trouble = trouble
        else:
            self._trouble = BrokeOff(f"the connection broke ({type(trouble).__name__})")
        self._wake()

    async def _more(self) -> None:
        if self._trouble is not None:
            raise self._trouble
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the parser calls, in this order.

    def on_message_begin(self) -> None:
        if self.whole:
            self.may_go_on = False

    def on_status(self, reason: bytes) -> None:
        self._raw_reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.begun:  # a trailer is of no use to anybody here
            self.headers.add(name.decode("ascii"), value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        if self.begun:
            return  # of a second answer
        parser = self._parser
        self.status = parser.get_status_code()
        if self.status < 100 or self.status == 101:
            self._refuse(f"it answered {self.status}, which nobody had asked for")
        if self.status < 200:
            return
        version = parser.get_http_version()
        codings = self.headers.getall("Transfer-Encoding", [])
        if version not in ("1.0", "1.1") or not _REASON.fullmatch(self._raw_reason):
            self._refuse("its answer is not HTTP/1.1 as we understand it")
        if codings and (version == "1.0" or [one.lower() for one in codings] != ["chunked"]):
            self._refuse("its answer is framed in a way that readers read differently")
        self.reason = self._raw_reason.decode("latin-1")
        self.begun = True
        self.may_go_on = version == "1.1" and parser.should_keep_alive()
        if self._head_only or self.status in _BODILESS:
            self.whole = True
        elif not codings and "Content-Length" not in self.headers:
            self._until_closed = True
            self.may_go_on = False

    def on_body(self, piece: bytes) -> None:
        if self.whole:
            self.may_go_on = False
            return
        self._pieces.append(piece)
        self._held_bytes += len(piece)
        self._bytes_without_body = 0

    def on_message_complete(self) -> None:
        if self.begun:
            self.whole = True
        else:  # an interim answer
            self.headers = CIMultiDict()
            self._raw_reason = b""

    def _refuse(self, why: str) -> None:
        self._wrong = why
        raise ValueError  # the parser stops
