"""A house of fake keepers behind the real API, for tests of what goes over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harvester import errors
from harvester.outlets.api import Api
from harvester.outlets.listen import Listener
from harvester.profile import Profile, Site
from harvester.session import Cookie, Served, Session

ORIGIN = "https://app.example"
COOKIE = Cookie("sid", "canary-c00kie", "app.example")


def a_session(generation: int = 7, cookies: tuple[Cookie, ...] = (COOKIE,)) -> Session:
    return Session(
        profile="default",
        origin=ORIGIN,
        generation=generation,
        cookies=cookies,
        jar=cookies,
        obtained_at=1_000_000,
        proved_at=1_000_100,
        renewed_at=1_000_000,
    )


@dataclass
class FakeKeeper:
    profile: Profile
    served: Served = field(default_factory=lambda: Served(a_session()))
    ready: bool = True
    why_not: str = ""
    fails: BaseException | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    recalled: int = 0
    gate: asyncio.Event | None = None
    crowd: int = 1
    knocked: asyncio.Event = field(default_factory=asyncio.Event)
    stands: dict[str, Any] = field(
        default_factory=lambda: {"generation": 7, "state": "live", "ready": True, "code": None}
    )

    async def _serve(self, name: str, **asked: Any) -> Served:
        self.calls.append((name, asked))
        if len(self.calls) >= self.crowd:
            self.knocked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        return self.served

    def at_hand(self, min_valid_s: float) -> Served | None:
        if self.gate is not None or self.fails is not None or self.served.stale:
            return None
        self.recalled += 1
        return self.served

    async def get(self, *, min_valid_s: float, wait_s: float, may_sign_in: bool) -> Served:
        return await self._serve(
            "get", min_valid_s=min_valid_s, wait_s=wait_s, may_sign_in=may_sign_in
        )

    async def report(self, *, generation: int, wait_s: float) -> Served:
        served = await self._serve("report", generation=generation, wait_s=wait_s)
        return replace(served, verdict="alive", probed_s_ago=3.0)

    async def refresh(self, *, hard: bool, wait_s: float) -> Served:
        return await self._serve("refresh", hard=hard, wait_s=wait_s)

    async def take_in(
        self, cookies: tuple[Cookie, ...], *, user_agent: str, wait_s: float
    ) -> Served:
        return await self._serve("take_in", cookies=cookies, user_agent=user_agent, wait_s=wait_s)

    async def logout(self) -> Mapping[str, Any]:
        await self._serve("logout")
        return {"had_session": True, "signed_out": True, "denied": None}

    async def unlock(self, *, force: bool) -> Mapping[str, Any]:
        await self._serve("unlock", force=force)
        return {"cleared": None, "alarm": None}


class FakeHouse:
    def __init__(self) -> None:
        site = Site(ORIGIN, ORIGIN, "/probe")
        self.asked: list[tuple[str, str | None]] = []
        self.all = {name: FakeKeeper(Profile(name, site)) for name in ("default", "work-eu")}

    def keeper(self, name: str) -> FakeKeeper:
        try:
            return self.all[name]
        except KeyError:
            raise errors.UnknownProfile(f"no profile {name}", hint="profiles: default") from None

    def keepers(self) -> Sequence[FakeKeeper]:
        return tuple(self.all.values())

    def glance(self, name: str) -> Mapping[str, Any]:
        when = {"at": "2026-11-23T10:00:00Z", "expires_at": None}
        return {"profile": name, **when, **self.keeper(name).stands}

    def status(self) -> Mapping[str, Any]:
        about = {"harvester": "0.1.0", "pid": 1, "started_at": "2026-11-23T10:00:00Z"}
        proxy = {"unix": "/run/harvester/proxy.sock", "tcp": None, "token": None}
        way = {
            "socket": "/run/harvester/harvester.sock",
            "proxy": proxy,
            "memory": None,
            "key": None,
            "file_troubles": {},
        }
        gives = {"paused": {"all_since": None, "profiles": {}}, "confirms": False, "audit": None}
        return {"version": 1, **about, **way, **gives, "durable": True, "profiles": []}

    async def history(self, name: str, *, limit: int) -> Sequence[Mapping[str, Any]]:
        await self.keeper(name)._serve("history", limit=limit)
        entry = {"at": "2026-11-23T10:00:00Z", "event": "session.new", "level": "info"}
        return [{**entry, "why": "scripted", "next": None, "next_at": None}]

    async def pause(self, name: str | None) -> Mapping[str, Any]:
        return self._paused("pause", name)

    async def resume(self, name: str | None) -> Mapping[str, Any]:
        return self._paused("resume", name)

    def _paused(self, what: str, name: str | None) -> Mapping[str, Any]:
        if name is not None:
            self.keeper(name)
        self.asked.append((what, name))
        return {"changed": True, "all_since": None, "profiles": {}}

    @property
    def recalled(self) -> int:
        """How often a keeper was asked what it has at hand, and had something."""
        return sum(keeper.recalled for keeper in self.all.values())

    @property
    def default(self) -> FakeKeeper:
        return self.all["default"]


@asynccontextmanager
async def serving(path: Path, house: FakeHouse) -> AsyncIterator[Api]:
    with Listener(path) as sock:
        api = Api(house)
        await api.start(sock)
        try:
            yield api
        finally:
            await api.stop(1)


async def raw(path: Path, request: bytes, *, end: bool = False) -> bytes:
    """Send bytes, read until the daemon closes."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    if end:
        writer.write_eof()
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
