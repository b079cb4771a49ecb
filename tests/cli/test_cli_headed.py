"""`harvester login --headed`: what a person reads, is asked, and gets written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakedaemon import FakeDaemon
from fakeonce import FakeOnce, Run, served
from harvester.cli import terminal
from harvester.errors import NeedsHuman
from harvester.profile import PageRule

Out = pytest.CaptureFixture[str]
RULE = PageRule("login.acme.example", "/auth", "press", label="Open the vault")
LESSON = {"event": "step", "state": "lesson", "host": RULE.host, "rule": RULE.as_dict()}
LINES = ['[pages."login.acme.example/auth"]', 'press = { label = "Open the vault" }']


@pytest.fixture
def config(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = home / "config.toml"
    path.write_text('username = "ada"  # me\n')
    path.chmod(0o600)
    monkeypatch.setenv("HARVESTER_CONFIG", str(path))
    return path


def answers(monkeypatch: pytest.MonkeyPatch, *, yes: bool) -> None:
    monkeypatch.setattr(terminal, "is_there", lambda: True)
    monkeypatch.setattr(terminal, "agrees", lambda what: yes)


def test_it_runs_here_also_where_a_daemon_runs(daemon: FakeDaemon, cli: Run) -> None:
    once = FakeOnce(served())
    assert cli("login", "--headed", once=once) == 0
    assert ("login_in_person", "default", False) in once.calls
    assert daemon.asked == []


def test_a_person_reads_what_to_do(cli: Run, capsys: Out) -> None:
    steps = (
        {"state": "your_turn", "host": "knoq.one"},
        {"state": "automation_refused", "host": "accounts.example"},
        {"state": "plain_window", "host": "knoq.one"},
        {"state": "take_over", "host": "knoq.one"},
        {"state": "candidate", "host": "knoq.one"},
    )
    assert cli("login", "--headed", once=FakeOnce(served(), steps=steps)) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "your turn" in lines[0] and "knoq.one" in lines[0]
    assert "accounts.example lets no browser in" in lines[1]
    assert "when you are in" in lines[2]
    assert "signed in to https://knoq.one" in lines[-1]


def test_no_automation_goes_with_headed_only(cli: Run, capsys: Out) -> None:
    once = FakeOnce(served())
    assert cli("login", "--headed", "--no-automation", once=once) == 0
    assert ("login_in_person", "default", True) in once.calls
    assert cli("login", "--no-automation", once=once) == 2
    assert "--headed" in capsys.readouterr().err


def test_what_was_learnt_is_shown_and_written_where_he_says_so(
    config: Path, cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, yes=True)
    assert cli("login", "--headed", once=FakeOnce(served(), steps=(LESSON,))) == 0
    shown = capsys.readouterr().err
    assert all(line in shown for line in (*LINES, str(config)))
    text = config.read_text()
    assert text.startswith('username = "ada"  # me\n') and all(line in text for line in LINES)
    assert cli("config", "check") == 0


def test_without_a_yes_it_is_shown_and_not_written(
    config: Path, cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, yes=False)
    assert cli("login", "--headed", once=FakeOnce(served(), steps=(LESSON,))) == 0
    assert LINES[1] in capsys.readouterr().err and "pages" not in config.read_text()


def test_where_nobody_can_answer_nobody_is_asked(config: Path, cli: Run, capsys: Out) -> None:
    assert cli("login", "--headed", once=FakeOnce(served(), steps=(LESSON,))) == 0
    assert LINES[1] in capsys.readouterr().err and "pages" not in config.read_text()
    assert cli("--json", "login", "--headed", once=FakeOnce(served(), steps=(LESSON,))) == 0
    assert json.loads(capsys.readouterr().out)["identity"] == "ada@acme.example"


def test_a_sign_in_that_failed_teaches_nothing(config: Path, cli: Run, capsys: Out) -> None:
    once = FakeOnce(NeedsHuman("the window was closed", hint="again"), steps=(LESSON,))
    assert cli("login", "--headed", once=once) == 4
    assert LINES[1] not in capsys.readouterr().err
