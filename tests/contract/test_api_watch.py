"""Watching over the socket: what is told, when, and what becomes of those who do not read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakehouse import FakeHouse, raw, serving
from harvester.log import event
from harvester.outlets import guests, watch
from harvester.outlets.api import Api


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


@pytest.fixture
async def api(tmp_path: Path, house: FakeHouse) -> AsyncIterator[Api]:
    async with serving(tmp_path / "run" / "h.sock", house) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path, api: Api) -> Path:
    return tmp_path / "run" / "h.sock"


class Stream:
    """One open stream, read event by event."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def part(self) -> list[str]:
        """The lines up to the next empty one."""
        async with asyncio.timeout(5):
            return (await self.reader.readuntil(b"\n\n")).decode().splitlines()[:-1]

    async def event(self) -> tuple[str | None, str, dict[str, Any]]:
        """id, name and data of the next event; comments are passed over."""
        while True:
            fields = dict(line.split(": ", 1) for line in await self.part() if line[0] != ":")
            if fields:
                return fields.get("id"), fields["event"], json.loads(fields["data"])

    async def over(self) -> bool:
        async with asyncio.timeout(5):
            return await self.reader.read() == b""


@asynccontextmanager
async def watching(path: Path, query: str = "", *lines: str) -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_unix_connection(path)
    head = [f"GET /v1/session/watch{query} HTTP/1.0", "Host: h", *lines, "", ""]
    writer.write("\r\n".join(head).encode())
    try:
        first = await reader.readuntil(b"\r\n\r\n")
        assert first.split()[1] == b"200", first
        assert b"text/event-stream" in first and b"Cache-Control: no-store" in first
        assert await reader.readuntil(b"\n\n") == b": watching\n\n"
        yield Stream(reader, writer)
    finally:
        writer.close()


def becomes(house: FakeHouse, **stands: Any) -> None:
    """The profile stands otherwise, and something was logged about it."""
    house.default.stands = {**house.default.stands, **stands}
    event("something.happened")


async def test_each_generation_and_each_change_of_state_is_told_and_never_a_cookie(
    path: Path, house: FakeHouse
) -> None:
    async with watching(path) as stream:
        assert (await stream.event())[:2] == ("7", "session")
        becomes(house, state="refreshing")
        assert (await stream.event())[:2] == ("7", "state")
        becomes(house, state="live", generation=8)
        number, name, told = await stream.event()
        assert (number, name) == ("8", "session")
        assert told == {
            "profile": "default", "generation": 8, "state": "live", "ready": True, "code": None,
            "at": "2026-11-23T10:00:00Z", "expires_at": None,
        }  # fmt: skip
        becomes(house, generation=None, state="latched", ready=False, code="account_locked")
        number, name, told = await stream.event()
        assert (number, name, told["code"]) == (None, "state", "account_locked")
    assert house.default.calls == [], "no session was asked for"


async def test_what_only_the_clock_changes_is_told_too(path: Path, house: FakeHouse) -> None:
    async with watching(path) as stream:
        await stream.event()
        house.default.stands = {**house.default.stands, "state": "stale"}
        assert (await stream.event())[2]["state"] == "stale"


@pytest.mark.parametrize(
    ("query", "lines"),
    [("?after=7", ()), ("?after=3", ("Last-Event-ID: 7",)), ("", ("Last-Event-ID: 7",))],
)
async def test_who_has_the_generation_is_told_only_of_what_comes_after_it(
    path: Path, house: FakeHouse, query: str, lines: tuple[str, ...]
) -> None:
    async with watching(path, query, *lines) as stream:
        becomes(house, state="stale")
        assert (await stream.event())[1:] == ("state", {**house.glance("default")})
        becomes(house, state="live", generation=8)
        assert (await stream.event())[:2] == ("8", "session")


async def test_who_has_it_and_it_is_over_is_told_so_at_once(path: Path, house: FakeHouse) -> None:
    house.default.stands |= {"ready": False, "state": "stale"}
    async with watching(path, "?after=7") as stream:
        assert (await stream.event())[2]["ready"] is False


async def test_an_older_one_gets_the_present_one_at_once(path: Path) -> None:
    async with watching(path, "?after=3") as stream:
        assert (await stream.event())[0] == "7"


async def test_a_silent_stream_says_that_it_lives(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "KEEP_ALIVE_S", 0.05)
    async with watching(path, "?after=7") as stream:
        assert await stream.part() == [": nothing new"]
        assert await stream.part() == [": nothing new"]


async def test_profiles_do_not_hear_of_each_other(path: Path, house: FakeHouse) -> None:
    async with watching(path, "?profile=work-eu") as stream:
        await stream.event()
        becomes(house, generation=8)
        house.all["work-eu"].stands |= {"generation": 9}
        event("something.happened")
        assert (await stream.event())[0] == "9"


async def test_who_does_not_read_is_dropped_and_nobody_waits_for_him(
    path: Path, house: FakeHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "_SETTLE_S", 0.0)
    async with watching(path) as deaf, watching(path) as good:
        await good.event()
        # Kernel and stream reader hold some 300 KB for the one who sleeps.
        for generation in range(8, 80):
            becomes(house, generation=generation, code="x" * 20_000)
            assert (await good.event())[0] == str(generation)
        assert [one for one in caplog.records if one.getMessage() == "watch.dropped"]
        async with asyncio.timeout(5):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                while True:
                    await deaf.reader.readuntil(b"\n\n")


async def test_watchers_count_as_connections_and_leave_room_for_those_who_ask(
    path: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WATCHERS_MOST", 2)
    monkeypatch.setattr(guests, "CONNECTIONS_LIMIT", 3)
    ask = b"GET /v1/session/watch HTTP/1.0\r\nHost: h\r\n\r\n"
    async with watching(path) as one, watching(path):
        assert api._door is not None
        assert len(api._door.inside) == 2
        answer = await raw(path, ask)
        assert answer.split()[1] == b"503" and b"Retry-After" in answer
        assert (await raw(path, ask.replace(b"/v1/session/watch", b"/livez"))).split()[1] == b"200"
        one.writer.close()
        async with asyncio.timeout(5):
            while len(api._watch._watchers) == 2:  # noqa: ASYNC110  seen in a second, unwritten to
                await asyncio.sleep(0.01)
        async with watching(path):
            pass


async def test_a_stopping_daemon_ends_the_streams(path: Path, api: Api) -> None:
    async with watching(path) as stream:
        await stream.event()
        async with asyncio.timeout(1):
            await api.stop(5)
        assert await stream.over()


async def test_a_profile_that_goes_ends_its_streams(path: Path, house: FakeHouse) -> None:
    async with watching(path) as stream:
        await stream.event()
        del house.all["default"]
        assert await stream.over()


@pytest.mark.parametrize(
    ("query", "line", "status"),
    [
        ("?profile=nobody", "X: y", b"404"),
        ("?after=-1", "X: y", b"400"),
        ("?after=1e3", "X: y", b"400"),
        ("?after=" + "9" * 40, "X: y", b"400"),
        ("", "Last-Event-ID: soon", b"400"),
    ],
)
async def test_what_is_asked_wrongly_is_told(
    path: Path, query: str, line: str, status: bytes
) -> None:
    head = f"GET /v1/session/watch{query} HTTP/1.0\r\nHost: h\r\n{line}\r\n\r\n"
    assert (await raw(path, head.encode())).split()[1] == status


async def test_head_tells_the_kind_and_watches_nothing(path: Path, api: Api) -> None:
    answer = await raw(path, b"HEAD /v1/session/watch HTTP/1.0\r\nHost: h\r\n\r\n")
    assert b"text/event-stream" in answer and answer.endswith(b"\r\n\r\n")
    assert not api._watch._watchers
