"""One answer to a client, as it is written: its head, and how its body is framed.

Owns what tells a client where an answer ends.  One whose end nothing marked ends with its
connection, as the site's did: an end of ours would make an answer look whole that broke off.  Pure:
it makes bytes and sends none.
"""

from __future__ import annotations

from multidict import CIMultiDict

from harvester.outlets.client_request import ClientRequest
from harvester.outlets.writing import Today, head

_BODILESS = (204, 304)
_today = Today()


class ClientAnswer:
    """``in_chunks``: the body has a mark at its end, if no length.  The headers bring their own
    ``Content-Length`` or none; what is of this connection alone is said here.

    Making one raises ValueError for a header that would forge another one, and ConnectionError
    where the answer to this request has begun already."""

    __slots__ = ("_bodiless", "_in_chunks", "head")

    def __init__(
        self,
        request: ClientRequest,
        status: int,
        reason: str,
        headers: CIMultiDict[str],
        *,
        in_chunks: bool = False,
    ) -> None:
        if request.begun:
            raise ConnectionAbortedError("a second answer")
        http_11 = request.version == (1, 1)
        self._bodiless = request.method == "HEAD" or status in _BODILESS
        sized = "Content-Length" in headers
        self._in_chunks = in_chunks and not sized and http_11 and not self._bodiless
        if request.end.is_last or not (self._bodiless or sized or self._in_chunks):
            request.keeps = False
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [
            f"{name}: {value}"
            for name, value in headers.items()
            if status != 204 or name.lower() != "content-length"
        ]
        if "Date" not in headers:
            lines.append(f"Date: {_today.date()}")  # RFC 9110, 6.6.1
        if self._in_chunks:
            lines.append("Transfer-Encoding: chunked")
        if not request.keeps:
            lines.append("Connection: close")
        elif not http_11:
            lines.append("Connection: keep-alive")
        self.head = head(lines)
        request.begun = True

    def piece(self, body: bytes) -> bytes:
        """Some of the body."""
        if not body or self._bodiless:
            return b""
        return b"%x\r\n%b\r\n" % (len(body), body) if self._in_chunks else body

    @property
    def end(self) -> bytes:
        return b"0\r\n\r\n" if self._in_chunks else b""

    def all_of(self, body: bytes) -> bytes:
        """Head and body, where all of it is at hand."""
        return self.head + self.piece(body) + self.end
