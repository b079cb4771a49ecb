"""The site in bad weather: nobody loses a session for it, and nobody signs in because of it.

Only a refusal that was seen twice independently leads up the ladder.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from harvester import probe
from harvester.clock import SystemClock
from harvester.probe import SiteClient
from harvester.profile import Site
from harvester.session import Cookie
from harvester.verdict import Verdict, judge
from standin import StandInProcess
from weather import Weather

API = "/api/managed-agents/"
PROBE = f"{API}sessions"
DAY_S = 86400.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of ten seconds is the same rule with less waiting."""
    monkeypatch.setattr(probe, "REQUEST_TIMEOUT_S", 0.15)


@asynccontextmanager
async def afloat(place: Path, world: StandInProcess, **env: str) -> AsyncIterator[Weather]:
    """A keeper that serves generation 1."""
    async with Weather(place, world, browser=False, **env) as weather:
        served = await weather.bring()
        assert served.session.generation == 1
        yield weather


# name → the fault, and for how long the site asked to be left alone
OUTAGES: dict[str, tuple[dict[str, Any], float | None]] = {
    "500": ({"kind": "status", "status": 500}, None),
    "502": ({"kind": "status", "status": 502}, None),
    "503": ({"kind": "status", "status": 503}, None),
    "503 for 120 s": ({"kind": "status", "status": 503, "retry_after": "120"}, 120),
    "503 until a date": ({"kind": "status", "status": 503, "retry_after": "date"}, 300),
    "429 for 77 s": ({"kind": "status", "status": 429, "retry_after": "77"}, 77),
    "429": ({"kind": "status", "status": 429}, None),
    "403": ({"kind": "status", "status": 403}, None),
    "404": ({"kind": "status", "status": 404}, None),
    "time-out": ({"kind": "hang"}, None),
    "one byte a second": ({"kind": "trickle"}, None),
    "a body without end": ({"kind": "endless"}, None),
    "a body that breaks off": ({"kind": "broken_off"}, None),
    "reset": ({"kind": "reset"}, None),
    "no HTTP": ({"kind": "rubbish"}, None),
    "TLS that fails": ({"kind": "tls"}, None),
    "redirect loop": ({"kind": "redirect_loop"}, None),
    "sent to a page that says nothing of a refusal": ({"kind": "sign_in_redirect"}, None),
}


@pytest.mark.parametrize("name", OUTAGES)
async def test_a_site_in_trouble_costs_no_session_and_no_sign_in(
    tmp_path: Path, world: StandInProcess, name: str
) -> None:
    fault, asked_s = OUTAGES[name]
    if fault.get("retry_after") == "date":
        fault = {**fault, "retry_after": formatdate(time.time() + 300, usegmt=True)}
    async with afloat(tmp_path, world) as weather:
        keeper = weather.keeper
        before = await keeper.get()
        world.fault(**fault, server="site", prefix=API)
        told = await keeper.report(generation=1)
        assert (told.verdict, told.stale) == ("unreachable", True)
        assert told.session.cookies == before.session.cookies
        # A day of its own looks, and of clients that ask and report.
        for _ in range(3):
            weather.clock.pass_by(8 * 3600)
            assert await keeper.check() >= 30
            assert (await keeper.get()).session.cookies == before.session.cookies
            assert (await keeper.report(generation=1)).verdict == "unreachable"
        status = weather.status()
        assert (status["state"], status["ready"], status["latch"]) == ("live", True, None)
        assert (await weather.ledger()).submits == ()
        assert weather.signer.started == 0
        world.clear_faults()
        weather.clock.pass_by(asked_s or 60)
        again = await keeper.report(generation=1)
        assert (again.verdict, again.stale) == ("alive", False)
        assert again.session.generation == 1 and weather.signer.started == 0


@pytest.mark.parametrize("name", [one for one, (_, asked_s) in OUTAGES.items() if asked_s])
async def test_a_site_that_asks_to_be_left_alone_is_left_alone(
    tmp_path: Path, world: StandInProcess, name: str
) -> None:
    fault, asked_s = OUTAGES[name]
    assert asked_s is not None
    if fault.get("retry_after") == "date":
        fault = {**fault, "retry_after": formatdate(time.time() + asked_s, usegmt=True)}
    async with afloat(tmp_path, world) as weather:
        world.fault(**fault, server="site", prefix=API)
        await weather.keeper.report(generation=1)
        met = world.state()["faults_applied"]
        assert met == 1
        weather.clock.pass_by(asked_s - 10)
        told = await weather.keeper.report(generation=1)
        assert (told.verdict, told.stale) == ("unreachable", True)
        assert await weather.keeper.prove(within_s=0) is Verdict.UNREACHABLE
        assert world.state()["faults_applied"] == met
        weather.clock.pass_by(20)
        await weather.keeper.report(generation=1)
        assert world.state()["faults_applied"] == met + 1


async def test_no_session_and_a_site_that_is_down_start_no_browser(
    tmp_path: Path, world: StandInProcess
) -> None:
    world.set(site_down=True)
    async with Weather(tmp_path, world, browser=False) as weather:
        for _ in range(5):
            with pytest.raises(Exception, match="does not answer") as caught:
                await weather.keeper.get(wait_s=5)
            assert caught.value.code == "site_down"  # type: ignore[attr-defined]
            assert caught.value.exit_code == 75  # type: ignore[attr-defined]
            weather.clock.pass_by(3600)
        assert (await weather.ledger()).submits == ()
        assert world.state()["page_loads"] == 0
        world.set(site_down=False)
        assert not (await weather.keeper.get(wait_s=20)).stale


# name → the site's way to say no, and how the settings must know it
REFUSALS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "401": ({"denies_with": "401"}, {}),
    "403 to nobody": ({"denies_with": "403"}, {}),
    "404 to nobody": ({"denies_with": "404"}, {}),
    "302 to sign-in": ({"denies_with": "redirect"}, {}),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_seen_by_a_client_and_by_us_leads_to_one_sign_in(
    tmp_path: Path, world: StandInProcess, name: str
) -> None:
    switches, env = REFUSALS[name]
    world.set(**switches)
    async with afloat(tmp_path, world, **env) as weather:
        world.revoke()
        told = await weather.keeper.report(generation=1)
        assert (told.verdict, told.session.generation, told.stale) == ("refreshed", 2, False)
        assert weather.accepted(told)
        assert weather.signer.started == 1
        assert world.state()["passwords_arrived"] == 2  # the person's, and ours


async def test_200_with_a_sign_in_page_is_a_refusal(tmp_path: Path, world: StandInProcess) -> None:
    async with afloat(tmp_path, world) as weather:
        world.fault("sign_in_page", server="site", prefix=API, times=1)
        told = await weather.keeper.report(generation=1)
        assert (told.verdict, told.session.generation) == ("refreshed", 2)
        assert weather.signer.started == 1


async def test_302_to_the_sign_in_page_of_the_settings_is_a_refusal(
    tmp_path: Path, world: StandInProcess
) -> None:
    async with afloat(tmp_path, world, HARVESTER_SIGN_IN_URL=f"{world.site}/login") as weather:
        world.fault("sign_in_redirect", server="site", prefix=API, times=1)
        told = await weather.keeper.report(generation=1)
        assert (told.verdict, told.session.generation) == ("refreshed", 2)


async def test_a_401_of_one_endpoint_only_is_not_the_sessions_end(
    tmp_path: Path, world: StandInProcess
) -> None:
    async with afloat(tmp_path, world) as weather:
        world.fault("status", server="site", prefix=f"{API}message", status=401)
        for _ in range(20):
            told = await weather.keeper.report(generation=1)
            assert (told.verdict, told.stale, told.session.generation) == ("alive", False, 1)
            weather.clock.pass_by(5)
        assert weather.signer.started == 0 and weather.status()["state"] == "live"


async def test_one_401_among_answers_that_are_well_is_not_believed(
    tmp_path: Path, world: StandInProcess
) -> None:
    async with afloat(tmp_path, world) as weather:
        world.fault("status", server="site", prefix=PROBE, status=401, every=2)
        for _ in range(3):
            weather.clock.pass_by(7 * 3600)
            await weather.keeper.check()
        assert world.state()["faults_applied"] >= 1
        assert weather.signer.started == 0
        assert (await weather.keeper.get()).session.generation == 1


async def test_a_401_that_flaps_costs_no_more_than_the_budget(
    tmp_path: Path, world: StandInProcess
) -> None:
    async with afloat(tmp_path, world) as weather:
        arrived = world.state()["passwords_arrived"]
        world.fault("status", server="site", prefix=PROBE, status=401, every=2)
        generation = 1
        codes = set()
        for _ in range(60):  # an hour of a client that reports each 401 it sees
            try:
                told = await weather.keeper.report(generation=generation, wait_s=5)
                generation = told.session.generation
            except Exception as error:
                codes.add(error.code)  # type: ignore[attr-defined]
            weather.clock.pass_by(60)
        assert world.state()["passwords_arrived"] - arrived <= 3
        assert codes <= {"budget_spent", "page_not_recognised", "rate_limited", "timed_out"}


@pytest.mark.parametrize("skew_s", [-DAY_S, DAY_S])
@pytest.mark.parametrize("needed", ["opaque", "jwt"])
async def test_a_site_whose_clock_is_a_day_off_ends_no_session(
    tmp_path: Path, world: StandInProcess, skew_s: float, needed: str
) -> None:
    world.set(
        clock_skew_s=skew_s, sliding=True, renew_lengthens=True, needed=needed, jwt_life_s=3600.0
    )
    async with afloat(tmp_path, world) as weather:
        told = await weather.keeper.report(generation=1)
        assert (told.verdict, told.stale) == ("alive", False)
        # What it rolled says when it ends, by its own clock: a life of an hour is one.
        assert weather.accepted(told)
        ends_at = told.session.expires_at
        assert ends_at is None or abs(ends_at - time.time() - 3600) < 60
        assert await weather.keeper.check() >= 1
        assert (await weather.keeper.get()).stale is False
        assert weather.signer.started == 0


@pytest.mark.parametrize("skew_s", [-DAY_S, DAY_S])
async def test_a_date_to_come_back_at_is_read_by_the_sites_own_clock(
    tmp_path: Path, world: StandInProcess, skew_s: float
) -> None:
    world.set(clock_skew_s=skew_s)
    until = formatdate(time.time() + skew_s + 120, usegmt=True)
    async with afloat(tmp_path, world) as weather:
        world.fault("status", server="site", prefix=API, status=503, retry_after=until)
        await weather.keeper.report(generation=1)
        weather.clock.pass_by(100)
        await weather.keeper.report(generation=1)
        assert world.state()["faults_applied"] == 1
        weather.clock.pass_by(40)
        await weather.keeper.report(generation=1)
        assert world.state()["faults_applied"] == 2


# -- what is on the wire, byte for byte ----------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WIRES: dict[str, bytes] = {
    "nothing": b"",
    "a greeting of another protocol": b"220 mail.example ESMTP\r\n",
    "half a status line": b"HTTP/1.",
    "headers that end early": b"HTTP/1.1 200 OK\r\nContent-Le",
    "a body that ends early": OK + b"Content-Length: 100\r\n\r\n{}",
    "chunks that end early": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[]",
    "chunks that are none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
    "gzip that is none": OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 7\r\n\r\n[]",
    "a length that is none": OK + b"Content-Length: two\r\n\r\n[]",
    "a status that is none": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "a status beyond all": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "a header of a megabyte": OK + b"X-Much: " + b"a" * (1 << 20) + b"\r\n\r\n",
    "100,000 headers": OK + b"".join(b"X-%d: a\r\n" % n for n in range(100_000)) + b"\r\n",
    "a NUL among headers": OK + b"X-Odd: a\0b\r\nContent-Length: 2\r\n\r\n[]",
    "only continue": b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
    "a redirect to no address": b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n"
    b"Content-Length: 0\r\n\r\n",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "an error with odd words": b"HTTP/1.1 500 No\r\nContent-Type: text/html; charset=x-none\r\n"
    b"Content-Length: 2\r\n\r\n\xff\xfe",
    "a wait that is no number": b"HTTP/1.1 503 No\r\nRetry-After: 1e9999\r\n"
    b"Content-Length: 0\r\n\r\n",
    "a wait until no date": b"HTTP/1.1 503 No\r\nRetry-After: Xyz, 99 Foo 9999999 99:99:99 GMT\r\n"
    b"Date: 0\r\nContent-Length: 0\r\n\r\n",
    "a wait of ages": b"HTTP/1.1 503 No\r\nRetry-After: 99999999999999999999\r\n"
    b"Content-Length: 0\r\n\r\n",
    "a cookie that is none": b"HTTP/1.1 500 No\r\nSet-Cookie: =;;;=\r\n"
    b"Set-Cookie: \xff\xfe=\x01\r\nContent-Length: 0\r\n\r\n",
}


@asynccontextmanager
async def raw_site(said: bytes, *, then: Callable[[], Any] | None = None) -> AsyncIterator[int]:
    """A port on which each connection is told these bytes, and then closed."""

    told: set[asyncio.Task[Any]] = set()

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        told.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            await writer.drain()
            if then is not None:
                await then()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(tell, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*told)


async def asked(port: int) -> Verdict:
    origin = f"http://127.0.0.1:{port}"
    client = SiteClient(
        Site(origin, origin, "/api"), clock=SystemClock(), https_proxy=None, ca_file=None
    )
    try:
        answer = await client.probe((Cookie("sid", "v", "127.0.0.1"),))
    finally:
        await client.close()
    assert answer.retry_after_s is None or answer.retry_after_s >= 0
    return judge(answer, picture=None, denied_text=None, identity_origins=(), sign_in_url=origin)


@pytest.mark.parametrize("name", WIRES)
async def test_whatever_comes_over_the_wire_is_never_a_refusal_and_never_an_error(
    name: str,
) -> None:
    async with raw_site(WIRES[name]) as port:
        assert await asked(port) is Verdict.UNREACHABLE


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", OK + b"Content-Length: 9\r\n\r\n["])
async def test_a_site_that_stops_in_the_middle_is_not_waited_for_for_ever(begun: bytes) -> None:
    forever = asyncio.Event()
    async with raw_site(begun, then=forever.wait) as port:
        began = time.monotonic()
        assert await asked(port) is Verdict.UNREACHABLE
        assert time.monotonic() - began < 5
        forever.set()


async def test_a_body_that_never_stops_is_read_only_so_far() -> None:
    async with raw_site(OK + b"\r\n" + b"[" * (4 << 20)) as port:
        assert await asked(port) is Verdict.ALIVE


async def test_a_port_where_nobody_is_and_one_that_speaks_no_tls() -> None:
    async with raw_site(b"") as port:
        pass
    assert await asked(port) is Verdict.UNREACHABLE
    async with raw_site(OK + b"Content-Length: 0\r\n\r\n") as port:
        origin = f"https://127.0.0.1:{port}"
        client = SiteClient(
            Site(origin, origin, "/api"), clock=SystemClock(), https_proxy=None, ca_file=None
        )
        answer = await client.probe(())
        await client.close()
    assert answer.status == 0 and answer.trouble
