"""The proxy: any request, sent on to the profile's site with the profile's session.

    client_end.py lets the client in → client_request.py, asked.py: what he asks →
    proxy_gate.py (on TCP), lease_gate.py (who shows a lease) → errand.py: his turn, the session,
    the site's answer, and what a 401 leads to

Owns its listening sockets and how a request is refused.  Knows nothing of how a session is got, and
shows nobody a cookie.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from multidict import CIMultiDict

from harvester.clock import Clock
from harvester.errors import HarvesterError, OrganizationPinned, Usage
from harvester.leases import Held
from harvester.outlets.asked import Asked, Refused, read
from harvester.outlets.client_answer import ClientAnswer
from harvester.outlets.client_end import Answer, Hall, Refuse
from harvester.outlets.client_request import ClientRequest
from harvester.outlets.entrance import PROXY
from harvester.outlets.errand import Errand, Keeper, Means
from harvester.outlets.lease_gate import Book, LeaseGate, lease_token, named
from harvester.outlets.listen import ACCEPTS_A_TURN, BACKLOG
from harvester.outlets.peer import Connected
from harvester.outlets.problems import problem, raw_problem, unexpected
from harvester.outlets.proxy_gate import Gate
from harvester.outlets.sent_body import Shelf
from harvester.outlets.turns import Pace, Places
from harvester.outlets.upstream import Upstream
from harvester.porter import Porter
from harvester.tally import Tally
from harvester.visitor import STRANGER, Visitor

# Strangers must not use up the descriptors that our own sockets need.
TCP_CONNECTIONS_LIMIT = 512


class House(Protocol):
    """All keepers of this process.  ``keeper`` raises UnknownProfile."""

    def keeper(self, name: str) -> Keeper: ...

    def keepers(self) -> Sequence[Keeper]: ...


class _TcpHall(Hall):
    """No kernel vouches for who is at the other end: the gate asks for the token.  Before that
    any user of the machine may connect, so there is room for fewer."""

    def __init__(self, answer: Answer, refuse: Refuse) -> None:
        super().__init__(answer, refuse, allow_uids=())

    def visitor(self, connected: Connected) -> Visitor:
        return STRANGER

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
        leases: Book | None = None,
        porter: Porter | None = None,
    ) -> None:
        """``governs``: keep clients below the site's documented limits."""
        self._house = house
        self._upstream = upstream
        self._allow_uids = frozenset(allow_uids)
        self._tally = Tally() if tally is None else tally
        self._lease_gate = LeaseGate(leases)
        self._porter = Porter() if porter is None else porter
        self._means = Means(
            upstream=upstream,
            pace=Pace(clock.awake_s, governs=governs),
            places=Places(),
            shelf=Shelf(),
            tally=self._tally,
            clock=clock,
            porter=self._porter,
        )
        self._open: list[tuple[asyncio.Server, Hall]] = []

    async def start(self, sock: socket.socket) -> None:
        """Answer on this unix socket, which is bound; its path stays the caller's."""
        audit = self._porter.audit
        hall = Hall(self._answer, self._refused, allow_uids=self._allow_uids, audit=audit)
        await self._serve(sock, hall)

    async def start_tcp(self, sock: socket.socket, gate: Gate) -> None:
        """Answer on this loopback socket too, for whom the gate lets in."""

        async def answer(request: ClientRequest) -> None:
            await self._answer(request, gate)

        await self._serve(sock, _TcpHall(answer, self._refused))

    async def _serve(self, sock: socket.socket, hall: Hall) -> None:
        loop = asyncio.get_running_loop()
        # Not create_unix_server: from Python 3.13 on it removes the path by itself.
        # asyncio has one figure for how long the queue is and how many it accepts at once.
        server = await loop.create_server(hall, sock=sock, backlog=ACCEPTS_A_TURN)
        sock.listen(BACKLOG)
        self._open.append((server, hall))

    def change(self, *, https_proxy: str | None, ca_file: str | None) -> None:
        """Take another way to the sites."""
        self._upstream.change(https_proxy=https_proxy, ca_file=ca_file)

    async def stop(self, grace_s: float) -> None:
        """Take no more clients, give those inside ``grace_s`` to be answered, close all."""
        halls, self._open = self._open, []
        for server, _ in halls:
            server.close()
        await asyncio.gather(*(hall.stop(grace_s) for _, hall in halls))
        await self._upstream.close()

    async def _answer(self, request: ClientRequest, gate: Gate | None = None) -> None:
        try:
            await self._proxied(request, gate)
        except HarvesterError as error:
            await self._tell(request, error)
        except Refused as refused:
            request.keeps = False
            await self._tell(request, refused.error, refused.status, refused.headers)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # the last door: told by class and place, logged, answered
            await self._tell(request, unexpected(error))

    async def _tell(
        self,
        request: ClientRequest,
        error: HarvesterError,
        status: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._tally.not_proxied(error.code)
        told = problem(error, status=status)
        length = ("Content-Length", str(len(told.body)))
        answer = ClientAnswer(
            request, told.status, told.reason, CIMultiDict([*told.headers, *headers, length])
        )
        request.end.write(answer.all_of(told.body))
        await request.end.drained()

    def _refused(self, status: int, error: Usage) -> bytes:
        """What is no request, so that nobody is asked what it wants."""
        self._tally.not_proxied(error.code)
        return raw_problem(error, status=status)

    async def _proxied(self, request: ClientRequest, gate: Gate | None) -> None:
        asked = read(request)
        if gate is not None:
            origins = {one.profile.site.origin for one in self._house.keepers()}
            with self._strangers_told():
                gate.check(request.headers, origins)
        token = lease_token(request.headers)
        if token is not None:
            await self._leased(request, asked, token, on_tcp=gate is not None)
            return
        if gate is not None:
            with self._strangers_told():
                gate.check_token(request.headers)
        keeper = self._house.keeper(asked.profile)
        profile = keeper.profile
        if profile.organization is not None and asked.switches_organization(profile.site):
            raise OrganizationPinned(
                f"the profile {profile.name} is for the organisation {profile.organization}",
                hint="leave HARVESTER_ORGANIZATION out to switch by hand, or use another profile",
            )
        with Errand(self._means, request, asked, keeper, on_tcp=gate is not None) as errand:
            await errand.run()

    @contextmanager
    def _strangers_told(self) -> Iterator[None]:
        """Whoever is refused at the gate is in the audit, though nobody knows who it was."""
        try:
            yield
        except Refused as refused:
            self._porter.audit.tell(PROXY, None, STRANGER, result=f"http_{refused.status}")
            raise

    async def _leased(
        self, request: ClientRequest, asked: Asked, token: bytes, *, on_tcp: bool
    ) -> None:
        gate = self._lease_gate
        held: Held | None = None
        try:
            held = gate.find(token)
            asked = gate.narrowed(held, asked, request.headers)
            keeper = self._house.keeper(asked.profile)
            await gate.let_in(held, asked, keeper.profile.site)
        except (HarvesterError, Refused) as error:
            self._lease_refused(request, held, error)
            raise
        async with gate.while_it_lasts(held, request):
            with Errand(self._means, request, asked, keeper, on_tcp=on_tcp) as errand:
                await errand.run()

    def _lease_refused(
        self, request: ClientRequest, held: Held | None, error: HarvesterError | Refused
    ) -> None:
        """Who tries what his lease is not for, or with a token that is none, is in the audit."""
        self._porter.audit.tell(
            PROXY,
            None if held is None else held.lease.terms.profile,
            request.end.visitor,
            None if held is None else named(held.lease),
            result=(error.error if isinstance(error, Refused) else error).code,
        )
