"""The proxy on TCP: who is let in, and what no web page, other user or smuggler gets through."""

from __future__ import annotations

import base64
import json
import re
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from harvester.errors import ConfigInvalid
from harvester.outlets import proxy as proxy_module
from harvester.outlets import proxy_token
from harvester.outlets.proxy_gate import bind
from proxied import CHECKED, Listens, Proxied, ProxyHouse, Told, proxying
from rawsite import Site, always, plain, raw_site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    answer = plain(b"{}", "200 OK", "Access-Control-Allow-Origin: *", "X-Kept: 1")
    async with raw_site(always(answer)) as running:
        yield running


@pytest.fixture
async def proxied(tmp_path: Path, site: Site) -> AsyncIterator[Proxied]:
    house = ProxyHouse(site.origin)
    async with proxying(tmp_path, house, listens="127.0.0.1:0") as running:
        yield running


def filled(proxied: Proxied, request: str) -> bytes:
    """The request with our host and a token, CRLF and all; ``{...}`` is filled in."""
    told = request.replace("{host}", proxied.authority).replace("{token}", proxied.token)
    return told.replace("\n", "\r\n").encode("latin-1")


GOOD = """GET /x HTTP/1.1
Host: {host}
Proxy-Authorization: Bearer {token}
Connection: close

"""


def code_of(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return str(json.loads(body)["code"])


def basic(user: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


@pytest.mark.parametrize(
    "how", ["proxy bearer", "bearer", "proxy basic", "lower case", "beside the client's own"]
)
async def test_with_the_token_a_program_is_let_in_and_the_token_goes_no_further(
    proxied: Proxied, site: Site, how: str
) -> None:
    token = proxied.token
    lines = {
        "proxy bearer": f"Proxy-Authorization: Bearer {token}",
        "bearer": f"Authorization: Bearer {token}",
        "proxy basic": f"Proxy-Authorization: {basic('anybody', token)}",
        "lower case": f"proxy-authorization: bearer  {token}",
        "beside the client's own": f"Authorization: Bearer own\n"
        f"Proxy-Authorization: Bearer {token}",
    }[how]
    asked = GOOD.replace("Proxy-Authorization: Bearer {token}", lines)
    answer = Told.of(await proxied.raw(filled(proxied, asked), tcp=True))
    assert (answer.status, answer.one("x-kept")) == (200, "1")
    assert answer.one("access-control-allow-origin") is None, "no page may read it"
    (seen,) = site.seen
    assert token.encode() not in seen.head
    assert seen.one("authorization") is None
    assert seen.one("cookie") == "sid=canary-1"


@pytest.mark.parametrize(
    "lines",
    [
        "X: none",
        "Proxy-Authorization: Bearer ",
        "Proxy-Authorization: Bearer wrong",
        "Proxy-Authorization: {token}",
        "Proxy-Authorization: Digest {token}",
        "Proxy-Authorization: Bearer {token}x",
        "Proxy-Authorization: Bearer x{token}",
        "Proxy-Authorization: Basic {token}",
        "Proxy-Authorization: Basic !!!",
        "Authorization: Basic eDp5",
        "Cookie: token={token}",
        "X-Token: {token}",
        "Proxy-Authorization: Bearer caf\xc3\xa9",
        "Proxy-Authorization: Bearer {almost}",
        "Proxy-Authorization: Bearer {upper}",
        "Proxy-Authorization: Bearer {token},{token}",
        "Proxy-Authorization: Bearer {token} {token}",
        'Proxy-Authorization: Bearer "{token}"',
        "Proxy-Authorization: Bearer\t{token}",
        "Proxy-Authorization: Bearer={token}",
        "Proxy-Authorization: Bearer {token}\nProxy-Authorization: Bearer {token}",
        "Proxy-Authorization: Bearer {token}\nProxy-Authorization: Bearer wrong",
        "Proxy-Authorization: Bearer wrong\nProxy-Authorization: Bearer {token}",
        "Authorization: Bearer {token}\nAuthorization: Bearer own",
        "Proxy-Authorization: Bearer wrong\nAuthorization: Bearer own",
        "Proxy-Authorization: Basic {basic}",
        "X-Proxy-Authorization: Bearer {token}",
        "Proxy_Authorization: Bearer {token}",
        "Sec-WebSocket-Protocol: bearer, {token}",
        "Forwarded: for=127.0.0.1;proto=https\nX-Forwarded-For: 127.0.0.1",
    ],
)
async def test_without_the_token_nothing_happens(proxied: Proxied, site: Site, lines: str) -> None:
    token = proxied.token
    last = "A" if token[-1] != "A" else "B"
    lines = lines.replace("{almost}", token[:-1] + last).replace("{upper}", token.swapcase())
    # The token as the name, and a password that is none.
    lines = lines.replace("{basic}", basic(token, "x").removeprefix("Basic "))
    asked = GOOD.replace("Proxy-Authorization: Bearer {token}", lines)
    answer = await proxied.raw(filled(proxied, asked), tcp=True)
    told = Told.of(answer)
    assert (told.status, code_of(answer)) == (407, "usage"), "never a 401 that looks the site's"
    challenges = [value for name, value in told.headers if name == "proxy-authenticate"]
    assert [one.partition(" ")[0] for one in challenges] == ["Bearer", "Basic"]
    assert site.seen == []
    assert proxied.token.encode() not in answer


@pytest.mark.parametrize(
    "host",
    [
        "rebound.evil.example", "rebound.evil.example:{port}", "127.0.0.1", "127.0.0.1:1",
        "localhost:{port}", "LOCALHOST", "[::1]:{port}", "127.0.0.2:{port}", "127.1:{port}",
        "2130706433:{port}", "0.0.0.0:{port}", "127.0.0.1:{port}.evil.example", "{host}@evil",
        "127.0.0.1:0{port}", "", "{host},{host}", "127.0.0.1.evil.example:{port}", "{host}/x",
    ],
)  # fmt: skip
async def test_a_host_that_is_not_the_address_is_a_name_that_was_rebound(
    proxied: Proxied, site: Site, host: str
) -> None:
    port = proxied.authority.rpartition(":")[2]
    asked = GOOD.replace("Host: {host}", "Host: " + host.replace("{port}", port))
    answer = await proxied.raw(filled(proxied, asked), tcp=True)
    assert Told.of(answer).status in (400, 421)
    assert site.seen == []


@pytest.mark.parametrize("lines", ["", "Host: {host}\nHost: {host}", "Host: {host}\nHost: evil"])
async def test_one_host_and_no_other(proxied: Proxied, site: Site, lines: str) -> None:
    asked = GOOD.replace("Host: {host}\n", lines and lines + "\n")
    answer = await proxied.raw(filled(proxied, asked), tcp=True)
    assert Told.of(answer).status in (400, 421)
    assert site.seen == []


@pytest.mark.parametrize(
    "lines",
    [
        "Origin: https://evil.example", "Origin: null", "Origin: http://127.0.0.1",
        "Origin: http://localhost:{port}", "Origin: https://{host}", "Origin: file://",
        "Origin: http://{host}.evil.example", "Origin: http://{host}\nOrigin: https://evil",
        "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: CROSS-SITE",
        "Sec-Fetch-Site: none\nSec-Fetch-Site: cross-site", "Sec-Fetch-Site: whatever",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_a_page_gets_nothing_even_if_it_knew_the_token(
    proxied: Proxied, site: Site, lines: str, method: str
) -> None:
    lines = lines.replace("{port}", proxied.authority.rpartition(":")[2])
    asked = GOOD.replace("GET", method).replace("Connection:", f"{lines}\nConnection:")
    answer = await proxied.raw(filled(proxied, asked), tcp=True)
    assert (Told.of(answer).status, code_of(answer)) == (400, "usage")
    assert b"access-control" not in answer.lower()
    assert site.seen == []


@pytest.mark.parametrize(
    "line", ["Origin: http://{host}", "Origin: {site}", "Sec-Fetch-Site: none"]
)
async def test_what_a_program_sends_that_spoke_to_the_site_itself_before_is_no_page(
    proxied: Proxied, site: Site, line: str
) -> None:
    line = line.replace("{site}", site.origin)
    asked = GOOD.replace("Connection:", f"{line}\nConnection:")
    answer = await proxied.raw(filled(proxied, asked), tcp=True)
    assert Told.of(answer).status == 200


# Each is one request or two that two readers may read differently.  `AUTH` stands for the lines
# that let a good request in, so that it is the framing alone that is refused.
SMUGGLED = {
    "length and chunks": "POST /x HTTP/1.1\nAUTH\nContent-Length: 4\nTransfer-Encoding: chunked\n\n"
    "0\n\nGET /admin HTTP/1.1\nAUTH\n\n",
    "chunks and length": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: chunked\nContent-Length: 4\n\n"
    "0\n\n",
    "two lengths that differ": "POST /x HTTP/1.1\nAUTH\nContent-Length: 2\n"
    "Content-Length: 3\n\n{}x",
    "two lengths that agree": "POST /x HTTP/1.1\nAUTH\nContent-Length: 2\nContent-Length: 2\n\n{}",
    "a list of lengths": "POST /x HTTP/1.1\nAUTH\nContent-Length: 2, 2\n\n{}",
    "a length with a sign": "POST /x HTTP/1.1\nAUTH\nContent-Length: +2\n\n{}",
    "a negative length": "POST /x HTTP/1.1\nAUTH\nContent-Length: -2\n\n{}",
    "a length in hex": "POST /x HTTP/1.1\nAUTH\nContent-Length: 0x2\n\n{}",
    "a length with a blank in it": "POST /x HTTP/1.1\nAUTH\nContent-Length: 1 2\n\n{}",
    "a length that overflows": "POST /x HTTP/1.1\nAUTH\n"
    "Content-Length: 99999999999999999999999\n\n",
    "a coding twice": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: chunked\n"
    "Transfer-Encoding: chunked\n\n0\n\n",
    "another coding": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: gzip, chunked\n\n0\n\n",
    "an unknown coding": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: xchunked\n\n0\n\n",
    "chunked and then identity": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: chunked, identity\n\n"
    "0\n\n",
    "identity": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: identity\n\n",
    "a blank before the colon": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding : chunked\n\n0\n\n",
    "a tab before the colon": "POST /x HTTP/1.1\nAUTH\nContent-Length\t: 2\n\n{}",
    "chunks in HTTP/1.0": "POST /x HTTP/1.0\nAUTH\nTransfer-Encoding: chunked\n\n0\n\n",
    "a folded header": "GET /x HTTP/1.1\nAUTH\nX-A: b\n c\n\n",
    "a folded coding": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding:\n chunked\n\n0\n\n",
    "a blank before the first header": "GET /x HTTP/1.1\n AUTH\n\n",
    "a header without a name": "GET /x HTTP/1.1\nAUTH\n: x\n\n",
    "a header without a colon": "GET /x HTTP/1.1\nAUTH\nnonsense\n\n",
    "a name with a blank": "GET /x HTTP/1.1\nAUTH\nX A: b\n\n",
    "a name with a control byte": "GET /x HTTP/1.1\nAUTH\nX\x01A: b\n\n",
    "a zero byte": "GET /x HTTP/1.1\nAUTH\nX-A: b\x00c\n\n",
    "a control byte": "GET /x HTTP/1.1\nAUTH\nX-A: b\x0bc\n\n",
    "an escape": "GET /x HTTP/1.1\nAUTH\nX-A: \x1b[2J\n\n",
    "a delete": "GET /x HTTP/1.1\nAUTH\nX-A: b\x7fc\n\n",
    "bytes that are no UTF-8": "GET /x HTTP/1.1\nAUTH\nX-A: caf\xe9\n\n",
    "a bare carriage return": "GET /x HTTP/1.1\nAUTH\nX-A: b\rX-B: c\n\n",
    "a zero byte in the target": "GET /x\x00y HTTP/1.1\nAUTH\n\n",
    "a blank in the target": "GET /x y HTTP/1.1\nAUTH\n\n",
    "a raw byte in the target": "GET /\xe9 HTTP/1.1\nAUTH\n\n",
    "a fragment in the target": "GET /x#y HTTP/1.1\nAUTH\n\n",
    "another version": "GET /x HTTP/1.2\nAUTH\n\n",
    "HTTP/2 in clear": "PRI * HTTP/2.0\n\nSM\n\n",
    "no version": "GET /x\nAUTH\n\n",
    "chunks whose size is no number": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: chunked\n\n"
    "zz\n{}\n0\n\n",
    "chunks whose size has a sign": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: chunked\n\n"
    "+2\n{}\n0\n\n",
    "chunks whose size has a prefix": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: chunked\n\n"
    "0x2\n{}\n0\n\n",
    "chunks whose size overflows": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: chunked\n\n"
    "fffffffffffffffff\n{}\n0\n\n",
    "chunks longer than they say": "POST /x HTTP/1.1\nAUTH\nTransfer-Encoding: chunked\n\n"
    "2\n{}{}\n0\n\n",
    "absolute form": "GET http://evil.example/ HTTP/1.1\nAUTH\n\n",
    "absolute form of ourselves": "GET http://{host}/x HTTP/1.1\nAUTH\n\n",
    "a tunnel": "CONNECT evil.example:443 HTTP/1.1\nAUTH\n\n",
    "the whole server": "OPTIONS * HTTP/1.1\nAUTH\n\n",
    "a target with another's name": "GET @evil.example/ HTTP/1.1\nAUTH\n\n",
    "a trace": "TRACE /x HTTP/1.1\nAUTH\n\n",
    "a WebSocket": "GET /x HTTP/1.1\nAUTH\nUpgrade: websocket\nConnection: Upgrade\n\n",
    "HTTP/2 by upgrade": "GET /x HTTP/1.1\nAUTH\nUpgrade: h2c\n"
    "Connection: Upgrade, HTTP2-Settings\n"
    "HTTP2-Settings: AAMAAABkAAQ\n\n",
    "an upgrade by Connection alone": "GET /x HTTP/1.1\nAUTH\nConnection: upgrade\n\n",
    "an unknown expectation": "POST /x HTTP/1.1\nAUTH\nExpect: tea\nContent-Length: 2\n\n{}",
}  # fmt: skip


@pytest.mark.parametrize("name", SMUGGLED)
async def test_what_readers_may_read_differently_is_refused(
    proxied: Proxied, site: Site, name: str
) -> None:
    auth = "Host: {host}\nProxy-Authorization: Bearer {token}"
    asked = filled(proxied, SMUGGLED[name].replace("AUTH", auth))
    answer = await proxied.raw(asked, tcp=True)
    assert answer.startswith(b"HTTP/"), "refused in words"
    assert answer.split()[1] in (b"400", b"405", b"417", b"501"), answer
    assert code_of(answer) == "usage"
    assert len(re.findall(rb"HTTP/[0-9.]+ [0-9]{3}", answer)) == 1, (
        "and the connection is closed: no second request"
    )
    assert all(one.broken for one in site.seen), "what was begun was never finished"
    assert not [one for one in site.seen if one.target != "/x"]


@pytest.mark.parametrize("ending", ["\n", "\r"])
async def test_lines_that_end_otherwise_are_refused(
    proxied: Proxied, site: Site, ending: str
) -> None:
    asked = filled(proxied, GOOD).decode("latin-1").replace("\r\n", ending)
    answer = await proxied.raw(asked.encode("latin-1") + b"\r\n\r\n", tcp=True)
    assert answer.split()[1] == b"400"
    assert site.seen == []


async def test_what_comes_after_a_request_is_another_request_with_a_token_of_its_own(
    proxied: Proxied, site: Site
) -> None:
    first = filled(proxied, GOOD.replace("Connection: close\n", ""))
    answer = await proxied.raw(first + b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n", tcp=True)
    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert answer.count(b"HTTP/1.1 421 ") == 1
    assert [one.target for one in site.seen] == ["/x"]


@pytest.mark.parametrize("name", ["cookie", "origin", "host", "content-length", "x-kept"])
async def test_connection_cannot_name_away_what_is_ours(
    proxied: Proxied, site: Site, name: str
) -> None:
    asked = filled(
        proxied,
        "POST /x HTTP/1.1\nHost: {host}\nProxy-Authorization: Bearer {token}\nX-Kept: 1\n"
        f"Connection: close, {name}\nContent-Length: 2\n\n{{}}",
    )
    assert Told.of(await proxied.raw(asked, tcp=True)).status == 200
    (seen,) = site.seen
    assert (seen.one("cookie"), seen.one("origin")) == ("sid=canary-1", site.origin)
    assert (seen.one("content-length"), seen.body) == ("2", b"{}")
    assert seen.one("x-kept") == (None if name == "x-kept" else "1")


async def test_the_site_cannot_forge_a_header_of_the_answer(tmp_path: Path) -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: b\x00Set-Cookie: sid=evil\r\n\r\n"
    async with (
        raw_site(always(evil)) as site,
        proxying(tmp_path, ProxyHouse(site.origin)) as proxied,
    ):
        answer = await proxied.raw(b"GET / HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n")
    assert b"evil" not in answer


async def test_strangers_cannot_keep_the_door_shut(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody on the machine may connect; who says nothing makes room for who comes next."""
    monkeypatch.setattr(proxy_module, "TCP_CONNECTIONS_LIMIT", 3)
    async with AsyncExitStack() as strangers:
        for _ in range(10):
            await strangers.enter_async_context(proxied.talk(tcp=True))
        assert Told.of(await proxied.raw(filled(proxied, GOOD), tcp=True)).status == 200
        assert len(proxied.proxy._open[1][1].inside) <= 3


async def test_on_ipv6_too(tmp_path: Path, site: Site) -> None:
    async with proxying(tmp_path, ProxyHouse(site.origin), listens="[::1]:0") as proxied:
        assert proxied.authority.startswith("[::1]:")
        assert Told.of(await proxied.raw(filled(proxied, GOOD), tcp=True)).status == 200


async def test_the_unix_socket_is_there_beside_it_and_asks_for_no_token(
    proxied: Proxied,
) -> None:
    assert (await proxied.ask(f"{CHECKED}sessions")).status == 200
    assert stat.S_IMODE(proxied.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.0.2.1:80", "localhost:0", "[::]:0", ":0"])
def test_nothing_but_loopback_is_bound(address: str) -> None:
    with pytest.raises(ConfigInvalid):
        bind(address)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    sock, authority = bind("127.0.0.1:0")
    with sock, pytest.raises(ConfigInvalid, match="in use"):
        bind(authority)


class TestToken:
    def test_it_is_private_and_kept_from_one_start_to_the_next(self, tmp_path: Path) -> None:
        first = proxy_token.token(tmp_path)
        path = tmp_path / "proxy.token"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == first + "\n"
        assert len(first) == len("hvp_") + 43
        assert proxy_token.token(tmp_path) == first
        path.unlink()
        assert proxy_token.token(tmp_path) != first, "removing it revokes it"

    def test_one_that_others_could_have_read_or_that_is_none_is_replaced(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "proxy.token"
        known = proxy_token.token(tmp_path)
        path.chmod(0o640)
        second = proxy_token.token(tmp_path)
        assert second != known
        for spoiled in (b"", b"hvp_short\n", known.encode() + b"\nmore"):
            path.write_bytes(spoiled)
            assert len(proxy_token.token(tmp_path)) == len(known)

    def test_a_link_is_replaced_and_what_it_leads_to_stays(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_text("hvp_" + "a" * 43 + "\n")
        other.chmod(0o600)
        for link in (Path.symlink_to, Path.hardlink_to):
            path = tmp_path / "proxy.token"
            path.unlink(missing_ok=True)
            link(path, other)
            assert proxy_token.token(tmp_path) != "hvp_" + "a" * 43
            assert other.read_text() == "hvp_" + "a" * 43 + "\n"

    def test_a_directory_in_its_place_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "proxy.token").mkdir()
        with pytest.raises(ConfigInvalid, match="cannot be kept"):
            proxy_token.token(tmp_path)
        assert [one.name for one in tmp_path.iterdir()] == ["proxy.token"], "nothing half made"


def test_with_the_unix_socket_alone_there_is_no_token(tmp_path: Path) -> None:
    from harvester.outlets.proxy_sockets import proxy_sockets

    with proxy_sockets(Listens(), tmp_path / "run" / "harvester.sock") as sockets:
        assert sockets.shown == {
            "unix": str(tmp_path / "run" / "proxy.sock"), "tcp": None, "token": None,
        }  # fmt: skip
        assert not (tmp_path / "run" / "proxy.token").exists()
    with proxy_sockets(Listens("off"), tmp_path / "run" / "harvester.sock") as sockets:
        assert (sockets.unix, sockets.tcp, sockets.shown) == (None, None, None)
