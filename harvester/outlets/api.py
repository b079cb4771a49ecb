"""The socket API, version 1: sessions over HTTP on the unix socket.

Owns the paths, what each accepts and how it answers (``openapi.json`` beside this file says the
same; a test holds them together).  Does no work of its own: every answer is the keeper's.  What
it must not know: how a session is got, stored or proved.

    connection.py lets the caller in → question.py, parameters.py: what was asked → porter → keeper
    → wire
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import unquote

from aiohttp import web

from harvester import wire
from harvester.audit import GIVEN
from harvester.errors import HarvesterError, Usage
from harvester.outlets import parameters
from harvester.outlets.connection import Door, caller_of, header_bytes, too_large_header
from harvester.outlets.doorstep import Doorstep
from harvester.outlets.guests import HEADER_LIMIT_BYTES
from harvester.outlets.lane import SESSION, Given, Lane
from harvester.outlets.lease_desk import LEASES, REVOKE, Book, LeaseDesk
from harvester.outlets.problems import problem_response, unexpected
from harvester.outlets.question import Refused as _Refused
from harvester.outlets.question import body as _body
from harvester.outlets.question import path as _path
from harvester.outlets.question import query as _query
from harvester.outlets.watch import Watch
from harvester.porter import UNCHANGED, Porter
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

    async def pause(self, name: str | None) -> Mapping[str, Any]: ...

    async def resume(self, name: str | None) -> Mapping[str, Any]: ...


_Handler = Callable[["Api", web.BaseRequest], Awaitable[web.StreamResponse]]


class Api:
    """Serves a house on one listening socket."""

    def __init__(
        self, house: House, *, allow_uids: Collection[int] = (), tally: Tally | None = None,
        porter: Porter | None = None, leases: Book | None = None,
    ) -> None:  # fmt: skip
        """``tally`` counts what is given out, and is what ``/metrics`` shows; ``porter`` says to
        whom anything is."""
        self._house = house
        self._lease_desk = LeaseDesk(house, leases)
        self._watch = Watch(house.glance)
        self._tally = Tally() if tally is None else tally
        self._porter = Porter() if porter is None else porter
        self._lane = Lane(house.keeper, self._tally, self._porter)
        self._allow_uids = frozenset(allow_uids)
        self._door: Door | None = None
        self._doorstep: Doorstep | None = None

    async def start(self, sock: socket.socket) -> None:
        """Answer on ``sock``, which is bound; ``stop`` closes it, its path is the caller's."""
        self._door = Door(
            self._answer, allow_uids=self._allow_uids, lane=self._lane, audit=self._porter.audit
        )
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
        caller = caller_of(request)
        keeper = self._house.keeper(parameters.profile(asked))
        parameters.check_origin(keeper.profile, origin)
        name, may_sign_in = keeper.profile.name, parameters.sign_in(asked)
        known = [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]
        served = await self._porter.hand_out(
            SESSION, name, caller,
            lambda: keeper.get(min_valid_s=min_valid_s, wait_s=wait_s, may_sign_in=may_sign_in),
            result=lambda served: UNCHANGED if _tag(served) in known else GIVEN,
        )  # fmt: skip
        counted: str | None = form or "json"
        if _tag(served) in known:
            response = web.Response(status=304, headers={"ETag": _tag(served)})
            counted = None
        elif form is None or form == "json":
            response = self._given(keeper, served)
        else:
            response = web.Response(text=wire.printable(served, form) + "\n")
            response.headers["ETag"] = _tag(served)
            self._tally.served("api", name, form)
        response.headers.update(wire.beside(served))
        given = Given(name, keeper, served, min_valid_s, counted, caller.client)
        self._lane.offer(request, given)
        return response

    async def _report(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _body(request)
        generation = parameters.generation(asked)
        wait_s = parameters.wait_s(asked)
        keeper = self._house.keeper(parameters.profile(asked))
        verdict: str | None = None
        try:
            served = await self._porter.hand_out(
                "report", keeper.profile.name, caller_of(request),
                lambda: keeper.report(generation=generation, wait_s=wait_s),
            )  # fmt: skip
            verdict = served.verdict
        finally:
            self._tally.reported(keeper.profile.name, verdict)
        return self._given(keeper, served)

    async def _refresh(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _body(request)
        hard = parameters.flag(asked, "hard")
        wait_s = parameters.wait_s(asked)
        keeper = self._house.keeper(parameters.profile(asked))
        served = await self._porter.hand_out(
            "refresh", keeper.profile.name, caller_of(request),
            lambda: keeper.refresh(hard=hard, wait_s=wait_s),
        )  # fmt: skip
        return self._given(keeper, served)

    async def _import(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = await _body(request)
        brought = parameters.brought(asked)
        user_agent = parameters.user_agent(asked)
        origin = parameters.origin(asked)
        wait_s = parameters.wait_s(asked)
        keeper = self._house.keeper(parameters.profile(asked))
        parameters.check_origin(keeper.profile, origin)
        cookies = brought.for_origin(keeper.profile.site.origin)
        brought_in = await self._porter.hand_out(
            "import", keeper.profile.name, caller_of(request),
            lambda: keeper.take_in(cookies, user_agent=user_agent, wait_s=wait_s),
        )  # fmt: skip
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
        response.headers["ETag"] = _tag(served)
        return response

    async def _pause(self, request: web.BaseRequest) -> web.StreamResponse:
        told = await self._house.pause(parameters.one_or_all(await _body(request)))
        self._lane.forget()
        return _json({"done": True, **told})

    async def _resume(self, request: web.BaseRequest) -> web.StreamResponse:
        told = await self._house.resume(parameters.one_or_all(await _body(request)))
        return _json({"done": True, **told})

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
        return self._readiness(self._house.keepers())

    async def _ready_one(self, request: web.BaseRequest) -> web.StreamResponse:
        name = unquote(_path(request).removeprefix("/readyz/"))
        return self._readiness([self._house.keeper(parameters.profile({"profile": name}))])

    def _readiness(self, keepers: Sequence[Keeper]) -> web.StreamResponse:
        told = []
        for keeper in keepers:
            name, paused = keeper.profile.name, self._porter.pause.refusal(keeper.profile.name)
            why = keeper.why_not if paused is None else paused.message
            told.append({"profile": name, "ready": keeper.ready and paused is None, "why": why})
        ready = all(one["ready"] for one in told)
        return _json({"ready": ready, "profiles": told}, status=200 if ready else 503)


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
        "/v1/pause": {"POST": Api._pause},
        "/v1/resume": {"POST": Api._resume},
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


def _tag(served: Served) -> str:
    return f'"{served.session.generation}"'


def _json(value: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(
        status=status, text=wire.as_json(value) + "\n", content_type="application/json"
    )
