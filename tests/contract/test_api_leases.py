"""Leases over the API: made, seen and ended there, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakehouse import FakeHouse
from harvester.clock import SystemClock
from harvester.leases import Leases
from harvester.outlets.api import Api
from harvester.outlets.listen import Listener
from harvester.vault.directory import DirectoryStore, prepare
from storekit import SEAL

PLAIN = {"methods": ["GET"], "paths": ["/api/managed-agents/*"]}


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


@pytest.fixture
async def leases(tmp_path: Path) -> Leases:
    prepare(tmp_path / "store")
    book = Leases(DirectoryStore(tmp_path / "store", SEAL), SystemClock())
    await book.open()
    return book


@pytest.fixture
async def client(
    tmp_path: Path, house: FakeHouse, leases: Leases
) -> AsyncIterator[aiohttp.ClientSession]:
    path = tmp_path / "run" / "h.sock"
    with Listener(path) as sock:
        api = Api(house, leases=leases)
        await api.start(sock)
        way = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession("http://harvester", connector=way) as session:
            yield session
        await api.stop(1)


async def make(client: aiohttp.ClientSession, **asked: Any) -> tuple[int, dict[str, Any]]:
    async with client.post("/v1/leases", json={**PLAIN, **asked}) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()


async def listed(client: aiohttp.ClientSession) -> dict[str, Any]:
    async with client.get("/v1/leases") as answer:
        assert answer.status == 200
        told: dict[str, Any] = await answer.json()
        return told


async def revoke(client: aiohttp.ClientSession, asked: Any) -> tuple[int, dict[str, Any]]:
    async with client.post("/v1/leases/revoke", json=asked) as answer:
        return answer.status, await answer.json()


async def test_a_lease_is_made_seen_without_its_token_and_ended(
    client: aiohttp.ClientSession,
) -> None:
    status, made = await make(client, for_s=60, rate="60/m", uses=3, name="ci", profile="work-eu")
    assert status == 200
    assert made["proxy"] == {"unix": "/run/harvester/proxy.sock", "tcp": None}
    lease = made["lease"]
    assert lease == lease | {
        "name": "ci", "profile": "work-eu", "methods": ["GET"], "rate": "60/m", "uses": 3,
        "paths": PLAIN["paths"], "used": 0, "state": "live", "ended_at": None,
        "last_used_at": None,
    }  # fmt: skip
    told = await listed(client)
    assert told == {"version": 1, "leases": [lease], "trouble": None}
    assert made["token"][4:] not in json.dumps(told)
    assert await revoke(client, {"id": lease["id"]}) == (
        200,
        {"done": True, "revoked": [lease["id"]]},
    )
    assert (await listed(client))["leases"][0]["state"] == "revoked"
    assert await revoke(client, {"id": lease["id"]}) == (200, {"done": True, "revoked": []})


async def test_all_are_ended_at_once(client: aiohttp.ClientSession) -> None:
    ids = [(await make(client))[1]["lease"]["id"] for _ in range(2)]
    assert await revoke(client, {"id": "all"}) == (200, {"done": True, "revoked": ids})
    assert await revoke(client, {"id": "all"}) == (200, {"done": True, "revoked": []})


@pytest.mark.parametrize(
    "asked",
    [
        {"methods": None},
        {"methods": []},
        {"methods": "GET"},
        {"methods": ["get"]},
        {"methods": ["TRACE"]},
        {"paths": None},
        {"paths": []},
        {"paths": ["/x"] * 9},
        {"paths": ["x"]},
        {"paths": ["/../x"]},
        {"paths": ["/x/**"]},
        {"for_s": 0},
        {"for_s": 0.5},
        {"for_s": -1},
        {"for_s": 30 * 24 * 3600 + 1},
        {"for_s": "60"},
        {"for_s": True},
        {"for_s": None},
        {"rate": "60"},
        {"rate": 60},
        {"rate": "0/s"},
        {"uses": 0},
        {"uses": 1.5},
        {"uses": True},
        {"uses": "3"},
        {"uses": 10**9},
        {"name": ""},
        {"name": "a b"},
        {"name": "x" * 65},
        {"name": "a\u001b[2J"},
        {"name": 7},
        {"profile": "No"},
    ],
)
async def test_terms_that_make_no_sense_make_no_lease(
    client: aiohttp.ClientSession, asked: dict[str, Any]
) -> None:
    status, told = await make(client, **asked)
    assert (status, told["code"]) == (400, "usage")
    assert told["hint"]
    assert (await listed(client))["leases"] == []


async def test_there_is_no_lease_for_nobodys_profile(client: aiohttp.ClientSession) -> None:
    status, told = await make(client, profile="nobody")
    assert (status, told["code"]) == (404, "unknown_profile")


async def test_there_is_no_lease_where_there_is_no_proxy(
    client: aiohttp.ClientSession, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "status", lambda: {"proxy": None})
    status, told = await make(client)
    assert (status, told["code"]) == (409, "config_invalid")
    assert (await listed(client))["leases"] == []


@pytest.mark.parametrize("asked", [{}, {"id": None}, {"id": 7}, {"id": "ALL"}, {"id": "../x"}])
async def test_what_is_no_id_ends_nothing(client: aiohttp.ClientSession, asked: Any) -> None:
    await make(client)
    status, told = await revoke(client, asked)
    assert (status, told["code"]) == (400, "usage")
    assert (await listed(client))["leases"][0]["state"] == "live"


async def test_an_id_of_none_is_said(client: aiohttp.ClientSession) -> None:
    status, told = await revoke(client, {"id": "aaaaaaaa"})
    assert (status, told["code"]) == (404, "lease_unknown")


async def test_a_closed_book_is_told_and_opened_by_revoking_all(
    client: aiohttp.ClientSession, leases: Leases, tmp_path: Path
) -> None:
    await make(client)
    record = tmp_path / "store/profiles/leases/leases"
    record.write_bytes(record.read_bytes()[:-9])
    leases._by_id.clear()
    leases._by_digest.clear()
    await leases.open()
    told = await listed(client)
    assert told["leases"] == []
    assert told["trouble"]["code"] == "store_corrupt"
    assert (await make(client))[1]["code"] == "store_corrupt"
    assert (await revoke(client, {"id": "all"}))[0] == 200
    assert (await listed(client))["trouble"] is None
    assert (await make(client))[0] == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_there_is_no_way_to_change_one(client: aiohttp.ClientSession, method: str) -> None:
    made = (await make(client))[1]["lease"]
    for path in ("/v1/leases", "/v1/leases/revoke", f"/v1/leases/{made['id']}"):
        async with client.request(method, path, json={"paths": ["/*"]}) as answer:
            assert answer.status in (404, 405)
    assert (await listed(client))["leases"] == [made]


async def test_an_api_without_a_book_says_so(tmp_path: Path, house: FakeHouse) -> None:
    path = tmp_path / "run" / "h.sock"
    with Listener(path) as sock:
        api = Api(house)
        await api.start(sock)
        way = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession("http://harvester", connector=way) as session:
            assert (await make(session))[1]["code"] == "not_configured"
        await api.stop(1)
