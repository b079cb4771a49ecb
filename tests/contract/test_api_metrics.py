"""What the API counts of itself, and how ``/metrics``, ``/livez`` and ``/readyz`` answer."""

from __future__ import annotations

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from fakehouse import FakeHouse
from harvester import errors


async def counted(client: aiohttp.ClientSession, name: str) -> dict[tuple[str, ...], float]:
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert answer.headers["Content-Type"].count("charset") == 1
        text = await answer.text()
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


async def test_every_session_that_is_given_out_is_counted_by_its_form(
    client: aiohttp.ClientSession,
) -> None:
    for form in ("cookie", "cookie", "json"):
        async with client.get(f"/v1/session?profile=work-eu&format={form}") as answer:
            assert answer.status == 200
    # A caller who has it already is given none.
    have = {"If-None-Match": answer.headers["ETag"]}
    async with client.get("/v1/session?profile=work-eu", headers=have) as answer:
        assert answer.status == 304
    assert await counted(client, "harvester_sessions_served_total") == {
        ("cookie", "api", "work-eu"): 2,
        ("json", "api", "work-eu"): 1,
    }


async def test_reports_are_counted_by_what_they_were_answered(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    for fails in (None, None, errors.SiteDown("x"), errors.Usage("never handed out")):
        house.default.fails = fails
        async with client.post("/v1/session/report", json={"generation": 7}) as answer:
            await answer.read()
    reports = await counted(client, "harvester_reports_total")
    assert reports == {("default", "alive"): 2, ("default", "error"): 2}


async def test_what_nobody_has_is_counted_for_nobody(client: aiohttp.ClientSession) -> None:
    for name in ("nobody", "x" * 400, "%00"):
        async with client.get(f"/v1/session?profile={name}") as answer:
            assert answer.status in (400, 404)
        async with client.post(
            "/v1/session/report", json={"profile": name, "generation": 1}
        ) as answer:
            assert answer.status in (400, 404)
        async with client.get("/readyz/" + name) as answer:
            assert answer.status in (400, 404)
    assert await counted(client, "harvester_sessions_served_total") == {}
    assert await counted(client, "harvester_reports_total") == {}


async def test_liveness_asks_neither_site_nor_keepers_nor_status(
    client: aiohttp.ClientSession, house: FakeHouse
) -> None:
    house.all.clear()  # whoever asks for one would fail
    house.status = None  # type: ignore[assignment,method-assign]
    async with client.get("/livez") as answer:
        assert (answer.status, await answer.json()) == (200, {"alive": True})
