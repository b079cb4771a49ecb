"""The site's answer on its way to the client: streamed as it comes, without what is not for him.

Owns what of an answer is passed on and how it ends.  An answer that breaks off in the middle
breaks off for the client too: it must never look whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from multidict import CIMultiDict

from harvester.outlets.asked import HOP_BY_HOP, OWN_PREFIX, named_by_connection
from harvester.outlets.client_answer import ClientAnswer
from harvester.outlets.client_request import ClientRequest
from harvester.outlets.site_answer import SiteAnswer

# No cookie of the site is for a client: his own are not sent on, so that none could come back; one
# of the session's is a credential; and a browser would send what it gets from a port of 127.0.0.1
# to every other port of it.
_NOT_FOR_CLIENTS = HOP_BY_HOP | {"set-cookie", "set-cookie2"}
_CORS_PREFIX = "access-control-"
# A refusal is held while the session is refreshed, and its body is a line or a page.
REFUSAL_BYTES = 1024 * 1024
REFUSAL_S = 10.0


def headers_for_client(answer: SiteAnswer, *, readable_by_pages: bool) -> CIMultiDict[str]:
    """``readable_by_pages``: leave in what lets a web page of another origin read it."""
    found = answer.headers
    named = named_by_connection(found)
    chunked = "Transfer-Encoding" in found
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in found.items():
        lower = name.lower()
        if lower in _NOT_FOR_CLIENTS or lower in named or lower.startswith(OWN_PREFIX):
            continue
        if lower == "content-length" and chunked:
            continue
        if not readable_by_pages and lower.startswith(_CORS_PREFIX):
            continue
        # What is no UTF-8 is Latin-1, as HTTP once said: our writer knows UTF-8 alone.
        kept.add(name, value if value.isascii() else _readable(value))
    return kept


def _readable(value: str) -> str:
    raw = value.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


async def pass_on(
    request: ClientRequest, answer: SiteAnswer, headers: CIMultiDict[str], begun: bytes = b""
) -> None:
    """Send the answer to the client, piece by piece, no faster than he reads; ``begun`` is what
    was read of it.

    Raises ConnectionError when either end breaks off; the client's connection is then closed."""
    end = request.end
    try:
        told = _answer_to(request, answer, headers)
        piece = begun + answer.read_now()
        if answer.whole:
            end.write(told.all_of(piece))
            await end.drained()
            return
        end.write(told.head + told.piece(piece))
        await end.drained()
        while piece := await answer.read():
            end.write(told.piece(piece))
            await end.drained()
        end.write(told.end)
    except (OSError, ValueError) as error:
        # ValueError: a header that would forge another one.
        end.abort()
        raise ConnectionResetError(f"the answer broke off ({type(error).__name__})") from None


def _answer_to(
    request: ClientRequest, answer: SiteAnswer, headers: CIMultiDict[str]
) -> ClientAnswer:
    return ClientAnswer(
        request,
        answer.status,
        answer.reason,
        headers,
        in_chunks="Transfer-Encoding" in answer.headers,
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """The site's 401, as far as it was read; ``whole``: to its end, and let go of."""

    answer: SiteAnswer
    body: bytes
    whole: bool

    @classmethod
    async def of(cls, answer: SiteAnswer) -> Refusal:
        """Hold it until it is known whether the client gets to see it."""
        body = b""
        try:
            async with asyncio.timeout(REFUSAL_S):
                while len(body) <= REFUSAL_BYTES:
                    piece = await answer.read()
                    if not piece:
                        answer.close()  # ends the sending of a body that nobody waits for
                        return cls(answer, body, True)
                    body += piece
        except (TimeoutError, OSError):
            pass  # whoever passes it on meets the same
        return cls(answer, body, False)

    async def pass_on(
        self, request: ClientRequest, headers: CIMultiDict[str], told: Mapping[str, str]
    ) -> None:
        """As the site sent it, and ``told`` beside it."""
        headers.update(told)
        if not self.whole:
            await pass_on(request, self.answer, headers, self.body)
            return
        request.end.write(_answer_to(request, self.answer, headers).all_of(self.body))
        await request.end.drained()
