"""What the proxy bears: large bodies in constant memory, slow and vanished clients, and a crowd."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from harvester.outlets import guests, sent_body, turns
from harvester.outlets.turns import Places
from harvester.profile import Limit
from proxied import CHECKED, Proxied, ProxyHouse, Told, proxying
from rawsite import Seen, Site, always, plain, raw_site

MIB = 1024 * 1024
LARGE = 10 * MIB
GET = b"GET /x HTTP/1.1\r\nHost: k\r\n\r\n"


@asynccontextmanager
async def before(
    place: Path, answer: Callable[[Seen], Awaitable], **house: object
) -> AsyncIterator[tuple[Site, Proxied]]:
    async with (
        raw_site(answer) as site,
        proxying(place, ProxyHouse(site.origin, **house)) as proxied,  # type: ignore[arg-type]
    ):
        yield site, proxied


async def pour(writer: asyncio.StreamWriter, size: int, *, chunked: bool = False) -> None:
    """A body in pieces, no faster than it is read."""
    piece = b"\xab" * 65536
    for _ in range(size // len(piece)):
        writer.write(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("clients", [1, 4])
async def test_ten_megabytes_up_and_down_cost_no_memory(
    tmp_path: Path, clients: int, *, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept for a second sending has its own bound, and is not what is measured here."""
    monkeypatch.setattr(sent_body, "KEPT_EACH_BYTES", MIB)

    async def echo(request: Seen) -> None:
        await request.read(keep=False)
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {LARGE}"
        request.writer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        await pour(request.writer, LARGE, chunked=chunked)

    async def client(proxied: Proxied) -> int:
        async with proxied.talk() as (reader, writer):
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % LARGE
            writer.write(
                b"POST /x HTTP/1.1\r\nHost: k\r\nConnection: close\r\n" + framing + b"\r\n\r\n"
            )
            await pour(writer, LARGE, chunked=chunked)
            await reader.readuntil(b"\r\n\r\n")
            got = 0
            while piece := await reader.read(65536):
                got += len(piece)
            return got

    async with before(tmp_path, echo) as (site, proxied):
        await proxied.ask("/warm", "POST", b"x")
        tracemalloc.start()
        try:
            told = await asyncio.gather(*(client(proxied) for _ in range(clients)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert all(got >= LARGE for got in told)
    assert [one.body_bytes for one in site.seen[1:]] == [LARGE] * clients
    # Client, proxy and site are all in this process, each with buffers at both ends.
    assert peak < clients * 4 * MIB, f"{peak / MIB:.1f} MiB"


async def test_a_client_that_reads_slowly_slows_the_site(tmp_path: Path) -> None:
    sent = 0

    async def endless(request: Seen) -> None:
        nonlocal sent
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not request.writer.is_closing():
            request.writer.write(b"10000\r\n" + b"a" * 65536 + b"\r\n")
            await request.writer.drain()
            sent += 65536

    async with before(tmp_path, endless) as (site, proxied):
        async with proxied.talk() as (reader, writer):
            writer.write(GET)
            await reader.readexactly(1000)
            before_s, sent_before = asyncio.get_running_loop().time(), -1
            while sent != sent_before:  # until nothing moves any more
                sent_before = sent
                await asyncio.sleep(0.2)
            assert asyncio.get_running_loop().time() - before_s < 5
            assert sent < 30 * MIB, "what the kernel's buffers hold, and no more"
        await asyncio.wait_for(site.ended.wait(), 5)


async def test_a_site_that_reads_slowly_slows_the_client(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def later(request: Seen) -> bytes:
        await go_on.wait()
        await request.read(keep=False)
        return plain(b"done")

    sent = 0
    async with before(tmp_path, later) as (site, proxied), proxied.talk() as (reader, writer):
        size = 64 * MIB
        writer.write(b"POST /x HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n" % size)

        async def send() -> None:
            nonlocal sent
            while sent < size:
                writer.write(b"a" * 65536)
                sent += 65536
                await writer.drain()

        sending = asyncio.create_task(send())
        sent_before = -1
        while sent != sent_before:
            sent_before = sent
            await asyncio.sleep(0.2)
        assert sent < 30 * MIB, "what the kernel's buffers hold, and no more"
        go_on.set()
        await sending
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert site.seen[0].body_bytes == size


@pytest.mark.parametrize("when", ["before the head", "in the body", "while it sends"])
async def test_a_client_that_goes_away_ends_his_request_to_the_site(
    tmp_path: Path, when: str
) -> None:
    async def answer(request: Seen) -> None:
        if when == "in the body":
            request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await request.gone()
        request.writer.close()

    async with before(tmp_path, answer) as (site, proxied):
        async with proxied.talk() as (reader, writer):
            if when == "while it sends":
                writer.write(b"POST /x HTTP/1.1\r\nHost: k\r\nContent-Length: 99\r\n\r\nabc")
            else:
                writer.write(GET)
            await site.asked.wait()
            if when == "in the body":
                await reader.readuntil(b"a\r\n")
        async with asyncio.timeout(5):
            await site.ended.wait()
        await asyncio.sleep(0)
        assert proxied.proxy._means.places._free == turns.PLACES


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked", "X: y"])
async def test_an_answer_that_breaks_off_breaks_off_for_the_client_too(
    tmp_path: Path, framing: str
) -> None:
    async def answer(request: Seen) -> None:
        request.writer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        request.writer.write(b"5\r\nhello\r\n" if "chunked" in framing else b"hello")
        await request.writer.drain()
        if framing == "X: y":
            # Nothing tells the end of it but the end of the connection: a reset is no end.
            sock = request.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.writer.close()

    async with before(tmp_path, answer) as (_, proxied), proxied.talk() as (reader, writer):
        writer.write(GET)
        try:
            got = await reader.read()
        except ConnectionResetError:
            got = b""
    told = Told.of(got)
    assert not told.body.endswith(b"0\r\n\r\n"), "it must not look whole"
    if told.one("content-length"):
        assert len(told.body) < 100


async def test_a_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_body, "BODY_DEADLINE_S", 0.2)

    async def answer(request: Seen) -> bytes:
        await request.read()
        return plain()

    async with before(tmp_path, answer) as (site, proxied):
        told = Told.of(
            await proxied.raw(b"POST /x HTTP/1.1\r\nHost: k\r\nContent-Length: 9\r\n\r\nabc")
        )
        await asyncio.wait_for(site.ended.wait(), 5)
    assert (told.status, json.loads(told.body)["code"]) == (408, "usage")
    assert site.seen[0].broken, "the site saw that it broke off"


async def test_chunks_that_turn_bad_half_way_break_off_at_the_site_too(tmp_path: Path) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n"
    good = always(plain())
    async with before(tmp_path, good) as (site, proxied), proxied.talk() as (reader, writer):
        writer.write(head + b"3\r\nabc\r\n")
        await site.asked.wait()
        writer.write(b"zz\r\n")
        told = Told.of(await reader.read())
        await asyncio.wait_for(site.ended.wait(), 5)
    assert (told.status, site.seen[0].broken) == (400, True)


async def test_a_header_that_trickles_is_cut_off_here_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "HEADER_DEADLINE_S", 0.2)
    async with before(tmp_path, always(plain())) as (site, proxied):
        assert await proxied.raw(GET[:-4]) == b""
    assert site.seen == []


async def test_a_header_over_16_kib_is_refused_here_too(tmp_path: Path) -> None:
    lines = [f"X-{number}: {'a' * 1000}" for number in range(20)]
    async with before(tmp_path, always(plain())) as (site, proxied):
        told = await proxied.ask("/", "GET", b"", *lines)
    assert (told.status, json.loads(told.body)["code"], site.seen) == (431, "usage", [])


async def test_sixty_four_requests_are_under_way_at_once_and_the_rest_wait_their_turn(
    tmp_path: Path,
) -> None:
    under_way, most, full = 0, 0, asyncio.Event()

    async def answer(request: Seen) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == turns.PLACES:
            full.set()
        await full.wait()
        await asyncio.sleep(0.01)
        under_way -= 1
        return plain()

    async with before(tmp_path, answer) as (site, proxied):
        told = await asyncio.gather(*(proxied.ask("/x") for _ in range(150)))
    assert {one.status for one in told} == {200}
    assert (most, len(site.seen)) == (turns.PLACES, 150)


async def test_who_waits_too_long_for_a_place_is_told_to_come_again(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def answer(request: Seen) -> bytes:
        await gate.wait()
        return plain()

    async with before(tmp_path, answer) as (site, proxied):
        object.__setattr__(proxied.proxy._means, "places", Places(1, patience_s=0.1))
        first = asyncio.create_task(proxied.ask("/one"))
        await site.asked.wait()
        told = await proxied.ask("/two")
        gate.set()
        assert (await first).status == 200
        assert (await proxied.ask("/three")).status == 200
    assert (told.status, json.loads(told.body)["code"]) == (503, "busy")
    assert told.one("retry-after") == "1"
    assert [one.target for one in site.seen] == ["/one", "/three"]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_site_that_wants_to_be_left_alone_is_by_all_clients(
    tmp_path: Path, status: int
) -> None:
    async def answer(request: Seen) -> bytes:
        if len(site.seen) == 1:
            return plain(b"slow down", f"{status} No", "Retry-After: 1")
        return plain(b"ok")

    async with before(tmp_path, answer) as (site, proxied):
        began_s = asyncio.get_running_loop().time()
        first = await proxied.ask("/a")
        told = await asyncio.gather(*(proxied.ask(f"/{number}") for number in range(3)))
        took_s = asyncio.get_running_loop().time() - began_s
    assert (first.status, first.body, first.one("retry-after")) == (status, b"slow down", "1")
    assert {one.status for one in told} == {200}
    assert took_s >= 1


async def test_a_rest_longer_than_anybody_waits_is_told_at_once(tmp_path: Path) -> None:
    async with before(tmp_path, always(plain(b"", "503 No", "Retry-After: 3600"))) as (
        site,
        proxied,
    ):
        await proxied.ask("/a")
        told = await proxied.ask("/b", "POST", b"{}")
    assert (told.status, json.loads(told.body)["code"]) == (503, "rate_limited")
    assert 3500 < int(told.one("retry-after") or 0) <= 3600
    assert len(site.seen) == 1


async def test_the_governor_keeps_all_clients_below_the_sites_limit(tmp_path: Path) -> None:
    limits = (Limit("POST", f"{CHECKED}message", 3, 3600.0),)
    async with before(tmp_path, always(plain()), limits=limits) as (site, proxied):
        told = [await proxied.ask(f"{CHECKED}message", "POST", b"{}") for _ in range(4)]
        other = await proxied.ask(f"{CHECKED}sessions")
        same_user = await proxied.ask(
            f"{CHECKED}message?x=1", "POST", b"{}", "Harvester-Client: another"
        )
    assert [one.status for one in told] == [200, 200, 200, 503]
    assert json.loads(told[3].body)["code"] == "rate_limited"
    assert (other.status, same_user.status, len(site.seen)) == (200, 503, 4)


async def test_without_the_governor_the_site_itself_decides(tmp_path: Path) -> None:
    limits = (Limit("POST", f"{CHECKED}message", 1, 3600.0),)
    async with (
        raw_site(always(plain())) as site,
        proxying(tmp_path, ProxyHouse(site.origin, limits=limits), governs=False) as proxied,
    ):
        told = [await proxied.ask(f"{CHECKED}message", "POST", b"{}") for _ in range(3)]
    assert [one.status for one in told] == [200, 200, 200]
