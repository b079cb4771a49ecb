"""Two users of one machine.  Run by root, who becomes nobody where the test says so.

What one user keeps from another, and from other programs of his own; and that whoever is not root
has the browser's sandbox, with a real sign-in.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester.descent import descendants, environ_of, filters_calls, words_of
from harvester.leftovers import PREFIX
from harvester.signin.browser.sandbox import WITHOUT
from nobody import Land, end
from runs import Home
from standin import ROOT, StandInProcess

if os.geteuid() != 0:
    pytest.skip("only root can become another user", allow_module_level=True)

THIEF = ROOT / "tests" / "support" / "thief.py"
DENIED = ("EACCES", "EPERM")
FILTER_S = 5.0


@pytest.fixture(scope="module")
def land() -> Iterator[Land]:
    with tempfile.TemporaryDirectory() as made:
        yield Land(Path(made))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody gets into; pytest's own are for us alone."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def steal(land: Land, *tasks: tuple[str, object]) -> list[str]:
    """What nobody's program gets that tries these things (see thief.py)."""
    words = [str(word) for task in tasks for word in task]
    told: list[str] = json.loads(land.ask(THIEF.read_text(), *words, cwd=Path("/")))
    assert len(told) == len(tasks)
    return told


def signers_of(daemon: int) -> dict[str, int]:
    """The processes of a sign-in under way: the watcher, and the one that holds the secrets."""
    lines = words_of(descendants(daemon))
    found = sorted(pid for pid, words in lines.items() if "harvester.signin" in words)
    return dict(zip(("watcher", "signer"), found, strict=False))


def until_a_page_is_open(daemon: int) -> dict[int, list[str]]:
    """The command lines below a daemon whose sign-in shows a page."""
    ends_at = time.monotonic() + 90
    while time.monotonic() < ends_at:
        lines = words_of(descendants(daemon))
        if (
            any("--type=renderer" in words for words in lines.values())
            and len(signers_of(daemon)) == 2
        ):
            return lines
        time.sleep(0.01)
    raise AssertionError("no page was opened")


def test_another_user_gets_nothing_of_a_daemon_of_root(
    land: Land, place: Path, standin: StandInProcess
) -> None:
    room = place / "room"
    home = Home(room, standin)
    room.chmod(0o755)
    with home.daemon() as daemon:
        pids = {"daemon": daemon.process.pid}
        standin.fault("delay", server="identity", seconds=60)
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "harvester", "refresh", "--hard"],
            env=home.environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as asking:  # fmt: skip
            until_a_page_is_open(daemon.process.pid)
            pids |= signers_of(daemon.process.pid)
            assert set(pids) == {"daemon", "watcher", "signer"}
            tried = [
                (task, pid) for pid in pids.values() for task in ("memory", "environ", "debug")
            ]
            assert {*steal(land, *tried)} <= {*DENIED}, tried
            asking.kill()
        paths = [home.store, *home.store.rglob("*"), home.log.parent / "config.toml"]
        secrets = [one for one in paths if one.is_file() and one != home.log]
        folders = [one for one in paths if one.is_dir()]
        assert len(secrets) > 4 and len(folders) > 2
        got = steal(
            land, *(("read", one) for one in secrets), *(("listed", one) for one in folders)
        )
        assert {*got} <= {*DENIED}
        sockets = [home.socket, home.socket.with_name("proxy.sock")]
        assert {*steal(land, *(("connect", one) for one in sockets))} <= {*DENIED}
        # And though somebody opened every door that has a mode.
        for one in (home.store, *home.store.rglob("*"), home.socket.parent, *sockets):
            one.chmod(0o777 if one.is_dir() else 0o666)
        assert steal(land, *(("connect", one) for one in sockets)) == ["0 bytes: "] * 2
        # We ourselves still get in, so that it was no broken socket that kept him out.
        assert json.loads(daemon.client.session())["generation"] == 1


class NobodysDaemon:
    """A daemon that runs as nobody, signing in at a stand-in; its commands are his, too."""

    def __init__(self, land: Land, place: Path, world: StandInProcess) -> None:
        self._land = land
        self.room = land.room(place / "room")
        self.socket = self.room / "run" / "harvester.sock"
        self._environ = {
            **land.environ(self.room),
            "HARVESTER_ORIGIN": world.site,
            "HARVESTER_IDENTITY_ORIGINS": world.identity,
            "HARVESTER_PROVIDER": world.provider,
            "HARVESTER_USERNAME": world.username,
            "HARVESTER_PASSWORD": world.password,
            "HARVESTER_TOTP_SECRET": world.totp_secret,
            "HARVESTER_STORE": str(self.room / "store"),
            "HARVESTER_SOCKET": str(self.socket),
            "HARVESTER_LOG_FORMAT": "json",
        }
        self.log = place / "log"
        self._process = self._start("serve")
        self.pid = self._process.pid

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        return self._land.start(
            "-P", "-m", "harvester", *words, environ=self._environ, cwd=self.room, log=self.log
        )

    def says(self, *words: str) -> dict[str, Any]:
        """The JSON of a command."""
        asking = self._start(*words)
        out, _ = asking.communicate(timeout=90)
        assert asking.returncode == 0, (words, out, self.log.read_text())
        told: dict[str, Any] = json.loads(out)
        return told

    def stop(self) -> None:
        assert end(self._process) == 0, self.log.read_text()


class Watched:
    """What could be seen of a daemon of nobody's, from its first sign-in to its end."""

    TASKS = ("opened_memory", "memory", "environ", "debug")

    def __init__(self, land: Land, place: Path, world: StandInProcess) -> None:
        plain = land.start("-c", "import time; time.sleep(99)", environ={}, cwd=Path("/"))
        world.fault("delay", server="identity", seconds=3, times=1)
        daemon = NobodysDaemon(land, place, world)
        try:
            self.lines = until_a_page_is_open(daemon.pid)
            renderers = [pid for pid, words in self.lines.items() if "--type=renderer" in words]
            # A renderer is there a moment before its filter is; one that has none never gets it.
            until = time.monotonic() + FILTER_S
            while not all(found := [filters_calls(pid) for pid in renderers]):
                if time.monotonic() > until:
                    break
                time.sleep(0.05)
            self.filtered = found
            [self.scratch] = {
                Path(home)
                for home in (environ_of(pid).get("HOME", "") for pid in self.lines)
                if PREFIX in home
            }
            self.scratch_mode = stat.S_IMODE(self.scratch.stat().st_mode)
            self.holders = {"daemon": daemon.pid, **signers_of(daemon.pid)}
            pids = (plain.pid, *self.holders.values())
            got = steal(land, *((task, pid) for pid in pids for task in self.TASKS))
            self.of_plain, self.of_holders = got[: len(self.TASKS)], got[len(self.TASKS) :]
            self.under_way = all(Path(f"/proc/{pid}").exists() for pid in pids)
            self.token = daemon.says("token", "--format", "json")
            [self.connected] = steal(land, ("connect", daemon.socket))
            [self.profile] = daemon.says("status", "--json")["profiles"]
            self.checks = daemon.says("--json", "doctor")["checks"]
        finally:
            plain.kill()
            plain.communicate()
            daemon.stop()
        self.log = daemon.log.read_text()
        self.sign_ins = world.state()["sign_ins"]


@pytest.fixture(scope="module")
def watched(land: Land, _one_standin: StandInProcess) -> Iterator[Watched]:
    _one_standin.reset()
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Watched(land, Path(made), _one_standin)
    _one_standin.reset()


def test_another_program_of_the_same_user_reads_no_process_that_holds_secrets(
    watched: Watched,
) -> None:
    assert set(watched.holders) == {"daemon", "watcher", "signer"} and watched.under_way
    assert {*watched.of_holders} <= {*DENIED}
    # A program that does nothing against it is read by the same thief.
    assert not {*watched.of_plain} & {*DENIED}, watched.of_plain


def test_another_program_of_the_same_user_may_ask_for_the_session(watched: Watched) -> None:
    assert watched.token["generation"] == 1
    assert watched.connected.endswith("HTTP/1.1 200")


def test_whoever_is_not_root_signs_in_with_the_sandbox_on(watched: Watched) -> None:
    words = {word for line in watched.lines.values() for word in line}
    assert not words & set(WITHOUT)
    assert watched.filtered and all(watched.filtered)
    assert watched.scratch_mode == 0o700 and not watched.scratch.exists()
    assert watched.sign_ins == 1 and watched.token["generation"] == 1


def test_it_is_told_that_the_sandbox_was_on(watched: Watched) -> None:
    assert watched.profile["sandboxed"] is True
    [told] = [one for one in watched.checks if one["check"] == "sandbox"]
    assert told["state"] == "ok" and "was in it" in told["message"]
    assert "browser.no_sandbox" not in watched.log
