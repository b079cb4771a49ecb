"""The daemon as its surroundings treat it: HUP, a closed terminal, a person who is needed."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from runs import Home
from standin import StandInProcess


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess) -> Home:
    return Home(tmp_path, standin)


@pytest.fixture
def idle(tmp_path: Path, world: StandInProcess) -> Home:
    """A home whose daemon has nothing to do: nobody is set up."""
    return Home(tmp_path, world, HARVESTER_USERNAME=None, HARVESTER_PASSWORD=None)


SERVE = [sys.executable, "-P", "-m", "harvester", "serve"]


def test_hup_reads_the_settings_again_and_a_mistake_in_them_costs_nobody_the_session(home):
    config = home.place / "config.toml"
    secret = home.place / "work-password"
    secret.touch(mode=0o600)
    secret.write_text(home.world.password)
    with home.daemon() as daemon:
        before = json.loads(daemon.client.session())
        config.write_text('refresh_every = "10m\n')
        daemon.process.send_signal(signal.SIGHUP)
        rejected = daemon.wait_for("settings.rejected")
        assert rejected["code"] == "config_invalid" and "line 1" in rejected["why"]
        assert json.loads(daemon.client.session())["generation"] == before["generation"]
        assert home.world.password not in home.log.read_text()

        config.write_text(
            'refresh_every = "10m"\n'
            f'store = "{home.place / "elsewhere"}"\n'
            "[profiles.work]\n"
            f'origin = "{home.world.site}"\nidentity_origins = ["{home.world.identity}"]\n'
            f'provider = "{home.world.provider}"\nusername = "{home.world.username}"\n'
            f'password_file = "{secret}"\n'
        )
        daemon.process.send_signal(signal.SIGHUP)
        told = daemon.wait_for("settings.reloaded")
        assert (told["added"], told["changed"]) == (["work"], ["default"])
        assert json.loads(daemon.client.session())["headers"] == before["headers"]
        # The environment names the store too, and it is stronger: nothing needs a restart.
        assert not [one for one in daemon.events() if one["event"] == "settings.need_restart"]
        work = json.loads(daemon.client.session("work", wait_s=120))
        assert home.ask_site(work["headers"]["Cookie"]) == 200
        assert home.world.state()["sign_ins"] == 2

        config.write_text("")
        daemon.process.send_signal(signal.SIGHUP)
        ends_at = time.monotonic() + 20
        while not (gone := [one for one in daemon.events() if one.get("gone")]):
            assert time.monotonic() < ends_at
            time.sleep(0.02)
        assert gone[0]["gone"] == ["work"]
        assert json.loads(daemon.client.session())["headers"] == before["headers"]
        assert home.world.state()["sign_ins"] == 2
    assert (home.store / "profiles" / "work" / "session").exists()


def test_who_was_started_under_nohup_goes_on_ignoring_hup(idle):
    with idle.log.open("ab") as log:
        words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *SERVE]
        process = subprocess.Popen(words, env=idle.environ(), stderr=log, stdin=subprocess.DEVNULL)
    try:
        _until_started(idle, process)
        status = Path(f"/proc/{process.pid}/status").read_text()
        [ignored] = [line.split()[1] for line in status.splitlines() if line.startswith("SigIgn")]
        assert int(ignored, 16) & 1
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert "settings." not in idle.log.read_text()
    finally:
        process.kill()
        process.wait()


def test_a_daemon_whose_terminal_is_closed_ends_and_leaves_the_store_to_the_next(idle):
    ours, its = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(its, termios.TIOCSCTTY, 0)

    with idle.log.open("ab") as log:
        process = subprocess.Popen(
            SERVE, env=idle.environ(), stdin=its, stdout=its, stderr=log,
            start_new_session=True, preexec_fn=take_terminal,
        )  # fmt: skip
    os.close(its)
    try:
        _until_started(idle, process)
        # With the terminal there it is a reload like any other.
        process.send_signal(signal.SIGHUP)
        _until_logged(idle, process, "settings.reloaded")
        os.close(ours)
        assert process.wait(15) == 0
        assert "daemon.stopped" in idle.log.read_text()
    finally:
        process.kill()
        process.wait()


def test_a_person_who_is_needed_is_called_once_also_after_a_restart(home):
    called = home.place / "called"
    home.world.set(idp_page="captcha")
    home.env["HARVESTER_ON_PERSON_NEEDED"] = (
        f"""sh -c 'echo "$HARVESTER_PROFILE $HARVESTER_CODE" >> {called}; env > {called}.env'"""
    )
    with home.daemon(ready=False) as daemon:
        daemon.wait_for("hook.ran")
        assert home.run("status").returncode == 4
    with home.daemon(ready=False) as daemon:
        code, error = home.error("token")
        assert (code, error["code"]) == (4, "challenge")
    assert called.read_text() == "default challenge\n"
    assert home.world.password not in Path(f"{called}.env").read_text()


def _until_started(home: Home, process: subprocess.Popen[bytes]) -> None:
    _until_logged(home, process, "daemon.started")


def _until_logged(home: Home, process: subprocess.Popen[bytes], name: str) -> None:
    ends_at = time.monotonic() + 20
    while name not in (said := home.log.read_text()):
        assert process.poll() is None and time.monotonic() < ends_at, said
        time.sleep(0.02)
