"""However a sign-in ends: no process, no temporary file, no secret where it should not be."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvester.descent import descendants
from parent import Spawned, job_for, secret, sign_in
from processes import ended
from standin import StandInProcess


@pytest.fixture
def room(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a signer whose scratch directories lie in a place of this test's own."""
    place = tmp_path / "run"
    place.mkdir(mode=0o700)
    yield {"XDG_RUNTIME_DIR": str(place)}
    assert list(place.iterdir()) == []


def run_until(signer: Spawned, state: str, act: Callable[[], None]) -> set[int]:
    """Let it run to a page state, then act; the processes that it had by then."""
    family: set[int] = set()

    def watch(now: str) -> None:
        if now == state:
            family.update(descendants(signer.process.pid))
            act()

    signer.run(on_step=watch)
    return family


def test_after_a_sign_in_nothing_is_left(standin: StandInProcess, room: dict[str, str]) -> None:
    signer = Spawned(job_for(standin), room)
    family = run_until(signer, "ask_both", lambda: None)
    assert len(family) > 3
    assert all(ended(pid) for pid in family)


@pytest.mark.parametrize("state", ["landing", "ask_both", "candidate"])
def test_a_parent_that_goes_away_in_the_middle_takes_everything_along(
    standin: StandInProcess, state: str, room: dict[str, str]
) -> None:
    signer = Spawned(job_for(standin), room)
    assert signer.process.stdin is not None
    family = run_until(signer, state, signer.process.stdin.close)
    assert len(family) > 3
    assert all(ended(pid) for pid in family)
    assert signer.process.returncode == 1


def test_a_stopped_browser_and_driver_are_ended_too(
    standin: StandInProcess, room: dict[str, str]
) -> None:
    signer = Spawned(job_for(standin), room)

    def stop_all_then_close() -> None:
        for pid in descendants(signer.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        assert signer.process.stdin is not None
        signer.process.stdin.close()

    family = run_until(signer, "ask_both", stop_all_then_close)
    assert all(ended(pid) for pid in family)


def test_a_browser_that_dies_is_told_and_swept(
    standin: StandInProcess, room: dict[str, str]
) -> None:
    signer = Spawned(job_for(standin), room)

    def kill_browser() -> None:
        for pid in descendants(signer.process.pid):
            with contextlib.suppress(OSError):
                if b"chromium" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)

    outcome = signer.run(on_step=lambda now: kill_browser() if now == "choose_provider" else None)
    assert outcome.error is not None and outcome.error.code == "browser_failed"
    assert outcome.result["stage"] == "before_submit"


def test_a_browser_that_is_none_is_said_so(standin: StandInProcess, tmp_path: Path) -> None:
    from harvester.signin.dialogue import BrowserChoice

    fake = tmp_path / "browser"
    fake.write_text("#!/bin/sh\nexit 3\n")
    fake.chmod(0o755)
    outcome = sign_in(standin, browser=BrowserChoice(browser=str(fake)))
    assert outcome.error is not None and outcome.error.code == "browser_failed"
    missing = sign_in(standin, browser=BrowserChoice(browser=str(tmp_path / "none")))
    assert missing.error is not None and missing.error.code == "browser_missing"


def test_no_process_below_the_signer_knows_a_secret(
    standin: StandInProcess, room: dict[str, str]
) -> None:
    canary = "c4n4ry-p4ssw0rd-of-the-user"
    standin.change_password(canary)
    signer = Spawned(
        job_for(standin, password=secret("HARVESTER_PASSWORD", canary)),
        {**room, "SSLKEYLOGFILE": "/tmp/must-not-exist", "NODE_OPTIONS": "--no-such-flag"},
    )
    found: list[str] = []
    read: set[str] = set()

    def search() -> None:
        for pid in descendants(signer.process.pid):
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    told = Path(f"/proc/{pid}/{name}").read_bytes()
                    read.add(f"{pid} {name}")
                    if canary.encode() in told or standin.totp_secret.encode() in told:
                        found.append(f"{pid} {name}")

    outcome = signer.run(on_step=lambda now: search() if now in ("ask_both", "candidate") else None)
    assert outcome.error is None, outcome.result
    assert found == [] and len(read) > 3
    assert canary.encode() not in outcome.raw + outcome.stderr
    assert outcome.stderr == b""


def test_what_is_no_job_is_refused_without_a_traceback() -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "harvester.signin"], input=b"{}\n", capture_output=True, timeout=20
    )
    assert done.returncode == 2 and done.stdout == b""
    assert b"Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
