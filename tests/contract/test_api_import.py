"""`POST /v1/session/import`: what is brought reaches the keeper as it is, or nothing happens."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakehouse import COOKIE, FakeHouse, serving
from harvester import errors, wire
from harvester.client import Client
from harvester.session import Cookie

WHERE = "/v1/session/import"
ODD = 'a%2Fb "q",{1}=='


async def test_the_cookies_of_a_session_object_come_in_as_they_are(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    whole = Cookie("sid", ODD, ".app.example", "/", 4_000_000_000.0, True, True, "Strict")
    body = {
        "cookies": [wire.cookie_object(whole), {"name": "jwt", "value": "x"}],
        "user_agent": "Browser/1",
        "origin": "https://app.example",
        "wait_s": 5,
        "later": {"any": [1]},
    }
    async with client.post(WHERE, json=body) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["ETag"] == '"7"'
        assert await answer.json() == wire.session_object(house.default.served)
    (call,) = house.default.calls
    bare = Cookie("jwt", "x", "app.example", secure=True)
    assert call == (
        "take_in", {"cookies": (whole, bare), "user_agent": "Browser/1", "wait_s": 5.0},
    )  # fmt: skip


ONE = [{"name": "sid", "value": "v"}]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "usage"),
        ({"cookies": []}, 400, "usage"),
        ({"cookies": "sid=v"}, 400, "usage"),
        ({"cookies": {"sid": "v"}}, 400, "usage"),
        ({"cookies": ["sid=v"]}, 400, "usage"),
        ({"cookies": [*ONE, {"name": "a"}]}, 400, "usage"),
        ({"cookies": [{"name": "a", "value": 7}]}, 400, "usage"),
        ({"cookies": [{"name": "a b", "value": "v"}]}, 400, "usage"),
        ({"cookies": [{"name": "a", "value": "v\r\nX: y"}]}, 400, "usage"),
        ({"cookies": [{"name": "a", "value": "v", "domain": 7}]}, 400, "usage"),
        ({"cookies": ONE * 1000}, 200, None),
        ({"cookies": [{"name": f"c{n}", "value": "v"} for n in range(181)]}, 400, "usage"),
        ({"cookies": ONE, "user_agent": "a\nb"}, 400, "usage"),
        ({"cookies": ONE, "user_agent": 7}, 400, "usage"),
        ({"cookies": ONE, "origin": 7}, 400, "usage"),
        ({"cookies": ONE, "wait_s": 301}, 400, "usage"),
        ({"cookies": ONE, "profile": "../x"}, 400, "usage"),
        ({"cookies": ONE, "profile": "nobody"}, 404, "unknown_profile"),
        ({"cookies": ONE, "origin": "https://other.example"}, 409, "origin_mismatch"),
        ({"cookies": [{**ONE[0], "domain": "other.example"}]}, 409, "origin_mismatch"),
    ],
)
async def test_what_is_wrong_is_told_and_the_keeper_hears_nothing(
    client: aiohttp.ClientSession, house: FakeHouse, body: Any, status: int, code: str | None
) -> None:
    async with client.post(WHERE, json=body) as answer:
        assert answer.status == status
        told = json.loads(await answer.text())
        assert told.get("code") == code
    assert len(house.default.calls) == (1 if code is None else 0)
    assert house.all["work-eu"].calls == []


async def test_a_dead_session_is_a_problem_that_a_person_mends(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    house.default.fails = errors.NeedsHuman("it has ended", hint="copy it again")
    async with client.post(WHERE, json={"cookies": ONE}) as answer:
        assert answer.status == 409
        assert (await answer.json(content_type=None))["code"] == "needs_human"


async def test_our_own_client_speaks_it(tmp_path: Path, house: FakeHouse) -> None:
    where = tmp_path / "run" / "h.sock"
    async with serving(where, house):
        cookies = [wire.cookie_object(COOKIE)]
        told = await asyncio.to_thread(
            Client(os.fspath(where)).bring,
            "work-eu", cookies, user_agent="B/1", origin="https://app.example", wait_s=9,
        )  # fmt: skip
        assert told == wire.session_object(house.default.served)
    assert house.all["work-eu"].calls == [
        ("take_in", {"cookies": (COOKIE,), "user_agent": "B/1", "wait_s": 9.0})
    ]
