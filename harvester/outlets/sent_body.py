"""The body of a request on its way to the site: streamed, and kept for a second sending if small.

Constant memory: of one body 8 MiB are kept at most, of all of them together 64 MiB; a larger one
is streamed and cannot be sent again.  A client that is too slow with it is told so.  Knows nothing
of where it goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from harvester.errors import Usage
from harvester.outlets.asked import Refused
from harvester.outlets.client_request import ClientRequest, Malformed
from harvester.outlets.guests import BODY_DEADLINE_S

KEPT_EACH_BYTES = 8 * 1024 * 1024
KEPT_IN_ALL_BYTES = 64 * 1024 * 1024
# What is handed to a connection in one piece; it copies what it cannot send at once.
_AT_ONCE_BYTES = 64 * 1024

Sent = bytes | AsyncIterator[bytes] | None


class Shelf:
    """How much is kept of all bodies together."""

    def __init__(self) -> None:
        self.free_bytes = KEPT_IN_ALL_BYTES


class SentBody:
    """One request's.  ``close`` it, so that others have the room.

    ``length`` is what the request tells of it, None for one in chunks; ``keep``: it may be needed
    again; ``go_on`` tells a client that waits for it (``Expect``) to begin.
    """

    def __init__(
        self,
        request: ClientRequest,
        *,
        length: int | None,
        keep: bool,
        shelf: Shelf,
        go_on: Callable[[], None],
    ) -> None:
        self._request = request
        self._shelf = shelf
        self._go_on = go_on
        self._kept: bytearray | None = bytearray() if keep else None
        # An answer may come before the body is sent; who then reads on must not meet the first.
        self._reading = asyncio.Lock()
        self.length = length
        self.trouble: Refused | None = None
        """Why it could not be read, which whoever sends it cannot say."""
        if length is not None and length > KEPT_EACH_BYTES:
            self._kept = None

    def first(self) -> Sent:
        """What to send the first time.  Raises Refused where it is known already that it cannot
        be sent."""
        if self.length == 0:
            return None
        if self._request.whole:
            # It came with the header.
            whole = self._request.read_now()
            self._keep(whole)
            return whole
        if self._request.malformed:
            raise _malformed()
        return self._pieces()

    @property
    def may_come_again(self) -> bool:
        """All that was read of it is kept."""
        return self._kept is not None

    async def rest(self) -> bool:
        """Read what was not yet sent; whether all of it is kept now.  Raises Refused."""
        if self.length != 0:
            async for _ in self._pieces():
                if self._kept is None:
                    break
        return self._kept is not None

    def again(self) -> Sent:
        """What to send the second time: all of it, kept."""
        if self.length == 0 or self._kept is None:
            return None
        if len(self._kept) <= _AT_ONCE_BYTES:
            return bytes(self._kept)
        return self._kept_pieces(self._kept)

    def close(self) -> None:
        self._let_go()

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            while True:
                if not self._request.whole:
                    self._go_on()
                try:
                    async with self._reading, asyncio.timeout(BODY_DEADLINE_S):
                        piece = await self._request.read()
                except TimeoutError:
                    raise Refused(
                        408,
                        Usage(
                            f"nothing more of the request's body came for {BODY_DEADLINE_S:.0f} s",
                            hint="send it without pauses",
                        ),
                    ) from None
                except Malformed:
                    raise _malformed() from None
                if not piece:
                    return
                self._keep(piece)
                yield piece
        except Refused as refused:
            self.trouble = refused
            raise

    async def _kept_pieces(self, kept: bytearray) -> AsyncIterator[bytes]:
        for begin in range(0, len(kept), _AT_ONCE_BYTES):
            yield bytes(kept[begin : begin + _AT_ONCE_BYTES])

    def _keep(self, piece: bytes) -> None:
        if self._kept is None:
            return
        if len(self._kept) + len(piece) > KEPT_EACH_BYTES or len(piece) > self._shelf.free_bytes:
            self._let_go()
            return
        self._shelf.free_bytes -= len(piece)
        self._kept += piece

    def _let_go(self) -> None:
        if self._kept is not None:
            self._shelf.free_bytes += len(self._kept)
            self._kept = None


def _malformed() -> Refused:
    return Refused(
        400,
        Usage(
            "the request's body is broken off or wrongly framed",
            hint="send Content-Length or chunks as HTTP/1.1 says",
        ),
    )
