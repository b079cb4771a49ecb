"""The whole story without a sign-in: a real daemon, an imported session, the stand-in, curl."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runs import Daemon, Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in

AGENTS = "/api/managed-agents/"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    place = tmp_path_factory.mktemp("home")
    with StandInProcess() as world:
        yield Home(place, world, HARVESTER_PASSWORD=None, HARVESTER_PROXY="127.0.0.1:0")


@pytest.fixture(scope="module")
def _running(home: Home) -> Iterator[Daemon]:
    with home.daemon(ready=False) as running:
        yield running


@pytest.fixture
def daemon(home: Home, _running: Daemon) -> Daemon:
    """One for all tests, with a live session."""
    home.world.set(rotate=False)
    if not home.world.state()["sessions_live"]:
        bring(home)
    return _running


def bring(home: Home) -> dict[str, str]:
    """A session made in a browser (played over plain HTTP), taken in; its cookies."""
    person = Walker()
    sign_in(person, home.world)
    jar = dict(person.jars["knoq.localhost"])
    (home.place / "pasted").write_text(json.dumps(jar))
    ended = home.run("import", str(home.place / "pasted"))
    assert ended.returncode == 0, ended.stderr
    return jar


class OverUnix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("knoq", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


def ask(home: Home, method: str, name: str, data: Any = None) -> tuple[int, Any]:
    connection = OverUnix(home.socket.with_name("proxy.sock"))
    body = None if data is None else json.dumps(data)
    connection.request(method, AGENTS + name, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told = answer.read()
    assert "set-cookie" not in {header.lower() for header in answer.headers}
    connection.close()
    return answer.status, json.loads(told)


def test_any_tool_that_speaks_http_has_the_session(home: Home, daemon: Daemon) -> None:
    status, told = ask(home, "GET", "sessions")
    assert (status, told["organization"]) == (200, "acme")
    status, told = ask(home, "POST", "session", {"text": "hello"})
    assert status == 201, "our Origin came along, or it were a 403"
    assert ask(home, "POST", "message", {"sessionId": told["sessionId"], "text": "more"})[0] == 200
    assert ask(home, "DELETE", f"session?sessionId={told['sessionId']}")[0] == 200


def test_curl_over_both_sockets(home: Home, daemon: Daemon) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    places = json.loads(home.run("--json", "status").stdout)["proxy"]
    over_unix = ["--unix-socket", places["unix"], f"http://knoq{AGENTS}sessions"]
    token = Path(places["token"]).read_text().strip()
    over_tcp = [
        "--proxy-header", "X: not for this", "-H", f"Proxy-Authorization: Bearer {token}",
        f"http://{places['tcp']}{AGENTS}sessions",
    ]  # fmt: skip
    for words in (over_unix, over_tcp):
        ended = subprocess.run(
            [curl, "-sS", "--fail", "--noproxy", "*", *words],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        assert json.loads(ended.stdout)["organization"] == "acme"
    shown = home.run("status").stdout
    assert f"proxy at {places['unix']}" in shown
    assert f"proxy at http://{places['tcp']}, for who has the token in {places['token']}" in shown
    assert token not in shown + home.log.read_text()


def test_a_revoked_session_that_a_person_replaces_is_not_noticed_by_who_asks_then(
    home: Home, daemon: Daemon
) -> None:
    home.world.revoke()
    status, told = ask(home, "GET", "sessions")
    assert (status, told) == (401, {"error": "unauthorized"}), "nobody can sign in here"
    bring(home)
    assert ask(home, "GET", "sessions")[0] == 200


def test_a_site_that_rolls_its_cookie_at_each_request_keeps_its_clients(
    home: Home, daemon: Daemon
) -> None:
    home.world.set(rotate=True, rotate_grace_s=2.0)
    before, denied = json.loads(daemon.client.session()), home.world.state()["api_401"]
    for _ in range(5):
        assert ask(home, "GET", "sessions")[0] == 200
        home.world.advance(3)  # only the value that came last works now
    after = json.loads(daemon.client.session())
    assert after["generation"] == before["generation"]
    assert after["headers"]["Cookie"] != before["headers"]["Cookie"]
    assert home.world.state()["api_401"] == denied


def test_many_threads_and_no_two_answers_mixed_up(home: Home, daemon: Daemon) -> None:
    begun = [ask(home, "POST", "session", {"text": str(n)})[1]["sessionId"] for n in range(5)]

    def read(number: int) -> bool:
        status, told = ask(home, "GET", f"transcript?sessionId={begun[number % 5]}")
        return status == 200 and told["events"][0]["text"] == str(number % 5)

    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(read, range(100)))


def test_what_the_daemon_writes_holds_no_cookie_and_no_query(home: Home, daemon: Daemon) -> None:
    cookie = json.loads(daemon.client.session())["headers"]["Cookie"]
    ask(home, "GET", "sessions?canary=1")
    home.world.revoke()
    ask(home, "GET", "sessions?canary=2")
    told = home.log.read_text()
    assert "proxy.not_refreshed" in told
    assert "canary" not in told
    assert cookie.partition("=")[2] not in told


def test_off_is_off(tmp_path: Path, home: Home) -> None:
    alone = Home(tmp_path, home.world, HARVESTER_PASSWORD=None, HARVESTER_PROXY="off")
    with alone.daemon(ready=False) as running:
        assert running.client.status()["proxy"] is None
    assert [path.name for path in tmp_path.rglob("*") if "proxy" in path.name] == []


def test_a_second_daemon_beside_it_is_told_what_is_taken(
    tmp_path: Path, home: Home, daemon: Daemon
) -> None:
    beside = Home(tmp_path, home.world, HARVESTER_SOCKET=str(home.socket.with_name("other.sock")))
    ended = beside.run("serve")
    assert ended.returncode == 78
    assert "proxy.sock" in ended.stderr
