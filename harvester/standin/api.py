"""The site's API: what a harvested session is for.

Under ``/api/managed-agents/`` the session check comes before everything else, so that a 401 means
that nothing happened; then the guard of ``Origin`` on what changes something; then the limits.
"""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web

from harvester.standin.cookies import set_cookie
from harvester.standin.exchange import Exchange, read_json
from harvester.standin.gate import INTERMEDIATE, Gate
from harvester.standin.world import SiteSession, World

AGENTS = "/api/managed-agents/"
MINUTE_S, HOUR_S = 60.0, 3600.0
# Documented, for each user: how many within how many seconds.
LIMITS: dict[str, tuple[tuple[int, float], ...]] = {
    "message": ((60, MINUTE_S),),
    "session": ((10, MINUTE_S), (20, HOUR_S)),
    "cancel": ((30, MINUTE_S),),
    "switch": ((30, HOUR_S),),
}
ROWS_MAX = 50


class Api:
    """Handlers under ``/api/``; ``handle`` answers for every path there."""

    def __init__(self, world: World, gate: Gate, *, origin: str) -> None:
        self._world = world
        self._gate = gate
        self._origin = origin

    async def handle(self, visit: Exchange) -> web.StreamResponse:
        path, method = visit.request.path, visit.request.method
        method = "GET" if method == "HEAD" else method
        if path.startswith(AGENTS):
            return await self._agents(visit, method, path.removeprefix(AGENTS))
        match method, path:
            case "GET", "/api/me":
                return self._me(visit)
            case "POST", "/api/auth/logout":
                return self._logout(visit)
            case "POST", "/api/auth/switch-org":
                return await self._switch(visit)
            case _:
                return visit.json({"error": "not found"}, status=404)

    def _denied(self, visit: Exchange) -> web.Response:
        self._world.counts["api_401"] += 1
        match self._world.switches.denies_with:
            case "redirect":
                return visit.see("/login")
            case "page":
                return visit.html("<!doctype html><title>Sign in - Knoq</title><h1>Sign in</h1>")
            case status:
                return visit.json({"error": "unauthorized"}, status=int(status))

    def _foreign(self, visit: Exchange) -> web.Response | None:
        if visit.request.method in ("GET", "HEAD"):
            return None
        if visit.request.headers.get("Origin") == self._origin:
            return None
        self._world.counts["api_403"] += 1
        return visit.json({"error": "origin not allowed"}, status=403)

    def _limited(self, visit: Exchange, kind: str) -> web.Response | None:
        wait_s = self._world.wait_s(kind, *LIMITS[kind])
        if wait_s is None:
            return None
        self._world.counts["api_429"] += 1
        return visit.json(
            {"error": "rate limit exceeded"}, status=429, headers={"Retry-After": str(wait_s)}
        )

    # the agents

    async def _agents(self, visit: Exchange, method: str, name: str) -> web.StreamResponse:
        self._world.counts["api_requests"] += 1
        session = self._gate.caller(visit)
        if session is not None:
            self._gate.used(visit, session)
        elif self._world.switches.alive_without_cookie:
            session = SiteSession("nobody", "", self._world.organizations()[0], 0.0, 0.0)
        else:
            return self._denied(visit)
        if self._world.switches.plan_lacks:
            self._world.counts["api_403"] += 1
            return visit.json({"error": "your plan does not include the API"}, status=403)
        foreign = self._foreign(visit)
        if foreign is not None:
            return foreign
        match method, name:
            case "GET", "sessions":
                return self._list(visit, session)
            case "POST", "session":
                return await self._begin(visit, session)
            case "POST", "message":
                return await self._message(visit, session)
            case "POST", "cancel":
                return await self._cancel(visit, session)
            case "GET", "transcript":
                return self._transcript(visit, session)
            case "DELETE", "session":
                return self._delete(visit, session)
            case _:
                return visit.json({"error": "not found"}, status=404)

    def _run(self, session: SiteSession, run_id: Any) -> dict[str, Any] | None:
        run = self._world.runs.get(run_id) if isinstance(run_id, str) else None
        return run if run and run["organization"] == session.organization.slug else None

    @staticmethod
    def _absent(visit: Exchange) -> web.Response:
        return visit.json({"error": "session not found"}, status=404)

    def _list(self, visit: Exchange, session: SiteSession) -> web.Response:
        slug = session.organization.slug
        mine = [run for run in self._world.runs.values() if run["organization"] == slug]
        rows = [{k: run[k] for k in ("id", "title", "status")} for run in mine[-ROWS_MAX:]]
        return visit.json({"sessions": rows[::-1], "organization": slug})

    def _over_budget(self, visit: Exchange) -> web.Response | None:
        if not self._world.switches.cost_cap:
            return None
        self._world.counts["api_429"] += 1
        return visit.json(
            {"error": "monthly cost cap reached", "monthToDateUsd": 50.31, "capUsd": 50.0},
            status=429,
            headers={"Retry-After": "3600"},
        )

    async def _begin(self, visit: Exchange, session: SiteSession) -> web.Response:
        body = await read_json(visit.request)
        text = body.get("text") if body else None
        if not isinstance(text, str) or not text:
            return visit.json({"error": "text is required"}, status=400)
        refused = self._limited(visit, "session") or self._over_budget(visit)
        if refused is not None:
            return refused
        self._world.counts["api_posts_executed"] += 1
        run_id = f"run_{secrets.token_hex(6)}"
        self._world.runs[run_id] = {
            "id": run_id,
            "title": text[:60],
            "status": "idle",
            "organization": session.organization.slug,
            "events": [],
        }
        self._speak(self._world.runs[run_id], text)
        return visit.json({"sessionId": run_id}, status=201)

    @staticmethod
    def _speak(run: dict[str, Any], text: str) -> None:
        for who, what in (("user", text), ("agent", f"You said: {text}")):
            run["events"].append({"id": len(run["events"]) + 1, "from": who, "text": what})

    async def _message(self, visit: Exchange, session: SiteSession) -> web.Response:
        body = await read_json(visit.request) or {}
        text, run = body.get("text"), self._run(session, body.get("sessionId"))
        if run is None:
            return self._absent(visit)
        if not isinstance(text, str) or not text:
            return visit.json({"error": "text is required"}, status=400)
        refused = self._limited(visit, "message") or self._over_budget(visit)
        if refused is not None:
            return refused
        self._world.counts["api_posts_executed"] += 1
        self._speak(run, text)
        return visit.json({"ok": True})

    async def _cancel(self, visit: Exchange, session: SiteSession) -> web.Response:
        body = await read_json(visit.request) or {}
        run = self._run(session, body.get("sessionId"))
        if run is None:
            return self._absent(visit)
        refused = self._limited(visit, "cancel")
        if refused is not None:
            return refused
        self._world.counts["api_posts_executed"] += 1
        run["status"] = "cancelled"
        return visit.json({"ok": True})

    def _transcript(self, visit: Exchange, session: SiteSession) -> web.Response:
        run = self._run(session, visit.query.get("sessionId"))
        if run is None:
            return self._absent(visit)
        since = visit.query.get("sinceEventId", "0")
        after = int(since) if since.isdecimal() else 0
        return visit.json({"events": [e for e in run["events"] if e["id"] > after]})

    def _delete(self, visit: Exchange, session: SiteSession) -> web.Response:
        run = self._run(session, visit.query.get("sessionId"))
        if run is None:
            return self._absent(visit)
        self._world.counts["api_posts_executed"] += 1
        del self._world.runs[run["id"]]
        return visit.json({"ok": True})

    # the account

    def _me(self, visit: Exchange) -> web.Response:
        session = self._gate.caller(visit)
        if session is None:
            return self._denied(visit)
        self._gate.used(visit, session)
        account, organization = self._world.account, session.organization
        return visit.json(
            {
                "email": account.email,
                "name": account.name,
                "organization": {
                    "id": organization.id,
                    "slug": organization.slug,
                    "name": organization.name,
                },
            }
        )

    def _logout(self, visit: Exchange) -> web.Response:
        foreign = self._foreign(visit)
        if foreign is not None:
            return foreign
        session = self._gate.visitor(visit)
        if session is not None:
            self._world.end(session)
            self._world.counts["logouts"] += 1
        self._gate.take_back(visit)
        return visit.json({"ok": True})

    async def _switch(self, visit: Exchange) -> web.Response:
        """Exchange the session for one of another organisation: a new token, the old one dead."""
        session = self._gate.caller(visit)
        if session is None:
            return self._denied(visit)
        foreign = self._foreign(visit)
        if foreign is not None:
            return foreign
        body = await read_json(visit.request) or {}
        called = body.get(self._world.switches.switch_org_key)
        chosen = self._world.organization(called) if isinstance(called, str) else None
        if chosen is None:
            return visit.json({"error": "organization not found"}, status=404)
        limited = self._limited(visit, "switch")
        if limited is not None:
            return limited
        if chosen.slug in self._world.switches.strict_organizations.split(","):
            visit.to_set.append(set_cookie(INTERMEDIATE, secrets.token_urlsafe(24), http_only=True))
            return visit.json({"error": "organization requires its own sign-in"}, status=403)
        self._world.counts["organization_switches"] += 1
        self._world.end(session)
        fresh = self._world.start_session(chosen)
        self._gate.hand_out(visit, fresh, jwt=self._world.mint_jwt(fresh))
        return visit.json({"organization": {"id": chosen.id, "slug": chosen.slug}})
