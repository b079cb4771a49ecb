"""A request to the API as aiohttp has it: its path, its query, its body, or why it is refused.

Owns the deadline and the limit of a body, and that a path has one spelling.  What the fields mean
is ``parameters.py``'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from harvester.errors import Usage
from harvester.outlets import parameters
from harvester.outlets.connection import BODY_LIMIT_BYTES
from harvester.outlets.guests import BODY_DEADLINE_S


class Refused(Exception):
    """A request refused with a status of HTTP's own; the connection is closed after it."""

    def __init__(
        self, status: int, error: Usage, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers


def path(request: web.BaseRequest) -> str:
    return request.raw_path.partition("#")[0].partition("?")[0]


def query(request: web.BaseRequest) -> Mapping[str, str]:
    raw = request.raw_path.partition("?")[2].partition("#")[0]
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        raise Usage(
            "the query is not UTF-8, or has over 64 fields", hint="percent-encode it as UTF-8"
        ) from None
    return parameters.from_query(pairs)


async def body(request: web.BaseRequest) -> Mapping[str, Any]:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            said = await request.read()
    except TimeoutError:
        slow = Usage(
            f"the request's body did not come within {BODY_DEADLINE_S:.0f} s",
            hint="send it at once",
        )
        raise Refused(408, slow) from None
    except web.HTTPRequestEntityTooLarge:
        large = Usage(
            f"the request's body is over {BODY_LIMIT_BYTES // 1024} KiB",
            hint="no request of this API needs more than a line",
        )
        raise Refused(413, large) from None
    except web.RequestPayloadError:
        broken = Usage(
            "the request's body is broken off or wrongly framed",
            hint="send Content-Length or chunks as HTTP/1.1 says",
        )
        raise Refused(400, broken) from None
    return parameters.from_body(said)
