"""`harvester key`: names and places, never a key but the one that is printed on purpose."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from fakedaemon import FakeDaemon
from fakeonce import Run
from harvester.profile import KeyChoice, SecretSource
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.keys import MasterKey, fresh
from harvester.vault.ring import ring_of
from harvester.vault.seal import Seal

Out = pytest.CaptureFixture[str]


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARVESTER_STORE", str(home / "store"))
    return home / "store"


def record(store: Path, choice: KeyChoice = KeyChoice()) -> str:  # noqa: B008  frozen
    prepare(store)
    ring = ring_of(choice, store)
    ring.open(may_create=True)
    DirectoryStore(store, Seal(ring)).write("default", "session", b"kept", 1)
    return ring.current().primary.kid


def given(text: str) -> KeyChoice:
    return KeyChoice(key=SecretSource("value", "HARVESTER_KEY", value=text))


def test_there_is_none_before_the_first_sign_in(cli: Run, store: Path, capsys: Out) -> None:
    assert cli("key", "list") == 0
    out, err = capsys.readouterr()
    assert out == "" and "made at the first sign-in" in err
    assert not store.exists()


def test_the_list_names_each_key_and_shows_none(cli: Run, store: Path, capsys: Out) -> None:
    old = record(store)
    assert cli("key", "new") == 0
    spare = capsys.readouterr().out.strip()
    assert cli("key", "list") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["KEY", "STATE", "RECORDS", "WHERE"],
        [old, "primary", "1", str(store / "key")],
        [spare, "spare", "0", str(store / "key")],
    ]
    assert cli("key", "rotate") == 0
    out, err = capsys.readouterr()
    assert out == f"{spare}\n" and "1 record sealed anew" in err
    assert f"harvester key retire {old}" in err
    assert cli("--json", "key", "list") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["kid"], one["state"], one["records"]) for one in told] == [
        (spare, "primary", 1),
        (old, "opens", 0),
    ]
    assert cli("--json", "key", "retire", old) == 0
    assert json.loads(capsys.readouterr().out) == {"kid": old}
    for material in (store / "key").read_text().split():
        assert material not in out + err + json.dumps(told)


def test_a_key_in_use_does_not_go(cli: Run, store: Path, capsys: Out) -> None:
    old = record(store)
    assert cli("--json", "key", "retire", old) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "usage" and "key rotate" in error["hint"]
    assert cli("--json", "key", "retire", "nobody") == 2
    assert "no key 'nobody'" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_fresh_key_is_printed_where_keys_are_given(
    cli: Run, store: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (("key", "new", "--print"), ("key", "new")):
        assert cli(*words) == 0
        out, err = capsys.readouterr()
        assert MasterKey(base64.b64decode(out)).kid in err and out.strip() not in err
        monkeypatch.setenv("HARVESTER_KEY", out.strip())
    assert not store.exists()


def test_a_given_key_is_changed_with_both(
    cli: Run, store: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = fresh(), fresh()
    record(store, given(old.text()))
    monkeypatch.setenv("HARVESTER_KEY", old.text())
    assert cli("--json", "key", "rotate") == 2
    assert "HARVESTER_KEY=NEW,OLD" in json.loads(capsys.readouterr().out)["error"]["hint"]
    monkeypatch.setenv("HARVESTER_KEY", f"{new.text()},{old.text()}")
    assert cli("--json", "key", "rotate") == 0
    told = json.loads(capsys.readouterr().out)
    monkeypatch.setenv("HARVESTER_KEY", new.text())  # a command takes it out of the environment
    assert told == {"kid": new.kid, "records": 1, "resumed": False, "opens": [old.kid]}
    assert cli("key", "retire", old.kid) == 0
    assert "take it out of where it is given" in capsys.readouterr().err


def test_an_old_key_that_is_given_by_a_file(
    cli: Run, store: Path, home: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store)
    new = fresh()
    monkeypatch.setenv("HARVESTER_KEY", new.text())
    assert cli("--json", "key", "rotate", "--old-key", str(home / "none")) == 78
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "config_invalid"
    monkeypatch.setenv("HARVESTER_KEY", new.text())
    assert cli("key", "rotate", "--old-key", str(store / "key")) == 0
    assert capsys.readouterr().out == f"{new.kid}\n"


def test_a_daemon_without_the_new_key_stops_the_change(
    cli: Run, store: Path, daemon: FakeDaemon, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = fresh(), fresh()
    record(store, given(old.text()))
    monkeypatch.setenv("HARVESTER_KEY", f"{new.text()},{old.text()}")
    about = {"where": "environment", "rotating": False}
    daemon.set("/v1/status", {"key": {"kid": old.kid, "opens": [], **about}})
    assert cli("--json", "key", "rotate") == 2
    assert "NEW,OLD" in json.loads(capsys.readouterr().out)["error"]["hint"]
    daemon.set("/v1/status", {"key": {"kid": old.kid, "opens": [new.kid], **about}})
    monkeypatch.setenv("HARVESTER_KEY", f"{new.text()},{old.text()}")
    assert cli("--json", "key", "rotate") == 0
