"""The door for tests: read what happened, turn switches, let time pass, revoke.

It answers on ``127.0.0.1`` only and only below a random token, so that no page of the little
world can reach it.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from harvester.standin import switches as switchboard
from harvester.standin.exchange import Exchange, read_json
from harvester.standin.faults import KINDS, Faults, UnknownFault, read_fault
from harvester.standin.switches import UnknownSwitch
from harvester.standin.world import World

VERBS = (
    "GET state", "GET switches", "GET log", "POST set", "POST revoke", "POST advance",
    "POST reset", "POST password", "POST approve", "POST fault", "POST clear_faults",
)  # fmt: skip


class Control:
    """``handle`` answers every control request; ``reset`` is what makes a new world."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults

    async def handle(self, visit: Exchange, verb: str) -> web.StreamResponse:
        body = await read_json(visit.request)
        if body is None:
            return self._wrong(visit, "the body is no JSON object")
        match f"{visit.request.method} {verb}":
            case "GET state":
                return visit.json(self._world.state())
            case "GET switches":
                return visit.json(
                    {
                        "switches": switchboard.table(),
                        "positions": self._world.switches.positions(),
                        "faults": KINDS,
                    }
                )
            case "GET log":
                return visit.json({"log": list(self._world.log)})
            case "POST set":
                return self._set(visit, body)
            case "POST revoke":
                return self._revoke(visit, body)
            case "POST advance":
                return self._advance(visit, body)
            case "POST reset":
                self._faults.rules.clear()
                self._world.reset()
                return visit.json({"ok": True})
            case "POST password":
                return self._password(visit, body)
            case "POST approve":
                self._world.approved = body.get("approved", True) is True
                return visit.json({"approved": self._world.approved})
            case "POST fault":
                return self._fault(visit, body)
            case "POST clear_faults":
                self._faults.rules.clear()
                return visit.json({"ok": True})
            case _:
                return visit.json(
                    {"error": f"no such verb; there are: {', '.join(VERBS)}"}, status=404
                )

    @staticmethod
    def _wrong(visit: Exchange, text: str) -> web.Response:
        return visit.json({"error": text}, status=400)

    def _set(self, visit: Exchange, body: dict[str, Any]) -> web.Response:
        before = self._world.switches.positions()
        try:
            for name, value in body.items():
                self._world.switches.turn(name, value)
        except UnknownSwitch as error:
            # All or nothing: a test that misspelt one switch must not run with half of them.
            self._world.switches.restore(before)
            return self._wrong(visit, str(error))
        self._world.heed_switches()
        return visit.json({"ok": True})

    def _revoke(self, visit: Exchange, body: dict[str, Any]) -> web.Response:
        what = body.get("what", "sessions")
        if what not in ("sessions", "identity", "all"):
            return self._wrong(visit, "what is one of: sessions, identity, all")
        self._world.revoke(what)
        return visit.json({"ok": True})

    def _advance(self, visit: Exchange, body: dict[str, Any]) -> web.Response:
        seconds, limit = body.get("seconds"), switchboard.NUMBER_MAX
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            return self._wrong(visit, "seconds is a number")
        if not abs(self._world.clock.advanced_s + seconds) <= limit:
            return self._wrong(visit, f"all advances together come to at most {limit:.0f}")
        self._world.clock.advance(float(seconds))
        return visit.json({"advanced_s": self._world.clock.advanced_s})

    def _password(self, visit: Exchange, body: dict[str, Any]) -> web.Response:
        password = body.get("password")
        if not isinstance(password, str) or not password:
            return self._wrong(visit, "password is a text")
        self._world.account.password = password
        return visit.json({"ok": True})

    def _fault(self, visit: Exchange, body: dict[str, Any]) -> web.Response:
        try:
            fault = read_fault(body)
        except UnknownFault as error:
            return self._wrong(visit, str(error))
        self._faults.rules.append(fault)
        return visit.json({"rules": len(self._faults.rules)})
