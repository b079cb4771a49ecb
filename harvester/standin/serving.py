"""One listening port, three doors: the site and the identity provider by ``Host``, and control.

Names under ``.localhost`` are loopback, so there are two real origins with no TLS and no change
to the machine's name table.
"""

from __future__ import annotations

import base64
import os
import secrets
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from harvester.standin import faults as wire_faults
from harvester.standin.api import Api
from harvester.standin.clock import StandInClock
from harvester.standin.control import Control
from harvester.standin.exchange import Exchange, Routes, read_exchange
from harvester.standin.faults import Faults
from harvester.standin.gate import Gate
from harvester.standin.idp import IdentityProvider
from harvester.standin.site import Site
from harvester.standin.switches import Switches
from harvester.standin.world import World

SITE_HOST, IDENTITY_HOST = "knoq.localhost", "login.localhost"
# Requests that hang on purpose must not hold up the end.
SHUTDOWN_S = 0.2
BODY_BYTES_MAX = 32 << 20


class StandIn:
    """The whole little world behind one port; use it as an async context.

    ``port`` 0 takes a free one.  Keyword arguments are switches.  Attributes are good once it has
    started: ``site``, ``identity``, ``control_url``, ``world``, ``faults``.
    """

    def __init__(self, *, port: int = 0, **switches: Any) -> None:
        positions = Switches()
        for name, value in switches.items():
            positions.turn(name, value)
        self.port = port
        self.token = secrets.token_urlsafe(18)
        self.faults = Faults()
        self.world = World(
            positions,
            StandInClock(),
            totp_secret=base64.b32encode(secrets.token_bytes(20)).decode(),
        )
        self._runner: web.AppRunner | None = None
        self._routes: dict[str, Routes] = {}
        self._api: Api
        self._control: Control

    @property
    def site(self) -> str:
        return f"http://{SITE_HOST}:{self.port}"

    @property
    def identity(self) -> str:
        return f"http://{IDENTITY_HOST}:{self.port}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/_control/{self.token}"

    def describe(self) -> dict[str, Any]:
        """The one line that ``python -m harvester.standin`` prints."""
        account = self.world.account
        return {
            "version": 1,
            "site": self.site,
            "identity": self.identity,
            "username": account.email,
            "password": account.password,
            "totp_secret": account.totp_secret,
            "provider": "sso",
            "organizations": [one.slug for one in self.world.organizations()],
            "control": self.control_url,
            "pid": os.getpid(),
        }

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S
        )
        await self._runner.setup()
        listening = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await listening.start()
        self.port = int(self._runner.addresses[0][1])
        gate = Gate(self.world, host=SITE_HOST)
        site = Site(self.world, gate, origin=self.site, identity=self.identity)
        provider = IdentityProvider(self.world, redirect_uri=f"{self.site}/auth/callback")
        self._routes = {"site": site.routes(), "identity": provider.routes()}
        self._api = Api(self.world, gate, origin=self.site)
        self._control = Control(self.world, self.faults)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        server = {
            f"{SITE_HOST}:{self.port}": "site",
            f"{IDENTITY_HOST}:{self.port}": "identity",
            f"127.0.0.1:{self.port}": "control",
        }.get(request.host.lower())
        visit = await read_exchange(
            request,
            origin=f"http://{request.host}",
            form_targets=(self.site, self.identity),
            date=self.world.clock.http_date(),
        )
        if server == "control":
            start = f"/_control/{self.token}/"
            if not secrets.compare_digest(request.path[: len(start)].encode(), start.encode()):
                return visit.json({"error": "not found"}, status=404)
            return await self._control.handle(visit, request.path[len(start) :])
        if server is None:
            return visit.text("no such host here\n", status=421)
        answer = await self._serve(server, visit)
        self.world.log.append(
            {
                "at": round(self.world.clock.wall(), 3),
                "server": server,
                "method": request.method,
                "path": request.path,
                "status": answer.status,
            }
        )
        return answer

    async def _brings_password(self, visit: Exchange) -> bool:
        """Whether a request to the site holds the password, which has no business there."""
        password = self.world.account.password
        typed = any(password in value for value in visit.form.values())
        return typed or password.encode() in await visit.request.read()

    async def _serve(self, server: str, visit: Exchange) -> web.StreamResponse:
        world, request = self.world, visit.request
        down = world.switches.site_down if server == "site" else world.switches.identity_down
        if down:
            world.counts["faults_applied"] += 1
            return wire_faults.reset(visit)
        if server == "identity":
            world.counts["identity_requests"] += 1
            world.counts["passwords_arrived"] += bool(visit.form.get("password"))
        elif await self._brings_password(visit):
            world.counts["secrets_at_site"] += 1
        fault = self.faults.take(server, request.method, request.path)
        if fault is not None:
            world.counts["faults_applied"] += 1
            answer = await wire_faults.apply(fault, visit)
            if answer is not None:
                return answer
        answer = await self._usual(server, visit)
        return answer if fault is None else wire_faults.after(fault, visit, answer)

    async def _usual(self, server: str, visit: Exchange) -> web.StreamResponse:
        request = visit.request
        if server == "site" and request.path.startswith("/api/"):
            return await self._api.handle(visit)
        method = "GET" if request.method == "HEAD" else request.method
        handler = self._routes[server].get((method, request.path))
        if handler is None:
            return visit.text("not found\n", status=404)
        return await handler(visit)
