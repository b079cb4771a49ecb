"""The other commands: through the daemon where one runs, else by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakedaemon import SESSION, FakeDaemon
from fakeonce import FakeOnce, Run, served
from harvester import __version__
from harvester.cli.app import COMMANDS
from harvester.errors import SiteDown

Out = pytest.CaptureFixture[str]


def profile_status(**about: Any) -> dict[str, Any]:
    return {
        "profile": "default",
        "origin": "https://knoq.one",
        "state": "live",
        "ready": True,
        "why_not": None,
        "generation": 7,
        "identity": "ada@acme.example",
        "organization": "acme",
        "organization_proved": True,
        "cookies": ["sid"],
        "identity_origins": ["https://login.example"],
        "obtained_at": "2026-11-23T10:00:00Z",
        "proved_at": "2026-11-23T10:20:00Z",
        "expires_at": "2126-11-23T18:00:00Z",
        "expires_kind": "learned",
        "confidence": 0.9,
        "next_refresh_at": "2126-11-23T15:00:00Z",
        "latch": None,
        "backoff_until": None,
        "budgets": {
            "submits_left_hour": 3,
            "submits_left_day": 30,
            "submits_left_since_success": 2,
            "silent_left": 10,
        },
        "last_event": {"at": "2026-11-23T10:20:00Z", "event": "session.renewed", "why": "stale"},
        **about,
    }


def whole(*profiles: dict[str, Any], **about: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "harvester": __version__,
        "pid": 4711,
        "started_at": "2026-11-23T09:00:00Z",
        "socket": "/run/x.sock",
        "durable": True,
        "profiles": list(profiles),
        **about,
    }


STOPPED = profile_status(
    state="latched",
    ready=False,
    generation=None,
    why_not="credentials_rejected: the password was refused",
    latch={
        "code": "credentials_rejected",
        "message": "the password was refused",
        "hint": "set another password",
        "since": "2026-11-23T10:00:00Z",
    },
    trouble={
        "code": "credentials_rejected",
        "class": "credentials_rejected",
        "since": "2026-11-23T10:00:00Z",
        "message": "the password was refused",
        "next_try_at": None,
        "helps": "correct the password, then run: harvester refresh",
    },
)


def test_status_shows_who_where_until_when_and_exits_0(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.set("/v1/status", whole(profile_status()))
    assert cli("status") == 0
    out, err = capsys.readouterr()
    for word in ("live", "ada@acme.example", "acme (proved)", "2126-11-23T18:00:00Z", "90% sure",
                 "4711", "sid", "https://knoq.one", "session.renewed"):  # fmt: skip
        assert word in out
    assert err == ""


def test_status_without_a_live_session_exits_4_and_tells_what_helps(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.set("/v1/status", whole(STOPPED))
    assert cli("status") == 4
    out = capsys.readouterr().out
    for word in ("latched", "set another password",
                 "credentials rejected: the password was refused", "2026-11-23T10:00:00Z",
                 "none before a person has acted",
                 "correct the password, then run: harvester refresh"):  # fmt: skip
        assert word in out


def test_status_tells_when_it_is_tried_again_and_which_budgets_are_not_full(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    down = {
        "code": "identity_provider_down", "class": "provider_down", "message": "no answer",
        "since": "2026-11-23T10:00:00Z", "next_try_at": "2126-11-23T10:05:00Z",
        "helps": "harvester doctor",
    }  # fmt: skip
    left = {"submits_left_hour": 3, "submits_left_day": 30, "submits_left_since_success": 2,
            "touches_left": 20, "renewals_left": 10, "silent_left": 4,
            "switches_left_hour": 10}  # fmt: skip
    daemon.set("/v1/status", whole(profile_status(trouble=down, budgets=left)))
    assert cli("status") == 0
    out = capsys.readouterr().out
    for word in ("provider down: no answer", "2126-11-23T10:05:00Z, in", "harvester doctor",
                 "4 silent sign-ins"):  # fmt: skip
        assert word in out
    assert "touches" not in out


def test_status_as_json_is_what_the_daemon_said(cli: Run, daemon: FakeDaemon, capsys: Out) -> None:
    daemon.set("/v1/status", whole(profile_status(new_field=1)))
    assert cli("status", "--json") == 0
    assert json.loads(capsys.readouterr().out) == whole(profile_status(new_field=1))


def test_status_of_one_profile_is_that_profiles_exit_code(
    cli: Run, daemon: FakeDaemon, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_PROFILES__WORK__USERNAME", "ada")
    work = {**STOPPED, "profile": "work"}
    daemon.set("/v1/status", whole(profile_status(), work))
    assert cli("status") == 0
    assert cli("--profile", "work", "status") == 4
    assert cli("--profile", "nobody", "status") == 78
    assert "work" in capsys.readouterr().err


def test_status_without_a_daemon_reads_the_store(cli: Run, capsys: Out) -> None:
    once = FakeOnce(whole(profile_status(), pid=None, started_at=None))
    assert cli("status", once=once) == 0
    assert "no daemon" in capsys.readouterr().out
    assert once.calls[0] == ("status",)


def test_foreign_text_in_a_status_is_neither_markup_nor_terminal_sequence(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.set("/v1/status", whole(profile_status(identity="[red]\x1b[2Jada[/red]")))
    assert cli("status") == 0
    out = capsys.readouterr().out
    assert "[red]ada[/red]" in out and "\x1b[2J" not in out


def test_login_signs_in_through_the_daemon_and_shows_no_secret(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.set("/v1/session/refresh", SESSION)
    assert cli("login") == 0
    assert daemon.asked[0].body["hard"] is True
    out, err = capsys.readouterr()
    assert out == "" and "ada@acme.example" in err and "sid=v1" not in err
    assert cli("login", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["generation"] == 7 and "headers" not in told and "cookies" not in told


def test_login_without_a_daemon_shows_its_steps(cli: Run, capsys: Out) -> None:
    steps = (
        {"event": "step", "state": "ask_password", "host": "login.example", "elapsed_s": 1.25},
        {"event": "step", "state": "ask_password", "host": "login.example", "elapsed_s": 1.5},
    )
    assert cli("login", once=FakeOnce(served(), steps=steps)) == 0
    err = capsys.readouterr().err
    assert err.count("ask password at login.example") == 1 and "1.2 s" in err
    assert cli("login", "--quiet", once=FakeOnce(served(), steps=steps)) == 0
    assert capsys.readouterr().err == ""


def test_a_refresh_that_gave_only_the_last_good_session_is_a_failure(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    error = SiteDown("knoq.one did not answer").as_dict()
    daemon.set("/v1/session/refresh", {**SESSION, "stale": True, "error": error})
    assert cli("refresh") == 75
    assert "did not answer" in capsys.readouterr().err
    daemon.set("/v1/session/refresh", {**SESSION, "stale": True})
    assert cli("refresh") == 75


def test_refresh_is_soft_unless_told(cli: Run, daemon: FakeDaemon) -> None:
    daemon.set("/v1/session/refresh", SESSION)
    assert cli("refresh") == 0
    assert cli("refresh", "--hard") == 0
    assert [one.body["hard"] for one in daemon.asked] == [False, True]
    once = FakeOnce(served())
    assert cli("--socket", "/nonexistent/s", "refresh", "--hard", once=once) == 0
    assert once.calls[0] == ("refresh", "default", True)


def test_logout_tells_whether_the_site_refuses_the_old_cookie(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    done = {"done": True, "had_session": True, "signed_out": True, "denied": True}
    daemon.set("/v1/logout", done)
    assert cli("logout") == 0
    assert "refuses the old cookie" in capsys.readouterr().err
    daemon.set("/v1/logout", {**done, "denied": False})
    assert cli("logout") == 0
    assert "HARVESTER_SIGN_OUT_PATH" in capsys.readouterr().err
    once = FakeOnce({"done": True, "had_session": False})
    assert cli("--socket", "/nonexistent/s", "logout", once=once) == 0
    assert "no session" in capsys.readouterr().err


def test_unlock_passes_force_on_and_tells_what_was_cleared(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.set("/v1/unlock", {"done": True, "cleared": "account_locked"})
    assert cli("unlock", "--force") == 0
    assert daemon.asked[0].body == {"profile": "default", "force": True}
    assert "account_locked" in capsys.readouterr().err
    once = FakeOnce({"done": True, "cleared": None})
    assert cli("--socket", "/nonexistent/s", "unlock", once=once) == 0
    assert once.calls[0] == ("unlock", "default", False)


def test_config_show_tells_values_and_places_and_no_secret(
    cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_USERNAME", "ada")
    monkeypatch.setenv("HARVESTER_PASSWORD", "canary")
    assert cli("config", "show") == 0
    out, err = capsys.readouterr()
    assert "profiles.default.username  ada  (environment HARVESTER_USERNAME)" in out
    assert "canary" not in out + err and "max_age" not in out
    assert cli("config", "show", "--all") == 0
    assert "profiles.default.max_age" in capsys.readouterr().out
    assert cli("config", "show", "--json") == 0
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert told["profiles.default.username"]["value"] == "ada"


def test_config_path_is_the_file_that_is_read(cli: Run, home: Path, capsys: Out) -> None:
    assert cli("config", "path") == 0
    out, err = capsys.readouterr()
    assert out == f"{home}/.config/harvester/config.toml\n" and "no config file" in err
    named = home / "c.toml"
    named.write_text("")
    named.chmod(0o600)
    assert cli("config", "path", "--config", str(named)) == 0
    assert capsys.readouterr() == (f"{named}\n", "")


def test_a_mistake_in_the_settings_stops_every_command(
    cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_USERNAMES", "x")
    for args in (("token",), ("status",), ("config", "show"), ("login",), ("serve",)):
        assert cli(*args, once=FakeOnce(served())) == 78
        assert "did you mean HARVESTER_USERNAME?" in capsys.readouterr().err


def test_interrupted_is_130(cli: Run, capsys: Out) -> None:
    assert cli("login", once=FakeOnce(KeyboardInterrupt())) == 130
    assert capsys.readouterr().out == ""


def test_what_nobody_expected_is_a_bug_without_its_text(cli: Run, capsys: Out) -> None:
    assert cli("token", once=FakeOnce(RuntimeError("canary-password"))) == 70
    out, err = capsys.readouterr()
    assert "RuntimeError" in err and "Traceback" not in err and "File" not in err
    assert cli("-vv", "token", once=FakeOnce(RuntimeError("canary-password"))) == 70
    more = capsys.readouterr().err
    assert "fakeonce.py" in more
    assert "canary-" not in out + err + more
    assert cli("token", "--json", once=FakeOnce(RuntimeError("canary"))) == 70
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "bug"


def test_an_unknown_command_names_the_nearest(cli: Run, capsys: Out) -> None:
    assert cli("tokne") == 2
    assert "harvester token" in capsys.readouterr().err
    assert cli() == 2
    out, err = capsys.readouterr()
    assert out == "" and "Commands:" in err


def test_version_and_help(cli: Run, capsys: Out) -> None:
    assert cli("--version") == 0
    assert capsys.readouterr().out == f"harvester {__version__}\n"
    assert cli("--help") == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli: Run, capsys: Out, name: str) -> None:
    assert cli(name, "--help") == 0
    assert "--profile" in capsys.readouterr().out
