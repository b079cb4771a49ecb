"""Requests spoiled at random: whatever comes, the site sees whole requests of ours or none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester.outlets import guests, sent_body
from proxied import CHECKED, Proxied, ProxyHouse, proxying
from rawsite import Seen, plain, raw_site

SEED = 20261127
GOOD = (
    "GET {0}sessions?a=b HTTP/1.1\r\nHost: {1}\r\nProxy-Authorization: Bearer {2}\r\n\r\n",
    "POST {0}message HTTP/1.1\r\nHost: {1}\r\nAuthorization: Bearer {2}\r\nContent-Length: 9\r\n"
    "\r\n{{\"a\": 1}}",
    "POST {0}message HTTP/1.1\r\nHost: {1}\r\nProxy-Authorization: Bearer {2}\r\n"
    "Transfer-Encoding: chunked\r\n\r\n4\r\n{{\"a\"\r\n5\r\n: 1}} \r\n0\r\n\r\n",
    "DELETE {0}session?sessionId=x HTTP/1.1\r\nHost: {1}\r\nProxy-Authorization: Bearer {2}\r\n"
    "Harvester-Profile: work-eu\r\nConnection: close, X-A\r\nX-A: b\r\nCookie: c=d\r\n\r\n",
)  # fmt: skip
TRICKS = (
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"\xff", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Host: evil\r\n", b"Cookie: sid=evil\r\n", b"0\r\n\r\n",
    b"HTTP/1.1", b"Upgrade: x\r\n", b"Expect: 100-continue\r\n", b"../", b"%00", b"#", b"\x0b",
    b"Connection: cookie\r\n", b"GET / HTTP/1.1\r\n\r\n", b"ffffffff\r\n", b";",
    b"Origin: evil\r\n",
)  # fmt: skip


def spoiled(request: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(request) + 1)
        match dice.randrange(5):
            case 0:
                request = request[:at] + dice.choice(TRICKS) + request[at:]
            case 1:
                request = request[:at] + request[at + dice.randint(1, 8) :]
            case 2:
                request = request[:at] + bytes([dice.randrange(256)]) + request[at + 1 :]
            case 3:
                request = request[:at]
            case _:
                end = at + dice.randint(1, 40)
                request = request[:end] + request[at:]
    return request


async def test_whatever_comes_the_site_sees_whole_requests_of_ours_or_none(
    tmp_path: Path,
    size: Callable[[int, int], int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for module, name in (
        (guests, "HEADER_DEADLINE_S"), (guests, "LINGER_S"), (sent_body, "BODY_DEADLINE_S")
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 0.05)
    dice = random.Random(SEED)
    wrong: list[str] = []

    async def answer(request: Seen) -> bytes:
        lines = request.head.split(b"\r\n")
        if request.all("cookie") != ["sid=canary-1"] or len(request.all("host")) != 1:
            wrong.append(f"another's request: {request.head!r}")
        if any((b < 32 and b != 9) or b == 127 for line in lines for b in line):
            wrong.append(f"control bytes: {request.head!r}")
        if request.all("authorization") or request.all("proxy-authorization"):
            wrong.append(f"what is not to go on: {request.head!r}")
        if "evil" in f"{request.all('host')} {request.all('origin')}":
            wrong.append(f"another's word: {request.head!r}")
        await request.read()
        return plain(b"ok")

    async with (
        raw_site(answer) as site,
        proxying(tmp_path, ProxyHouse(site.origin), listens="127.0.0.1:0") as proxied,
    ):
        requests = [spoiled(good(proxied, dice), dice) for _ in range(size(400, 20_000))]
        for start in range(0, len(requests), 20):
            told = await asyncio.gather(
                *(sent(proxied, one, dice.random() < 0.5) for one in requests[start : start + 20])
            )
            for request, got in zip(requests[start:], told, strict=False):
                if got and not got.startswith(b"HTTP/"):
                    wrong.append(f"{request!r} got {got!r}")
                if b" 500 " in got.partition(b"\r\n")[0]:
                    wrong.append(f"{request!r} got {got!r}")
        assert not wrong, wrong[:3]
        assert site.seen, "some of them were good enough"
        assert proxied.proxy._means.places._free == 64
        assert proxied.proxy._means.shelf.free_bytes == sent_body.KEPT_IN_ALL_BYTES
        assert (await proxied.ask(f"{CHECKED}sessions")).status == 200
    assert "bug" not in {record.getMessage() for record in caplog.records}


def good(proxied: Proxied, dice: random.Random) -> bytes:
    return dice.choice(GOOD).format(CHECKED, proxied.authority, proxied.token).encode()


async def sent(proxied: Proxied, request: bytes, tcp: bool) -> bytes:
    """Nothing hangs: what does not answer is closed by its deadline."""
    async with proxied.talk(tcp=tcp) as (reader, writer):
        try:
            writer.write(request)
            got = b""
            async with asyncio.timeout(5):
                while piece := await reader.read(65536):
                    got += piece
                    if got.endswith((b"ok", b"}\n")):  # kept open for the next request
                        break
        except ConnectionError:
            pass
        return got
