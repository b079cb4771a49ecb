"""The way to the site, opened when it is first needed.

Its library takes longer to load than the rest of a command together (0.15 s), and a browser can
start meanwhile: the signer is told which one before anything is asked.  Knows no request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harvester.session import Cookie
from harvester.verdict import Answer

if TYPE_CHECKING:
    from harvester.probe import SiteClient


class Asking:
    """A ``staging.Client``; ``open_way`` makes the real one."""

    def __init__(self, open_way: Callable[[], SiteClient]) -> None:
        self._open_way = open_way
        self._client: SiteClient | None = None

    async def probe(self, cookies: tuple[Cookie, ...]) -> Answer:
        return await self._opened().probe(cookies)

    async def get(self, path: str, cookies: tuple[Cookie, ...]) -> Answer:
        return await self._opened().get(path, cookies)

    async def post(self, path: str, cookies: tuple[Cookie, ...], body: bytes) -> Answer:
        return await self._opened().post(path, cookies, body)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _opened(self) -> SiteClient:
        if self._client is None:
            self._client = self._open_way()
        return self._client
