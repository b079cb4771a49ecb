"""`harvester history` without an ID: what happened, why, what comes next; from daemon or store."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from engine import FakeClock
from fakedaemon import FakeDaemon
from fakeonce import Run
from films import evidence, sealed
from harvester.cli import timeline as shown
from harvester.log import event
from harvester.timeline import Timeline
from harvester.vault.directory import DirectoryStore, prepare
from storekit import SEAL

Out = pytest.CaptureFixture[str]

ENTRY = {
    "at": "2026-11-23T10:00:03Z", "event": "climb.rung", "level": "info", "rung": "silent",
    "why": "the session nears its end", "next": None, "next_at": None,
    "skipped": ["touch: it did not help", "renew: no page could mint the session anew"],
}  # fmt: skip
STOPPED = {
    "at": "2026-11-24T10:00:09Z", "event": "sign_in.stopped", "level": "warning", "rung": "silent",
    "why": "no \x1b[2Janswer", "code": "identity_provider_down", "evidence": "s-0003",
    "next": "another try", "next_at": "2026-11-24T10:00:20Z", "host": "login.acme.example",
}  # fmt: skip


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = home / "store"
    monkeypatch.setenv("HARVESTER_STORE", str(root))
    key = home / "a-key"
    key.write_bytes(base64.b64encode(b"k" * 32) + b"\n")
    key.chmod(0o600)
    monkeypatch.setenv("HARVESTER_KEY_FILE", str(key))
    return root


def happen(root: Path, *names: str) -> None:
    prepare(root)
    timeline = Timeline(DirectoryStore(root), FakeClock())
    timeline.follow("default")
    timeline.listen()
    for name in names:
        event(name, profile="default", why=f"about {name}")
    timeline.close()


def test_a_daemon_tells_it_one_line_each_the_newest_last(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.set("/v1/history", {"version": 1, "profile": "default", "entries": [ENTRY, STOPPED]})
    assert cli("history", "--limit", "7") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == (
        "2026-11-23T10:00:03Z  climb.rung silent  the session nears its end  "
        "(skipped=touch: it did not help, renew: no page could mint the session anew)"
    )
    assert second == (
        "2026-11-24T10:00:09Z  warning: sign_in.stopped silent  identity_provider_down: no answer"
        "  → another try at 2026-11-24T10:00:20Z  (see s-0003; host=login.acme.example)"
    )
    assert daemon.asked[-1].query == {"profile": "default", "limit": "7"}
    assert cli("history", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["entries"] == [ENTRY, STOPPED] and told["kept"] == []
    assert daemon.asked[-1].query["limit"] == "50"


def test_without_a_daemon_the_store_is_read_and_the_kept_sign_ins_stand_below(
    cli: Run, store: Path, capsys: Out
) -> None:
    happen(store, "session.new", "session.refused")
    DirectoryStore(store, SEAL).evidence("default").add(sealed(evidence(), profile="default"))
    before = sorted(path.relative_to(store) for path in store.rglob("*"))
    assert cli("history", "--limit", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("session.refused  about session.refused")
    assert lines[3].split()[0] == "ID" and lines[4].startswith("s-0001")
    assert sorted(path.relative_to(store) for path in store.rglob("*")) == before


def test_the_timeline_is_there_though_the_key_is_not(
    cli: Run, store: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(store, "session.new")
    monkeypatch.setenv("HARVESTER_KEY_FILE", str(store / "none"))
    DirectoryStore(store, SEAL).evidence("default").add(sealed(evidence(), profile="default"))
    code = cli("history")
    out, err = capsys.readouterr()
    assert "session.new" in out and "cannot be read" in err and code == 0


@pytest.mark.parametrize(
    "words", [("--limit", "0"), ("--limit", "1001"), ("--limit", "x"), ("s-0001", "--limit", "3")]
)
def test_a_limit_that_is_none_is_a_mistake(cli: Run, words: tuple[str, ...]) -> None:
    assert cli("history", *words) == 2


def test_on_a_terminal_days_are_headings_and_nothing_of_a_page_acts_on_it(
    capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert shown.show([ENTRY, STOPPED]) == 0
    out = capsys.readouterr().out
    assert "2026-11-23" in out and "2026-11-24" in out and "  10:00:03  " in out
    assert "\x1b[2J" not in out and "s-0003" in out
