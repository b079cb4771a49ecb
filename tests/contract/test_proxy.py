"""The proxy passes on: what the site gets to see, and what the client."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from harvester import errors
from proxied import CHECKED, Proxied, ProxyHouse, Told, proxying
from rawsite import Answer, Seen, Site, always, plain, raw_site


@asynccontextmanager
async def before(
    place: Path, answer: Answer, **house: object
) -> AsyncIterator[tuple[Site, Proxied]]:
    async with (
        raw_site(answer) as site,
        proxying(place, ProxyHouse(site.origin, **house)) as proxied,  # type: ignore[arg-type]
    ):
        yield site, proxied


async def test_a_request_goes_to_the_site_with_the_session_and_without_the_clients_own(
    tmp_path: Path,
) -> None:
    async with before(tmp_path, always(plain(b'{"a": 1}'))) as (site, proxied):
        told = await proxied.ask(
            f"{CHECKED}sessions?a=%2F&b=%C3%A9",
            "GET", b"",
            "Cookie: mine=1", "Authorization: Bearer mine", "Proxy-Authorization: Basic eDp5",
            "X-Kept: yes", "X-Twice: 1", "X-Twice: 2", "X-Hop: no", "Connection: x-hop",
            "TE: trailers", "Keep-Alive: 5", "Harvester-Client: me", "Accept-Encoding: br",
        )  # fmt: skip
    (seen,) = site.seen
    assert (told.status, told.body) == (200, b'{"a": 1}')
    assert seen.target == f"{CHECKED}sessions?a=%2F&b=%C3%A9"
    assert seen.one("host") == site.origin.removeprefix("http://")
    assert seen.one("cookie") == "sid=canary-1"
    assert (seen.one("x-kept"), seen.all("x-twice")) == ("yes", ["1", "2"])
    assert seen.one("accept-encoding") == "br"
    names = {name for name, _ in seen.headers}
    assert names == {"host", "cookie", "x-kept", "x-twice", "accept-encoding"}, (
        "nothing of the client's credentials, nothing of the hop, nothing that we made up"
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_what_may_change_something_carries_the_sites_origin(
    tmp_path: Path, method: str
) -> None:
    async with before(tmp_path, always(plain())) as (site, proxied):
        await proxied.ask(f"{CHECKED}x", method, b"{}", "Origin: https://elsewhere.example")
        await proxied.ask(f"{CHECKED}x", "GET", b"")
        await proxied.ask(f"{CHECKED}x", "GET", b"", "Origin: https://elsewhere.example")
    assert [one.all("origin") for one in site.seen] == [[site.origin], [], [site.origin]]
    assert site.seen[0].body == b"{}"


@pytest.mark.parametrize(
    "target", ["/", "/a?", "/a?b?c", "//a//b", "/a/../b", "/%2e%2e/%zz", "/a;b=c?d=/../", "/a|b^{}"]
)
async def test_the_target_arrives_byte_for_byte(tmp_path: Path, target: str) -> None:
    async with before(tmp_path, always(plain())) as (site, proxied):
        told = await proxied.ask(target)
    assert (told.status, site.seen[0].target) == (200, target)


async def test_another_profile_is_another_site_and_another_session(tmp_path: Path) -> None:
    async with (
        raw_site(always(plain(b"one"))) as first,
        raw_site(always(plain(b"two"))) as second,
        proxying(tmp_path, ProxyHouse(first.origin, second.origin)) as proxied,
    ):
        told = await proxied.ask("/", "GET", b"", "Harvester-Profile: work-eu")
        unknown = await proxied.ask("/", "GET", b"", "Harvester-Profile: nobody")
        wrong = await proxied.ask("/", "GET", b"", "Harvester-Profile: No Body")
        two = await proxied.ask(
            "/", "GET", b"", "Harvester-Profile: default", "Harvester-Profile: work-eu"
        )
    assert told.body == b"two"
    assert first.seen == []
    assert second.seen[0].one("harvester-profile") is None
    assert (unknown.status, wrong.status, two.status) == (404, 400, 400)
    assert json.loads(unknown.body)["code"] == "unknown_profile"


async def test_the_answer_comes_as_the_site_gave_it(tmp_path: Path) -> None:
    answer = plain(
        b"teapot", "418 I am one", "X-One: 1", "X-One: 2", "Server: knoqd", "X-Hop: h",
        "Connection: x-hop", "Keep-Alive: timeout=5", "Proxy-Authenticate: no",
        "Access-Control-Allow-Origin: *", "X-Old: caf\xe9",
    )  # fmt: skip
    async with before(tmp_path, always(answer)) as (_, proxied):
        told = await proxied.ask("/")
    assert (told.status, told.body) == (418, b"teapot")
    names = [name for name, _ in told.headers]
    assert names.count("x-one") == 2
    assert (told.one("server"), told.one("content-length")) == ("knoqd", "6")
    assert told.one("access-control-allow-origin") == "*"
    assert (told.one("x-old") or "").encode("latin-1").decode() == "café"
    assert not {"x-hop", "keep-alive", "proxy-authenticate", "content-type"} & set(names)


async def test_the_proxy_names_no_server_where_the_site_names_none(tmp_path: Path) -> None:
    async with before(tmp_path, always(plain())) as (_, proxied):
        assert (await proxied.ask("/")).one("server") is None


async def test_a_site_does_not_speak_for_us(tmp_path: Path) -> None:
    answer = plain(b"", "200 OK", "Harvester-Verdict: alive", "harvester-error: latched", "X-A: b")
    async with before(tmp_path, always(answer)) as (_, proxied):
        told = await proxied.ask("/")
    assert [name for name, _ in told.headers if name.startswith("harvester-")] == []
    assert told.one("x-a") == "b"


async def test_a_redirect_is_passed_on_and_not_followed(tmp_path: Path) -> None:
    where = "https://elsewhere.example/x"
    async with before(tmp_path, always(plain(b"", "302 Found", f"Location: {where}"))) as (
        site,
        proxied,
    ):
        told = await proxied.ask("/")
    assert (told.status, told.one("location"), len(site.seen)) == (302, where, 1)


async def test_no_cookie_of_the_site_reaches_the_client_and_the_keeper_hears_of_them(
    tmp_path: Path,
) -> None:
    answer = plain(b"", "200 OK", "Set-Cookie: sid=canary-new; Path=/", "Set-Cookie: theme=dark")
    async with before(tmp_path, always(answer)) as (_, proxied):
        told = await proxied.ask("/x?y=1")
        (brought,) = proxied.house.default.brought
    assert told.one("set-cookie") is None
    assert (brought.status, brought.path) == (200, "/x")
    assert brought.set_cookies == ("sid=canary-new; Path=/", "theme=dark")
    assert "canary" not in repr(brought)


@pytest.mark.parametrize("body", [b"", b'{"error": "no"}'])
async def test_head_has_the_length_and_no_body(tmp_path: Path, body: bytes) -> None:
    async def answer(request: Seen) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: x\r\n\r\n"

    async with before(tmp_path, answer) as (site, proxied):
        told = await proxied.ask("/", "HEAD")
        again = await proxied.ask("/", "HEAD")
    assert (told.status, told.one("content-length"), told.body) == (200, "1234", b"")
    assert again.status == 200
    assert [one.method for one in site.seen] == ["HEAD", "HEAD"]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_an_answer_without_a_body_ends_at_its_head(tmp_path: Path, status: str) -> None:
    async def answer(request: Seen) -> bytes:
        return f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode()

    async with before(tmp_path, answer) as (_, proxied), proxied.talk() as (reader, writer):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: k\r\n\r\n")
            told = Told.of(await reader.readuntil(b"\r\n\r\n"))
            assert (told.status, told.one("transfer-encoding")) == (int(status[:3]), None)
            assert told.one("connection") is None


async def test_gzip_is_not_touched(tmp_path: Path) -> None:
    packed = gzip.compress(b"a" * 10_000, mtime=0)
    async with before(tmp_path, always(plain(packed, "200 OK", "Content-Encoding: gzip"))) as (
        site,
        proxied,
    ):
        told = await proxied.ask("/", "POST", packed, "Content-Encoding: gzip")
    assert told.body == packed
    assert (site.seen[0].body, site.seen[0].one("content-encoding")) == (packed, "gzip")


async def test_interim_answers_are_waited_through_and_trailers_dropped(tmp_path: Path) -> None:
    async def answer(request: Seen) -> bytes:
        return (
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
            b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
        )

    async with before(tmp_path, answer) as (_, proxied):
        raw = await proxied.raw(b"GET / HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"3\r\nabc\r\n0\r\n\r\n" in raw
    assert b"X-Sum" not in raw and b"Trailer" not in raw


async def test_a_switch_of_protocols_that_nobody_asked_for_is_no_answer(tmp_path: Path) -> None:
    async def answer(request: Seen) -> bytes:
        return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"

    async with before(tmp_path, answer) as (_, proxied):
        told = await proxied.ask("/")
    assert (told.status, json.loads(told.body)["code"]) == (503, "site_down")


async def test_a_site_at_an_address_of_ipv6(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(plain(b"six"))
        writer.close()

    heads: list[bytes] = []
    server = await asyncio.start_server(serve, "::1", 0)
    authority = f"[::1]:{server.sockets[0].getsockname()[1]}"
    async with server, proxying(tmp_path, ProxyHouse(f"http://{authority}")) as proxied:
        assert (await proxied.ask("/x")).body == b"six"
    assert f"\r\nHost: {authority}\r\n".encode() in heads[0]


@pytest.mark.parametrize(
    ("framing", "piece", "end"),
    [
        (b"Transfer-Encoding: chunked\r\n", b"9\r\ndata: %d\n\n\r\n", b"0\r\n\r\n"),
        (b"", b"data: %d\n\n", b""),
    ],
    ids=["chunks", "until it closes"],
)
async def test_events_arrive_piece_by_piece(
    tmp_path: Path, framing: bytes, piece: bytes, end: bytes
) -> None:
    go_on = asyncio.Event()

    async def answer(request: Seen) -> bytes | None:
        request.writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + framing + b"\r\n"
        )
        for number in range(3):
            await go_on.wait()
            go_on.clear()
            request.writer.write(piece % number)
        request.writer.write(end)
        request.writer.close()
        return None

    async with before(tmp_path, answer) as (_, proxied), proxied.talk() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: k\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"text/event-stream" in head, "the head comes before the first event"
        for number in range(3):
            go_on.set()
            assert await reader.readexactly(len(piece) - 1) == piece % number
        assert await reader.readexactly(len(end)) == end
        if not end:
            assert await reader.read() == b""


async def test_a_body_in_chunks_arrives_piece_by_piece_while_the_answer_comes(
    tmp_path: Path,
) -> None:
    async def answer(request: Seen) -> bytes | None:
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        async for piece in request.pieces():
            request.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        return b"0\r\n\r\n"

    async with before(tmp_path, answer) as (_, proxied), proxied.talk() as (reader, writer):
        writer.write(b"POST /x HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n")
        for word in (b"one", b"two", b"three"):
            writer.write(b"%x\r\n%s\r\n" % (len(word), word))
            if word == b"one":
                await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(word) + 5) == b"%x\r\n%s\r\n" % (
                len(word),
                word,
            )
        writer.write(b"0\r\nX-Trailer: dropped\r\n\r\n")
        assert await reader.readexactly(5) == b"0\r\n\r\n"


async def test_a_client_that_asks_first_is_told_to_go_on(tmp_path: Path) -> None:
    done = always(plain(b"done"))
    async with before(tmp_path, done) as (site, proxied), proxied.talk() as (reader, writer):
        writer.write(
            b"POST /x HTTP/1.1\r\nHost: k\r\nExpect: 100-continue\r\nContent-Length: 4\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await reader.read()).endswith(b"done")
    assert (site.seen[0].body, site.seen[0].one("expect")) == (b"body", None)


@pytest.mark.parametrize(
    "target",
    [
        "/api/auth/switch-org", "/api/auth/switch-org/", "/api//auth/./switch-org?x=1",
        "/api/x/../auth/switch-org", "/API/Auth/Switch-Org", "/api/auth/%73witch-org",
        "/api/auth/%2573witch-org", "/api%2Fauth/switch-org", "/api/auth;v=1/switch-org;x",
        "/api\\auth\\switch-org", "/api/auth/switch-org%00", "/%2e/api/auth/switch-org",
    ],
)  # fmt: skip
async def test_where_an_organisation_is_configured_nobody_switches_it(
    tmp_path: Path, target: str
) -> None:
    async with before(tmp_path, always(plain()), organization="acme") as (site, proxied):
        told = await proxied.ask(target, "POST", b"{}")
    assert (told.status, json.loads(told.body)["code"]) == (409, "organization_pinned")
    assert site.seen == []


async def test_where_none_is_configured_the_switch_goes_on(tmp_path: Path) -> None:
    async with before(tmp_path, always(plain())) as (site, proxied):
        assert (await proxied.ask("/api/auth/switch-org", "POST", b"{}")).status == 200
    assert len(site.seen) == 1


async def test_without_a_session_the_answer_is_ours_with_the_contracts_status(
    tmp_path: Path,
) -> None:
    async with before(tmp_path, always(plain())) as (site, proxied):
        proxied.house.default.get_fails = errors.NeedsHuman("a person is needed", hint="login")
        told = await proxied.ask("/")
        assert proxied.tally.proxy_errors() == {("needs_human",): 1}
    assert (told.status, told.one("content-type")) == (
        409, "application/problem+json; charset=utf-8",
    )  # fmt: skip
    assert json.loads(told.body)["code"] == "needs_human"
    assert site.seen == []


async def test_what_the_site_answers_is_counted(tmp_path: Path) -> None:
    async with before(tmp_path, always(plain(b"", "404 Not Found"))) as (_, proxied):
        await proxied.ask("/")
        assert proxied.tally.proxy_answers() == {("default", "4xx"): 1}


async def test_one_connection_serves_request_after_request(tmp_path: Path) -> None:
    good = always(plain(b"ok"))
    async with before(tmp_path, good) as (site, proxied), proxied.talk() as (reader, writer):
        for number in range(5):
            writer.write(b"POST /%d HTTP/1.1\r\nHost: k\r\nContent-Length: 2\r\n\r\n{}" % number)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(2) == b"ok"
    assert [one.target for one in site.seen] == [f"/{number}" for number in range(5)]
    assert site.connections == 1, "and so does one to the site"
