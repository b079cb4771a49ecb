"""The stand-in's machine room: the switchboard, faults on the wire, and the process itself."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from harvester.standin import StandIn
from standin import ControlRefused, StandInProcess
from walker import Walker
from walks import api, sign_in, to_the_provider


def test_every_switch_can_be_set_to_its_default_and_has_a_meaning(world: StandInProcess) -> None:
    table = Walker().ask(f"{world.control}/switches").json()
    assert len(table["switches"]) > 40
    for switch in table["switches"]:
        assert switch["means"]
        assert table["positions"][switch["name"]] == switch["default"]
        world.set(**{switch["name"]: switch["default"]})


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"session_lif": 5}, "the nearest is 'session_life_s'"),
        ({"needed": "all"}, "needed takes one of: opaque, jwt, both"),
        ({"session_life_s": "long"}, "session_life_s takes float"),
        ({"session_life_s": 1e300}, "a number up to"),
        ({"totp": 1}, "totp takes bool"),
        ({"organizations": "acme,evil"}, "organizations takes some of"),
        ({"organizations": ""}, "organizations takes some of"),
        ({"opaque_name": "a;b"}, "a name that a cookie may have"),
        ({"totp": True, "wrong": 1}, "no switch 'wrong'"),
    ],
)
def test_a_wrong_switch_is_named_and_nothing_is_turned(
    world: StandInProcess, switches: dict[str, object], words: str
) -> None:
    with pytest.raises(ControlRefused, match=words):
        world.set(**switches)
    positions = Walker().ask(f"{world.control}/switches").json()["positions"]
    assert positions["totp"] is False
    assert positions["session_life_s"] == 3600.0


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("revoke", {"what": "everything"}),
        ("advance", {"seconds": "1"}),
        ("advance", {"seconds": 1e300}),
        ("advance", {"seconds": float("nan")}),
        ("password", {"password": ""}),
        ("fault", {"kind": "gremlin"}),
        ("fault", {"kind": "delay", "seconds": "x"}),
        ("fault", {"kind": "status", "status": 9999}),
        ("fault", {"kind": "status", "colour": "red"}),
        ("fault", {"server": "nobody", "kind": "hang"}),
    ],
)
def test_wrong_orders_are_refused_with_a_reason(
    world: StandInProcess, verb: str, body: dict[str, object]
) -> None:
    page = Walker().post_json(f"{world.control}/{verb}", body, origin=None)
    assert page.status == 400
    assert page.json()["error"]


def test_the_control_door_needs_its_token_and_its_host(world: StandInProcess) -> None:
    wrong = f"http://127.0.0.1:{world.port}/_control/guess/state"
    assert Walker().ask(wrong).status == 404
    path = world.control.removeprefix(f"http://127.0.0.1:{world.port}")
    for origin in (world.site, world.identity):
        assert Walker().ask(f"{origin}{path}/state").status == 404
    assert Walker().ask(f"http://other.localhost:{world.port}/").status == 421
    assert Walker().ask(f"{world.control}/nonsense").status == 404


def test_a_reset_makes_everything_as_it_was(world: StandInProcess) -> None:
    first = world.state()
    sign_in(Walker(), world)
    world.set(totp=True, clock_skew_s=30.0)
    world.fault("status", status=500)
    world.advance(1000)
    world.change_password("another-One-7")
    assert world.state() != first
    world.reset()
    assert world.state() == first
    assert sign_in(Walker(), world).path == "/app"


def test_the_log_tells_who_was_asked_what_and_no_query(world: StandInProcess) -> None:
    sign_in(Walker(), world)
    lines = [(one["server"], one["method"], one["path"], one["status"]) for one in world.log()]
    assert lines == [
        ("site", "GET", "/", 200),
        ("site", "GET", "/login", 200),
        ("site", "GET", "/auth/start", 303),
        ("identity", "GET", "/authorize", 303),
        ("identity", "GET", "/signin", 200),
        ("identity", "POST", "/signin", 303),
        ("site", "GET", "/auth/callback", 303),
        ("site", "GET", "/app", 200),
    ]


@pytest.mark.parametrize("retry_after", ["", "120", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_status_fault_answers_so_many_times_on_its_prefix(
    world: StandInProcess, retry_after: str
) -> None:
    world.fault(
        "status", server="site", prefix="/api/", status=503, retry_after=retry_after, times=2
    )
    for _ in range(2):
        page = api(Walker(), world)
        assert page.status == 503
        assert page.headers.get("Retry-After", "") == retry_after
    assert api(Walker(), world).status == 401
    assert world.state()["faults_applied"] == 2


def test_a_fault_of_one_server_leaves_the_other_alone(world: StandInProcess) -> None:
    world.fault("status", server="identity", status=500)
    assert Walker().ask(f"{world.site}/login").status == 200
    assert to_the_provider(Walker(), world).status == 500
    world.clear_faults()
    assert to_the_provider(Walker(), world).status == 200


@pytest.mark.parametrize("switch", ["site_down", "identity_down"])
def test_a_server_that_is_down_resets_connections(world: StandInProcess, switch: str) -> None:
    world.set(**{switch: True})
    down = world.site if switch == "site_down" else world.identity
    with pytest.raises(ConnectionResetError):
        Walker().ask(f"{down}/")
    world.set(**{switch: False})
    assert Walker().ask(f"{down}/").status == 200


def test_what_hangs_and_what_trickles_never_ends_and_holds_nobody_up(
    world: StandInProcess,
) -> None:
    for kind, came in (("hang", b""), ("trickle", b"HTTP/1.1 200 OK")):
        world.clear_faults()
        world.fault(kind, server="site", prefix="/api/")
        host = world.site.removeprefix("http://")
        with socket.create_connection(("127.0.0.1", world.port), timeout=0.3) as wire:
            wire.sendall(f"GET /api/me HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            try:
                got = wire.recv(4096)
            except TimeoutError:
                got = b""
            assert got.startswith(came)
            assert bool(got) is bool(came)
            assert Walker().ask(f"{world.site}/").status == 200


def test_a_delay_delays_and_then_answers_as_usual(world: StandInProcess) -> None:
    world.fault("delay", server="site", prefix="/api/", seconds=0.05, times=1)
    assert api(Walker(), world).status == 401
    assert world.state()["faults_applied"] == 1


def test_answers_that_only_look_alive(world: StandInProcess) -> None:
    world.fault("sign_in_page", server="site", prefix="/api/", times=1)
    world.fault("sign_in_redirect", server="site", prefix="/api/", times=1)
    world.fault("redirect_loop", server="site", prefix="/api/", times=1)
    page = api(Walker(), world)
    assert (page.status, 'type="password"' in page.text) == (200, True)
    assert api(Walker(), world).headers["Location"] == "/login"
    assert api(Walker(), world).headers["Location"] == "/api/managed-agents/sessions"


def test_every_second_request_may_be_met(world: StandInProcess) -> None:
    world.fault("status", server="site", prefix="/api/", status=502, every=2)
    assert [api(Walker(), world).status for _ in range(4)] == [401, 502, 401, 502]


def test_an_answer_may_be_lost_after_the_work_is_done(world: StandInProcess) -> None:
    world.fault("lost_answer", server="identity", method="POST")
    with pytest.raises(ConnectionResetError):
        sign_in(Walker(), world)
    state = world.state()
    assert (state["password_submits"], state["passwords_arrived"]) == (1, 1)
    assert state["identity_sessions_live"] == 1


@pytest.mark.parametrize(
    ("kind", "starts", "holds"),
    [
        ("error_form", b"HTTP/1.1 503", b'type="password"'),
        ("tls", b"HTTP/1.1 303", b"Location: https://knoq.localhost"),
        ("rubbish", b"220 ", b"ESMTP"),
        ("broken_off", b"HTTP/1.1 200", b'{"sessions": ['),
    ],
)
def test_what_a_fault_puts_on_the_wire(
    world: StandInProcess, kind: str, starts: bytes, holds: bytes
) -> None:
    world.fault(kind, server="site", prefix="/api/")
    host = world.site.removeprefix("http://")
    got = b""
    with socket.create_connection(("127.0.0.1", world.port), timeout=5) as wire:
        wire.sendall(f"GET /api/me HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        while holds not in got:
            part = wire.recv(4096)
            assert part, got
            got += part
    assert got.startswith(starts)


def test_the_process_tells_one_line_and_ends_cleanly_even_while_something_hangs() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with StandInProcess(totp="true", session_life_s=25) as one:
            assert one.pid != os.getpid()
            assert one.organizations == ["acme"]
            one.fault("hang", server="site")
            wire = http.client.HTTPConnection("127.0.0.1", one.port, timeout=5)
            wire.request("GET", "/", headers={"Host": one.site.removeprefix("http://")})
            os.kill(one.pid, number)
            assert one.wait() == 0
            wire.close()


@pytest.mark.parametrize(
    ("words", "exit_code", "told"),
    [
        (["--set", "totpp=true"], 2, "the nearest is 'totp'"),
        (["--set", "totp"], 2, "SWITCH=VALUE"),
        (["--port", "99999"], 69, "cannot listen"),
    ],
)
def test_a_wrong_start_ends_with_a_sentence_and_no_traceback(
    words: list[str], exit_code: int, told: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harvester.standin", *words],
        capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip
    assert done.returncode == exit_code
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


async def test_it_can_be_used_in_the_same_process() -> None:
    async with StandIn(totp=True, session_life_s=25) as here:
        told = json.loads(json.dumps(here.describe()))
        assert told["site"] == here.site
        assert here.world.switches.session_life_s == 25.0
        assert here.control_url.startswith(f"http://127.0.0.1:{here.port}/_control/")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", here.port), timeout=1)


def test_importing_the_package_alone_imports_no_server() -> None:
    code = "import sys, harvester.standin; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
