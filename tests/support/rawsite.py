"""A site of raw bytes: what a proxy sends is seen as it came, what it is answered is written as is.

One coroutine answers each request; ``Site.seen`` holds them all.  Reads bodies by length and in
chunks, and notices when the other end goes away.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Seen:
    """A request: ``head`` byte for byte, ``body`` as far as it was read."""

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    body: bytes = b""
    body_bytes: int = 0
    broken: bool = False

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode()

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [
            (name.lower(), value.strip())
            for name, _, value in (line.partition(":") for line in lines if line)
        ]

    def all(self, name: str) -> list[str]:
        return [value for one, value in self.headers if one == name.lower()]

    def one(self, name: str) -> str | None:
        found = self.all(name)
        assert len(found) <= 1, (name, found)
        return found[0] if found else None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises asyncio.IncompleteReadError where it breaks off."""
        if self.one("transfer-encoding") == "chunked":
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            while await self.reader.readuntil(b"\r\n") != b"\r\n":
                pass
        else:
            left = int(self.one("content-length") or 0)
            while left:
                piece = await self.reader.read(min(left, 65536))
                if not piece:
                    raise asyncio.IncompleteReadError(b"", left)
                left -= len(piece)
                yield piece

    async def read(self, *, keep: bool = True) -> None:
        async for piece in self.pieces():
            self.body_bytes += len(piece)
            if keep:
                self.body += piece

    async def gone(self) -> None:
        """Wait until the other end has closed."""
        while await self.reader.read(65536):
            pass


Answer = Callable[[Seen], Awaitable[bytes | None]]


@dataclass
class Site:
    """``answer`` returns bytes to write, or None after it has written or closed by itself."""

    answer: Answer
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request's header has come."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client's connection is over."""

    @property
    def origin(self) -> str:
        return f"http://site.localhost:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = Seen(head, reader, writer)
                self.seen.append(request)
                self.asked.set()
                told = await self.answer(request)
                if told is not None:
                    if request.method == "HEAD":
                        told = told.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                    writer.write(told)
                    await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            if self.seen:
                self.seen[-1].broken = True
        finally:
            self.ended.set()
            writer.close()


@asynccontextmanager
async def raw_site(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    site = Site(answer)
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()


def plain(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def always(told: bytes) -> Answer:
    """Read the body, answer this."""

    async def answer(request: Seen) -> bytes:
        await request.read()
        return told

    return answer
