"""The real daemon, watched by the real commands, while a person brings sessions and signs out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import browsers
from harvester.outlets.api import openapi_text
from runs import Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in

HARVESTER = [sys.executable, "-P", "-m", "harvester"]


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess) -> Home:
    return Home(tmp_path, standin, HARVESTER_PASSWORD=None)


def bring(home: Home) -> str:
    """A session that a person made in a browser; its value."""
    person = Walker()
    sign_in(person, home.world)
    jar = person.jars["knoq.localhost"]
    path = home.place / "pasted"
    path.write_text(browsers.header(jar.items()))
    assert home.run("import", str(path)).returncode == 0
    path.unlink()
    return jar["stytch_session"]


def test_a_daemon_whose_socket_was_removed_is_told_by_the_next_one(home: Home) -> None:
    with home.daemon(ready=False) as daemon:
        # As a log-out does with the whole of /run/user/UID.
        shutil.rmtree(home.socket.parent)
        code, error = home.error("serve")
        assert (code, error["code"]) == (78, "config_invalid")
        assert f"(pid {daemon.process.pid})" in error["message"]
        assert "end that process" in error["hint"]


def test_watch_tells_and_the_file_of_a_running_program_follows(home: Home) -> None:
    with home.daemon(ready=False) as daemon:
        watch = subprocess.Popen(
            [*HARVESTER, "--json", "watch"], env=home.environ(), stdout=subprocess.PIPE, text=True
        )
        assert watch.stdout is not None
        told = [json.loads(watch.stdout.readline())]
        values = [bring(home)]

        def until(state: str, generation: int | None) -> None:
            while (told[-1]["state"], told[-1]["generation"]) != (state, generation):
                told.append(json.loads(watch.stdout.readline()))

        until("live", 1)
        waits = (
            'cat "$KNOQ_SESSION_FILE"; until grep -q "$1" "$KNOQ_SESSION_FILE"; do sleep 0.05; done'
        )
        program = subprocess.Popen(
            [*HARVESTER, "exec", "--format", "value", "--", "sh", "-c", waits, "sh", "."],
            env=home.environ(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert program.communicate(timeout=30)[0].strip() == values[0]
        follower = subprocess.Popen(
            [*HARVESTER, "exec", "--", "sh", "-c", waits, "sh", '"generation": 2'],
            env=home.environ(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["generation"] == 1
        values.append(bring(home))
        until("live", 2)
        assert follower.wait(30) == 0, "the file holds the new generation"
        follower.stdout.close()
        assert home.run("logout").returncode == 0
        until("signed_out", None)
        assert daemon.stop() < 10, "watchers do not hold a daemon up"
        assert watch.wait(10) == 69
        watch.stdout.close()
    described = json.loads(openapi_text())["components"]["schemas"]
    assert all(sorted(one) == sorted(described["Glance"]["required"]) for one in told)
    assert {one["state"] for one in told} <= set(described["State"]["enum"])
    assert [one["ready"] for one in told if one["state"] == "live"][-1] is True
    assert not [value for value in values if value in json.dumps(told)]
