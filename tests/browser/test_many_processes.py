"""A daemon, commands and a cron job at once on one profile: one of them works, the others join."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from harvester.vault.directory import DirectoryStore
from runs import Home
from standin import StandInProcess

TOKEN = [sys.executable, "-P", "-m", "harvester", "token", "--format", "json"]


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess) -> Home:
    return Home(tmp_path, standin)


def _token(home: Home, **env: str) -> subprocess.Popen[str]:
    """A `token` that finds no daemon and works on the store itself."""
    nobody = str(home.place / "nobody.sock")
    return subprocess.Popen(
        TOKEN, env={**home.environ(), "HARVESTER_SOCKET": nobody, **env},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _given(process: subprocess.Popen[str]) -> dict:
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, err
    return json.loads(out)


def _cron(home: Home) -> subprocess.Popen[str]:
    """As cron starts it: no variable but a few, settings in files."""
    password = home.place / "password"
    password.touch(mode=0o600)
    password.write_text(home.world.password)
    config = home.place / "cron.toml"
    config.touch(mode=0o600)
    config.write_text(
        f'store = "{home.store}"\norigin = "{home.world.site}"\n'
        f'identity_origins = ["{home.world.identity}"]\nprovider = "{home.world.provider}"\n'
        f'username = "{home.world.username}"\npassword_file = "{password}"\n'
    )
    return subprocess.Popen(
        [*TOKEN, "--config", str(config)],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home.place),
            "SHELL": "/bin/sh",
            "TMPDIR": str(home.place / "tmp"),
        },
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=home.place,
    )  # fmt: skip


def test_a_daemon_five_tokens_and_a_cron_job_are_one_sign_in_with_one_result(home):
    with home.daemon(ready=False) as daemon:
        running = [_token(home) for _ in range(5)]
        cron = _cron(home)
        served = json.loads(daemon.client.session(wait_s=120))
        given = [served, *(_given(process) for process in (*running, cron))]
    assert {one["generation"] for one in given} == {1}
    assert {one["headers"]["Cookie"] for one in given} == {served["headers"]["Cookie"]}
    assert home.ask_site(served["headers"]["Cookie"]) == 200
    state = home.world.state()
    assert (state["sign_ins"], state["password_submits"]) == (1, 1)
    assert home.processes() == []


def test_when_the_one_that_works_is_killed_another_takes_over_at_once(home):
    # The provider's first page is slow enough to be caught at it.
    home.world.fault("delay", server="identity", seconds=5.0, times=1)
    running = {process.pid: process for process in (_token(home) for _ in range(3))}
    worker = running.pop(_at_work(home, running))
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    began = time.monotonic()
    given = [_given(process) for process in running.values()]
    assert time.monotonic() - began < 60
    assert {one["generation"] for one in given} == {1}
    state = home.world.state()
    assert state["sign_ins"] == 1
    assert state["password_submits"] <= 2
    assert home.ask_site(given[0]["headers"]["Cookie"]) == 200
    ends_at = time.monotonic() + 10
    while home.processes() and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert home.processes() == []


def _at_work(home: Home, running: Mapping[int, subprocess.Popen[str]]) -> int:
    """The process that signs in: it holds the profile's lock, and its browser is on its way."""
    store = DirectoryStore(home.store)
    ends_at = time.monotonic() + 60
    while time.monotonic() < ends_at:
        walks = home.world.state()["page_loads"] > 0
        holder = store.lock("default").holder_pid() if walks else None
        if holder in running:
            return holder
        for process in running.values():
            assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError("nobody came to the site's pages")
