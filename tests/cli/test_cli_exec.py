"""`harvester exec`: what the program gets, which signals reach it, and what is left behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fakedaemon import SESSION, FakeDaemon

HARVESTER = [sys.executable, "-P", "-m", "harvester"]


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(home / "r/harvester/harvester.sock") as running:
        running.set("/v1/session", SESSION)
        proxy = {"unix": "/run/p.sock", "tcp": "127.0.0.1:8123", "token": "/run/proxy.token"}
        running.set("/v1/status", {"version": 1, "profiles": [], "proxy": proxy})
        yield running


def environ(home: Path, **more: str) -> dict[str, str]:
    place = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "r"), "TMPDIR": str(home)}
    return {"PATH": os.environ["PATH"], **place, **more}


def run(
    home: Path, *words: str, flags: tuple[str, ...] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HARVESTER, "exec", *flags, "--", *words],
        env=environ(home, **more), capture_output=True, text=True, timeout=30, check=False,
        umask=0o027,
    )  # fmt: skip


def left(home: Path) -> list[str]:
    return [path.name for path in home.rglob("harvester-exec-*")]


DUMP = """
import json, os, sys
path = os.environ["KNOQ_SESSION_FILE"]
modes = [os.stat(one).st_mode & 0o7777 for one in (path, os.path.dirname(path))]
told = {"env": dict(os.environ), "file": open(path).read(), "args": sys.argv[1:]}
print(json.dumps({**told, "modes": modes, "umask": os.umask(0)}))
"""


def test_the_program_gets_the_session_and_no_secret_of_ours(home: Path, daemon: FakeDaemon) -> None:
    secrets = {
        "HARVESTER_PASSWORD": "canary-1",
        "HARVESTER_TOTP_SECRET": "GEZDGNBVGY3TQOJQ",
        "HARVESTER_PROFILES__WORK_EU__PASSWORD": "canary-2",
        "HARVESTER_KEY": "canary-3",
        "HARVESTER_HTTPS_PROXY": "http://user:canary-4@proxy.example:3128",
    }
    ended = run(
        home, sys.executable, "-c", DUMP, "--json", "-q", "a b", **secrets,
        HARVESTER_USERNAME="ada",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["env"]["KNOQ_COOKIE"] == "sid=v1"
    assert told["env"]["KNOQ_ORIGIN"] == "https://knoq.one"
    assert told["env"]["KNOQ_PROXY"] == "/run/p.sock"
    assert told["env"]["KNOQ_PROXY_URL"] == "http://127.0.0.1:8123"
    assert told["env"]["KNOQ_PROXY_TOKEN_FILE"] == "/run/proxy.token"
    assert json.loads(told["file"]) == SESSION
    assert told["modes"] == [0o600, 0o700]
    assert told["umask"] == 0o027, "as it was for us"
    assert told["args"] == ["--json", "-q", "a b"], "its own flags are its own"
    assert not [value for value in secrets.values() if value in ended.stdout]
    assert told["env"]["HARVESTER_USERNAME"] == "ada"
    assert left(home) == []


def test_the_file_is_in_the_format_that_was_asked_for(home: Path, daemon: FakeDaemon) -> None:
    ended = run(home, "sh", "-c", 'cat "$KNOQ_SESSION_FILE"', flags=("--format", "netscape"))
    assert ended.returncode == 0
    assert ended.stdout.startswith("# Netscape") and ended.stdout.endswith("\tsid\tv1\n")
    # A second question might be answered with another session than the environment has.
    assert [one.path for one in daemon.asked].count("/v1/session") == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 77"), 77),
        (("sh", "-c", "kill -TERM $$"), 128 + 15),
        (("sh", "-c", "kill -KILL $$"), 128 + 9),
        (("no-such-program-at-all",), 127),
        (("/etc/passwd",), 126),
    ],
)
def test_its_exit_code_is_ours(
    home: Path, daemon: FakeDaemon, words: tuple[str, ...], code: int
) -> None:
    ended = run(home, *words)
    assert ended.returncode == code
    assert ended.stdout == ""
    assert bool(ended.stderr) == (code in (126, 127))
    assert left(home) == []


def test_without_a_session_nothing_is_run(home: Path, daemon: FakeDaemon) -> None:
    daemon.problem("/v1/session", "needs_human", status=409)
    ended = run(home, "touch", str(home / "ran"))
    assert ended.returncode == 4 and not (home / "ran").exists()
    assert run(home).returncode == 2
    assert run(home, "true", flags=("--no-such-flag",)).returncode == 2


# A program that says which signals it hears, and ends at the second INT or at a QUIT.
LISTENS = """
import os, signal, sys, time
heard = []
def hear(number, frame):
    heard.append(signal.Signals(number).name)
    os.write(1, (heard[-1] + "\\n").encode())
for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"):
    signal.signal(getattr(signal, "SIG" + name), hear)
os.write(1, b"ready\\n")
while "SIGQUIT" not in heard:
    time.sleep(0.05)  # pause() would sleep on through one that came just before it
sys.exit(9)
"""


@contextmanager
def listening(home: Path, **how: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*HARVESTER, "exec", "--", sys.executable, "-c", LISTENS],
        env=environ(home), stdout=subprocess.PIPE, text=True, **how,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_what_is_sent_to_us_alone_reaches_the_program_once(home: Path, daemon: FakeDaemon) -> None:
    with listening(home, start_new_session=True) as process:
        assert process.stdout is not None
        for name in ("TERM", "INT", "HUP", "USR1", "USR2", "WINCH", "QUIT"):
            process.send_signal(getattr(signal, "SIG" + name))
            assert process.stdout.readline() == f"SIG{name}\n"
        assert process.wait(10) == 9
        assert process.stdout.read() == ""
    assert left(home) == []


def test_an_interrupt_of_the_terminal_reaches_it_once_and_does_not_end_us(
    home: Path, daemon: FakeDaemon
) -> None:
    ours, its = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        os.close(os.open(os.ttyname(its), os.O_RDWR))

    with listening(home, stdin=its, preexec_fn=take_terminal) as process:
        assert process.stdout is not None
        os.write(ours, b"\x03")
        assert process.stdout.readline() == "SIGINT\n"
        os.write(ours, b"\x1c")
        assert process.stdout.readline() == "SIGQUIT\n"
        assert process.wait(10) == 9
        assert process.stdout.read() == "", "each was heard once"
    os.close(its)
    os.close(ours)
    assert left(home) == []


def test_a_stop_of_the_job_stops_both_and_it_goes_on(home: Path, daemon: FakeDaemon) -> None:
    # A job of this session: the kernel stops none that has nobody to wake it.
    with listening(home, process_group=0) as process:
        assert process.stdout is not None
        os.killpg(process.pid, signal.SIGTSTP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        os.killpg(process.pid, signal.SIGCONT)
        process.send_signal(signal.SIGQUIT)
        assert process.stdout.readline() == "SIGQUIT\n"
        assert process.wait(10) == 9


def test_the_file_follows_the_daemon_to_a_new_generation(home: Path, daemon: FakeDaemon) -> None:
    new = {"profile": "default", "generation": 8, "state": "live", "ready": True}
    same = {**new, "generation": 7, "state": "stale"}
    events = "".join(f"data: {json.dumps(one)}\n\n" for one in (same, new))
    daemon.set("/v1/session/watch", f"HTTP/1.0 200 OK\r\n\r\n{events}".encode())
    # The stream is held until the program has looked, and then said that it is ready.
    daemon.behind["/v1/session/watch"] = ("/livez", 1)
    script = (
        'cat "$KNOQ_SESSION_FILE"; read go; '
        'until grep -q \'"generation": 8\' "$KNOQ_SESSION_FILE"; do sleep 0.02; done; '
        'stat -c %a "$KNOQ_SESSION_FILE"'
    )
    process = subprocess.Popen(
        [*HARVESTER, "exec", "--", "sh", "-c", script],
        env=environ(home), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdin is not None
    assert json.loads(process.stdout.readline())["generation"] == 7
    ends_at = time.monotonic() + 20
    while not any(one.path == "/v1/session/watch" for one in daemon.asked):
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    daemon.set("/v1/session", {**SESSION, "generation": 8, "headers": {"Cookie": "sid=v2"}})
    ask(daemon, "/livez")
    out, _ = process.communicate("go\n", timeout=20)
    assert (out, process.returncode) == ("600\n", 0)
    [watched] = [one for one in daemon.asked if one.path == "/v1/session/watch"][:1]
    assert watched.query["after"] == "7"
    given = [one.query["sign_in"] for one in daemon.asked if "sign_in" in one.query]
    assert given and set(given) == {"false"}, "the file starts no sign-in"


def ask(daemon: FakeDaemon, path: str) -> None:
    subprocess.run(
        ["curl", "-s", "--unix-socket", str(daemon.path), f"http://h{path}"],
        check=True, capture_output=True, timeout=10,
    )  # fmt: skip


def test_without_a_daemon_it_is_the_store_that_gives_it(home: Path) -> None:
    ended = run(home, "true", flags=("--no-sign-in",))
    assert ended.returncode == 4, "nothing is stored here"
    assert "not_configured" not in ended.stdout
    assert stat.S_ISDIR(home.stat().st_mode) and left(home) == []
