"""What the real daemon answers is what ``openapi.json`` says, and not a field more.

A client that is generated from the document knows only what stands there: a field that is missing
in it is a field that such a program cannot read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis

from harvester.outlets.api import openapi_text
from runs import Home
from standin import StandInProcess
from unix_requests import session as unix_session
from walker import Walker
from walks import sign_in

# The timeline's entries carry the fields of their own event, whatever these are.
OPEN = ({"at", "event", "level", "why", "next", "next_at"},)
# What is asked, which ignores what it does not know.
ASKED = ("requestBody", "parameters")


def strict(node: Any) -> Any:
    """The document, in which no answer may hold a field that it does not name."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: one if name in ASKED else strict(one) for name, one in node.items()}
    named = made.get("properties")
    if isinstance(named, dict) and made.get("type") == "object" and set(named) not in OPEN:
        made.setdefault("additionalProperties", False)
    return made


SCHEMA = schemathesis.openapi.from_dict(strict(json.loads(openapi_text())))


class Caller:
    """Asks, and holds each answer against the document."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def __call__(self, method: str, path: str, *, at: str = "", **asked: Any) -> Any:
        answer = self._session.request(method, f"http://harvester{at or path}", **asked)
        SCHEMA[path][method].validate_response(answer)
        return answer.json()


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess) -> Home:
    return Home(
        tmp_path, standin, HARVESTER_PASSWORD=None, HARVESTER_FILES=f"value:{tmp_path}/nowhere/x"
    )


@pytest.fixture
def ask(home: Home) -> Iterator[Caller]:
    with home.daemon(ready=False), unix_session(home.socket) as session:
        yield Caller(session)


def brought(home: Home) -> list[dict[str, str]]:
    """The cookies of a session that a person made in a browser."""
    person = Walker()
    sign_in(person, home.world)
    jar = person.jars["knoq.localhost"]
    return [{"name": name, "value": value} for name, value in jar.items()]


def test_a_field_more_is_seen() -> None:
    answer = requests.Response()
    answer.status_code, answer._content = 200, b'{"alive": true, "since": 3}'
    answer.request = requests.Request("GET", "http://harvester/livez").prepare()
    with pytest.raises(BaseExceptionGroup) as raised:
        SCHEMA["/livez"]["GET"].validate_response(answer)
    told = [getattr(one, "message", "") for one in raised.value.exceptions]
    assert any("'since' was unexpected" in one for one in told), told


def test_every_answer_of_a_profiles_life(home: Home, ask: Caller) -> None:
    def look() -> dict[str, Any]:
        ask("GET", "/v1/history")
        ask("GET", "/readyz")
        ask("GET", "/readyz/{profile}", at="/readyz/default")
        told = ask("GET", "/v1/status")
        return {**told["profiles"][0], "files": told["file_troubles"], "proxy": told["proxy"]}

    assert ask("GET", "/livez") == {"alive": True}
    ask("GET", "/v1/session", params={"wait_s": 20})
    assert look()["trouble"]["helps"], "nobody told a password"
    ask("POST", "/v1/session/import", json={"cookies": brought(home)})
    stands = look()
    assert stands["generation"] == 1
    assert stands["proxy"] == {
        "unix": str(home.socket.parent / "proxy.sock"), "tcp": None, "token": None
    }  # fmt: skip
    assert stands["files"]
    ask("GET", "/v1/session", params={"min_valid_s": 1e6, "wait_s": 0})
    ask("POST", "/v1/session/report", json={"generation": 1})
    terms = {"methods": ["GET"], "paths": ["/api/*"], "rate": "5/s", "uses": 2, "name": "ci"}
    for asked in (terms, {"methods": ["POST"], "paths": ["/x"]}):
        made = ask("POST", "/v1/leases", json=asked)
    assert ask("POST", "/v1/leases/revoke", json={"id": made["lease"]["id"]})["revoked"]
    assert ask("POST", "/v1/leases/revoke", json={"id": "aaaaaaaa"})["code"] == "lease_unknown"
    assert len(ask("GET", "/v1/leases")["leases"]) == 2
    home.world.revoke()
    ask("POST", "/v1/session/report", json={"generation": 1})
    stands = look()
    assert not stands["ready"] and stands["trouble"]
    ask("POST", "/v1/session/refresh", json={})
    assert ask("POST", "/v1/unlock", json={})["done"]
    ask("POST", "/v1/session/import", json={"cookies": brought(home)})
    assert ask("POST", "/v1/logout", json={})["had_session"]
    assert look()["generation"] is None
    # Busy is who joins a refresh that the sign-out has just ended.
    told = ask("GET", "/v1/session", params={"sign_in": "false"})["code"]
    assert told in ("sign_in_forbidden", "busy")
