"""Connections to a site: which carry another request, and which end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from harvester.outlets import upstream
from proxied import CHECKED, ProxyHouse, Told, proxying
from rawsite import Seen, plain, raw_site


@pytest.mark.parametrize(
    "evil",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc",
        b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nX-A: b\x00c\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["chunks and length", "two lengths", "bare LF", "a folded header", "a zero byte"],
)
async def test_an_answer_that_readers_read_differently_is_none_and_ends_its_connection(
    tmp_path: Path, evil: bytes
) -> None:
    async def answer(request: Seen) -> bytes:
        await request.read()
        return evil if len(site.seen) == 1 else plain(b"good")

    async with raw_site(answer) as site, proxying(tmp_path, ProxyHouse(site.origin)) as proxied:
        told = await proxied.ask(f"{CHECKED}x", "GET")
        assert (told.status, json.loads(told.body)["code"]) == (503, "site_down")
        await asyncio.wait_for(site.ended.wait(), 5)
        assert (await proxied.ask()).body == b"good"
    assert (len(site.seen), site.connections) == (2, 2), "and is not asked for again by itself"


@pytest.mark.parametrize(
    ("first", "connections"),
    [
        (plain(b"one"), 1),
        (plain(b"one", "200 OK", "Connection: close"), 2),
        (plain(b"one") + plain(b"nobody asked for this"), 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\none", 2),
    ],
    ids=["in order", "said to be the last", "with another behind", "of HTTP/1.0"],
)
async def test_only_after_an_answer_in_order_the_connection_carries_another_request(
    tmp_path: Path, first: bytes, connections: int
) -> None:
    async def answer(request: Seen) -> bytes:
        return first if len(site.seen) == 1 else plain(b"two")

    async with raw_site(answer) as site, proxying(tmp_path, ProxyHouse(site.origin)) as proxied:
        assert [(await proxied.ask()).body for _ in range(3)] == [b"one", b"two", b"two"]
    assert site.connections == connections


async def test_what_a_site_says_unasked_is_never_an_answer(tmp_path: Path) -> None:
    async def answer(request: Seen) -> bytes | None:
        if len(site.seen) == 1:
            request.writer.write(plain(b"one"))
            await go_on.wait()
            return plain(b"to nobody")
        return plain(b"two")

    go_on = asyncio.Event()
    async with raw_site(answer) as site, proxying(tmp_path, ProxyHouse(site.origin)) as proxied:
        assert (await proxied.ask()).body == b"one"
        go_on.set()
        await asyncio.wait_for(site.ended.wait(), 5)
        assert (await proxied.ask()).body == b"two"
    assert site.connections == 2


async def test_a_connection_that_the_site_left_meanwhile_is_nobodys_trouble(
    tmp_path: Path,
) -> None:
    async def answer(request: Seen) -> bytes | None:
        request.writer.write(plain(b"good"))
        request.writer.close()  # without having said so
        return None

    async with raw_site(answer) as site, proxying(tmp_path, ProxyHouse(site.origin)) as proxied:
        for _ in range(3):
            assert (await proxied.ask()).body == b"good"
            pool = proxied.proxy._upstream._pool
            assert pool is not None
            async with asyncio.timeout(5):
                await asyncio.gather(*(end.closed for end in pool.ends))
    assert (len(site.seen), site.connections) == (3, 3)


async def test_a_connection_that_rests_is_left_before_the_site_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "_IDLE_S", 0.1)

    async def answer(request: Seen) -> bytes:
        return plain(b"good")

    async with raw_site(answer) as site, proxying(tmp_path, ProxyHouse(site.origin)) as proxied:
        assert (await proxied.ask()).body == b"good"
        await asyncio.wait_for(site.ended.wait(), 5)
        assert (await proxied.ask()).body == b"good"
    assert site.connections == 2


async def test_while_a_body_comes_the_answer_is_not_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "ANSWER_S", 0.4)

    async def answer(request: Seen) -> bytes | None:
        await request.read()
        if request.target == "/late":
            await request.gone()
            return None
        return plain(b"heard " + request.body)

    async with raw_site(answer) as site, proxying(tmp_path, ProxyHouse(site.origin)) as proxied:
        for target in ("/heard", "/late"):
            async with proxied.talk() as (reader, writer):
                writer.write(
                    f"POST {target} HTTP/1.1\r\nHost: k\r\nConnection: close\r\n"
                    "Content-Length: 6\r\n\r\n".encode()
                )
                for letter in b"slowly":
                    await asyncio.sleep(0.1)
                    writer.write(bytes([letter]))
                told = Told.of(await reader.read())
            if target == "/heard":
                assert (told.status, told.body) == (200, b"heard slowly")
            else:
                assert json.loads(told.body)["code"] == "timed_out"


async def test_a_company_proxy_that_refuses_is_told_by_its_status(tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno")
        writer.close()

    asked: list[bytes] = []
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, proxying(tmp_path, ProxyHouse("https://app.example")) as proxied:
        proxied.proxy.change(https_proxy=f"http://ada:p%40ss@127.0.0.1:{port}", ca_file=None)
        told = await proxied.ask()
    assert (told.status, json.loads(told.body)["code"]) == (503, "site_down")
    assert "HARVESTER_HTTPS_PROXY answered 407" in json.loads(told.body)["detail"]
    assert b"Proxy-Authorization: Basic YWRhOnBAc3M=\r\n" in asked[0]
    assert b"canary" not in asked[0] and b"p@ss" not in told.body
