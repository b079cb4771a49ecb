"""The clients that the SDK has adapters for, blocking and async, behind one verb for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import httpx
import httpx2
import requests

from harvester.sdk import Credentials
from harvester.sdk.aiohttp import harvester_middleware
from harvester.sdk.httpx import HarvesterAuth as HttpxAuth
from harvester.sdk.httpx2 import HarvesterAuth as Httpx2Auth
from harvester.sdk.requests import HarvesterAuth as RequestsAuth

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Call:
    """``body`` makes the body anew, so that one call can be made by several clients."""

    url: str
    method: str = "GET"
    json: Any = None
    body: Callable[[], Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Got:
    status: int
    text: str


class Client(Protocol):
    """``ask`` opens a client, makes the calls one after the other, or all at once, and closes it.
    ``cookies`` are the client's own from before."""

    name: str
    is_async: bool

    def ask(
        self,
        credentials: Credentials,
        *calls: Call,
        follow: bool = False,
        together: bool = False,
        cookies: dict[str, str] | None = None,
    ) -> list[Got]: ...


def _in_turn_or_at_once(
    one: Callable[[Call], Got], calls: Sequence[Call], together: bool
) -> list[Got]:
    if not together:
        return [one(call) for call in calls]
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


class Blocking:
    """httpx or httpx2, blocking."""

    is_async = False

    def __init__(self, package: Any, auth: Callable[[Credentials], Any]) -> None:
        self.name = package.__name__
        self._package, self._auth = package, auth

    def ask(
        self, credentials: Credentials, *calls: Call, follow: bool = False,
        together: bool = False, cookies: dict[str, str] | None = None,
    ) -> list[Got]:  # fmt: skip
        with self._package.Client(
            auth=self._auth(credentials), follow_redirects=follow, cookies=cookies,
            timeout=TIMEOUT_S, trust_env=False, verify=False,
        ) as client:  # fmt: skip

            def one(call: Call) -> Got:
                body = {"json": call.json} if call.body is None else {"content": call.body()}
                told = client.request(call.method, call.url, headers=call.headers, **body)
                return Got(told.status_code, told.text)

            return _in_turn_or_at_once(one, calls, together)


class Awaited:
    """httpx or httpx2, for asyncio."""

    is_async = True

    def __init__(self, package: Any, auth: Callable[[Credentials], Any]) -> None:
        self.name = f"{package.__name__}-async"
        self._package, self._auth = package, auth

    def ask(
        self, credentials: Credentials, *calls: Call, follow: bool = False,
        together: bool = False, cookies: dict[str, str] | None = None,
    ) -> list[Got]:  # fmt: skip
        async def whole() -> list[Got]:
            async with self._package.AsyncClient(
                auth=self._auth(credentials), follow_redirects=follow, cookies=cookies,
                timeout=TIMEOUT_S, trust_env=False, verify=False,
            ) as client:  # fmt: skip

                async def one(call: Call) -> Got:
                    body = {"json": call.json} if call.body is None else {"content": call.body()}
                    told = await client.request(call.method, call.url, headers=call.headers, **body)
                    return Got(told.status_code, told.text)

                if together:
                    return list(await asyncio.gather(*(one(call) for call in calls)))
                return [await one(call) for call in calls]

        return asyncio.run(whole())


class Requests:
    name = "requests"
    is_async = False

    def ask(
        self, credentials: Credentials, *calls: Call, follow: bool = False,
        together: bool = False, cookies: dict[str, str] | None = None,
    ) -> list[Got]:  # fmt: skip
        with requests.Session() as session:
            session.auth = RequestsAuth(credentials)
            session.trust_env = False
            session.cookies.update(cookies or {})

            def one(call: Call) -> Got:
                body = {"json": call.json} if call.body is None else {"data": call.body()}
                told = session.request(
                    call.method, call.url, headers=call.headers, allow_redirects=follow,
                    timeout=TIMEOUT_S, **body,
                )  # fmt: skip
                return Got(told.status_code, told.text)

            return _in_turn_or_at_once(one, calls, together)


class Aiohttp:
    name = "aiohttp"
    is_async = True

    def ask(
        self, credentials: Credentials, *calls: Call, follow: bool = False,
        together: bool = False, cookies: dict[str, str] | None = None,
    ) -> list[Got]:  # fmt: skip
        async def whole() -> list[Got]:
            async with aiohttp.ClientSession(
                middlewares=[harvester_middleware(credentials)], cookies=cookies,
                timeout=aiohttp.ClientTimeout(TIMEOUT_S),
            ) as session:  # fmt: skip

                async def one(call: Call) -> Got:
                    body = {"json": call.json} if call.body is None else {"data": call.body()}
                    async with session.request(
                        call.method, call.url, headers=call.headers, allow_redirects=follow, **body
                    ) as told:
                        # Not text(): the stream is what a caller may as well read from.
                        read = b"".join([chunk async for chunk in told.content.iter_any()])
                        return Got(told.status, read.decode())

                if together:
                    return list(await asyncio.gather(*(one(call) for call in calls)))
                return [await one(call) for call in calls]

        return asyncio.run(whole())


CLIENTS: tuple[Client, ...] = (
    Blocking(httpx, HttpxAuth),
    Awaited(httpx, HttpxAuth),
    Blocking(httpx2, Httpx2Auth),
    Awaited(httpx2, Httpx2Auth),
    Requests(),
    Aiohttp(),
)
