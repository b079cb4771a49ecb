"""`harvester token` and the real socket API: one round trip, and what must be warned of is told."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fakehouse import FakeHouse, a_session, raw
from harvester import dial, hot, wire
from harvester.client import Client
from harvester.errors import SiteDown
from harvester.session import Served

ENDS_AT = 1_800_000_000


@pytest.fixture
def house() -> FakeHouse:
    house = FakeHouse()
    house.default.served = Served(replace(a_session(), expires_at=ENDS_AT))
    return house


async def hot_token(path: Path, *words: str) -> int | None:
    asked = hot.plain_token([*words, "token"])
    assert asked is not None
    return await asyncio.to_thread(hot.token, asked, {"HARVESTER_SOCKET": os.fspath(path)})


@pytest.mark.parametrize("form", list(wire.FORMATS))
async def test_every_format_costs_one_request_and_has_nothing_to_warn_of(
    path: Path, house: FakeHouse, form: str
) -> None:
    client = Client(os.fspath(path), environ={})
    text, warnings = await asyncio.to_thread(client.token, form=form, min_valid_s=1e6)
    assert (text, warnings) == (wire.printable(house.default.served, form), [])
    assert house.default.calls == [
        ("get", {"min_valid_s": 1e6, "wait_s": 60.0, "may_sign_in": True})
    ]


@pytest.mark.parametrize("form", ["cookie", "json", "env"])
async def test_a_stale_session_and_one_that_ends_too_soon_are_warned_of_in_every_format(
    path: Path, house: FakeHouse, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    error = SiteDown("la porte est fermée\r\nSet-Cookie: a=b\x7f\x1b[31m")
    session = replace(a_session(), expires_at=ENDS_AT)
    house.default.served = Served(session, stale=True, error=error, min_valid_met=False)
    client = Client(os.fspath(path), environ={})
    text, warnings = await asyncio.to_thread(client.token, form=form)
    assert text == wire.printable(house.default.served, form)
    assert [error.message in warnings[0], "2027-01-15T08:00:00Z" in warnings[1]] == [True, True]
    assert await hot_token(path) == 0
    told = capsys.readouterr()
    assert told.out == wire.printable(house.default.served, "cookie") + "\n"
    assert "la porte est fermée Set-Cookie: a=b" in told.err and "\x1b" not in told.err
    assert await hot_token(path, "--quiet") == 0
    assert capsys.readouterr().err == ""


async def test_what_an_error_says_is_no_header_of_its_own(path: Path, house: FakeHouse) -> None:
    error = SiteDown("a\r\nSet-Cookie: b=c\x7f")
    house.default.served = replace(house.default.served, stale=True, error=error)
    request = b"GET /v1/session?format=cookie HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    head = (await raw(path, request)).partition(b"\r\n\r\n")[0]
    assert b'\r\nHarvester-Stale: {"code": "site_down", "message": "a\\r\\n' in head
    assert b"\nSet-Cookie" not in head
    assert head.replace(b"\r\n", b"").decode("ascii").isprintable()


def test_the_headers_that_are_written_are_those_that_are_read() -> None:
    session = replace(a_session(), expires_at=ENDS_AT)
    told = wire.beside(Served(session, stale=True, min_valid_met=False))
    assert {name.lower() for name in told} == {dial.EXPIRES_AT, *dial.WARNED_BY}
    assert set(wire.beside(Served(session))) == {"Harvester-Expires-At"}
    assert wire.beside(Served(a_session())) == {}
