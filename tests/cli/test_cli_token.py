"""`harvester token`: the value alone on standard output, or an honest error."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from fakedaemon import SESSION, FakeDaemon
from fakeonce import COOKIE, FakeOnce, Run, served
from harvester.errors import CredentialsRejected, NotConfigured, SignInForbidden

Out = pytest.CaptureFixture[str]


def test_without_a_daemon_the_store_or_a_sign_in_gives_it(cli: Run, capsys: Out) -> None:
    once = FakeOnce(served())
    assert cli("token", once=once) == 0
    assert capsys.readouterr() == ("sid=canary-cookie\n", "")
    assert once.calls == [("token", "default", 0.0, True), ("closed",)]


def test_flags_reach_the_work(cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_PROFILES__WORK__USERNAME", "ada")
    once = FakeOnce(served())
    assert cli("--profile", "work", "token", "--min-valid", "5m", "--no-sign-in", once=once) == 0
    assert once.calls[0] == ("token", "work", 300.0, False)


@pytest.mark.parametrize(
    ("form", "starts"),
    [
        ("value", "canary-cookie"),
        ("cookie", "sid="),
        ("header", "Cookie: sid="),
        ("env", "export KNOQ_COOKIE="),
        ("curl", "header = "),
        ("netscape", "# Netscape"),
        ("storage-state", '{"cookies"'),
        ("json", '{"version": 1'),
    ],
)
def test_every_format_is_printed(cli: Run, capsys: Out, form: str, starts: str) -> None:
    assert cli("token", "--format", form, once=FakeOnce(served())) == 0
    assert capsys.readouterr().out.startswith(starts)


def test_json_is_the_session_object(cli: Run, capsys: Out) -> None:
    for args in (("token", "--json"), ("--json", "token"), ("token", "--format", "json")):
        assert cli(*args, once=FakeOnce(served())) == 0
        assert json.loads(capsys.readouterr().out)["headers"]["Cookie"] == "sid=canary-cookie"


def test_one_value_of_two_cookies_is_refused_naming_the_format_that_helps(
    cli: Run, capsys: Out
) -> None:
    once = FakeOnce(served(COOKIE, replace(COOKIE, name="jwt")))
    assert cli("token", "--format", "value", once=once) == 2
    out, err = capsys.readouterr()
    assert out == "" and "cookie" in err and "canary" not in err


def test_the_daemon_is_asked_first(cli: Run, daemon: FakeDaemon, capsys: Out) -> None:
    daemon.set("/v1/session", SESSION)
    once = FakeOnce()
    assert cli("token", "--min-valid", "15m", once=once) == 0
    assert capsys.readouterr().out == "sid=v1\n"
    assert once.calls == []
    assert daemon.asked[0].query["min_valid_s"] == "900"
    assert "origin" not in daemon.asked[0].query


def test_the_origin_that_the_environment_names_is_told_to_the_daemon(
    cli: Run, daemon: FakeDaemon, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_ORIGIN", "HTTPS://Other.example:443/")
    daemon.problem("/v1/session", "origin_mismatch", status=409)
    assert cli("token", once=FakeOnce()) == 78
    assert daemon.asked[0].query["origin"] == "https://other.example"
    assert capsys.readouterr().out == ""


def test_no_sign_in_tells_the_daemon_to_start_none(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.problem("/v1/session", "sign_in_forbidden", status=409)
    assert cli("token", "--no-sign-in", once=FakeOnce()) == 4
    assert daemon.asked[0].query["sign_in"] == "false"
    assert capsys.readouterr().out == ""


def test_a_short_or_stale_session_is_given_with_a_warning(cli: Run, capsys: Out) -> None:
    once = FakeOnce(served(min_valid_met=False, stale=True))
    assert cli("token", once=once) == 0
    out, err = capsys.readouterr()
    assert out == "sid=canary-cookie\n"
    assert err.count("warning") == 2
    assert cli("--quiet", "token", once=once) == 0
    assert capsys.readouterr().err == ""


def test_an_error_is_told_with_its_hint_and_its_exit_code(cli: Run, capsys: Out) -> None:
    once = FakeOnce(CredentialsRejected("the password was refused", hint="set another one"))
    for form in ("cookie", "json"):
        assert cli("token", "--format", form, once=once) == 77
        assert capsys.readouterr() == (
            "",
            "harvester: the password was refused\n  hint: set another one\n",
        )


def test_with_json_an_error_is_an_object_on_standard_output(cli: Run, capsys: Out) -> None:
    once = FakeOnce(NotConfigured("no user name", hint="harvester init", latched=True))
    assert cli("token", "--json", once=once) == 4
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["error"] == {
        "code": "not_configured",
        "message": "no user name",
        "hint": "harvester init",
        "retryable": False,
        "retry_after_s": None,
        "latched": True,
    }


def test_what_a_site_put_into_an_error_cannot_act_on_the_terminal(cli: Run, capsys: Out) -> None:
    assert cli("token", once=FakeOnce(NotConfigured("a\x1b]0;owned\x07b\nc"))) == 4
    assert capsys.readouterr().err == "harvester: ab c\n"


def test_it_is_written_to_a_file_whole_and_private(cli: Run, home: Path, capsys: Out) -> None:
    target = home / "cookie"
    assert cli("token", "--output", str(target), once=FakeOnce(served())) == 0
    assert target.read_text() == "sid=canary-cookie\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert capsys.readouterr().out == ""
    assert cli("token", "--output", str(target), once=FakeOnce(served())) == 0
    assert os.listdir(home) == ["cookie"], "no temp file stays"


def test_a_symlink_in_the_files_place_is_not_followed(cli: Run, home: Path, capsys: Out) -> None:
    (home / "real").write_text("mine")
    (home / "link").symlink_to(home / "real")
    assert cli("token", "--output", str(home / "link"), once=FakeOnce(served())) == 74
    assert (home / "real").read_text() == "mine"
    out, err = capsys.readouterr()
    assert "canary" not in out + err


def test_a_directory_in_which_others_may_write_gets_no_file(
    cli: Run, home: Path, capsys: Out
) -> None:
    shared = home / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert cli("token", "--output", str(shared / "cookie"), once=FakeOnce(served())) == 78
    assert "chmod go-w" in capsys.readouterr().err
    assert os.listdir(shared) == []
    shared.chmod(0o1777)  # as /tmp: nobody may rename what is not his
    assert cli("token", "--output", str(shared / "cookie"), once=FakeOnce(served())) == 0


def test_export_gives_out_what_there_is_and_never_signs_in(cli: Run, capsys: Out) -> None:
    once = FakeOnce(served())
    assert cli("export", once=once) == 0
    assert capsys.readouterr().out == "sid=canary-cookie\n"
    assert once.calls[0] == ("token", "default", 0.0, False)
    assert cli("export", "--format", "storage-state", once=once) == 0
    assert json.loads(capsys.readouterr().out)["cookies"][0]["value"] == "canary-cookie"
    assert cli("export", once=FakeOnce(SignInForbidden("none", hint="--no-sign-in"))) == 4
    out, err = capsys.readouterr()
    assert out == "" and "harvester login" in err and "--no-sign-in" not in err


def test_a_file_that_cannot_be_written_is_told(cli: Run, home: Path, capsys: Out) -> None:
    missing = str(home / "no/such/folder/cookie")
    assert cli("token", "--output", missing, once=FakeOnce(served())) == 74
    assert "no/such/folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args",
    [
        ("token", "--min-valid", "5"),
        ("token", "--min-valid", "-5m"),
        ("token", "--format", "yaml"),
        ("token", "extra"),
        ("token", "--no-such-flag"),
        ("token", "--output"),
    ],
)
def test_a_wrong_command_line_is_exit_2_and_no_work(
    cli: Run, capsys: Out, args: tuple[str]
) -> None:
    once = FakeOnce(served())
    assert cli(*args, once=once) == 2
    assert once.calls == []
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("harvester: ") and "hint:" in err
