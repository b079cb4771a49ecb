"""A daemon without a browser: the real socket API over a keeper that signs in over plain HTTP.

It judges reports as the contract says, counts what it was asked, and runs in a thread, so that
blocking clients can be tried against it as well.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from harvester import errors
from harvester.outlets.api import Api
from harvester.outlets.listen import Listener
from harvester.profile import Profile, Site
from harvester.session import Cookie, Served, Session
from standin import StandInProcess
from walker import Walker
from walks import sign_in


class PlainSite(Protocol):
    """What the daemon signs in to.  Both calls block."""

    origin: str

    def begin(self) -> dict[str, str]:
        """A new session: the cookies that it needs."""

    def lives(self, cookies: Mapping[str, str]) -> bool: ...


class StandInSite:
    """The stand-in, walked through by a person without a browser."""

    def __init__(self, world: StandInProcess, *needed: str) -> None:
        self.origin = world.site
        self._world = world
        self._needed = needed or ("stytch_session",)

    def begin(self) -> dict[str, str]:
        person = Walker()
        sign_in(person, self._world)
        jar = person.jars["knoq.localhost"]
        return {name: jar[name] for name in self._needed}

    def lives(self, cookies: Mapping[str, str]) -> bool:
        line = "; ".join(f"{name}={value}" for name, value in cookies.items())
        url = f"{self.origin}/api/managed-agents/sessions"
        answer = Walker().ask(url, cookie=line, follow=False)
        return answer.status == 200 and "html" not in answer.headers["Content-Type"]


class PlainKeeper:
    """``fails`` is raised in the place of a new session; ``hold_s`` is how long one takes."""

    def __init__(self, site: PlainSite, name: str = "default") -> None:
        self.profile = Profile(name, Site(site.origin, site.origin, "/probe"))
        self.site = site
        self.session: Session | None = None
        self.life_s: float | None = None
        self.fails: errors.HarvesterError | None = None
        self.hold_s = 0.0
        self.asked: list[dict[str, Any]] = []
        self.reports: list[int] = []
        self.begun = 0
        self._lock = asyncio.Lock()

    ready = True
    why_not = ""

    def at_hand(self, min_valid_s: float = 0.0) -> Served | None:
        return None  # tests count what is asked: every question comes to ``get``

    async def get(self, **asked: Any) -> Served:
        self.asked.append(asked)
        async with self._lock:
            return Served(self.session or await self._begin())

    async def report(self, *, generation: int, wait_s: float) -> Served:
        self.reports.append(generation)
        async with self._lock:
            held = self.session
            if held is None:
                return Served(await self._begin(), verdict="refreshed")
            if generation < held.generation:
                return Served(held, verdict="superseded")
            cookies = {one.name: one.value for one in held.cookies}
            if await asyncio.to_thread(self.site.lives, cookies):
                return Served(held, verdict="alive")
            return Served(await self._begin(), verdict="refreshed")

    async def _begin(self) -> Session:
        if self.hold_s:
            await asyncio.sleep(self.hold_s)
        if self.fails is not None:
            raise self.fails
        found = await asyncio.to_thread(self.site.begin)
        host = self.site.origin.rpartition("//")[2].partition(":")[0]
        cookies = tuple(Cookie(name, value, host) for name, value in found.items())
        now = time.time()
        self.begun += 1
        self.session = Session(
            profile=self.profile.name,
            origin=self.site.origin,
            generation=self.begun,
            cookies=cookies,
            jar=cookies,
            obtained_at=now,
            proved_at=now,
            renewed_at=now,
            expires_at=None if self.life_s is None else now + self.life_s,
            expires_kind="unknown" if self.life_s is None else "declared",
        )
        return self.session

    async def refresh(self, *, hard: bool, wait_s: float) -> Served:
        async with self._lock:
            return Served(await self._begin())

    async def take_in(self, *_: Any, **__: Any) -> Served:
        raise NotImplementedError

    async def logout(self) -> Mapping[str, Any]:
        self.session = None
        return {}

    async def unlock(self, *, force: bool) -> Mapping[str, Any]:
        return {}


class PlainDaemon:
    """A context manager; ``path`` is its socket, ``one`` the keeper that it serves."""

    def __init__(self, path: Path, site: PlainSite) -> None:
        self.path = path
        self.one = PlainKeeper(site)
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        with Listener(self.path) as sock:
            api = Api(self)
            await api.start(sock)
            self._up.set()
            await self._over.wait()
            await api.stop(1)

    # the house, as the API knows it

    def keeper(self, name: str) -> PlainKeeper:
        if name != self.one.profile.name:
            raise errors.UnknownProfile(f"no profile {name}", hint="profiles: default")
        return self.one

    def keepers(self) -> Sequence[PlainKeeper]:
        return (self.one,)

    def glance(self, name: str) -> Mapping[str, Any]:
        held = self.keeper(name).session
        generation = None if held is None else held.generation
        stands = {"state": "live" if held else "no_session", "ready": held is not None}
        when = {"at": "2026-11-23T10:00:00Z", "expires_at": None}
        return {"profile": name, "generation": generation, "code": None, **stands, **when}

    def status(self) -> Mapping[str, Any]:
        return {"version": 1, "profiles": []}

    async def history(self, name: str, *, limit: int) -> Sequence[Mapping[str, Any]]:
        return ()
