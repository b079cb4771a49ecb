"""Audit, pause and confirm, by the real daemon and the real commands."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import browsers
from harvester.errors import HarvesterError, NeedsHuman, Paused, Usage
from runs import Daemon, Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in

SITE = "/api/managed-agents/sessions"


@pytest.fixture(scope="module")
def signed_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Somebody who signed in with a browser of his own, and knows no password."""
    with StandInProcess() as world:
        yield imported(Home(tmp_path_factory.mktemp("once"), world, HARVESTER_PASSWORD=None))


def imported(made: Home) -> Home:
    person = Walker()
    sign_in(person, made.world)
    pasted = made.place / "pasted"
    pasted.write_text(browsers.header(person.jars["knoq.localhost"].items()))
    ended = made.run("import", str(pasted))
    assert ended.returncode == 0, ended.stderr
    pasted.unlink()
    return made


@pytest.fixture
def home(tmp_path: Path, signed_in: Home) -> Home:
    """The same store for each test, as it was after that."""
    made = Home(tmp_path, signed_in.world, HARVESTER_PASSWORD=None)
    shutil.copytree(signed_in.store, made.store)
    return made


def cookie_of(home: Home) -> str:
    told = json.loads(home.run("token", "--json", "--no-sign-in").stdout)
    return str(told["cookies"][0]["value"])


def lines(home: Home) -> list[dict[str, Any]]:
    path = home.store / "audit.log"
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_for(home: Home, operation: str, result: str = "given", count: int = 1) -> dict[str, Any]:
    ends_at = time.monotonic() + 10
    while time.monotonic() < ends_at:
        found = [
            one for one in lines(home) if (one["operation"], one["result"]) == (operation, result)
        ]
        if len(found) >= count:
            return found[-1]
        time.sleep(0.02)
    raise AssertionError(f"no {operation} {result} in {lines(home)}")


class Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("x", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


def through(home: Home, path: str = SITE, **headers: str) -> tuple[int, bytes]:
    connection = Unix(home.socket.with_name("proxy.sock"))
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    said = answer.status, answer.read()
    connection.close()
    return said


def test_each_way_to_a_session_leaves_its_line_and_no_line_a_cookie(home: Home) -> None:
    cookie = cookie_of(home)
    wait_for(home, "token")
    home.run("export")
    home.run("exec", "--", "true")
    with home.daemon() as daemon:
        ended = home.run("token")
        assert cookie in ended.stdout
        daemon.client.report("default", 1)
        daemon.client.refresh("default")
        assert through(home)[0] == 200
        home.run("exec", "--", "true")
    for operation in ("token", "export", "exec", "session", "report", "refresh", "proxy"):
        line = wait_for(home, operation)
        assert (line["uid"], line["profile"], line["generation"]) == (os.geteuid(), "default", 1)
        assert line["pid"] > 1
    said = lines(home)
    assert len({line["sid"] for line in said if line["sid"]}) == 1, "it is one session"
    assert {"harvester-token", "harvester-exec"} <= {line.get("client") for line in said}
    daemons = [line["result"] for line in said if line["operation"] == "daemon"]
    assert daemons == ["started", "stopped"]
    assert stat.S_IMODE((home.store / "audit.log").stat().st_mode) == 0o600
    assert home.in_clear(cookie) == []


def test_after_a_kill_the_trail_lacks_what_came_last_and_no_more(home: Home) -> None:
    with home.daemon() as daemon:
        home.run("token")
        wait_for(home, "session", count=2)
        daemon.kill()
    with home.daemon():
        told = wait_for(home, "daemon", "started", count=2)
    assert told["result"] == "started"
    daemons = [line["result"] for line in lines(home) if line["operation"] == "daemon"]
    assert daemons == ["started", "started", "stopped"], "a start without a stop before it tells"


def test_a_pause_stops_every_way_and_outlives_the_daemon(home: Home) -> None:
    cookie = cookie_of(home)
    kept = home.place / "kept"
    home.env["HARVESTER_FILES"] = f"cookie:{kept}"
    with home.daemon() as daemon:
        assert cookie in kept.read_text()
        watched = subprocess.Popen(
            [sys.executable, "-P", "-m", "harvester", "--json", "watch"],
            env=home.environ(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert watched.stdout is not None
        assert json.loads(watched.stdout.readline())["ready"] is True
        ended = home.run("pause")
        assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
        told = json.loads(watched.stdout.readline())
        assert (told["ready"], told["code"], told["state"]) == (False, "paused", "live")
        watched.terminate()
        watched.communicate()
        assert not kept.exists()
        refused_everywhere(home, daemon)
        assert home.in_clear(cookie) == []
    # Nobody runs, and nobody is told.
    for words in (["token"], ["export"], ["export", "--sealed"], ["exec", "--", "true"],
                  ["refresh"], ["login"]):  # fmt: skip
        assert home.error(*words)[1]["code"] == "paused", words
    status = home.run("status")
    assert status.returncode == 4 and "paused" in status.stdout
    with home.daemon(ready=False) as daemon:
        refused_everywhere(home, daemon)
        assert not kept.exists()
        assert home.run("resume").returncode == 0
        assert cookie in daemon.client.session()
        assert through(home)[0] == 200
        assert cookie in kept.read_text()
        assert home.run("status").returncode == 0
    assert cookie in home.run("token").stdout
    assert home.world.state()["sign_ins"] == 1


def refused_everywhere(home: Home, daemon: Daemon) -> None:
    code, error = home.error("token")
    assert (code, error["code"]) == (4, "paused") and "harvester resume" in error["hint"]
    for ask in (
        lambda: daemon.client.session(),
        lambda: daemon.client.session(sign_in=False),
        lambda: daemon.client.report("default", 1),
        lambda: daemon.client.refresh("default"),
    ):
        with pytest.raises(Paused):
            ask()
    status, body = through(home)
    assert status == 409 and json.loads(body)["code"] == "paused"
    told = daemon.client.status()
    assert told["paused"]["all_since"] and told["profiles"][0]["paused_since"]
    assert told["profiles"][0]["ready"] is False
    connection = Unix(home.socket)
    connection.request("GET", "/readyz/default")
    answer = connection.getresponse()
    assert answer.status == 503 and "paused" in json.loads(answer.read())["profiles"][0]["why"]
    connection.close()


def test_one_profile_is_paused_alone_also_where_no_daemon_runs(home: Home) -> None:
    home.env |= {"HARVESTER_PROFILES__WORK__ORIGIN": home.world.site}
    assert home.run("--profile", "work", "pause").returncode == 0
    assert cookie_of(home)
    assert home.error("--profile", "work", "token")[1]["code"] == "paused"
    with home.daemon() as daemon:
        assert daemon.client.session()
        with pytest.raises(Paused):
            daemon.client.session("work")
        daemon.client.pause(None)
        with pytest.raises(Usage):
            daemon.client.resume("work")
        assert daemon.client.resume(None)["profiles"] == {}
        with pytest.raises(HarvesterError, match="sign"):
            daemon.client.session("work", sign_in=False)


def asker(home: Home, answer: str) -> Path:
    """A command that writes down what it is told, and says what ``answer`` holds."""
    program = home.place / "ask"
    program.write_text(f"#!/bin/sh\ncd {home.place}; env > asked.$$; mv asked.$$ told\n{answer}\n")
    program.chmod(0o700)
    return program


def told_by(home: Home) -> dict[str, str]:
    pairs = (line.partition("=") for line in (home.place / "told").read_text().splitlines())
    return {name: value for name, _, value in pairs}


def test_a_person_is_asked_before_each_hand_out(home: Home) -> None:
    cookie = cookie_of(home)
    home.env["HARVESTER_CONFIRM"] = str(asker(home, f"test -e {home.place}/yes"))
    code, error = home.error("token")
    assert (code, error["code"]) == (4, "needs_human")
    assert told_by(home)["HARVESTER_OPERATION"] == "token"
    with home.daemon(ready=False) as daemon:
        assert home.error("token")[1]["code"] == "needs_human"
        told = told_by(home)
        assert {name: told[name] for name in told if name.startswith("HARVESTER_")} == {
            "HARVESTER_PROFILE": "default", "HARVESTER_OPERATION": "session",
            "HARVESTER_CLIENT": "harvester-token", "HARVESTER_PID": told["HARVESTER_PID"],
            "HARVESTER_UID": str(os.geteuid()),
        }  # fmt: skip
        status, body = through(home, **{"Harvester-Client": "my-tool"})
        assert (status, json.loads(body)["code"]) == (409, "needs_human")
        told = told_by(home)
        assert (told["HARVESTER_OPERATION"], told["HARVESTER_CLIENT"]) == ("proxy", "my-tool")
        assert wait_for(home, "proxy", "needs_human")["client"] == "my-tool"

        (home.place / "yes").touch()
        assert cookie in home.run("token").stdout
        assert through(home)[0] == 200
        kept = Unix(home.socket)
        for _ in range(3):
            (home.place / "told").unlink()
            kept.request("GET", "/v1/session")
            answer = kept.getresponse()
            assert answer.status == 200 and cookie in answer.read().decode()
            assert (home.place / "told").exists(), "asked each time: nothing comes from the lane"
        (home.place / "yes").unlink()
        kept.request("GET", "/v1/session")
        answer = kept.getresponse()
        assert answer.status == 409 and cookie not in answer.read().decode()
        kept.close()
        assert daemon.client.status()["confirms"] is True


def test_confirm_and_kept_files_exclude_each_other_at_the_start(home: Home) -> None:
    home.env |= {"HARVESTER_CONFIRM": "true", "HARVESTER_FILES": f"cookie:{home.place}/kept"}
    ended = home.run("serve")
    assert ended.returncode == 78 and "HARVESTER_CONFIRM" in ended.stderr


def test_a_planted_audit_file_stops_the_start_and_a_full_disk_does_not(home: Home) -> None:
    audit = home.store / "audit.log"
    audit.unlink()
    victim = home.place / "victim"
    victim.write_text("mine")
    audit.symlink_to(victim)
    code, error = home.error("serve")
    assert (code, error["code"]) == (74, "store_unsafe") and victim.read_text() == "mine"
    audit.unlink()


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can be somebody else at the other end",
)
def test_another_user_is_let_in_nowhere_though_all_modes_are_open(home: Home) -> None:
    cookie = cookie_of(home)
    with home.daemon() as daemon:
        above = home.socket.parent
        while above != Path("/tmp") and above != above.parent:
            above.chmod(0o777)
            above = above.parent
        for name in ("harvester.sock", "proxy.sock"):
            path = home.socket.with_name(name)
            path.chmod(0o666)
            told = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable,
                 "-I", "-c", _KNOCK, str(path)],
                capture_output=True, text=True, timeout=20, check=False, cwd="/",
            )  # fmt: skip
            assert told.stdout == "connected, and heard 0 bytes\n", told.stderr
        line = wait_for(home, "connect", "peer_refused", count=2)
        assert (line["uid"], line["profile"], line["sid"]) == (65534, None, None)
        assert cookie in daemon.client.session()


_KNOCK = """
import socket, sys
one = socket.socket(socket.AF_UNIX)
one.settimeout(10)
one.connect(sys.argv[1])
heard = b""
try:
    one.sendall(b"GET /v1/session HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n")
    while chunk := one.recv(65536):
        heard += chunk
except OSError:
    pass
print(f"connected, and heard {len(heard)} bytes")
"""


def test_hup_changes_who_is_asked(home: Home) -> None:
    config = home.place / "config.toml"
    with home.daemon() as daemon:
        assert home.run("token").returncode == 0
        config.write_text(f'confirm = ["{asker(home, "exit 1")}"]\n')
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("settings.reloaded")
        with pytest.raises(NeedsHuman):
            daemon.client.session()
