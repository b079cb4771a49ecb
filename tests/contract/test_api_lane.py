"""The fast lane says what the ordinary way says, byte for byte, or says nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fakehouse import COOKIE, FakeHouse, FakeKeeper, a_session, serving
from harvester import wire
from harvester.errors import Paused, SiteDown
from harvester.outlets import connection, guests, lane
from harvester.outlets.api import Api
from harvester.session import Served


def get(query: str = "", *headers: str) -> bytes:
    lines = [f"GET /v1/session{query} HTTP/1.1", "Host: harvester", *headers, "", ""]
    return "\r\n".join(lines).encode()


class Caller:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes) -> bytes:
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> bytes:
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            return head + await self.reader.readexactly(int(length[1]) if length else 0)


@asynccontextmanager
async def calling(path: Path) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


@pytest.fixture
def house() -> FakeHouse:
    house = FakeHouse()
    house.default.served = Served(replace(a_session(), expires_at=1_800_000_000))
    return house


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "h.sock"


@pytest.fixture
async def api(path: Path, house: FakeHouse) -> AsyncIterator[Api]:
    async with serving(path, house) as served:
        yield served


def undated(answer: bytes) -> bytes:
    shown, dates = re.subn(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", b"", answer)
    assert dates == 1
    return shown


def asked(house: FakeHouse) -> int:
    """How many requests went the ordinary way."""
    return sum(len(keeper.calls) for keeper in house.keepers())


QUERIES = ["", "?", "?min_valid_s=5", "?wait_s=0&sign_in=false", "?origin=https://app.example"]
QUERIES += ["?profile=work-eu", "?profile=default&later=ignored"]
HEADERS = [(), ('If-None-Match: "7"',), ('If-None-Match: "6"', "Accept: */*"), ("Upgrade: h2c",)]


@pytest.mark.parametrize("form", [None, *wire.FORMATS])
async def test_both_ways_say_the_same_to_every_question(
    api: Api, path: Path, house: FakeHouse, form: str | None
) -> None:
    async with calling(path) as caller:
        for query in QUERIES:
            if form is not None:
                query = query.partition("#")[0]
                query += ("&" if "?" in query else "?") + f"format={form}"
            for headers in HEADERS:
                for met in (True, False):
                    for keeper in house.keepers():
                        keeper.served = replace(keeper.served, min_valid_met=met)
                    before = asked(house), house.recalled
                    told = [await caller.ask(get(query, *headers)) for _ in range(3)]
                    assert told[0].split()[1] in (b"200", b"304")
                    assert len({undated(one) for one in told}) == 1
                    assert (asked(house) - before[0], house.recalled - before[1] >= 2) == (1, True)


async def test_another_version_of_http_goes_the_ordinary_way(
    api: Api, path: Path, house: FakeHouse
) -> None:
    old = get("", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")
    async with calling(path) as caller:
        for _ in range(3):
            assert (await caller.ask(old)).startswith(b"HTTP/1.0 200 OK\r\n")
    assert (asked(house), house.recalled) == (3, 0)


async def test_what_is_remembered_is_counted_as_what_is_not(
    api: Api, path: Path, house: FakeHouse
) -> None:
    async with calling(path) as caller:
        for _ in range(3):
            await caller.ask(get())
            await caller.ask(get("?format=env"))
            await caller.ask(get("", 'If-None-Match: "7"'))
    assert asked(house) == 3
    assert api._tally.sessions_served() == {
        ("api", "default", "json"): 3,
        ("api", "default", "env"): 3,
    }


async def test_another_session_is_given_from_its_first_moment(
    api: Api, path: Path, house: FakeHouse
) -> None:
    async with calling(path) as caller:
        for generation in range(7, 12):
            house.default.served = Served(a_session(generation))
            for _ in range(2):
                assert b'"generation": %d,' % generation in await caller.ask(get())
        # A value that the site rolled keeps its generation, and is another session all the same.
        rolled = replace(a_session(11), cookies=(replace(COOKIE, value="rolled"),))
        house.default.served = Served(rolled)
        assert b"sid=rolled" in await caller.ask(get())
    assert len(api._lane._known) == 1, "what is not served any more is not kept"


@pytest.mark.parametrize(
    "change", ["paused", "stale", "too short", "nothing at hand", "other settings", "unknown"]
)
async def test_whatever_the_keeper_says_now_is_said(
    api: Api, path: Path, house: FakeHouse, change: str
) -> None:
    keeper = house.default
    async with calling(path) as caller:
        first = await caller.ask(get())
        assert undated(await caller.ask(get())) == undated(first)
        if change == "paused":
            keeper.fails = Paused("paused", hint="harvester resume")
        elif change == "stale":
            keeper.served = replace(keeper.served, stale=True, error=SiteDown("no answer"))
        elif change == "too short":
            keeper.served = replace(keeper.served, min_valid_met=False)
        elif change == "nothing at hand":
            keeper.gate = asyncio.Event()
            keeper.gate.set()
        elif change == "other settings":
            house.all["default"] = FakeKeeper(keeper.profile, Served(a_session(8)))
        else:
            del house.all["default"]
        said = [await caller.ask(get())] if change in ("paused", "stale") else []
        said += [await caller.ask(get()) for _ in range(2 if change != "unknown" else 1)]
        marks = {
            "paused": b'"code": "paused"', "stale": b"site_down", "too short": b"Met: false",
            "nothing at hand": b'"generation": 7', "other settings": b'"generation": 8',
            "unknown": b"unknown_profile",
        }  # fmt: skip
        for one in said:
            assert marks[change] in one


async def test_a_request_in_pieces_or_in_a_row_is_parsed_and_answered_in_order(
    api: Api, path: Path, house: FakeHouse
) -> None:
    async with calling(path) as caller:
        for query in ("", "?format=env", "?format=value"):
            await caller.ask(get(query))
        recalled = house.recalled
        caller.writer.write(get()[:20])
        await asyncio.sleep(0.02)
        assert b"200 OK" in await caller.ask(get()[20:])
        assert b"200 OK" in await caller.ask(get()), "and it stays on the ordinary way"
    async with calling(path) as caller:
        caller.writer.write(get("?format=env") + get() + get("?format=value"))
        told = [await caller.answer() for _ in range(3)]
        assert [b"export" in told[0], b'"generation"' in told[1]] == [True, True]
        assert told[2].endswith(b"\r\n\r\ncanary-c00kie\n")
    assert house.recalled == recalled


async def test_bytes_that_belong_to_another_request_are_never_taken_for_one_of_their_own(
    api: Api, path: Path, house: FakeHouse
) -> None:
    for begun in (
        b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\nGET /livez HTTP/1.1\r\nX: ",
        b"GET /livez HTTP/1.1\r\nX: ",
        b"POST /v1/session/report HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(get()),
        b"POST /v1/unlock HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n"
        % len(get()),
    ):
        async with calling(path) as caller:
            await caller.ask(get())
            await caller.ask(get())
            recalled = house.recalled
            caller.writer.write(begun)
            if begun.count(b"livez") == 2:
                assert b'"alive"' in await caller.answer()
            await asyncio.sleep(0.02)
            caller.writer.write(get())
            if begun.startswith(b"POST /v1/unlock"):
                caller.writer.write(b"\r\n0\r\n\r\n")
            told = await caller.answer()
            assert b"canary" not in told
            assert house.recalled == recalled


async def test_after_a_body_the_connection_stays_on_the_ordinary_way(
    api: Api, path: Path, house: FakeHouse
) -> None:
    async with calling(path) as caller:
        await caller.ask(get())
        recalled = house.recalled
        body = b'{"generation": 7}'
        head = b"POST /v1/session/report HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
        assert b"alive" in await caller.ask(head % len(body) + body)
        assert b"200 OK" in await caller.ask(get())
    assert house.recalled == recalled


@pytest.mark.parametrize(
    "odd",
    [
        get().replace(b"\r\n", b"\n"),
        get().replace(b"Host", b"X: a\nHost"),
        b"\r\n" + get(),
        get("", "Content-Length: 2") + b"{}",
        get("", "X: " + "a" * lane.ASKED_LIMIT_BYTES),
        get().replace(b"GET", b"HEAD"),
        get().replace(b"/v1/session", b"/v1/sessions"),
        get() + get(),
    ],
)
def test_only_a_whole_plain_request_is_remembered(odd: bytes) -> None:
    assert lane.is_plain(get()) and not lane.is_plain(odd)


async def test_a_connection_is_idle_from_its_last_answer_on(
    api: Api, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "IDLE_S", 0.3)
    loop = asyncio.get_running_loop()
    async with calling(path) as caller:
        begun = loop.time()
        while loop.time() - begun < 0.7:
            await caller.ask(get())
            await asyncio.sleep(0.05)
        last = loop.time()
        async with asyncio.timeout(5):
            assert await caller.reader.read() == b""
        assert 0.2 < loop.time() - last < 2


@pytest.mark.parametrize("where", ["inside", "on the doorstep"])
async def test_who_was_just_answered_is_not_the_longest_idle(
    api: Api, path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(guests, "CONNECTIONS_LIMIT", 2)
    if where == "on the doorstep":
        async with calling(path) as before:
            await before.ask(get())  # so that those who come now need not go in
    async with calling(path) as first, calling(path) as second:
        for caller in (first, second, first):
            await caller.ask(get())
        async with calling(path) as third:
            assert b"200 OK" in await third.ask(get())
            async with asyncio.timeout(5):
                assert await second.reader.read() == b""
            assert b"200 OK" in await first.ask(get())


async def test_who_does_not_read_is_not_written_to_without_end_and_misses_nothing(
    api: Api, path: Path, house: FakeHouse
) -> None:
    async with calling(path) as caller:
        first = await caller.ask(get())
    assert api._door is not None

    async def write_one(writer: asyncio.StreamWriter) -> bool:
        """Whether it was answered from memory; each by itself, so that it can be."""
        before = house.recalled
        writer.write(get())
        for _ in range(20):
            await asyncio.sleep(0)
            if house.recalled > before:
                return True
        return False

    async with calling(path) as late:
        late.writer.transport.pause_reading()
        written = 1
        while await write_one(late.writer):
            written += 1
            assert written < 1000, "answered on the doorstep without end"
        # He was let in, with what he was owed; there, too, his answers wait for him to read.
        (inside,) = api._door.inside
        assert isinstance(inside, connection.Connection)
        assert [await write_one(late.writer) for _ in range(50)] == [False] * 50
        for _ in range(1000):
            late.writer.write(get())
            await asyncio.sleep(0)
        assert inside.transport is not None
        assert 0 < inside.transport.get_write_buffer_size() < 256 * 1024
        late.writer.transport.resume_reading()
        for _ in range(written + 50 + 1000):
            assert undated(await late.answer()) == undated(first)


async def test_the_memory_is_bounded_and_a_sign_out_clears_it(api: Api, path: Path) -> None:
    async with calling(path) as caller:
        for number in range(3 * lane.ANSWERS_LIMIT):
            await caller.ask(get(f"?later={number}"))
            assert 0 < len(api._lane._known) <= lane.ANSWERS_LIMIT
        await caller.ask(b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        assert not api._lane._known


async def test_a_daemon_that_stops_answers_nobody_from_memory(
    api: Api, path: Path, house: FakeHouse
) -> None:
    async with calling(path) as caller:
        await caller.ask(get())
        await caller.ask(get())
        recalled = house.recalled
        assert api._door is not None
        api._door.pre_shutdown()
        caller.writer.write(get())
        await asyncio.sleep(0.05)
        await api.stop(1)
        assert await caller.reader.read() == b""
    assert house.recalled == recalled
