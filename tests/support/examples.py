"""What an example needs to run as it stands: a real API on a socket, with sessions that live at
the stand-in, and that site under an address which every language can dial.

No browser: the keeper behind the API signs in over plain HTTP, when it starts and when the
session that it holds is reported.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fakehouse import FakeHouse, serving
from harvester.profile import Profile, Site
from harvester.session import Cookie, Served, Session
from standin import ROOT, StandInProcess
from walker import Walker
from walks import sign_in

EXAMPLES = ROOT / "docs" / "examples"
SESSIONS, BEGIN = "/api/managed-agents/sessions", "/api/managed-agents/session"
RUN_S = 60.0


class Keeper:
    """As ``fakehouse.FakeKeeper``, but what it serves lives."""

    def __init__(self, world: StandInProcess, origin: str) -> None:
        self.profile = Profile("default", Site(origin, origin, "/probe"))
        self.ready, self.why_not = True, ""
        self.fails: BaseException | None = None
        self.reports = 0
        self._world = world
        self._served = self._sign_in(1)

    @property
    def cookies(self) -> tuple[Cookie, ...]:
        return self._served.session.cookies

    def _sign_in(self, generation: int) -> Served:
        person = Walker()
        sign_in(person, self._world)
        jar = person.jars["knoq.localhost"]
        cookies = tuple(Cookie(name, value, "127.0.0.1") for name, value in jar.items())
        origin = self.profile.site.origin
        times = {"obtained_at": 1_000_000, "proved_at": 1_000_100, "renewed_at": 1_000_000}
        return Served(Session("default", origin, generation, cookies, cookies, **times))

    def at_hand(self, min_valid_s: float = 0.0) -> Served | None:
        return None if self.fails is not None else self._served

    async def get(self, *, min_valid_s: float, wait_s: float, may_sign_in: bool) -> Served:
        if self.fails is not None:
            raise self.fails
        return self._served

    async def report(self, *, generation: int, wait_s: float) -> Served:
        assert generation == self._served.session.generation
        self.reports += 1
        fresh = await asyncio.to_thread(self._sign_in, generation + 1)
        self._served = fresh
        return Served(fresh.session, verdict="refreshed")


@dataclass(frozen=True)
class Stage:
    """Where examples run."""

    world: StandInProcess
    keeper: Keeper
    socket: Path
    origin: str

    async def run(
        self, *words: str | Path, cwd: Path = EXAMPLES, limit_s: float = RUN_S, **env: str
    ) -> tuple[int, str, str]:
        """Exit code, what it printed, what it complained of."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *words, cwd=cwd, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**kept, "HARVESTER_SOCKET": str(self.socket), "KNOQ_ORIGIN": self.origin, **env},
        )  # fmt: skip
        async with asyncio.timeout(limit_s):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def outlives_a_revocation(self, *words: str | Path, cwd: Path = EXAMPLES) -> None:
        """What is asked of every example: an answer, then one from a session that has died."""
        code, out, err = await self.run(*words, SESSIONS, cwd=cwd)
        assert (code, err) == (0, "")
        assert json.loads(out)["sessions"] == []
        self.world.revoke()
        code, out, err = await self.run(*words, BEGIN, '{"text": "hello"}', cwd=cwd)
        assert (code, err) == (0, "")
        assert json.loads(out)["sessionId"]
        state = self.world.state()
        assert (state["api_posts_executed"], state["api_401"], state["sign_ins"]) == (1, 1, 2)
        assert self.keeper.reports == 1


@asynccontextmanager
async def stage(world: StandInProcess, place: Path) -> AsyncIterator[Stage]:
    async with _front(world) as origin:
        house, socket = FakeHouse(), place / "run" / "harvester.sock"
        keeper = await asyncio.to_thread(Keeper, world, origin)
        house.all["default"] = keeper  # type: ignore[assignment]
        async with serving(socket, house):  # type: ignore[arg-type]
            yield Stage(world, keeper, socket, origin)


@asynccontextmanager
async def _front(world: StandInProcess) -> AsyncIterator[str]:
    """The stand-in's site at 127.0.0.1: of its own name only browsers know that it is here.

    What names it so in a request (Host, Origin) is put right on the way.
    """
    port = 0

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: bytes) -> None:
        while part := await reader.read(65536):
            writer.write(part.replace(b"127.0.0.1:%d" % port, name) if name else part)
            await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        site_reader, site_writer = await asyncio.open_connection("127.0.0.1", world.port)
        async with asyncio.TaskGroup() as group:
            group.create_task(
                pipe(reader, site_writer, world.site.removeprefix("http://").encode())
            )
            group.create_task(pipe(site_reader, writer, b""))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
