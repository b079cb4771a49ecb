"""The proxy before a fake house: on a unix socket and, if wanted, on TCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harvester import errors, knoq
from harvester.clock import SystemClock
from harvester.leases import Leases
from harvester.outlets import proxy_token
from harvester.outlets.proxy import Proxy
from harvester.outlets.proxy_sockets import proxy_sockets
from harvester.outlets.upstream import Upstream
from harvester.porter import Porter
from harvester.profile import Limit, Profile, Site
from harvester.session import Cookie, Served, Session
from harvester.setcookie import Brought
from harvester.tally import Tally

CHECKED = "/api/managed-agents/"
NAME = "sid"


def session(origin: str, generation: int = 1) -> Session:
    host = origin.partition("//")[2].partition(":")[0]
    cookies = (Cookie(NAME, f"canary-{generation}", host),)
    return Session(
        "default", origin, generation, cookies, cookies,
        obtained_at=1.0, proved_at=1.0, renewed_at=1.0,
    )  # fmt: skip


@dataclass
class FakeDoor:
    """Open, unless told."""

    shut: errors.HarvesterError | None = None

    def admit(self) -> None:
        if self.shut is not None:
            raise self.shut


@dataclass
class ProxyKeeper:
    """Answers at once.  A report of the present generation makes the next one, unless told."""

    profile: Profile
    served: Served
    handout: FakeDoor = field(default_factory=FakeDoor)
    reports: list[int] = field(default_factory=list)
    refreshes: int = 0
    brought: list[Brought] = field(default_factory=list)
    get_fails: errors.HarvesterError | None = None
    report_fails: errors.HarvesterError | None = None
    says: str = "refreshed"
    takes_s: float = 0.0
    reported: asyncio.Event = field(default_factory=asyncio.Event)
    _flight: asyncio.Task[None] | None = None

    async def get(self, *, min_valid_s: float, wait_s: float, may_sign_in: bool) -> Served:
        assert (min_valid_s, may_sign_in) == (0.0, True)
        if self.get_fails is not None:
            raise self.get_fails
        return self.served

    async def report(self, *, generation: int, wait_s: float) -> Served:
        self.reports.append(generation)
        self.reported.set()
        if self.report_fails is not None:
            raise self.report_fails
        if self.says != "refreshed":
            return replace(self.served, verdict=self.says)
        if generation < self.served.session.generation:
            return replace(self.served, verdict="superseded")
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._refresh())
        await asyncio.shield(self._flight)
        return replace(self.served, verdict="refreshed")

    async def _refresh(self) -> None:
        await asyncio.sleep(self.takes_s)
        self.refreshes += 1
        held = self.served.session
        self.served = Served(session(held.origin, held.generation + 1))

    async def rolled(self, generation: int, brought: Brought) -> None:
        assert generation == self.served.session.generation
        self.brought.append(brought)


class ProxyHouse:
    """Profiles ``default`` and ``work-eu``, each with a site of its own."""

    def __init__(
        self, origin: str, other: str = "", *, organization: str | None = None,
        limits: tuple[Limit, ...] = (),
    ) -> None:  # fmt: skip
        self.all: dict[str, ProxyKeeper] = {}
        for name, where in (("default", origin), ("work-eu", other or origin)):
            site = Site(
                where, where, "/probe", switch_org_path=knoq.SWITCH_ORG_PATH,
                checked_first_prefix=CHECKED, limits=limits,
            )  # fmt: skip
            profile = Profile(name, site, organization=organization)
            self.all[name] = ProxyKeeper(profile, Served(session(where)))

    @property
    def default(self) -> ProxyKeeper:
        return self.all["default"]

    def keeper(self, name: str) -> ProxyKeeper:
        if name not in self.all:
            raise errors.UnknownProfile(f"no profile {name}", hint="profiles: default")
        return self.all[name]

    def keepers(self) -> Sequence[ProxyKeeper]:
        return tuple(self.all.values())


@dataclass
class Proxied:
    """A running proxy.  ``authority`` and ``token`` are of its TCP side."""

    proxy: Proxy
    house: ProxyHouse
    tally: Tally
    path: Path
    authority: str = ""
    token: str = ""

    async def raw(self, request: bytes, *, tcp: bool = False, ends: bool = False) -> bytes:
        """Send bytes, and that there are no more of them if it ``ends``; read until it closes."""
        async with self.talk(tcp=tcp) as (reader, writer):
            writer.write(request)
            if ends:
                writer.write_eof()
            return await reader.read()

    async def ask(
        self, target: str = f"{CHECKED}sessions", method: str = "GET", body: bytes = b"",
        *headers: str,
    ) -> Told:  # fmt: skip
        """One whole request on the unix socket."""
        lines = [f"{method} {target} HTTP/1.1", "Host: knoq", "Connection: close", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return Told.of(await self.raw(head + body))

    @asynccontextmanager
    async def talk(
        self, *, tcp: bool = False
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection; nothing on it may take longer than ten seconds."""
        if tcp:
            host, _, port = self.authority.rpartition(":")
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        else:
            reader, writer = await asyncio.open_unix_connection(self.path)
        try:
            async with asyncio.timeout(10):
                yield reader, writer
        finally:
            writer.close()


@dataclass
class Told:
    """An answer.  ``body`` is what stands after the head, in chunks or not."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of(cls, answer: bytes) -> Told:
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = [
            (name.lower(), value.strip())
            for name, _, value in (line.partition(":") for line in lines[1:])
        ]
        return cls(int(lines[0].split()[1]) if lines[0] else 0, headers, body)

    def one(self, name: str) -> str | None:
        found = [value for one, value in self.headers if one == name.lower()]
        assert len(found) <= 1, found
        return found[0] if found else None


@dataclass(frozen=True)
class Listens:
    proxy: str = "unix"
    allow_uids: tuple[int, ...] = ()


@asynccontextmanager
async def proxying(
    place: Path, house: ProxyHouse, *, listens: str = "unix", governs: bool = True,
    leases: Leases | None = None, porter: Porter | None = None,
) -> AsyncIterator[Proxied]:  # fmt: skip
    tally = Tally()
    with proxy_sockets(Listens(listens), place / "run" / "harvester.sock") as sockets:
        proxy = Proxy(
            house,
            clock=SystemClock(),
            upstream=Upstream(https_proxy=None, ca_file=None),
            governs=governs,
            tally=tally,
            leases=leases,
            porter=porter,
        )
        await sockets.open(proxy)
        assert sockets.shown is not None
        running = Proxied(proxy, house, tally, Path(sockets.shown["unix"] or ""))
        if sockets.tcp is not None:
            running.authority = sockets.shown["tcp"] or ""
            running.token = proxy_token.token(running.path.parent)
        try:
            yield running
        finally:
            await proxy.stop(0.2)
