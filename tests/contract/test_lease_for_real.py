"""A lease from its making to its end: the command, a real daemon, curl, and kills in between."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runs import Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in

AGENTS = "/api/managed-agents/"


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess) -> Iterator[Home]:
    standin.set(rotate=False)
    yield Home(tmp_path, standin, HARVESTER_PASSWORD=None, HARVESTER_PROXY="127.0.0.1:0")


def bring(home: Home) -> None:
    person = Walker()
    sign_in(person, home.world)
    (home.place / "pasted").write_text(json.dumps(dict(person.jars["knoq.localhost"])))
    ended = home.run("import", str(home.place / "pasted"))
    assert ended.returncode == 0, ended.stderr


def curl(*words: str) -> tuple[int, str]:
    """The status and the body."""
    found = shutil.which("curl")
    assert found is not None
    ended = subprocess.run(
        [found, "-sS", "--noproxy", "*", "--path-as-is", "-w", "\n%{http_code}", *words],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    body, _, status = ended.stdout.rpartition("\n")
    return int(status), body


def test_a_lease_outlives_a_killed_daemon_and_its_end_does_too(home: Home) -> None:
    with home.daemon(ready=False) as daemon:
        bring(home)
        made = home.run("lease", "new", "--path", f"{AGENTS}*", "--for", "10m", "--name", "ci")
        assert made.returncode == 0, made.stderr
        token = made.stdout.strip()
        assert token not in made.stderr
        told = json.loads(home.run("lease", "list", "--json").stdout)["leases"]
        (lease_id,) = [one["id"] for one in told]
        places = json.loads(home.run("--json", "status").stdout)["proxy"]
        shows = ("-H", f"Authorization: Bearer {token}")
        ways = [
            (*shows, "--unix-socket", places["unix"], "http://site"),
            (*shows, f"http://{places['tcp']}"),
        ]
        for *words, where in ways:
            status, body = curl(*words, f"{where}{AGENTS}sessions")
            assert (status, json.loads(body)["organization"]) == (200, "acme")
            for path in (f"{AGENTS}..%2f..%2flogout", f"{AGENTS}../auth/switch-org", "/app"):
                status, body = curl(*words, f"{where}{path}")
                assert (status, json.loads(body)["code"]) == (409, "lease_forbids")
            status, body = curl("-X", "POST", *words, f"{where}{AGENTS}session")
            assert (status, json.loads(body)["code"]) == (409, "lease_forbids")
        daemon.kill()
    unix = ("--unix-socket", places["unix"], f"http://site{AGENTS}sessions")
    with home.daemon(ready=False) as daemon:
        assert curl(*shows, *unix)[0] == 200
        ended = home.run("lease", "revoke", lease_id)
        assert ended.returncode == 0, ended.stderr
        assert curl(*shows, *unix)[0] == 407
        daemon.kill()
    with home.daemon(ready=False):
        status, body = curl(*shows, *unix)
        assert (status, json.loads(body)["code"]) == (407, "lease_ended")
        assert curl(*unix)[0] == 200, "who has the socket needs no lease"
        assert "revoked" in home.run("lease", "list").stdout
        assert home.error("lease", "revoke", "aaaaaaaa")[1]["code"] == "lease_unknown"
    assert home.in_clear(token) == []


def test_with_the_proxy_off_there_is_no_lease(home: Home) -> None:
    home.env["HARVESTER_PROXY"] = "off"
    with home.daemon(ready=False):
        exit_code, error = home.error("lease", "new", "--path", "/x")
        assert (exit_code, error["code"]) == (78, "config_invalid")
        assert "HARVESTER_PROXY=unix" in error["hint"]
    exit_code, error = home.error("lease", "list")
    assert (exit_code, error["code"]) == (69, "no_daemon")
