"""The socket API as any HTTP client meets it: paths, fields, statuses."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakehouse import COOKIE, ORIGIN, FakeHouse, a_session, raw
from harvester import errors, wire
from harvester.outlets import guests
from harvester.outlets.api import ROUTES, Api, openapi_text
from harvester.outlets.listen import Listener
from harvester.session import Served


async def problem(response: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    assert response.status == status, await response.text()
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    told = json.loads(await response.text())
    assert told["status"] == status
    assert told["code"] == code
    assert told["hint"]
    assert set(told) == {
        "type", "title", "status", "detail",
        "code", "hint", "retryable", "retry_after_s", "latched",
    }  # fmt: skip
    return told


async def test_the_session_object_is_given_with_its_generation_as_etag(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    async with client.get("/v1/session") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert answer.headers["ETag"] == '"7"'
        assert answer.headers["Cache-Control"] == "no-store"
        assert await answer.json() == wire.session_object(house.default.served)
    assert house.default.calls == [
        ("get", {"min_valid_s": 0.0, "wait_s": 60.0, "may_sign_in": True})
    ]


async def test_a_generation_that_the_caller_has_is_not_sent_again(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/v1/session", headers={"If-None-Match": '"6", "7"'}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["Cache-Control"] == "no-store"
    async with client.get("/v1/session", headers={"If-None-Match": '"6"'}) as answer:
        assert answer.status == 200


async def test_the_timeline_is_told_as_it_was_kept(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    async with client.get("/v1/history?profile=work-eu&limit=7") as answer:
        assert answer.status == 200
        told = await answer.json()
    assert (told["version"], told["profile"]) == (1, "work-eu")
    assert [one["event"] for one in told["entries"]] == ["session.new"]
    async with client.get("/v1/history") as answer:
        assert (await answer.json())["profile"] == "default"
    assert house.all["work-eu"].calls == [("history", {"limit": 7})]
    assert house.default.calls == [("history", {"limit": 100})]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "", "1_0", "%C2%B2", "0x10"])
async def test_a_limit_that_is_no_number_of_entries_is_refused(
    client: aiohttp.ClientSession, house: FakeHouse, limit: str
) -> None:
    async with client.get(f"/v1/history?limit={limit}") as answer:
        await problem(answer, 400, "usage")
    async with client.get("/v1/history?profile=nobody") as answer:
        await problem(answer, 404, "unknown_profile")
    assert house.default.calls == []


@pytest.mark.parametrize("form", [form for form in wire.FORMATS if form != "json"])
async def test_every_printable_format_is_plain_text_with_one_final_newline(
    client: aiohttp.ClientSession, house: FakeHouse, form: str
) -> None:
    async with client.get("/v1/session", params={"format": form}) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        assert await answer.text() == wire.printable(house.default.served, form) + "\n"
        assert answer.headers["ETag"] == '"7"'


async def test_the_value_of_two_cookies_is_a_wrong_question(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    two = (COOKIE, replace(COOKIE, name="jwt"))
    house.default.served = Served(a_session(cookies=two))
    async with client.get("/v1/session?format=value") as answer:
        told = await problem(answer, 400, "usage")
    assert "cookie" in told["hint"]


async def test_parameters_reach_the_keeper(client: aiohttp.ClientSession, house: FakeHouse) -> None:
    query = "profile=work-eu&min_valid_s=12.5&wait_s=0&later=ignored&sign_in=false"
    query += "&origin=HTTPS://APP.example:443"
    async with client.get("/v1/session?" + query) as answer:
        assert answer.status == 200
    body = {"profile": "default", "generation": 7, "wait_s": 300, "later": {"any": [1]}}
    async with client.post("/v1/session/report", json=body) as answer:
        told = await answer.json()
        assert (told["verdict"], told["probed_s_ago"]) == ("alive", 3.0)
        assert answer.headers["ETag"] == '"7"'
    async with client.post("/v1/session/refresh", json={"hard": True}) as answer:
        assert answer.status == 200
    async with client.post("/v1/session/refresh") as answer:
        assert answer.status == 200
    async with client.post("/v1/unlock", json={"force": True}) as answer:
        assert await answer.json() == {"done": True, "cleared": None, "alarm": None}
    async with client.post("/v1/logout", data=b"") as answer:
        told = {"had_session": True, "signed_out": True, "denied": None}
        assert await answer.json() == {"done": True, **told}
    assert house.all["work-eu"].calls == [
        ("get", {"min_valid_s": 12.5, "wait_s": 0.0, "may_sign_in": False})
    ]
    assert house.default.calls == [
        ("report", {"generation": 7, "wait_s": 300.0}),
        ("refresh", {"hard": True, "wait_s": 60.0}),
        ("refresh", {"hard": False, "wait_s": 60.0}),
        ("unlock", {"force": True}),
        ("logout", {}),
    ]


async def test_another_origin_than_the_callers_is_told_before_anything_is_given(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    async with client.get("/v1/session?origin=https://other.example") as answer:
        told = await problem(answer, 409, "origin_mismatch")
    assert ORIGIN in told["detail"]
    assert house.default.calls == []


@pytest.mark.parametrize(
    "query",
    [
        "min_valid_s=-1", "min_valid_s=nan", "min_valid_s=inf", "min_valid_s=", "min_valid_s=1_0",
        "min_valid_s=%201", "min_valid_s=1e400", "min_valid_s=%D9%A1", "wait_s=301", "wait_s=x",
        "wait_s=1&wait_s=2", "profile=a&profile=b", "profile=", "profile=../../key",
        "profile=UPPER", "profile=default%0A", "format=", "format=xml", "origin=",
        "origin=ftp://x", "origin=https://a@b", "profile=%ff",
        "&".join(f"a{i}=1" for i in range(70)),
    ],
)  # fmt: skip
async def test_a_wrong_query_is_told_and_nothing_else_happens(
    path: Path, house: FakeHouse, query: str
) -> None:
    request = f"GET /v1/session?{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    answer = await raw(path, request.encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code": "usage"' in answer
    assert b"no-store" in answer
    assert [keeper.calls for keeper in house.keepers()] == [[], []]


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"\r", b" \n", b"[]", b"7", b"null", b'"x"', b"\xff{}", b"{}",
        b'{"generation": 1, "generation": 2}',
        b'{"generation": "7"}', b'{"generation": 7.5}', b'{"generation": true}',
        b'{"generation": -1}', b'{"generation": null}', b'{"generation": 1e300}',
        b'{"generation": 1e999}', b'{"generation": -0.5}',
        b'{"generation": ' + b"9" * 40 + b"}", b'{"generation": ' + b"9" * 5000 + b"}",
        b'{"generation": 7, "wait_s": ' + b"9" * 400 + b"}",
        b'{"generation": 7, "wait_s": 1e999}', b'{"generation": 7, "wait_s": NaN}',
        b'{"generation": 7, "wait_s": 300.1}', b'{"generation": 7, "wait_s": true}',
        b'{"generation": 7, "profile": 7}', b'{"generation": 7, "profile": null}',
        b'{"generation": 7, "profile": "../x"}', b"[" * 30_000, b'{"a":' * 12_000,
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)  # fmt: skip
async def test_a_wrong_body_is_told_and_nothing_else_happens(
    client: aiohttp.ClientSession, house: FakeHouse, body: bytes
) -> None:
    async with client.post("/v1/session/report", data=body) as answer:
        await problem(answer, 400, "usage")
    assert house.default.calls == []


@pytest.mark.parametrize("where", ["/v1/session/refresh", "/v1/unlock"])
async def test_a_flag_is_true_or_false_only(
    client: aiohttp.ClientSession, house: FakeHouse, where: str
) -> None:
    name = "hard" if where.endswith("refresh") else "force"
    for wrong in (1, "true", None, []):
        async with client.post(where, json={name: wrong}) as answer:
            await problem(answer, 400, "usage")
    assert house.default.calls == []


async def test_unknown_paths_profiles_and_methods_are_problems_too(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/v2/anything") as answer:
        await problem(answer, 404, "usage")
    async with client.get("/v1/session/") as answer:
        await problem(answer, 404, "usage")
    async with client.delete("/v1/session") as answer:
        await problem(answer, 405, "usage")
        assert answer.headers["Allow"] == "GET"
    async with client.get("/v1/session/report") as answer:
        await problem(answer, 405, "usage")
        assert answer.headers["Allow"] == "POST"
    async with client.get("/v1/session?profile=nobody") as answer:
        await problem(answer, 404, "unknown_profile")
    async with client.get("/readyz/nobody") as answer:
        await problem(answer, 404, "unknown_profile")
    async with client.get("/readyz/no%20body") as answer:
        await problem(answer, 400, "usage")


@pytest.mark.parametrize("code", sorted(errors.BY_CODE))
async def test_every_error_keeps_its_status_and_is_never_401_or_403(
    client: aiohttp.ClientSession, house: FakeHouse, code: str
) -> None:
    kind = errors.BY_CODE[code]
    house.default.fails = kind("what", hint="do this", retry_after_s=1.2, latched=True)
    async with client.get("/v1/session") as answer:
        told = await problem(answer, kind.http_status, code)
        assert answer.headers["Retry-After"] == "2"
    assert answer.status not in (401, 403)
    assert (told["retry_after_s"], told["latched"]) == (1.2, True)


async def test_an_unforeseen_error_is_a_bug_without_its_text(
    client: aiohttp.ClientSession, house: FakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house.default.fails = RuntimeError("canary-c00kie")
    async with client.get("/v1/session") as answer:
        told = await problem(answer, 500, "bug")
    assert "RuntimeError" in told["detail"]
    assert "canary-" not in json.dumps(told)
    assert [record.message for record in caplog.records] == ["bug"]
    assert "canary-" not in repr([record.__dict__ for record in caplog.records])
    house.default.fails = None
    async with client.get("/v1/session") as answer:
        assert answer.status == 200


async def test_liveness_asks_nobody_and_readiness_lists_who_is_not(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    async with client.get("/readyz") as answer:
        assert answer.status == 200
    house.default.ready, house.default.why_not = False, "site_down: no answer"
    async with client.get("/livez") as answer:
        assert (answer.status, await answer.json()) == (200, {"alive": True})
    async with client.get("/readyz") as answer:
        assert answer.status == 503
        assert answer.headers["Cache-Control"] == "no-store"
        assert await answer.json() == {
            "ready": False,
            "profiles": [
                {"profile": "default", "ready": False, "why": "site_down: no answer"},
                {"profile": "work-eu", "ready": True, "why": ""},
            ],
        }
    async with client.get("/readyz/work-eu") as answer:
        assert answer.status == 200
    async with client.head("/readyz/default") as answer:
        assert (answer.status, await answer.read()) == (503, b"")
    assert house.default.calls == []


async def test_status_is_the_houses_own(client: aiohttp.ClientSession, house: FakeHouse) -> None:
    async with client.get("/v1/status") as answer:
        assert await answer.json() == house.status()


async def test_the_description_names_every_path_parameter_code_and_format(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/v1/openapi.json") as answer:
        assert answer.content_type == "application/json"
        described = await answer.json()
    paths = {
        path: {method.upper() for method in methods} for path, methods in described["paths"].items()
    }
    served = {path: set(methods) for path, methods in ROUTES.items()}
    assert paths == {**served, "/readyz/{profile}": {"GET"}}
    schemas = described["components"]["schemas"]
    assert schemas["Code"]["enum"] == list(errors.BY_CODE)
    asked = {one.get("name"): one for one in described["paths"]["/v1/session"]["get"]["parameters"]}
    assert asked["format"]["schema"]["enum"] == list(wire.FORMATS)
    shown = wire.session_object(Served(a_session()))
    assert sorted(schemas["Session"]["required"]) == sorted(shown)
    assert sorted(schemas["Glance"]["required"]) == sorted(FakeHouse().glance("default"))
    assert sorted(schemas["Cookie"]["required"]) == sorted(COOKIE.as_dict())
    assert sorted(schemas["Problem"]["required"]) == sorted(wire.problem(errors.Usage("x")))


def test_every_reference_in_the_description_leads_somewhere() -> None:
    text = openapi_text()
    described = json.loads(text)
    references = re.findall(r'"\$ref": "#/([^"]+)"', text)
    assert references
    for reference in references:
        place = described
        for step in reference.split("/"):
            place = place[step]


async def test_hundreds_who_wait_are_answered_together(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    house.default.gate = asyncio.Event()

    async def ask() -> int:
        async with client.get("/v1/session") as answer:
            return (await answer.json())["generation"]

    house.default.crowd = 200
    asking = [asyncio.create_task(ask()) for _ in range(200)]
    async with asyncio.timeout(20):
        await house.default.knocked.wait()
        async with client.get("/livez") as answer:
            assert answer.status == 200
        house.default.gate.set()
        assert await asyncio.gather(*asking) == [7] * 200


async def test_a_stop_lets_open_requests_finish_and_takes_no_more(
    tmp_path: Path, house: FakeHouse
) -> None:
    house.default.gate = asyncio.Event()
    where = tmp_path / "run" / "h.sock"
    request = b"GET /v1/session HTTP/1.1\r\nHost: h\r\n\r\n"
    with Listener(where) as sock:
        api = Api(house)
        await api.start(sock)
        asking = asyncio.create_task(raw(where, request))
        await house.default.knocked.wait()
        stopping = asyncio.create_task(api.stop(10))
        await asyncio.sleep(0)
        with pytest.raises(OSError):
            await asyncio.open_unix_connection(where)
        house.default.gate.set()
        await stopping
        assert (await asking).startswith(b"HTTP/1.1 200 ")
    assert not where.exists()


async def test_a_stop_does_not_wait_longer_than_its_grace(tmp_path: Path, house: FakeHouse) -> None:
    house.default.gate = asyncio.Event()
    async with asyncio.timeout(5):
        with Listener(tmp_path / "run" / "h.sock") as sock:
            api = Api(house)
            await api.start(sock)
            asking = asyncio.create_task(
                raw(tmp_path / "run" / "h.sock", b"GET /v1/session HTTP/1.1\r\nHost: h\r\n\r\n")
            )
            await house.default.knocked.wait()
            await api.stop(0.2)
            assert await asking == b""


def test_a_whole_problem_can_be_sent_before_there_is_a_request() -> None:
    head, _, body = guests.FULL.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 1\r\n" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["code"] == "busy"
