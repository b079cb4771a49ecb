"""One request of a client, read from the bytes as they come: its head, then its body in pieces.

Owns what counts as a request at all: what two readers might frame differently is none.  A head has
to have one form, byte for byte, and llhttp, which parses it, has to find its end where that form
ends; so what llhttp is generous with is refused here.  Knows no connection: it is fed, and tells
the end of the connection that feeds it whether it wants more.  What a request may ask for is for
others to say.
"""

from __future__ import annotations

import asyncio
import re
from typing import Protocol

import httptools
from multidict import CIMultiDict

from harvester.outlets import entrance
from harvester.outlets.guests import HEADER_LIMIT_BYTES

# What is held of a body that the site reads slowly; one read of a connection may come on top.
HELD_BYTES = 64 * 1024

# RFC 9112, 3 and 5.  llhttp would take RTSP for HTTP, several blanks for one, and any number of
# ends of lines before the first one; a single empty line there is the one that RFC 9112 (2.2)
# wants to be overlooked.
_HEAD = re.compile(
    rb"(?:\r\n)?[A-Z-]+ [!-~]+ HTTP/1\.[01]\r\n"
    rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)*\r\n"
)
# No head has these in it, so that its end need not be waited for.
_IN_NO_HEAD = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANK_LINE = b"\r\n\r\n"


class Malformed(Exception):
    """It is not HTTP/1.1 as we understand it, or broke off in its middle."""


class End(entrance.End, Protocol):
    """Our end of the connection, as a request sees it, and who answers it."""

    def hold(self, *, full: bool) -> None:
        """Read no more while ``full``."""

    @property
    def is_last(self) -> bool:
        """Whether no other request will be answered here."""

    def write(self, data: bytes) -> None: ...

    async def drained(self) -> None:
        """Wait until the client has read most of what was written."""

    def abort(self) -> None:
        """Close at once: what was written so far does not look whole."""


def head_end(raw: bytes, looked_at: int = 0) -> int:
    """How much of it is its head; 0: not all of it has come.  Raises Malformed where none will.

    ``looked_at``: so much of it was, to no end.  A head that comes byte by byte would else be
    looked through for each of them (16 KiB: 1.4 ms each, measured)."""
    at = raw.find(_BLANK_LINE, max(1, looked_at - len(_BLANK_LINE) + 1))
    if at >= 0:
        return at + len(_BLANK_LINE)
    if _IN_NO_HEAD.search(raw, max(0, looked_at - 1)):
        raise Malformed
    return 0


class ClientRequest:
    """``head`` is all of it.  Making one raises Malformed."""

    __slots__ = (
        "_bytes_without_body",
        "_held_bytes",
        "_holds",
        "_is_parsed",
        "_left",
        "_parser",
        "_pieces",
        "_tail",
        "_waiter",
        "begun",
        "end",
        "headers",
        "keeps",
        "malformed",
        "method",
        "target",
        "version",
        "whole",
    )

    def __init__(self, end: End, head: bytes) -> None:
        self.end = end
        self.method = self.target = ""
        self.version = (0, 0)
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.keeps = False
        """The client means to send another request."""
        self.begun = False
        """Something of the answer was sent."""
        self.malformed = False
        """Its body is; what came of it before is still there."""
        self._is_parsed = False
        self._bytes_without_body = 0
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._holds = False
        self._tail = b""
        self._waiter: asyncio.Future[None] | None = None
        self.whole = False
        """So is the body."""
        if not _HEAD.fullmatch(head):
            raise Malformed
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            pass  # told to the client in other words (asked.py)
        except httptools.HttpParserError:
            raise Malformed from None
        if not self._is_parsed:
            raise Malformed
        headers = self.headers
        self._left = 0
        if "Transfer-Encoding" not in headers:
            # A length is counted here; the parser would go on into the next request.
            self._parser = None
            length = headers.get("Content-Length", "0")
            if length != "0" and length.startswith("0"):
                raise Malformed  # octal to some; and int() takes no 5,000 zeros, llhttp does
            self._left = int(length)
        self.whole = self._parser is None and self._left == 0

    # What whoever sends it on does.

    async def read(self) -> bytes:
        """What has come of the body, at least one byte; empty at its end.  Raises Malformed."""
        while not self._pieces and not self.whole:
            if self.malformed:
                raise Malformed
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.read_now()

    def read_now(self) -> bytes:
        """What has come of the body."""
        pieces = self._pieces
        if not pieces:
            return b""
        self._pieces, self._held_bytes = [], 0
        if self._holds:
            self._holds = False
            self.end.hold(full=False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # What the connection does.

    def feed(self, data: bytes) -> bytes:
        """More of it; what is left over stands behind its end."""
        if self.malformed:
            return b""
        rest = (
            self._feed_sized(data)
            if self._parser is None
            else self._feed_chunks(self._parser, data)
        )
        if self._held_bytes > HELD_BYTES and not self._holds:
            self._holds = True
            self.end.hold(full=True)
        self._wake()
        return rest

    def broken(self) -> None:
        """No more will come."""
        if not self.whole:
            self.malformed = True
            self._wake()

    def _feed_sized(self, data: bytes) -> bytes:
        piece, rest = data[: self._left], data[self._left :]
        if piece:
            self._left -= len(piece)
            self._pieces.append(piece)
            self._held_bytes += len(piece)
        self.whole = self._left == 0
        return rest

    def _feed_chunks(self, parser: httptools.HttpRequestParser, data: bytes) -> bytes:
        """The parser does not tell where a body ends.  It ends with a blank line: so the parser
        never gets what stands behind one together with what stands before."""
        said = self._tail + data
        at = len(self._tail)
        self._bytes_without_body += len(data)
        try:
            while at < len(said) and not self.whole:
                blank = said.find(_BLANK_LINE, max(0, at - len(_BLANK_LINE) + 1))
                end = len(said) if blank < 0 else blank + len(_BLANK_LINE)
                parser.feed_data(said[at:end])
                at = end
        except httptools.HttpParserError:
            self.malformed = True
            return b""
        if self._bytes_without_body > HEADER_LIMIT_BYTES and not self.whole:
            self.malformed = True  # marks between chunks, or trailers, without end
        self._tail = said[-len(_BLANK_LINE) + 1 :]
        if self.whole:
            self._parser = None  # it holds us, and we should not hold each other
        return said[at:]

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the parser calls, in this order.

    def on_url(self, target: bytes) -> None:
        self.target += target.decode("ascii")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_parsed:  # a trailer is of no use to anybody here
            self.headers.add(
                name.decode("ascii"), value.strip(b"\t ").decode("utf-8", "surrogateescape")
            )

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None  # noqa: S101  it is the one that calls
        self.method = parser.get_method().decode("ascii")
        self.version = (1, 1) if parser.get_http_version() == "1.1" else (1, 0)
        self.keeps = parser.should_keep_alive()
        self._is_parsed = True

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held_bytes += len(piece)
        self._bytes_without_body = 0

    def on_message_complete(self) -> None:
        self.whole = True
