"""What a type checker says of the SDK's public names.  Checked by mypy, never run.

Each ``assert_type`` is a promise to users who check their own programs; each ``type: ignore`` is a
mistake that must stay one (mypy complains about an ignore that is not needed).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, assert_type

import aiohttp
import httpx
import httpx2
import requests

from harvester.sdk import Cookie, Credentials, HarvesterError, NotReplayed, Session
from harvester.sdk.aiohttp import harvester_middleware
from harvester.sdk.httpx import HarvesterAuth as HttpxAuth
from harvester.sdk.httpx2 import HarvesterAuth as Httpx2Auth
from harvester.sdk.requests import HarvesterAuth as RequestsAuth

credentials = Credentials("work-eu", origin=None, socket=None, sign_in=True, wait_s=30)
session = credentials.session(min_valid_s=60)
assert_type(session, Session)
assert_type(credentials.headers(), dict[str, str])
assert_type(credentials.report(session), Session)
assert_type(credentials.origin, str | None)


async def for_asyncio() -> None:
    assert_type(await credentials.asession(), Session)
    assert_type(await credentials.aheaders(min_valid_s=5), dict[str, str])
    assert_type(await credentials.areport(session), Session)


assert_type(session.headers, Mapping[str, str])
assert_type(session.cookies, tuple[Cookie, ...])
assert_type(session.generation, int)
assert_type(session.expires_at, float | None)
assert_type(session.expires_kind, Literal["declared", "learned", "unknown"])
assert_type(session.verdict, Literal["superseded", "alive", "refreshed", "unreachable"] | None)
assert_type(session.error, HarvesterError | None)


def errors(error: NotReplayed) -> HarvesterError:
    assert_type(error.hint, str)
    return error


httpx.Client(auth=HttpxAuth())
httpx.AsyncClient(auth=HttpxAuth(credentials))
httpx2.Client(auth=Httpx2Auth())
httpx2.AsyncClient(auth=Httpx2Auth(credentials))
requests.get("https://app.example", auth=RequestsAuth(credentials))
with_requests = requests.Session()
with_requests.auth = RequestsAuth()


async def with_aiohttp() -> None:
    middleware = harvester_middleware(credentials)
    async with aiohttp.ClientSession(middlewares=[middleware]) as client:
        await client.get("https://app.example", middlewares=(middleware,))


# Mistakes that stay mistakes.
session.generation = 8  # type: ignore[misc]
Credentials("default", None)  # type: ignore[call-arg]
credentials.report(7)  # type: ignore[arg-type]
HttpxAuth("default")  # type: ignore[arg-type]
httpx.Client(auth=Httpx2Auth())  # type: ignore[arg-type]
