"""The proxy: any request, sent on to the profile's site with the profile's session.

    connection.py lets the client in → proxy_gate.py (on TCP) → asked.py reads what he asks →
    errand.py: his turn, the session, the site's answer, and what a 401 leads to

Owns its listening sockets and how a request is refused.  Knows nothing of how a session is got, and
shows nobody a cookie.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Sequence
from typing import Protocol

from aiohttp import web

from harvester.clock import Clock
from harvester.errors import HarvesterError, OrganizationPinned
from harvester.outlets.asked import Refused, read
from harvester.outlets.connection import (
    Answer,
    Door,
    header_bytes,
    too_large_header,
)
from harvester.outlets.errand import Errand, Keeper, Means
from harvester.outlets.guests import HEADER_LIMIT_BYTES
from harvester.outlets.listen import BACKLOG
from harvester.outlets.peer import Connected
from harvester.outlets.problems import problem_response, unexpected
from harvester.outlets.proxy_gate import Gate
from harvester.outlets.sent_body import Shelf
from harvester.outlets.turns import Pace, Places
from harvester.outlets.upstream import Upstream
from harvester.tally import Tally

# Strangers must not use up the descriptors that our own sockets need.
TCP_CONNECTIONS_LIMIT = 512


class House(Protocol):
    """All keepers of this process.  ``keeper`` raises UnknownProfile."""

    def keeper(self, name: str) -> Keeper: ...

    def keepers(self) -> Sequence[Keeper]: ...


class _ProxyDoor(Door):
    """A client that goes away ends his request, and with it the one to the site."""

    def __init__(self, answer: Answer, *, allow_uids: Collection[int]) -> None:
        super().__init__(answer, allow_uids=allow_uids)
        self.handler_cancellation = True


class _TcpDoor(_ProxyDoor):
    """No kernel vouches for who is at the other end: the gate asks for the token.  Before that
    any user of the machine may connect, so there is room for fewer."""

    def room(self) -> int:
        return TCP_CONNECTIONS_LIMIT

    def lets_in(self, connected: Connected) -> bool:
        return True


class Proxy:
    """Serves a house on its listening sockets."""

    def __init__(
        self,
        house: House,
        *,
        clock: Clock,
        upstream: Upstream,
        governs: bool = True,
        allow_uids: Collection[int] = (),
        tally: Tally | None = None,
    ) -> None:
        """``governs``: keep clients below the site's documented limits."""
        self._house = house
        self._upstream = upstream
        self._allow_uids = frozenset(allow_uids)
        self._tally = Tally() if tally is None else tally
        self._means = Means(
            upstream=upstream,
            pace=Pace(clock.awake_s, governs=governs),
            places=Places(),
            shelf=Shelf(),
            tally=self._tally,
            clock=clock,
        )
        self._open: list[tuple[asyncio.Server, Door]] = []

    async def start(self, sock: socket.socket) -> None:
        """Answer on this unix socket, which is bound; its path stays the caller's."""
        await self._serve(sock, _ProxyDoor(self._answer, allow_uids=self._allow_uids))

    async def start_tcp(self, sock: socket.socket, gate: Gate) -> None:
        """Answer on this loopback socket too, for whom the gate lets in."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return await self._answer(request, gate)

        await self._serve(sock, _TcpDoor(answer, allow_uids=()))

    async def _serve(self, sock: socket.socket, door: Door) -> None:
        loop = asyncio.get_running_loop()
        # Not create_unix_server: from Python 3.13 on it removes the path by itself.
        self._open.append((await loop.create_server(door, sock=sock, backlog=BACKLOG), door))

    def change(self, *, https_proxy: str | None, ca_file: str | None) -> None:
        """Take another way to the sites."""
        self._upstream.change(https_proxy=https_proxy, ca_file=ca_file)

    async def stop(self, grace_s: float) -> None:
        """Take no more clients, give those inside ``grace_s`` to be answered, close all."""
        doors, self._open = self._open, []
        for server, door in doors:
            server.close()
            door.pre_shutdown()
        # aiohttp waits up to its time-out twice: for the answer, then for the cancelled task.
        await asyncio.gather(*(door.shutdown(timeout=grace_s / 2) for _, door in doors))
        await self._upstream.close()

    async def _answer(
        self, request: web.BaseRequest, gate: Gate | None = None
    ) -> web.StreamResponse:
        try:
            return await self._proxied(request, gate)
        except HarvesterError as error:
            return self._problem(error)
        except Refused as refused:
            response = self._problem(refused.error, refused.status)
            for name, value in refused.headers:
                response.headers.add(name, value)
            response.force_close()
            return response
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # the last door: told by class and place, logged, answered
            return self._problem(unexpected(error))

    def _problem(self, error: HarvesterError, status: int | None = None) -> web.Response:
        self._tally.not_proxied(error.code)
        return problem_response(error, status=status)

    async def _proxied(self, request: web.BaseRequest, gate: Gate | None) -> web.StreamResponse:
        if header_bytes(request) > HEADER_LIMIT_BYTES:
            raise Refused(431, too_large_header())
        asked = read(request)
        if gate is not None:
            gate.check(request.headers, {one.profile.site.origin for one in self._house.keepers()})
        keeper = self._house.keeper(asked.profile)
        profile = keeper.profile
        if profile.organization is not None and asked.switches_organization(profile.site):
            raise OrganizationPinned(
                f"the profile {profile.name} is for the organisation {profile.organization}",
                hint="leave HARVESTER_ORGANIZATION out to switch by hand, or use another profile",
            )
        with Errand(self._means, request, asked, keeper, on_tcp=gate is not None) as errand:
            return await errand.run()
