"""`harvester doctor`: every fault is named with the one thing that mends it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakedaemon import FakeDaemon
from fakeonce import Run
from harvester.cli import checks
from harvester.cli.checks import Finding
from harvester.errors import BrowserMissing
from harvester.signin import find
from standin import StandInProcess

Out = pytest.CaptureFixture[str]
DEAD = "http://127.0.0.1:1"  # nothing listens on port 1


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInProcess]:
    with StandInProcess() as running:
        monkeypatch.setenv("HARVESTER_ORIGIN", running.site)
        monkeypatch.setenv("HARVESTER_IDENTITY_ORIGINS", running.identity)
        monkeypatch.setenv("HARVESTER_USERNAME", running.username)
        monkeypatch.setenv("HARVESTER_PASSWORD", "opens-nothing")
        yield running


def told(capsys: Out) -> dict[str, dict[str, Any]]:
    """The report by check; of several findings of one check the worst."""
    rank = {"ok": 0, "warn": 1, "fail": 2}
    worst: dict[str, dict[str, Any]] = {}
    for one in json.loads(capsys.readouterr().out)["checks"]:
        if one["check"] not in worst or rank[one["state"]] > rank[worst[one["check"]]["state"]]:
            worst[one["check"]] = one
    return worst


def test_a_machine_that_is_set_up_passes(cli: Run, site: StandInProcess, capsys: Out) -> None:
    assert cli("doctor") == 0
    out = capsys.readouterr().out
    assert "FAIL" not in out
    for check in ("python", "config", "driver", "browser", "origins", "store", "key", "socket"):
        assert f"  {check} " in out
    assert "401 without a cookie" in out


def test_a_site_that_does_not_answer_fails(
    cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_ORIGIN", DEAD)
    assert cli("doctor", "--json") == 1
    site = told(capsys)["site"]
    assert site["state"] == "fail" and "HARVESTER_ORIGIN" in site["mend"]


def test_a_wrong_setting_fails_and_ends_the_look(
    cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_PASWORD", "canary")
    assert cli("doctor", "--json") == 1
    report = told(capsys)
    assert report["config"]["state"] == "fail"
    assert "HARVESTER_PASSWORD" in report["config"]["mend"]
    assert "site" not in report


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing outside is asked: for checks of what lies on the disk."""

    async def nothing(_: object) -> list[Finding]:
        return []

    monkeypatch.setattr(checks, "site", nothing)


@pytest.mark.usefixtures("offline")
def test_no_browser_fails_with_what_brings_one(
    cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: object) -> None:
        raise BrowserMissing("no browser was found", hint="scripts/setup")

    monkeypatch.setattr(find, "find_browser", none)
    assert cli("doctor", "--json") == 1
    assert told(capsys)["browser"]["mend"] == "scripts/setup"


@pytest.mark.usefixtures("offline")
def test_where_nothing_may_be_typed_and_where_too_much_may_is_told(
    cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("doctor", "--json") == 0
    assert "HARVESTER_IDENTITY_ORIGINS" in told(capsys)["origins"]["mend"]
    monkeypatch.setenv("HARVESTER_IDENTITY_ORIGINS", "https://login.example,https://knoq.one")
    assert cli("doctor", "--json") == 0
    assert "https://knoq.one" in told(capsys)["origins"]["mend"]


@pytest.mark.usefixtures("offline")
def test_modes_that_are_too_open_fail_and_fix_mends_them(
    cli: Run, home: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = home / "st"
    record = store / "profiles/default/session"
    record.parent.mkdir(parents=True)
    for folder in (store, store / "profiles", record.parent):
        folder.chmod(0o700)
    record.write_text("x")
    record.chmod(0o644)
    store.chmod(0o755)
    monkeypatch.setenv("HARVESTER_STORE", str(store))
    assert cli("doctor", "--json") == 1
    assert "chmod 6" in told(capsys)["store"]["mend"] or store.stat().st_mode & 0o077
    cli("doctor", "--fix", "--json")
    assert told(capsys)["store"]["state"] == "ok"
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert record.read_text() == "x"


@pytest.mark.usefixtures("offline")
def test_a_secrets_file_that_is_gone_or_open_is_told_and_a_command_is_not_run(
    cli: Run, home: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = home / "pw"
    monkeypatch.setenv("HARVESTER_PASSWORD_FILE", str(secret))
    assert cli("doctor", "--json") == 1
    assert str(secret) in told(capsys)["secrets"]["message"]
    assert cli("config", "check") == 78
    assert "does not exist" in capsys.readouterr().err
    secret.write_text("canary")
    secret.chmod(0o666)
    assert cli("doctor", "--json") == 1
    assert "chmod" in told(capsys)["secrets"]["mend"]
    monkeypatch.delenv("HARVESTER_PASSWORD_FILE")
    ran = home / "ran"
    monkeypatch.setenv("HARVESTER_PASSWORD_COMMAND", f"touch {ran}")
    assert cli("config", "check") == 0
    assert cli("doctor", "--json") == 0
    assert not ran.exists()


@pytest.mark.usefixtures("offline")
def test_records_without_their_key_fail(
    cli: Run, home: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_STORE", str(home / "st"))
    assert cli("doctor", "--json") == 0
    assert "made at the first" in told(capsys)["key"]["message"]
    assert not (home / "st").exists(), "looking changes nothing"
    record = home / "st/profiles/default/session"
    for folder in (home / "st", home / "st/profiles", record.parent):
        folder.mkdir(mode=0o700)
    record.write_text("sealed with a key that is gone")
    record.chmod(0o600)
    assert cli("doctor", "--json") == 1
    assert "key_wrong" in told(capsys)["key"]["message"]


@pytest.mark.usefixtures("offline")
def test_a_daemon_that_answers_is_told(cli: Run, daemon: FakeDaemon, capsys: Out) -> None:
    daemon.set("/v1/status", {"pid": 4711, "profiles": []})
    assert cli("doctor", "--json") == 0
    assert "4711" in told(capsys)["socket"]["message"]


ALARM = {"message": "an older one was put back", "hint": "run: harvester unlock", "held": True}
LATCH = {"message": "the password was refused", "hint": "set another password"}
SINCE = "2026-11-23T10:00:00Z"


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("status", "leases", "state", "says", "mend"),
    [
        ({}, {}, "ok", "hands out", ""),
        ({"paused": {"all_since": SINCE}}, {}, "warn", "everything is paused", "harvester resume"),
        (
            {"paused": {"all_since": None, "profiles": {"work": SINCE}}}, {}, "warn",
            "work is paused", "resume --profile work",
        ),
        ({"audit": {"trouble": "it is a link"}}, {}, "fail", "it is a link", "HARVESTER_AUDIT=no"),
        ({}, {"trouble": {"message": "damaged"}}, "fail", "damaged", "lease revoke --all"),
        (
            {"profiles": [{"profile": "work", "alarm": ALARM, "latch": LATCH}]}, {}, "fail",
            "work: nothing is handed out, with an alarm: an older one was put back", "unlock",
        ),
        (
            {"profiles": [{"profile": "work", "alarm": {**ALARM, "held": False}}]}, {}, "warn",
            "serving goes on", "unlock",
        ),
        (
            {"profiles": [{"profile": "work", "latch": LATCH}]}, {}, "fail",
            "the password was refused", "set another password",
        ),
    ],
)  # fmt: skip
def test_what_keeps_a_daemon_from_handing_out_is_told_with_what_ends_it(
    cli: Run, daemon: FakeDaemon, capsys: Out, status: dict[str, Any], leases: dict[str, Any],
    state: str, says: str, mend: str,
) -> None:  # fmt: skip
    daemon.set("/v1/status", {"pid": 4711, "profiles": [], **status})
    daemon.set("/v1/leases", {"version": 1, "leases": [], "trouble": None, **leases})
    assert cli("doctor", "--json") == (1 if state == "fail" else 0)
    serving = told(capsys)["serving"]
    assert serving["state"] == state
    assert says in serving["message"] and mend in serving["mend"]


@pytest.mark.usefixtures("offline")
def test_a_socket_path_that_is_too_long_fails(
    cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_SOCKET", "/tmp/" + "x" * 120)
    assert cli("doctor", "--json") == 1
    assert "HARVESTER_SOCKET" in told(capsys)["socket"]["mend"]


def test_a_driver_that_does_not_start_names_the_library_it_lacks(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = home / "playwright/driver/node"
    node.parent.mkdir(parents=True)
    node.write_text("#!/bin/sh\necho 'libatomic.so.1: cannot open shared object' >&2\nexit 127\n")
    node.chmod(0o755)

    class Spec:
        submodule_search_locations = (str(home / "playwright"),)

    monkeypatch.setattr(checks, "find_spec", lambda _: Spec())
    found = checks.driver()
    assert (found.state, found.mend) == ("fail", "apt-get install libatomic1")
    node.unlink()
    assert checks.driver().mend == "scripts/setup"


def test_a_user_name_without_a_password_fails_with_the_settings_that_help(
    cli: Run, site: StandInProcess, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.delenv("HARVESTER_PASSWORD")
    assert cli("doctor") == 1
    assert "HARVESTER_PASSWORD_FILE" in capsys.readouterr().out


def test_a_password_file_that_others_can_read_is_warned_of(
    cli: Run,
    site: StandInProcess,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Out,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("HARVESTER_PASSWORD")
    kept = tmp_path / "password"
    kept.write_text("opens-nothing\n")
    kept.chmod(0o644)
    monkeypatch.setenv("HARVESTER_PASSWORD_FILE", str(kept))
    assert cli("doctor") == 0
    assert f"chmod 600 {kept}" in capsys.readouterr().out
