"""`harvester import`: what a person pastes, from a file or from standard input alone."""

from __future__ import annotations

import io
import json
import os
import pty
import threading
from pathlib import Path
from typing import Any

import pytest

import browsers
from fakedaemon import SESSION, FakeDaemon
from fakeonce import FakeOnce, Run, served
from harvester.cli import terminal
from harvester.errors import NeedsHuman
from harvester.pasted import LARGEST_BYTES
from harvester.session import Cookie

Out = pytest.CaptureFixture[str]
PAIRS = (("_ga", "GA1.1.7"), ("sid", 'canary%2F"=='))


@pytest.fixture
def file(home: Path) -> Path:
    path = home / "session.txt"
    path.write_text(browsers.curl(PAIRS))
    return path


def no_secret(out: Out) -> str:
    text = "".join(out.readouterr())
    assert "canary" not in text and "GA1" not in text
    return text


def test_through_the_daemon_the_values_go_as_they_are_and_none_is_shown(
    cli: Run, daemon: FakeDaemon, file: Path, capsys: Out
) -> None:
    daemon.set("/v1/session/import", {**SESSION, "organization_proved": True})
    assert cli("import", str(file)) == 0
    body = daemon.asked[0].body
    assert [(one["name"], one["value"], one["domain"]) for one in body["cookies"]] == [
        ("_ga", "GA1.1.7", "knoq.one"), ("sid", 'canary%2F"==', "knoq.one"),
    ]  # fmt: skip
    assert (body["profile"], body["origin"], body["user_agent"]) == (
        "default", "https://knoq.one", browsers.AGENT,
    )  # fmt: skip
    told = no_secret(capsys)
    for word in ("a cURL command", "2 cookies", "ada@acme.example", "acme", "generation 7",
                 "2026-11-23T18:00:00Z", "needs sid"):  # fmt: skip
        assert word in told
    assert "nothing proves" not in told and "not known" not in told


def test_without_a_daemon_it_is_done_here(cli: Run, file: Path, capsys: Out) -> None:
    once = FakeOnce(served())
    assert cli("import", str(file), "--json", once=once) == 0
    (call, *_) = once.calls
    assert call[:2] == ("bring", "default")
    assert call[2][1] == Cookie("sid", 'canary%2F"==', "knoq.one", secure=True)
    out = capsys.readouterr().out
    told = json.loads(out)
    assert told["needed"] == ["sid"] and told["generation"] == 7
    assert "headers" not in told and "cookies" not in told and "canary" not in out


def test_quiet_says_nothing(cli: Run, file: Path, capsys: Out) -> None:
    assert cli("import", "--quiet", str(file), once=FakeOnce(served())) == 0
    assert capsys.readouterr() == ("", "")


def test_what_goes_elsewhere_is_left_out_and_told(cli: Run, home: Path, capsys: Out) -> None:
    path = home / "cookies.txt"
    path.write_text(browsers.netscape(PAIRS) + browsers.netscape(PAIRS, domain="x.example"))
    once = FakeOnce(served())
    assert cli("import", str(path), once=once) == 0
    assert len(once.calls[0][2]) == 2
    assert "cookies.txt: 2 cookies" in (told := no_secret(capsys)) and "2 left out" in told


def test_from_standard_input(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped:
        buffer = io.BytesIO(browsers.header(PAIRS).encode())

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stdin", Piped())
    once = FakeOnce(served())
    assert cli("import", "-", once=once) == 0
    assert [one.name for one in once.calls[0][2]] == ["_ga", "sid"]


def test_a_bare_value_is_of_the_cookie_that_is_configured(
    cli: Run, home: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "value"
    path.write_text("canary==\n")
    assert cli("import", str(path), "--format", "value", once=FakeOnce(served())) == 2
    assert "HARVESTER_SESSION_COOKIE" in no_secret(capsys)
    monkeypatch.setenv("HARVESTER_SESSION_COOKIE", "sid")
    once = FakeOnce(served())
    assert cli("import", str(path), "--format", "value", once=once) == 0
    assert once.calls[0][2][0].value == "canary=="


@pytest.mark.parametrize(
    "words",
    [
        ("sid=canary",),
        ("canary",),
        ("curl", "https://knoq.one/", "-H", "Cookie: sid=canary"),
        ("-b", "sid=canary"),
        ("--cookie=canary",),
        (),
        ("-", "canary"),
    ],
)
def test_a_session_as_an_argument_is_refused_and_not_repeated(
    cli: Run, capsys: Out, words: tuple[str, ...]
) -> None:
    once = FakeOnce(served())
    assert cli("import", *words, once=once) == 2
    assert "import -" in no_secret(capsys)
    assert once.calls == []


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"canary", 2, "name=value"),
        (b"", 2, "nothing in it"),
        (b"\xff\x00canary", 2, "no text"),
        (b"canary=" + b"a" * LARGEST_BYTES, 2, "over 1024 KiB"),
        (browsers.curl(PAIRS, url="https://other.example/").encode(), 78, "other.example"),
    ],
)
def test_rubbish_and_the_sessions_of_others_are_told_and_nobody_is_asked(
    cli: Run, home: Path, capsys: Out, data: bytes, code: int, said: str
) -> None:
    path = home / "rubbish"
    path.write_bytes(data)
    once = FakeOnce(served())
    assert cli("import", str(path), once=once) == code
    told = no_secret(capsys)
    assert said in told and "hint:" in told and "Traceback" not in told
    assert once.calls == []
    assert cli("import", "--json", str(path), once=once) == code
    assert json.loads(capsys.readouterr().out)["error"]["code"] in ("usage", "origin_mismatch")


def test_a_dead_one_is_exit_4(cli: Run, file: Path, capsys: Out) -> None:
    dead = NeedsHuman("the site refuses it", hint="copy it again")
    assert cli("import", str(file), once=FakeOnce(dead)) == 4
    assert "copy it again" in no_secret(capsys)


def test_a_long_paste_at_a_terminal_comes_whole_and_unseen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In a terminal's usual mode a line ends, silently, at 4,095 bytes.
    line = b"sid=" + b"x" * 9_000 + b"=end"
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stdin, os.fdopen(master, "r+b", buffering=0) as keyboard:
        monkeypatch.setattr("sys.stdin", stdin)
        ready = threading.Event()
        real: Any = os.read

        def read(descriptor: int, most: int) -> bytes:
            if descriptor == stdin.fileno():
                ready.set()  # the terminal has its mode
            return bytes(real(descriptor, most))

        def type_it() -> None:
            assert ready.wait(10)
            rest = line + b"\n\x04"
            while rest:
                rest = rest[keyboard.write(rest[:1024]) or 0 :]

        monkeypatch.setattr("harvester.cli.terminal.os.read", read)
        typing = threading.Thread(target=type_it)
        typing.start()
        assert terminal.pasted(LARGEST_BYTES) == line + b"\n"
        typing.join()
        os.set_blocking(keyboard.fileno(), False)
        assert keyboard.read() is None, "nothing was echoed"
