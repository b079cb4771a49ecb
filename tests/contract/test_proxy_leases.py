"""A lease at the proxy, before a strict site that writes down all that it sees.

What the lease covers gets there as it was asked, with the session and without the token; what it
does not cover, and every way of writing it so that some server would read it otherwise, never does.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine import FakeClock
from harvester.clock import SystemClock
from harvester.errors import OrganizationPinned
from harvester.lease import Rate, Terms
from harvester.leases import Leases
from harvester.outlets import lease_gate
from harvester.outlets.asked import Refused
from harvester.outlets.lease_gate import LeaseGate
from harvester.porter import Porter
from harvester.scope import Scope
from harvester.vault.directory import DirectoryStore, prepare
from porters import Told as Audited
from proxied import CHECKED, Proxied, ProxyHouse, Told, proxying
from rawsite import Seen, Site, plain, raw_site
from storekit import SEAL

GOOD = f"{CHECKED}sessions"
TERMS = Terms("default", Scope(("GET",), (f"{CHECKED}*",)))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async def answer(request: Seen) -> bytes | None:
        await request.read()
        if request.target.startswith(f"{CHECKED}moved"):
            return plain(b"", "302 Found", "Location: /elsewhere", "Set-Cookie: sid=evil")
        if request.target.startswith(f"{CHECKED}stream"):
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            request.writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n3\r\n: 1\r\n")
            await request.gone()
            request.writer.close()
            return None
        if request.target.startswith(f"{CHECKED}slow"):
            await request.gone()
            request.writer.close()
            return None
        return plain(b"{}")

    async with raw_site(answer) as running:
        yield running


@pytest.fixture
async def leases(tmp_path: Path) -> Leases:
    prepare(tmp_path / "store")
    book = Leases(DirectoryStore(tmp_path / "store", SEAL), SystemClock())
    await book.open()
    return book


@pytest.fixture
async def proxied(tmp_path: Path, site: Site, leases: Leases) -> AsyncIterator[Proxied]:
    house = ProxyHouse(site.origin)
    async with proxying(tmp_path, house, listens="127.0.0.1:0", leases=leases) as running:
        yield running


async def token_for(leases: Leases, terms: Terms = TERMS, **more: Any) -> str:
    return (await leases.make(replace(terms, **more)))[1]


def code_of(told: Told) -> str:
    assert ("content-type", "application/problem+json; charset=utf-8") in told.headers
    return str(json.loads(told.body)["code"])


async def asked(
    proxied: Proxied, token: str, target: str = GOOD, method: str = "GET", *lines: str,
    tcp: bool = False, body: bytes = b"",
) -> Told:  # fmt: skip
    """A request as any client writes it; ``{}`` in a line is the token."""
    host = proxied.authority if tcp else "knoq"
    shown = (
        [] if any("uthorization" in one for one in lines) else [f"Authorization: Bearer {token}"]
    )
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *shown]
    head += [line.replace("{}", token) for line in lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    raw = "\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape") + body
    return Told.of(await proxied.raw(raw, tcp=tcp))


def basic(token: str) -> str:
    return base64.b64encode(f"lease:{token}".encode()).decode()


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@pytest.mark.parametrize(
    "lines",
    [
        ("Proxy-Authorization: Bearer {}",),
        ("authorization: bearer  {}",),
        ("Proxy-Authorization: Basic {basic}",),
        ("Authorization: Basic {basic}",),
        ("Proxy-Authorization: Bearer {}", "Authorization: Bearer {}"),
        ("Proxy-Authorization: Bearer {}", "Authorization: Bearer the-clients-own"),
    ],
)
async def test_with_a_lease_one_may_do_what_it_is_for_and_its_token_goes_no_further(
    proxied: Proxied, site: Site, leases: Leases, lines: tuple[str, ...], tcp: bool
) -> None:
    token = await token_for(leases)
    filled = [line.replace("{basic}", basic(token)) for line in lines]
    told = await asked(proxied, token, f"{GOOD}?a=../%2e&b=//", "GET", *filled, tcp=tcp)
    assert told.status == 200
    (seen,) = site.seen
    assert seen.target == f"{GOOD}?a=../%2e&b=//", "the query is not part of the match"
    assert seen.one("authorization") is None and seen.one("proxy-authorization") is None
    assert seen.one("cookie") == "sid=canary-1"
    assert token.encode() not in seen.head and basic(token).encode() not in seen.head


# Each is a path as a client may write it, below a lease for GET and POST of /api/managed-agents/*
# that must not reach anything: what some server would take for a place outside, or for another
# spelling of one inside.
TRICKS = {
    "dots": f"{CHECKED}../secret",
    "dots at the end": f"{CHECKED}x/..",
    "dots twice": f"{CHECKED}../../etc/passwd",
    "one dot": f"{CHECKED}./x",
    "dots encoded": f"{CHECKED}%2e%2e/secret",
    "dots encoded in capitals": f"{CHECKED}%2E%2E/secret",
    "half of the dots encoded": f"{CHECKED}.%2e/secret",
    "dots encoded twice": f"{CHECKED}%252e%252e/secret",
    "three dots": f"{CHECKED}.../secret",
    "a slash encoded": f"{CHECKED}..%2fsecret",
    "a slash encoded in capitals": f"{CHECKED}x%2F..%2F..%2Fsecret",
    "a slash encoded twice": f"{CHECKED}..%252fsecret",
    "two slashes": f"{CHECKED}/x",
    "two slashes at the start": "//api/managed-agents/x",
    "two slashes and a host": "//evil.example/api/managed-agents/x",
    "two slashes at the end": f"{CHECKED}x//",
    "a parameter": f"{CHECKED}x;y=1",
    "dots and a parameter": f"{CHECKED}..;/secret",
    "dots within a parameter": f"{CHECKED}x;/../../secret",
    "a parameter encoded": f"{CHECKED}x%3by",
    "a backslash": f"{CHECKED}..\\secret",
    "a backslash encoded": f"{CHECKED}..%5csecret",
    "a question mark encoded": f"{CHECKED}x%3f/../secret",
    "a fragment": f"{CHECKED}x#/../secret",
    "a fragment encoded": f"{CHECKED}x%23y",
    "a zero byte encoded": f"{CHECKED}x%00.json",
    "a line end encoded": f"{CHECKED}x%0d%0aX-A:%20b",
    "a tab encoded": f"{CHECKED}x%09y",
    "a delete encoded": f"{CHECKED}x%7fy",
    "half of an encoding": f"{CHECKED}x%2",
    "no encoding": f"{CHECKED}x%zz",
    "a bare percent sign": f"{CHECKED}100%",
    "a percent sign encoded": f"{CHECKED}100%25",
    "an overlong slash": f"{CHECKED}..%c0%afsecret",
    "an overlong dot": f"{CHECKED}%c0%ae%c0%ae/secret",
    "a wide slash": f"{CHECKED}..%ef%bc%8fsecret",
    "a wide slash as it is": f"{CHECKED}..\uff0fsecret",
    "a leader for dots": f"{CHECKED}%e2%80%a5/secret",
    "other than ASCII": f"{CHECKED}caf\u00e9",
    "other than ASCII, encoded": f"{CHECKED}caf%c3%a9",
    "a letter encoded": f"{CHECKED}%61",
    "a letter of the prefix encoded": "/api/managed%2dagents/x",
    "the first letter encoded": "/%61pi/managed-agents/x",
    "IIS's own encoding": f"{CHECKED}%u002e%u002e/secret",
    "a blank before dots": f"{CHECKED}%20../secret",
    "a plus before dots": f"{CHECKED}+../secret",
    "a blank as it is": f"{CHECKED}x y",
    "capitals": "/API/managed-agents/x",
    "capitals within": "/api/Managed-Agents/x",
    "the place itself": CHECKED,
    "the place without its slash": CHECKED.rstrip("/"),
    "a neighbour": "/api/managed-agents-admin/x",
    "another place": "/api/secret",
    "another place with ours in its query": f"/api/secret?x={CHECKED}x",
    "another place with ours in its fragment": f"/api/secret#{CHECKED}x",
    "the root": "/",
    "a whole URL": f"http://knoq{CHECKED}x",
    "a whole URL of another": f"http://evil.example{CHECKED}x",
    "the whole server": "*",
    "no slash": "api/managed-agents/x",
    "a user's name": f"@evil.example{CHECKED}x",
    "square brackets": f"{CHECKED}x[0]",
    "a caret": f"{CHECKED}x^y",
    "a quotation mark": f'{CHECKED}x"y',
    "a vertical bar": f"{CHECKED}x|y",
}


@pytest.mark.parametrize("name", TRICKS)
async def test_no_trick_with_a_path_gets_to_the_site(
    proxied: Proxied, site: Site, leases: Leases, name: str
) -> None:
    token = await token_for(leases, scope=Scope(("GET", "POST"), (f"{CHECKED}*",)))
    told = await asked(proxied, token, TRICKS[name])
    assert told.status in (400, 409), told
    if told.status == 409:
        assert code_of(told) == "lease_forbids"
    assert site.seen == []
    assert leases.listed()[0].used == 0, "what is refused is no use"


def test_there_are_enough_tricks() -> None:
    assert len(TRICKS) >= 40


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_another_method_is_not_let_through(
    proxied: Proxied, site: Site, leases: Leases, method: str
) -> None:
    told = await asked(proxied, await token_for(leases), GOOD, method)
    assert (told.status, code_of(told)) == (409, "lease_forbids")
    assert site.seen == []


async def test_head_goes_with_get(proxied: Proxied, site: Site, leases: Leases) -> None:
    assert (await asked(proxied, await token_for(leases), GOOD, "HEAD")).status == 200
    assert [seen.method for seen in site.seen] == ["HEAD"]


@pytest.mark.parametrize(
    "line",
    [
        "X-HTTP-Method-Override: DELETE",
        "x-http-method-override: DELETE",
        "X_HTTP_Method_Override: DELETE",
        "X-HTTP-Method: DELETE",
        "X-Method-Override: DELETE",
        "X-Original-URL: /api/secret",
        "X-Rewrite-URL: /api/secret",
        "X-Forwarded-Uri: /api/secret",
        "X-Forwarded-Prefix: /api/secret",
        "X-Original-Method: DELETE",
    ],
)
async def test_no_header_makes_it_another_request(
    proxied: Proxied, site: Site, leases: Leases, line: str
) -> None:
    token = await token_for(leases, scope=Scope(("GET", "POST"), (f"{CHECKED}*",)))
    for method in ("GET", "POST"):
        told = await asked(proxied, token, GOOD, method, line)
        assert (told.status, code_of(told)) == (409, "lease_forbids")
    assert site.seen == []
    name = line.partition(":")[0]
    told = await asked(proxied, token, GOOD, "GET", line, f"Connection: {name}")
    (seen,) = site.seen
    assert seen.one(name) is None, "what is of this connection alone is not sent on"


@pytest.mark.parametrize("query", ["_method=DELETE", "a=b&%5Fmethod=DELETE", "_METHOD=put"])
async def test_no_query_makes_it_another_request(
    proxied: Proxied, site: Site, leases: Leases, query: str
) -> None:
    told = await asked(proxied, await token_for(leases), f"{GOOD}?{query}")
    assert (told.status, code_of(told)) == (409, "lease_forbids")
    assert site.seen == []


@pytest.mark.parametrize(
    "target", ["/api/auth/switch-org", "/API/auth/Switch-Org/", "/api/auth/switch-org?x=1"]
)
async def test_no_lease_is_for_another_organisation(
    proxied: Proxied, site: Site, leases: Leases, target: str
) -> None:
    terms = replace(TERMS, scope=Scope(("GET", "POST"), ("/*", "/api/auth/switch-org")))
    told = await asked(proxied, await token_for(leases, terms), target, "POST", body=b"{}")
    assert (told.status, code_of(told)) == (409, "lease_forbids")
    assert site.seen == []
    assert OrganizationPinned.code != "lease_forbids", "it is refused where none is pinned"


async def test_no_lease_signs_out(tmp_path: Path, site: Site, leases: Leases) -> None:
    house = ProxyHouse(site.origin)
    keeper = house.default
    changed = replace(keeper.profile.site, sign_out_path="/logout?all=1")
    keeper.profile = replace(keeper.profile, site=changed)
    token = await token_for(leases, scope=Scope(("GET", "POST"), ("/*",)))
    async with proxying(tmp_path / "p", house, leases=leases) as running:
        for target in ("/logout", "/logout?x", "/LOGOUT", "/logout/"):
            told = await asked(running, token, target, "POST")
            assert (told.status, code_of(told)) == (409, "lease_forbids"), target
        assert (await asked(running, token, "/logouts")).status == 200


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@pytest.mark.parametrize("what", ["unknown", "revoked", "expired", "spent"])
async def test_a_token_that_is_none_any_more_opens_nothing(
    proxied: Proxied, site: Site, leases: Leases, what: str, tcp: bool
) -> None:
    lease, token = await leases.make(
        replace(
            TERMS, for_s=0.01 if what == "expired" else 3600, uses=1 if what == "spent" else None
        )
    )
    if what == "revoked":
        await leases.revoke(lease.id)
    if what == "expired":
        await asyncio.sleep(0.02)
    if what == "spent":
        assert (await asked(proxied, token, tcp=tcp)).status == 200
        site.seen.clear()
    if what == "unknown":
        token = "hvl_" + "A" * 43
    for lines in ((), ("Authorization: Bearer {}",), ("Authorization: Bearer  {}",)):
        told = await asked(proxied, token, GOOD, "GET", *lines, tcp=tcp)
        assert told.status == 407, "never a 401 that looks the site's"
        assert code_of(told) == ("lease_unknown" if what == "unknown" else "lease_ended")
        assert (told.one("proxy-authenticate") or "").startswith("Bearer")
        assert token.encode() not in told.body
    assert site.seen == []


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@pytest.mark.parametrize(
    "lines",
    [
        ("Proxy-Authorization: Bearer {}x",),
        ("Proxy-Authorization: Bearer x{}",),
        ('Proxy-Authorization: Bearer "{}"',),
        ("Proxy-Authorization: Token {}",),
        ("Proxy-Authorization: {}",),
        ("Proxy-Authorization: Basic {}",),
        ("Proxy-Authorization: Digest username={}",),
        ("Proxy-Authorization: Basic {as_user}",),
        ("Authorization: Basic {as_user}",),
        ("Proxy-Authorization: Basic {as_user}", "Authorization: Bearer {main}"),
        ("Authorization: Bearer {}, Bearer {}",),
        ("Proxy-Authorization: Bearer {}", "Authorization: Bearer hvl_another"),
        ("Proxy-Authorization: Bearer HVL_{}",),
        ("Proxy-Authorization: Bearer {main}", "Authorization: Bearer hvl_wrong", "X: {}"),
    ],
)
async def test_what_looks_like_a_lease_and_is_none_is_refused_and_not_passed_over(
    proxied: Proxied, site: Site, leases: Leases, lines: tuple[str, ...], tcp: bool
) -> None:
    token = await token_for(leases)
    as_user = base64.b64encode(f"{token}:".encode()).decode()
    filled = [line.replace("{main}", proxied.token).replace("{as_user}", as_user) for line in lines]
    told = await asked(proxied, token, GOOD, "GET", *filled, tcp=tcp)
    assert told.status in (400, 407), "on the unix socket too, where no token is asked for"
    assert site.seen == []


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
async def test_beside_the_main_token_a_lease_narrows(
    proxied: Proxied, site: Site, leases: Leases, tcp: bool
) -> None:
    token = await token_for(leases)
    lines = (f"Proxy-Authorization: Bearer {proxied.token}", "Authorization: Bearer {}")
    assert (await asked(proxied, token, "/api/secret", "GET", *lines, tcp=tcp)).status == 409
    assert site.seen == []
    assert (await asked(proxied, token, GOOD, "GET", *lines, tcp=tcp)).status == 200


async def test_who_shows_no_lease_is_let_in_as_before(
    proxied: Proxied, site: Site, leases: Leases
) -> None:
    await token_for(leases)
    assert (await proxied.ask("/api/anything", "DELETE")).status == 200
    assert (await proxied.ask("/x", "GET", b"", "Authorization: Bearer own")).status == 200
    assert (await proxied.ask("/x", "GET", b"", "Authorization: Basic eDp5")).status == 200
    assert len(site.seen) == 3


async def test_a_lease_on_tcp_is_no_way_round_host_and_pages(
    proxied: Proxied, site: Site, leases: Leases
) -> None:
    token = await token_for(leases)
    for lines in (["Host: evil.example"], ["Host: {h}", "Origin: https://evil.example"],
                  ["Host: {h}", "Sec-Fetch-Site: cross-site"]):  # fmt: skip
        head = [f"GET {GOOD} HTTP/1.1", *(one.replace("{h}", proxied.authority) for one in lines)]
        head += [f"Proxy-Authorization: Bearer {token}", "Connection: close", "", ""]
        told = Told.of(await proxied.raw("\r\n".join(head).encode(), tcp=True))
        assert told.status in (400, 421)
    assert site.seen == []


async def test_a_lease_is_for_its_profile(proxied: Proxied, site: Site, leases: Leases) -> None:
    token = await token_for(leases, profile="work-eu")
    told = await asked(proxied, token, GOOD, "GET", "Harvester-Profile: default")
    assert (told.status, code_of(told)) == (409, "lease_forbids")
    assert site.seen == []
    assert (await asked(proxied, token)).status == 200, "it need not be named"
    assert (await asked(proxied, token, GOOD, "GET", "Harvester-Profile: work-eu")).status == 200


async def test_a_lease_of_a_profile_that_is_gone_is_for_nothing(
    proxied: Proxied, site: Site, leases: Leases
) -> None:
    told = await asked(proxied, await token_for(leases, profile="gone"))
    assert (told.status, code_of(told)) == (404, "unknown_profile")
    assert site.seen == []


async def test_the_rate_is_kept_with_a_time_to_come_again(
    proxied: Proxied, site: Site, leases: Leases
) -> None:
    token = await token_for(leases, rate=Rate.read("2/h"))
    assert [(await asked(proxied, token)).status for _ in range(2)] == [200, 200]
    told = await asked(proxied, token)
    assert (told.status, code_of(told)) == (429, "rate_limited")
    assert 1790 < int(told.one("retry-after") or 0) <= 1800
    assert len(site.seen) == 2
    assert (await proxied.ask()).status == 200, "nobody else is held up"


async def test_a_redirect_is_told_and_never_followed(
    proxied: Proxied, site: Site, leases: Leases
) -> None:
    told = await asked(proxied, await token_for(leases), f"{CHECKED}moved")
    assert (told.status, told.one("location")) == (302, "/elsewhere")
    assert told.one("set-cookie") is None
    assert len(site.seen) == 1


async def test_the_api_is_not_behind_the_proxy(
    proxied: Proxied, site: Site, leases: Leases
) -> None:
    token = await token_for(leases, scope=Scope(("GET", "POST", "DELETE"), ("/*",)))
    for method in ("GET", "POST"):
        assert (await asked(proxied, token, "/v1/leases", method)).status == 200
    assert [seen.target for seen in site.seen] == ["/v1/leases"] * 2, "they are the site's"
    assert len(leases.listed()) == 1


@pytest.mark.parametrize("target", ["stream", "slow"])
async def test_what_runs_under_a_lease_ends_with_it(
    proxied: Proxied, site: Site, leases: Leases, target: str
) -> None:
    lease, token = await leases.make(TERMS)
    head = f"GET {CHECKED}{target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    async with proxied.talk() as (reader, writer):
        writer.write(head.encode())
        if target == "stream":
            await reader.readuntil(b": 1\r\n")
        else:
            await site.asked.wait()
        began = asyncio.get_running_loop().time()
        await leases.revoke(lease.id)
        try:
            rest = await reader.read()
        except ConnectionResetError:
            rest = b""
        await site.ended.wait()
        assert asyncio.get_running_loop().time() - began < 5
    if target == "stream":
        assert b"0\r\n\r\n" not in rest, "an answer that broke off does not look whole"
    else:
        told = Told.of(rest)
        assert (told.status, code_of(told)) == (407, "lease_ended")


@pytest.mark.parametrize("begun", [True, False])
async def test_what_is_under_way_ends_when_its_lease_does(leases: Leases, begun: bool) -> None:
    _, token = await leases.make(TERMS)
    held = leases.find(token.encode())
    aborted: list[bool] = []
    end = SimpleNamespace(abort=lambda: aborted.append(True))
    request: Any = SimpleNamespace(begun=begun, end=end)
    held.over_at_s = SystemClock().awake_s() + 0.05
    with pytest.raises(ConnectionResetError if begun else Refused) as ended:
        async with LeaseGate(leases).while_it_lasts(held, request):
            await asyncio.sleep(30)
    assert aborted == [True] * begun, "an answer that has begun must not look whole"
    if isinstance(ended.value, Refused):
        assert (ended.value.status, ended.value.error.code) == (407, "lease_ended")
    assert held.stops == set()


async def test_a_time_out_of_what_runs_is_not_taken_for_the_leases_end(leases: Leases) -> None:
    _, token = await leases.make(TERMS)
    request: Any = SimpleNamespace(begun=False)
    with pytest.raises(TimeoutError):
        async with LeaseGate(leases).while_it_lasts(leases.find(token.encode()), request):
            raise TimeoutError


async def test_another_lease_runs_on_when_one_is_revoked(
    proxied: Proxied, site: Site, leases: Leases
) -> None:
    (one, _), token = await leases.make(TERMS), await token_for(leases)
    head = f"GET {CHECKED}stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    async with proxied.talk() as (reader, writer):
        writer.write(head.encode())
        await reader.readuntil(b": 1\r\n")
        await leases.revoke(one.id)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readuntil(b"more"), 0.2)


async def test_a_book_that_cannot_be_read_is_said_and_opens_nothing(
    tmp_path: Path, site: Site, leases: Leases
) -> None:
    token = await token_for(leases)
    record = tmp_path / "store/profiles/leases/leases"
    record.write_bytes(record.read_bytes()[:-9])
    closed = Leases(DirectoryStore(tmp_path / "store", SEAL), FakeClock())
    await closed.open()
    async with proxying(tmp_path / "p", ProxyHouse(site.origin), leases=closed) as running:
        told = await asked(running, token)
        assert (told.status, code_of(told)) == (500, "store_corrupt")
        assert b"no lease is honoured" in told.body
        assert site.seen == []
        assert (await running.ask()).status == 200


async def test_a_proxy_without_a_book_knows_no_lease(tmp_path: Path, site: Site) -> None:
    async with proxying(tmp_path, ProxyHouse(site.origin)) as running:
        told = await asked(running, "hvl_" + "A" * 43)
        assert (told.status, code_of(told)) == (407, "lease_unknown")


async def test_without_credentials_no_lease_is_looked_for(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("the plain path is not made longer")

    monkeypatch.setattr(lease_gate, "shown", never)
    assert (await proxied.ask()).status == 200


async def test_each_use_and_each_refusal_is_told_of_without_the_token(
    proxied: Proxied, leases: Leases, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="harvester")
    lease, token = await leases.make(TERMS)
    await asked(proxied, token)
    await asked(proxied, token, "/api/secret")
    told = {
        record.message: record.fields for record in caplog.records if "lease." in record.message
    }
    assert told["lease.used"]["lease"] == told["lease.refused"]["lease"] == lease.id
    assert told["lease.refused"]["code"] == "lease_forbids"
    assert token[4:] not in str(told) + caplog.text


async def test_who_tries_more_than_his_lease_is_for_is_in_the_audit(
    tmp_path: Path, site: Site, leases: Leases
) -> None:
    audit = Audited()
    lease, token = await leases.make(replace(TERMS, rate=Rate(1, 60.0)))
    async with proxying(
        tmp_path, ProxyHouse(site.origin), leases=leases, porter=Porter(audit=audit)
    ) as proxied:
        await asked(proxied, token, "/api/secret")
        await asked(proxied, token)
        await asked(proxied, token)
        await asked(proxied, token + "x")
        await leases.revoke(lease.id)
        await asked(proxied, token)
    name = f"lease {lease.id}"
    assert [line[:4] for line in audit.lines] == [
        ("proxy", "default", name, "lease_forbids"),
        ("proxy", "default", name, "given"),
        ("proxy", "default", name, "rate_limited"),
        ("proxy", None, None, "lease_unknown"),
        ("proxy", None, None, "lease_ended"),
    ]
