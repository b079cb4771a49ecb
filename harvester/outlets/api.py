"""The socket API, version 1: sessions over HTTP on the unix socket.

Owns the paths, what each accepts and how it answers (``openapi.json`` beside this file says the
same; a test holds them together).  Does no work of its own: every answer is the keeper's.  What
it must not know: how a session is got, stored or proved.

    connection.py lets the caller in → parameters.py reads what was asked → keeper → wire
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from harvester import wire
from harvester.errors import HarvesterError, Usage
from harvester.outlets import parameters
from harvester.outlets.connection import BODY_LIMIT_BYTES, Door, header_bytes, too_large_header
from harvester.outlets.doorstep import Doorstep
from harvester.outlets.guests import BODY_DEADLINE_S, HEADER_LIMIT_BYTES
from harvester.outlets.lane import Given, Lane
from harvester.outlets.lease_desk import LEASES, REVOKE, Book, LeaseDesk
from harvester.outlets.problems import problem_response, unexpected
from harvester.outlets.watch import Watch
from harvester.profile import Profile
from harvester.session import Cookie, Served
from harvester.tally import Tally


class Keeper(Protocol):
    """The owner of one profile's session, as far as an outlet needs it.

    ``ready``: it has a session that would work; ``why_not`` says why it has none, else "".
    ``at_hand`` is what ``get`` would answer from memory now, without waiting; None: it would not.
    The coroutines raise HarvesterError.  ``report`` raises Usage for a generation that was
    never given out.  A caller that goes away ends no work that others share.
    """

    @property
    def profile(self) -> Profile: ...

    @property
    def ready(self) -> bool: ...

    @property
    def why_not(self) -> str: ...

    def at_hand(self, min_valid_s: float) -> Served | None: ...

    async def get(self, *, min_valid_s: float, wait_s: float, may_sign_in: bool) -> Served: ...

    async def report(self, *, generation: int, wait_s: float) -> Served: ...

    async def refresh(self, *, hard: bool, wait_s: float) -> Served: ...

    async def take_in(
        self, cookies: tuple[Cookie, ...], *, user_agent: str, wait_s: float
    ) -> Served: ...

    async def logout(self) -> Mapping[str, Any]: ...

    async def unlock(self, *, force: bool) -> Mapping[str, Any]: ...


class House(Protocol):
    """All keepers of this process.  ``keeper`` raises UnknownProfile."""

    def keeper(self, name: str) -> Keeper: ...

    def keepers(self) -> Sequence[Keeper]: ...

    def status(self) -> Mapping[str, Any]: ...

    def glance(self, name: str) -> Mapping[str, Any]: ...

    async def history(self, name: str, *, limit: int) -> Sequence[Mapping[str, Any]]: ...


class _Refused(Exception):
    """A request refused with a status of HTTP's own; the connection is closed after it."""

    def __init__(
        self, status: int, error: Usage, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers


_Handler = Callable[["Api", web.BaseRequest], Awaitable[web.StreamResponse]]


class Api:
    """Serves a house on one listening socket."""

    def __init__(
        self,
        house: House,
        *,
        allow_uids: Collection[int] = (),
        tally: Tally | None = None,
        leases: Book | None = None,
    ) -> None:
        """``tally`` counts what is given out, and is what ``/metrics`` shows."""
        self._house = house
        self._lease_desk = LeaseDesk(house, leases)
        self._watch = Watch(house.glance)
        self._tally = Tally() if tally is None else tally
        self._lane = Lane(house.keeper, self._tally)
        self._allow_uids = frozenset(allow_uids)
        self._door: Door | None = None
        self._doorstep: Doorstep | None = None

    async def start(self, sock: socket.socket) -> None:
        """Answer on ``sock``, which is bound; ``stop`` closes it, its path is the caller's."""
        self._door = Door(self._answer, allow_uids=self._allow_uids, lane=self._lane)
        self._doorstep = Doorstep(self._door, sock)

    async def stop(self, grace_s: float) -> None:
        """Take no more callers, give those inside ``grace_s`` to be answered, close all."""
        if self._doorstep is None or self._door is None:
            return
        doorstep, self._doorstep = self._doorstep, None
        self._watch.close()
        door, self._door = self._door, None
        await doorstep.stop()
        door.pre_shutdown()
        # aiohttp waits up to its time-out twice: for the answer, then for the cancelled task.
        await door.shutdown(timeout=grace_s / 2)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            response = await self._route(request)
        except HarvesterError as error:
            response = problem_response(error)
        except _Refused as refused:
            response = problem_response(refused.error, status=refused.status)
            response.headers.update(refused.headers)
            response.force_close()
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # the last door: told by class and place, logged, answered
            response = problem_response(unexpected(error))
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        if header_bytes(request) > HEADER_LIMIT_BYTES:
            raise _Refused(431, too_large_header())
        # As it was sent: a path has one spelling, and one with a scheme and a host is none of ours.
        path = _path(request)
        routes = _READY_ONE if path.startswith("/readyz/") else ROUTES.get(path)
        if routes is None:
            wrong = Usage(
                "there is nothing at this path",
                hint="GET /v1/openapi.json describes what there is",
            )
            raise _Refused(404, wrong)
        handler = routes.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            allow = ", ".join(routes)
            wrong = Usage(f"this path is for {allow} only", hint=f"send it as {allow}")
            raise _Refused(405, wrong, {"Allow": allow})
        return await handler(self, request)

    async def _session(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = _query(request)
        form = parameters.form(asked)
        origin = parameters.origin(asked)
        min_valid_s = parameters.seconds(asked, "min_valid_s", default=0.0)
        wait_s = parameters.wait_s(asked)
        keeper = self._house.keeper(parameters.profile(asked))
        parameters.check_origin(keeper.profile, origin)
        served = await keeper.get(
            min_valid_s=min_valid_s, wait_s=wait_s, may_sign_in=parameters.sign_in(asked)
        )
        tag = f'"{served.session.generation}"'
        known = request.headers.get("If-None-Match", "")
        counted: str | None = form or "json"
        if tag in (one.strip() for one in known.split(",")):
            response = web.Response(status=304, headers={"ETag": tag})
            counted = None
        elif form is None or form == "json":
            response = self._given(keeper, served)
        else:
            response = web.Response(text=wire.printable(served, form) + "\n")
            response.headers["ETag"] = tag
            self._tally.served("api", keeper.profile.name, form)
        response.headers.update(wire.beside(served))
        name = keeper.profile.name
        self._lane.offer(request, Given(name, keeper, served, min_valid_s, counted))
        return response

    async def _report(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _body(request)
        generation = parameters.generation(asked)
        wait_s = parameters.wait_s(asked)
        keeper = self._house.keeper(parameters.profile(asked))
        verdict: str | None = None
        try:
            served = await keeper.report(generation=generation, wait_s=wait_s)
            verdict = served.verdict
        finally:
            self._tally.reported(keeper.profile.name, verdict)
        return self._given(keeper, served)

    async def _refresh(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _body(request)
        hard = parameters.flag(asked, "hard")
        wait_s = parameters.wait_s(asked)
        keeper = self._house.keeper(parameters.profile(asked))
        return self._given(keeper, await keeper.refresh(hard=hard, wait_s=wait_s))

    async def _import(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _body(request)
        brought = parameters.brought(asked)
        user_agent = parameters.user_agent(asked)
        origin = parameters.origin(asked)
        wait_s = parameters.wait_s(asked)
        keeper = self._house.keeper(parameters.profile(asked))
        parameters.check_origin(keeper.profile, origin)
        cookies = brought.for_origin(keeper.profile.site.origin)
        brought_in = await keeper.take_in(cookies, user_agent=user_agent, wait_s=wait_s)
        return self._given(keeper, brought_in)

    async def _logout(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _body(request)
        keeper = self._house.keeper(parameters.profile(asked))
        told = await keeper.logout()
        self._lane.forget()
        return _json({"done": True, **told})

    async def _unlock(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _body(request)
        force = parameters.flag(asked, "force")
        keeper = self._house.keeper(parameters.profile(asked))
        return _json({"done": True, **await keeper.unlock(force=force)})

    async def _leases(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _body(request) if request.method == "POST" else _query(request)
        return _json(await self._lease_desk.answer(request.method, _path(request), asked))

    def _given(self, keeper: Keeper, served: Served) -> web.Response:
        self._tally.served("api", keeper.profile.name, "json")
        response = _json(wire.session_object(served))
        response.headers["ETag"] = f'"{served.session.generation}"'
        return response

    async def _status(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json(self._house.status())

    async def _watched(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._watch.stream(request, _query(request))

    async def _history(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = _query(request)
        limit = parameters.limit(asked)
        name = parameters.profile(asked)
        entries = await self._house.history(name, limit=limit)
        return _json({"version": wire.VERSION, "profile": name, "entries": list(entries)})

    async def _openapi(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=openapi_text(), content_type="application/json")

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        # 2 MB that only a scraped daemon should pay.
        from harvester.metrics import CONTENT_TYPE, metrics_text

        text = metrics_text(self._house.status(), self._tally)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def _alive(self, request: web.BaseRequest) -> web.StreamResponse:
        # That this runs at all is the answer: the loop turns.
        return _json({"alive": True})

    async def _ready(self, request: web.BaseRequest) -> web.StreamResponse:
        return _readiness(self._house.keepers())

    async def _ready_one(self, request: web.BaseRequest) -> web.StreamResponse:
        name = unquote(_path(request).removeprefix("/readyz/"))
        return _readiness([self._house.keeper(parameters.profile({"profile": name}))])


ROUTES: Mapping[str, Mapping[str, _Handler]] = MappingProxyType(
    {
        "/v1/session": {"GET": Api._session},
        "/v1/session/report": {"POST": Api._report},
        "/v1/session/refresh": {"POST": Api._refresh},
        "/v1/session/import": {"POST": Api._import},
        "/v1/session/watch": {"GET": Api._watched},
        "/v1/logout": {"POST": Api._logout},
        "/v1/unlock": {"POST": Api._unlock},
        LEASES: {"GET": Api._leases, "POST": Api._leases},
        REVOKE: {"POST": Api._leases},
        "/v1/status": {"GET": Api._status},
        "/v1/history": {"GET": Api._history},
        "/v1/openapi.json": {"GET": Api._openapi},
        "/metrics": {"GET": Api._metrics},
        "/livez": {"GET": Api._alive},
        "/readyz": {"GET": Api._ready},
    }
)
_READY_ONE: Mapping[str, _Handler] = MappingProxyType({"GET": Api._ready_one})


@cache
def openapi_text() -> str:
    """The API's own description, as it is shipped."""
    return resources.files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")


def _path(request: web.BaseRequest) -> str:
    return request.raw_path.partition("#")[0].partition("?")[0]


def _query(request: web.BaseRequest) -> Mapping[str, str]:
    raw = request.raw_path.partition("?")[2].partition("#")[0]
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        raise Usage(
            "the query is not UTF-8, or has over 64 fields", hint="percent-encode it as UTF-8"
        ) from None
    return parameters.from_query(pairs)


async def _body(request: web.BaseRequest) -> Mapping[str, Any]:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            body = await request.read()
    except TimeoutError:
        slow = Usage(
            f"the request's body did not come within {BODY_DEADLINE_S:.0f} s",
            hint="send it at once",
        )
        raise _Refused(408, slow) from None
    except web.HTTPRequestEntityTooLarge:
        large = Usage(
            f"the request's body is over {BODY_LIMIT_BYTES // 1024} KiB",
            hint="no request of this API needs more than a line",
        )
        raise _Refused(413, large) from None
    except web.RequestPayloadError:
        broken = Usage(
            "the request's body is broken off or wrongly framed",
            hint="send Content-Length or chunks as HTTP/1.1 says",
        )
        raise _Refused(400, broken) from None
    return parameters.from_body(body)


def _json(value: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(
        status=status, text=wire.as_json(value) + "\n", content_type="application/json"
    )


def _readiness(keepers: Sequence[Keeper]) -> web.Response:
    told = [
        {"profile": keeper.profile.name, "ready": keeper.ready, "why": keeper.why_not}
        for keeper in keepers
    ]
    ready = all(one["ready"] for one in told)
    return _json({"ready": ready, "profiles": told}, status=200 if ready else 503)
