"""The proxy as a server: what is refused before a site hears of it, and how connections go on."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from harvester.outlets import client_request, guests
from harvester.outlets.client_end import ClientEnd
from harvester.outlets.listen import ACCEPTS_A_TURN
from harvester.outlets.site_answer import SiteAnswer
from proxied import Proxied, ProxyHouse, Told, proxying
from rawsite import Answer, Seen, Site, always, plain, raw_site

GET = b"GET /x HTTP/1.1\r\nHost: k\r\n\r\n"
CLOSING = b"GET /x HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n"
STATUSES = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


@asynccontextmanager
async def before(place: Path, answer: Answer) -> AsyncIterator[tuple[Site, Proxied]]:
    async with raw_site(answer) as site, proxying(place, ProxyHouse(site.origin)) as proxied:
        yield site, proxied


async def echo(request: Seen) -> bytes:
    await request.read()
    return plain(request.target.encode() + b" " + request.body)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /x RTSP/1.1\r\nHost: k\r\n\r\n",
        b"GET  /x HTTP/1.1\r\nHost: k\r\n\r\n",
        b"GET /x  HTTP/1.1\r\nHost: k\r\n\r\n",
        b"\n\n" + GET,
        b"\r\n\r\n" + GET,
        b"GET /x HTTP/0.9\r\nHost: k\r\n\r\n",
        b"GET /x HTTP/2.0\r\nHost: k\r\n\r\n",
        b"BREW /x HTTP/1.1\r\nHost: k\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n" + GET,
        b"POST /x HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n" + GET,
        b"POST /x HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        # Without an end, which is not waited for.
        b"GET /x HTTP/1.1\nHost: k\n\n",
        b"GET /x HTTP/1.1\r\nHost: k\r\nX: a\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_request_is_refused_at_once_and_no_site_hears_of_it(
    tmp_path: Path, raw: bytes
) -> None:
    async with before(tmp_path, always(plain())) as (site, proxied), asyncio.timeout(2):
        got = await proxied.raw(raw)
    assert STATUSES.findall(got) == [b"400"]
    assert Told.of(got).one("connection") == "close"
    assert json.loads(Told.of(got).body)["code"] == "usage"
    assert (site.seen, site.connections) == ([], 0)


async def test_a_head_that_grows_without_end_is_refused_before_its_end(tmp_path: Path) -> None:
    async with before(tmp_path, always(plain())) as (site, proxied):
        told = Told.of(await proxied.raw(b"GET /x HTTP/1.1\r\nX: " + b"a" * 17_000))
    assert (told.status, json.loads(told.body)["code"], site.seen) == (431, "usage", [])


class Counted:
    """A pattern that counts how much it is asked to look through."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern
        self.looked_at = 0

    def search(self, raw: bytes, at: int) -> re.Match[bytes] | None:
        self.looked_at += len(raw) - at
        return self.pattern.search(raw, at)


async def test_a_head_that_comes_byte_by_byte_is_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(client_request._IN_NO_HEAD)
    monkeypatch.setattr(client_request, "_IN_NO_HEAD", counted)
    asked = CLOSING[:-2] + b"X: y\r\n" * 200 + b"\r\n"
    good = always(plain())
    async with before(tmp_path, good) as (_, proxied), proxied.talk() as (reader, writer):
        for byte in asked:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert Told.of(await reader.read()).status == 200
    assert len(asked) / 2 < counted.looked_at <= 2 * len(asked)


async def test_what_is_asked_in_one_go_is_answered_in_turn(tmp_path: Path) -> None:
    asked = (
        b"POST /1 HTTP/1.1\r\nHost: k\r\nContent-Length: 3\r\n\r\none"
        b"\r\nPOST /2 HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\ntw\r\n1\r\no\r\n0\r\nX: y\r\n\r\n"
        b"GET /3 HTTP/1.1\r\nHost: k\r\n\r\n"
        b"GET /4 HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n"
        b"GET /never HTTP/1.1\r\nHost: k\r\n\r\n"
    )
    for at_once in (len(asked), 5):
        async with (
            before(tmp_path / str(at_once), echo) as (site, proxied),
            proxied.talk() as (reader, writer),
        ):
            for at in range(0, len(asked), at_once):
                writer.write(asked[at : at + at_once])
                await asyncio.sleep(0)
            got = await reader.read()
        assert STATUSES.findall(got) == [b"200"] * 4
        assert re.findall(rb"/[0-9] [a-z]*", got) == [b"/1 one", b"/2 two", b"/3 ", b"/4 "]
        assert [one.target for one in site.seen] == ["/1", "/2", "/3", "/4"]


async def test_who_asks_ahead_without_end_is_not_read(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def answer(request: Seen) -> bytes:
        await go_on.wait()
        return plain()

    async with before(tmp_path, answer) as (site, proxied), proxied.talk() as (reader, writer):
        writer.write(GET * 200_000)  # 5 MB
        await site.asked.wait()
        unsent_before = -1
        while (unsent := writer.transport.get_write_buffer_size()) != unsent_before:
            unsent_before = unsent
            await asyncio.sleep(0.1)
        assert unsent > 3_000_000, "what the kernel's buffers hold, and little more"
        assert len(site.seen) == 1, "one at a time"
        go_on.set()
        for _ in range(300):
            assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200 ")
        assert writer.transport.get_write_buffer_size() > unsent - 300_000, (
            "nor while he is answered"
        )


@pytest.mark.parametrize(
    ("keep", "told", "kept"),
    [
        (b"", plain(b"abc"), False),
        (b"Connection: keep-alive\r\n", plain(b"abc"), True),
        (
            b"Connection: keep-alive\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            False,
        ),
    ],
    ids=["a length", "a length, to be kept", "chunks"],
)
async def test_a_client_of_http_1_0_gets_no_chunks(
    tmp_path: Path, keep: bytes, told: bytes, *, kept: bool
) -> None:
    async with before(tmp_path, always(told)) as (_, proxied):
        got = await proxied.raw(
            b"GET /x HTTP/1.0\r\n" + keep + b"\r\nGET /y HTTP/1.0\r\n\r\n"
        )  # fmt: skip
    assert STATUSES.findall(got) == [b"200"] * (2 if kept else 1)
    assert got.endswith(b"\r\n\r\nabc")
    assert Told.of(got).one("connection") == ("keep-alive" if kept else "close")


@pytest.mark.parametrize(
    "request_", [
        b"POST /x HTTP/1.1\r\nHost: k\r\nExpect: 100-continue\r\nConnection: close\r\n"
        b"Content-Length: 3\r\n\r\nabc",
        b"POST /x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    ],
    ids=["came with the head", "HTTP/1.0"],
)  # fmt: skip
async def test_who_need_not_be_told_to_go_on_is_not(tmp_path: Path, request_: bytes) -> None:
    async with before(tmp_path, echo) as (_, proxied), proxied.talk() as (reader, writer):
        writer.write(request_)
        if not request_.endswith(b"abc"):
            await asyncio.sleep(0.05)
            writer.write(b"abc")
        got = await reader.read()
    assert STATUSES.findall(got) == [b"200"]
    assert got.endswith(b"/x abc")


async def test_an_answer_that_comes_before_the_body_is_read_by_who_is_still_sending(
    tmp_path: Path,
) -> None:
    """The connection ends after it: what is left of the body must not be taken for a request."""

    async def refuse(request: Seen) -> bytes | None:
        request.writer.write(plain(b"too much", "413 Content Too Large", "Connection: close"))
        request.writer.close()
        return None

    async with before(tmp_path, refuse) as (_, proxied), proxied.talk() as (reader, writer):
        writer.write(b"POST /x HTTP/1.1\r\nHost: k\r\nContent-Length: 5000000\r\n\r\n" + b"GET ")
        got = await reader.readuntil(b"too much")
        for _ in range(10):
            writer.write(GET * 100)
            await asyncio.sleep(0)
        assert await reader.read() == b""
    assert STATUSES.findall(got) == [b"413"]


async def test_who_is_gone_when_he_is_refused_is_nobodys_mistake(tmp_path: Path) -> None:
    """TCP tells it in the middle of the answer: his connection is reset by what is written."""
    mistakes: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: mistakes.append(told))
    go_on = asyncio.Event()

    async def refuse(request: Seen) -> None:
        await go_on.wait()
        request.writer.write(plain(b"too much", "413 Content Too Large", "Connection: close"))
        request.writer.close()

    async with (
        raw_site(refuse) as site,
        proxying(tmp_path, ProxyHouse(site.origin), listens="127.0.0.1:0") as proxied,
        proxied.talk(tcp=True) as (_, writer),
    ):
        head = f"Host: {proxied.authority}\r\nAuthorization: Bearer {proxied.token}\r\n"
        writer.write(f"POST /x HTTP/1.1\r\n{head}Content-Length: 40000000\r\n\r\n".encode())
        writer.write(b"a" * 30_000_000)
        await site.asked.wait()
        await asyncio.sleep(0.5)  # from then on nobody reads any more
        writer.transport.abort()
        await asyncio.sleep(0.1)
        go_on.set()
        await asyncio.wait_for(site.ended.wait(), 5)
        await asyncio.sleep(0.1)
    gc.collect()
    assert mistakes == []


@pytest.mark.parametrize(
    ("asked", "statuses"),
    [(GET, 1), (GET * 3, 3), (GET + GET[:-2], 1), (GET[:-2], 0)],
    ids=["one", "three", "one and a half", "half"],
)
async def test_who_says_nothing_more_is_answered_all_that_he_asked(
    tmp_path: Path, asked: bytes, statuses: int
) -> None:
    async def slow(request: Seen) -> bytes:
        await asyncio.sleep(0.1)
        return plain()

    async with before(tmp_path, slow) as (site, proxied), asyncio.timeout(5):
        got = await proxied.raw(asked, ends=True)
    assert STATUSES.findall(got) == [b"200"] * statuses
    assert len(site.seen) == statuses


@pytest.mark.parametrize(
    "rest", [b"Content-Length: 5\r\n\r\nhe", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe"]
)
async def test_a_body_is_not_waited_for_from_who_says_nothing_more(
    tmp_path: Path, rest: bytes
) -> None:
    async def slow(request: Seen) -> bytes:
        await asyncio.sleep(0.1)
        return plain()

    asked = GET + b"POST /y HTTP/1.1\r\nHost: k\r\n" + rest
    async with before(tmp_path, slow) as (site, proxied), asyncio.timeout(2):
        got = await proxied.raw(asked, ends=True)
    assert STATUSES.findall(got) == [b"200", b"400"]
    assert len(site.seen) == 1


@pytest.mark.parametrize("more", [b"", GET * 4000], ids=["has ended", "is far ahead"])
async def test_who_is_gone_though_nobody_reads_him_holds_no_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    monkeypatch.setattr(guests, "IDLE_S", 0.1)

    async def silent(request: Seen) -> None:
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await request.gone()

    async with before(tmp_path, silent) as (site, proxied), proxied.talk() as (reader, writer):
        writer.write(GET + more)
        if not more:
            writer.write_eof()
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.3)
        assert not site.ended.is_set(), "who waits for it keeps it"
        writer.transport.abort()
        await asyncio.wait_for(site.ended.wait(), 5)
        assert proxied.proxy._means.places._free == 64


@pytest.mark.parametrize("stops", [False, True], ids=["idle", "a stop"])
async def test_what_he_was_answered_is_his_though_he_reads_it_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stops: bool
) -> None:
    monkeypatch.setattr(guests, "IDLE_S", 30 if stops else 0.1)
    loop, answer = asyncio.get_running_loop(), always(plain(b"a" * 60_000))
    with socket.socket(socket.AF_UNIX) as late:
        late.setblocking(False)
        async with (
            before(tmp_path, answer) as (_, proxied),
            asyncio.timeout(10),
            asyncio.TaskGroup() as tasks,
        ):
            ((_, hall),) = proxied.proxy._open
            late.connect(str(proxied.path))
            for _ in range(10):  # accepted, made
                await asyncio.sleep(0.01)
            (end,) = hall.inside
            assert isinstance(end, ClientEnd) and end._transport is not None
            # So that most of it stays with us, not with the kernel.
            end._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
            )
            await loop.sock_sendall(late, GET)
            left = 0
            while not (end._request is None and left):
                await asyncio.sleep(0.01)
                left = end._transport.get_write_buffer_size()
            if stops:
                tasks.create_task(proxied.proxy.stop(5.0))
            await asyncio.sleep(0.3)
            got = b""
            while piece := await loop.sock_recv(late, 65536):
                got += piece
    assert got.endswith(b"a" * 60_000)


async def test_an_idle_connection_ends_and_one_that_is_used_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "IDLE_S", 0.3)
    good = always(plain())
    async with before(tmp_path, good) as (_, proxied), proxied.talk() as (reader, writer):
        began_s = asyncio.get_running_loop().time()
        for _ in range(5):
            writer.write(GET)
            await reader.readuntil(b"{}")
            await asyncio.sleep(0.1)
        assert await reader.read() == b""
        assert asyncio.get_running_loop().time() - began_s >= 0.6


async def test_a_second_head_has_its_deadline_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "HEADER_DEADLINE_S", 0.3)
    good = always(plain())
    async with before(tmp_path, good) as (site, proxied), proxied.talk() as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"{}")
        began_s = asyncio.get_running_loop().time()
        for byte in GET[:-1]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
            if reader.at_eof():
                break
        assert await reader.read() == b""
        assert 0.25 < asyncio.get_running_loop().time() - began_s < 5
    assert len(site.seen) == 1


async def test_the_oldest_without_a_request_makes_room_and_who_is_answered_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "CONNECTIONS_LIMIT", 3)
    gate = asyncio.Event()

    async def answer(request: Seen) -> bytes:
        await gate.wait()
        return plain()

    async with before(tmp_path, answer) as (site, proxied), AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(proxied.talk()) for _ in range(2)]
        silent[1][1].write(GET[:-3])
        await asyncio.sleep(0.05)
        asking = []
        for _ in range(3):
            reader, writer = await stack.enter_async_context(proxied.talk())
            site.asked.clear()
            writer.write(CLOSING)
            await site.asked.wait()
            asking.append(reader)
        for reader, _ in silent:
            assert await reader.read() == b""
        full = Told.of(await proxied.raw(CLOSING))
        assert (full.status, json.loads(full.body)["code"]) == (503, "busy")
        assert full.one("retry-after") == "1"
        gate.set()
        assert {Told.of(await reader.read()).status for reader in asking} == {200}
        assert Told.of(await proxied.raw(CLOSING)).status == 200, "and then there is room"


async def test_a_crowd_that_knocks_at_once_has_room_to_wait_and_comes_in_a_few_at_a_time(
    tmp_path: Path,
) -> None:
    """All at once they used up the descriptors before one of them was looked at."""
    async with before(tmp_path, always(plain())) as (_, proxied), AsyncExitStack() as stack:
        ((_, hall),) = proxied.proxy._open
        for _ in range(300):
            knocking = stack.enter_context(socket.socket(socket.AF_UNIX))
            knocking.setblocking(False)
            knocking.connect(str(proxied.path))  # raises where the queue is full
        for _ in range(4):
            await asyncio.sleep(0)
        assert 0 < len(hall.inside) <= 4 * ACCEPTS_A_TURN
        assert Told.of(await proxied.raw(CLOSING)).status == 200
        assert len(hall.inside) >= 300


async def test_another_users_connection_is_closed_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with before(tmp_path, always(plain())) as (site, proxied):
        # From here on the proxy takes itself for another uid, so that ours is a foreign one.
        ours = os.geteuid()
        monkeypatch.setattr("harvester.outlets.peer.os.geteuid", lambda: ours + 1)
        with suppress(ConnectionResetError, BrokenPipeError):  # closed before it was read
            assert await proxied.raw(CLOSING) == b""
        monkeypatch.undo()
        assert Told.of(await proxied.raw(CLOSING)).status == 200
    assert len(site.seen) == 1
    assert [one.message for one in caplog.records] == ["socket.peer_refused"]


async def test_a_stop_answers_what_is_under_way_and_says_that_it_was_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "LINGER_S", 0.1)
    gate = asyncio.Event()

    async def answer(request: Seen) -> bytes:
        await gate.wait()
        return plain(b"done")

    async with (
        before(tmp_path, answer) as (site, proxied),
        proxied.talk() as (idle, _),
        proxied.talk() as (asking, writer),
    ):
        writer.write(GET + GET)
        await site.asked.wait()
        stopping = asyncio.create_task(proxied.proxy.stop(5.0))
        assert await idle.read() == b""
        gate.set()
        got = await asking.read()
        await stopping
    assert STATUSES.findall(got) == [b"200"]
    assert Told.of(got).one("connection") == "close"
    assert got.endswith(b"done")


async def test_a_stop_in_the_middle_of_an_answer_waits_for_its_end_and_no_longer(
    tmp_path: Path,
) -> None:
    gate = asyncio.Event()

    async def answer(request: Seen) -> bytes:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe")
        await gate.wait()
        return b"gu"

    async with before(tmp_path, answer) as (_, proxied), proxied.talk() as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"be")
        stopping = asyncio.create_task(proxied.proxy.stop(60.0))
        await asyncio.sleep(0)
        gate.set()
        assert await reader.read() == b"gu"
        await asyncio.wait_for(stopping, 5)


async def test_a_stop_waits_no_longer_than_its_grace(tmp_path: Path) -> None:
    async def never(request: Seen) -> None:
        await request.gone()

    async with before(tmp_path, never) as (site, proxied), proxied.talk() as (reader, writer):
        writer.write(GET)
        await site.asked.wait()
        async with asyncio.timeout(2):
            await proxied.proxy.stop(0.1)
            assert await reader.read() == b""
            await site.ended.wait()
        assert proxied.proxy._means.places._free == 64


async def test_a_mistake_of_ours_in_the_middle_of_an_answer_does_not_look_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(request: Seen) -> None:
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await request.gone()

    async def breaks(self: SiteAnswer) -> bytes:
        raise RuntimeError("a mistake")

    async with before(tmp_path, answer) as (_, proxied):
        monkeypatch.setattr(SiteAnswer, "read", breaks)
        got = await proxied.raw(GET)
    assert STATUSES.findall(got) == [b"200"]
    assert not got.endswith(b"0\r\n\r\n")
    assert b"problem" not in got
