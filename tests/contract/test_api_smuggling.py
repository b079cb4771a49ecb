"""What could be read in two ways is refused, and nothing that a caller says becomes a header."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fakehouse import FakeHouse, raw

# What a smuggler wants to have done in somebody else's name.
HIDDEN = b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
POST = b"POST /v1/session/report HTTP/1.1\r\nHost: h\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def length(hidden: bytes) -> bytes:
    return b"Content-Length: %d\r\n" % len(hidden)


@pytest.mark.parametrize(
    "ambiguous",
    [
        POST + CHUNKED + length(HIDDEN) + b"\r\n0\r\n\r\n" + HIDDEN,
        POST + length(HIDDEN) + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 0\r\n" + length(HIDDEN) + b"\r\n" + HIDDEN,
        POST + length(HIDDEN) + b"Content-Length: 0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: 0\r\n %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: -0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length:\r\n\r\n" + HIDDEN,
        POST + b"Content-Length : 0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length\x00: 0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: identity\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n0x0\r\n\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n-0\r\n\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n10000000000000000\r\n\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n0 \n\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n0;a=\n\r\n\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n2\r\n{}XX0\r\n\r\n" + HIDDEN,
        b"GET /livez HTTP/1.1\r\nX: a\rPOST /v1/logout HTTP/1.1\r\nHost: h\r\n\r\n" + HIDDEN,
        b"GET /livez HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n" + HIDDEN,
        b"GET /livez\x00 HTTP/1.1\r\nHost: h\r\n\r\n" + HIDDEN,
        b"GET /livez HTTP/1.1\nHost: h\n\n" + HIDDEN,
        b"GET /livez\r\n\r\n" + HIDDEN,
    ],
    ids=lambda raw: repr(raw.split(b"\r\n", 2)[-1][:50]),
)
async def test_a_request_with_two_readings_is_refused_and_the_connection_ends(
    path: Path, house: FakeHouse, ambiguous: bytes
) -> None:
    answer = await raw(path, ambiguous)
    assert house.default.calls == [], "what was hidden behind it was done"
    # One answer, and then the end: it came back from reading until there is nothing more.
    assert re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer) == [b"400"]


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET http://harvester/v1/session HTTP/1.1",
        b"GET https://knoq.example/api HTTP/1.1",
        b"CONNECT knoq.example:443 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"GET //v1/session HTTP/1.1",
        b"GET /v1/session/../session HTTP/1.1",
        b"GET /v1%2fsession HTTP/1.1",
    ],
)
async def test_it_is_nobodys_proxy_and_each_path_has_one_spelling(
    path: Path, house: FakeHouse, request_line: bytes
) -> None:
    answer = await raw(path, request_line + b"\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] in (b"400", b"404", b"405")
    assert house.default.calls == []
    assert b"canary" not in answer


async def test_an_upgrade_is_not_made_and_what_follows_is_a_request(
    path: Path, house: FakeHouse
) -> None:
    upgrade = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    closing = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    answer = await raw(path, upgrade + closing)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert b"101" not in answer.replace(b"GMT", b"")[:15]


@pytest.mark.parametrize("ending", ["%0d%0aX-Evil:%20yes", "%0aX-Evil:%20yes", "%00", "%1b%5b31m"])
@pytest.mark.parametrize(
    "where", ["/v1/session?profile=a", "/v1/session?format=env", "/v1/session?origin=https://a",
              "/v1/session?min_valid_s=1", "/v1/session?sign_in=false", "/readyz/a", "/v1/x",
              "/v1/history?limit=1", "/v1/session?profile=default&"],
)  # fmt: skip
async def test_nothing_that_is_asked_becomes_a_header_or_acts_on_a_terminal(
    path: Path, where: str, ending: str
) -> None:
    request = f"GET {where}{ending} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    answer = await raw(path, request.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"200", b"400", b"404")
    assert b"evil" not in head.lower()
    assert not set(body) & (set(range(32)) - {10} | {127})


@pytest.mark.parametrize(
    "line",
    [
        b"Host: a\r\nHost: b",
        b"Host: h\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4",
        b"Host: h\r\nX-HTTP-Method-Override: POST",
        b'Host: h\r\nIf-None-Match: "\xff", "7\\r\\nX-Evil: yes"',
        b"Host: h\r\nCookie: a=b\r\nAuthorization: Bearer x",
    ],
)
async def test_headers_that_it_does_not_know_change_nothing(
    path: Path, house: FakeHouse, line: bytes
) -> None:
    plain = await raw(path, b"GET /v1/session HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    odd = await raw(path, b"GET /v1/session HTTP/1.1\r\n" + line + b"\r\nConnection: close\r\n\r\n")
    assert odd.split()[1] in (b"200", b"400")
    if odd.split()[1] == b"200":
        assert odd.partition(b"\r\n\r\n")[2] == plain.partition(b"\r\n\r\n")[2]
    assert b"Evil" not in odd
    assert len(house.default.calls) <= 2
