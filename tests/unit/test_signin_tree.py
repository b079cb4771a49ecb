"""The watcher: whatever a sign-in starts, nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.descent import alive
from harvester.signin import confine
from processes import ended

# A child that makes a grandchild in a session of its own, orphaned and stopped, and says who it is.
PROGRAM = """
import os, signal, sys, time
from harvester.signin.tree import watch

def stubborn():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(one, signal.SIG_IGN)
            os.write(1, (str(os.getpid()) + "\\n").encode())
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(600)
        os._exit(0)

def work(answers):
    stubborn()
    {then}

sys.exit(watch(work, answers=0, deadline=time.monotonic() + {limit}))
"""
WAITS = "time.sleep(600)"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for one in running:
        one.kill()
        one.wait()
        for pipe in (one.stdin, one.stdout):
            if pipe is not None:
                pipe.close()


def start(
    started: list[subprocess.Popen[bytes]], *, then: str = WAITS, limit: float = 60
) -> tuple[subprocess.Popen[bytes], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(then=then, limit=limit)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    started.append(process)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_a_closed_stdin_kills_a_stopped_orphan_in_its_own_session(
    started: list[subprocess.Popen[bytes]],
) -> None:
    process, orphan = start(started)
    assert alive({orphan})
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 1
    assert ended(orphan)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_whole_tree(
    started: list[subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    process, orphan = start(started)
    process.send_signal(number)
    assert process.wait(10) == 1
    assert ended(orphan)


def test_the_time_limit_ends_the_whole_tree(started: list[subprocess.Popen[bytes]]) -> None:
    process, orphan = start(started, limit=0.5)
    assert process.wait(10) == 1
    assert ended(orphan)


def test_work_that_ends_leaves_nothing_behind(started: list[subprocess.Popen[bytes]]) -> None:
    # It ends only when the orphan has said who it is.
    process, orphan = start(started, then="os.read(answers, 1); os._exit(7)")
    assert process.stdin is not None
    process.stdin.write(b"?")
    process.stdin.flush()
    assert process.wait(10) == 7
    assert ended(orphan)


def test_a_stopped_worker_does_not_stop_the_watcher(
    started: list[subprocess.Popen[bytes]],
) -> None:
    process, orphan = start(started, then="os.kill(os.getpid(), signal.SIGSTOP)")
    assert process.stdin is not None
    process.stdin.write(b"x" * 50_000)
    process.stdin.close()
    assert process.wait(10) == 1
    assert ended(orphan)


def test_a_killed_watcher_takes_the_worker_along(started: list[subprocess.Popen[bytes]]) -> None:
    # The orphan's line comes first: the worker waits until it is told to say who it is.
    then = "os.read(answers, 1); os.write(1, b'%d\\n' % os.getpid()); time.sleep(600)"
    process, orphan = start(started, then=then)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"?")
    process.stdin.flush()
    worker = int(process.stdout.readline())
    try:
        process.kill()
        assert ended(worker)
    finally:
        os.kill(orphan, signal.SIGKILL)  # nobody is left who would


def test_answers_reach_the_worker(started: list[subprocess.Popen[bytes]]) -> None:
    then = "os.write(1, os.read(answers, 100)); os._exit(0)"
    process, _ = start(started, then=then)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"granted\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"granted\n"
    assert process.wait(10) == 0


def test_the_scratch_directory_is_private_and_goes(tmp_path: Path) -> None:
    scratch = confine.Scratch(tmp_path)
    assert scratch.path.stat().st_mode & 0o777 == 0o700
    (scratch.path / "profile").mkdir()
    scratch.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_sign_in_left_is_swept_and_a_live_one_is_not(tmp_path: Path) -> None:
    left = tmp_path / "harvester-sign-in-dead"
    (left / "profile").mkdir(parents=True)
    living = confine.Scratch(tmp_path)
    another = confine.Scratch(tmp_path)
    assert not left.exists()
    assert living.path.exists() and another.path.exists()
    living.remove()
    another.remove()


def test_a_planted_link_is_not_followed_by_the_sweep(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "harvester-sign-in-link").symlink_to(target)
    confine.Scratch(root).remove()
    assert target.exists()


def test_nothing_that_prints_or_redirects_is_passed_on(tmp_path: Path) -> None:
    hostile = dict.fromkeys(
        ("DEBUG", "PWDEBUG", "NODE_OPTIONS", "LD_PRELOAD", "SSLKEYLOGFILE", "HTTPS_PROXY",
         "HARVESTER_PASSWORD", "CHROME_LOG_FILE", "SELENIUM_REMOTE_URL", "XDG_RUNTIME_DIR"),
        "x",
    )  # fmt: skip
    kept = confine.allowed_environment({**hostile, "PATH": "/bin", "HOME": "/root"}, tmp_path)
    assert not set(kept) & set(hostile)
    assert kept["PATH"] == "/bin" and kept["HOME"] == kept["TMPDIR"] == str(tmp_path)


def test_the_scan_sees_processes_with_odd_names(tmp_path: Path) -> None:
    odd = tmp_path / "a) R 1 (b"
    odd.write_bytes(Path("/bin/sleep").read_bytes())
    odd.chmod(0o755)
    process = subprocess.Popen([str(odd), "600"])
    try:
        from harvester.descent import descendants

        until = time.monotonic() + 5
        while process.pid not in descendants(os.getpid()):
            assert time.monotonic() < until
    finally:
        process.kill()
        process.wait()
