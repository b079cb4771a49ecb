"""`harvester lease`: what is asked of the daemon, and what a person sees of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakedaemon import FakeDaemon
from fakeonce import Run

Out = pytest.CaptureFixture[str]
TOKEN = "hvl_" + "t" * 43


def lease(**about: Any) -> dict[str, Any]:
    return {
        "id": "abcdefgh", "name": None, "profile": "default", "methods": ["GET"],
        "paths": ["/api/managed-agents/*"], "rate": None, "uses": None, "used": 0,
        "state": "live", "made_at": "2026-11-23T10:00:00Z", "ends_at": "2026-11-23T11:00:00Z",
        "ended_at": None, "last_used_at": None, **about,
    }  # fmt: skip


def made(tcp: str | None = None, **about: Any) -> dict[str, Any]:
    proxy = {"unix": "/run/x/proxy.sock", "tcp": tcp}
    return {"version": 1, "token": TOKEN, "lease": lease(**about), "proxy": proxy}


def test_the_token_is_the_value_and_stands_nowhere_else(
    daemon: FakeDaemon, cli: Run, capsys: Out
) -> None:
    daemon.set("/v1/leases", made("127.0.0.1:8787", rate="60/m", uses=3))
    words = ("--methods", "get, post", "--path", "/api/managed-agents/*", "--for", "90m")
    more = ("--rate", "60/m", "--uses", "3", "--name", "ci", "--profile", "default")
    assert cli("lease", "new", *words, *more) == 0
    (asked,) = daemon.asked
    assert (asked.method, asked.body) == (
        "POST",
        {
            "profile": "default", "methods": ["GET", "POST"], "paths": ["/api/managed-agents/*"],
            "for_s": 5400.0, "rate": "60/m", "uses": 3, "name": "ci",
        },
    )  # fmt: skip
    out, err = capsys.readouterr()
    assert out == TOKEN + "\n"
    assert TOKEN not in err
    assert "GET /api/managed-agents/*, 60/m, 3 uses, until 2026-11-23T11:00:00Z" in err
    shows = "printf 'Proxy-Authorization: Bearer %s' \"$TOKEN\" | curl -H @-"
    assert f"{shows} http://127.0.0.1:8787/api/managed-agents/NAME" in err
    assert f"{shows} --unix-socket /run/x/proxy.sock http://site/api/managed-agents/NAME" in err


def test_with_tcp_off_it_says_the_socket_and_how_to_have_tcp(
    daemon: FakeDaemon, cli: Run, capsys: Out
) -> None:
    daemon.set("/v1/leases", made(methods=["POST"]))
    assert cli("lease", "new", "--path", "/x") == 0
    err = capsys.readouterr().err
    assert "curl -X POST -H" in err
    assert "--unix-socket /run/x/proxy.sock" in err
    assert "HARVESTER_PROXY=127.0.0.1:PORT" in err
    assert daemon.asked[0].body["for_s"] == 3600


def test_as_json_it_is_the_answer_of_the_daemon(daemon: FakeDaemon, cli: Run, capsys: Out) -> None:
    daemon.set("/v1/leases", made())
    assert cli("lease", "new", "--path", "/x", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == made()
    assert err == ""


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_token_that_reaches_nobody_opens_nothing(
    daemon: FakeDaemon, cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:  # fmt: skip
    daemon.set("/v1/leases", made())
    daemon.set("/v1/leases/revoke", {"done": True, "revoked": ["abcdefgh"]})
    # As `put` says where the disk is full or the reader has gone.
    monkeypatch.setattr("harvester.cli.lease.put", lambda text: 1)
    monkeypatch.setattr("harvester.cli.call.put", lambda text: 1)
    assert cli("lease", "new", "--path", "/x", *words) == 1
    assert [asked.body for asked in daemon.asked[1:]] == [{"id": "abcdefgh"}]
    assert "abcdefgh is revoked" in capsys.readouterr().err


def test_quiet_is_the_token_alone(daemon: FakeDaemon, cli: Run, capsys: Out) -> None:
    daemon.set("/v1/leases", made())
    assert cli("-q", "lease", "new", "--path", "/x") == 0
    assert capsys.readouterr() == (TOKEN + "\n", "")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--path", "/x", "--for", "soon"),
        ("--path", "/x", "--for", "1w"),
        ("--path", "/x", "--for", "31d"),
        ("--path", "/x", "--for", "0s"),
        ("--path", "/x", "--uses", "many"),
    ],
)
def test_what_makes_no_sense_is_told_before_anybody_is_asked(
    daemon: FakeDaemon, cli: Run, capsys: Out, words: tuple[str, ...]
) -> None:
    assert cli("lease", "new", *words) == 2
    assert daemon.asked == []
    assert capsys.readouterr().out == ""


def test_the_list_shows_what_each_may_and_no_token(
    daemon: FakeDaemon, cli: Run, capsys: Out
) -> None:
    ended = lease(
        id="zyxwvuts", name="ci\x1b[2J", state="revoked", ended_at="2026-11-23T10:30:00Z", used=7
    )
    daemon.set("/v1/leases", {"version": 1, "leases": [ended, lease()], "trouble": None})
    assert cli("lease", "list") == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "NAME", "PROFILE", "STATE", "ENDS", "USED", "MAY"]
    assert first.split()[3:6] == ["revoked", "2026-11-23T10:30:00Z", "7"]
    assert "\x1b" not in first
    assert second.split() == [
        "abcdefgh", "-", "default", "live", "2026-11-23T11:00:00Z", "0", "GET",
        "/api/managed-agents/*",
    ]  # fmt: skip


def test_no_lease_and_a_closed_book_are_said(daemon: FakeDaemon, cli: Run, capsys: Out) -> None:
    trouble = {"code": "store_corrupt", "message": "the record is damaged"}
    daemon.set("/v1/leases", {"version": 1, "leases": [], "trouble": trouble})
    assert cli("lease", "list") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "no lease is honoured: the record is damaged" in err
    assert "harvester lease revoke --all" in err
    assert "lease new" not in err  # it would be refused
    assert cli("lease", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["trouble"] == trouble


def test_a_lease_is_revoked_though_the_settings_have_become_wrong(
    daemon: FakeDaemon, cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_TRIPWIRE", "bogus")
    daemon.set("/v1/leases/revoke", {"done": True, "revoked": ["abcdefgh"]})
    assert cli("lease", "revoke", "--all") == 0
    assert [asked.body for asked in daemon.asked] == [{"id": "all"}]


def test_one_or_all_are_revoked_and_never_all_by_an_oversight(
    daemon: FakeDaemon, cli: Run, capsys: Out
) -> None:
    daemon.set("/v1/leases/revoke", {"done": True, "revoked": ["abcdefgh"]})
    assert cli("lease", "revoke", "abcdefgh") == 0
    assert "revoked: abcdefgh" in capsys.readouterr().err
    assert cli("lease", "revoke", "--all") == 0
    assert [asked.body for asked in daemon.asked] == [{"id": "abcdefgh"}, {"id": "all"}]
    assert cli("lease", "revoke") == 2
    assert cli("lease", "revoke", "abcdefgh", "--all") == 2
    assert len(daemon.asked) == 2
    daemon.set("/v1/leases/revoke", {"done": True, "revoked": []})
    capsys.readouterr()
    assert cli("lease", "revoke", "abcdefgh") == 0
    assert "none that was live" in capsys.readouterr().err


def test_an_unknown_one_is_an_error_of_its_own(daemon: FakeDaemon, cli: Run, capsys: Out) -> None:
    daemon.problem("/v1/leases/revoke", "lease_unknown", status=404)
    assert cli("lease", "revoke", "abcdefgh", "--json") == 77
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "lease_unknown"


@pytest.mark.parametrize("words", [("new", "--path", "/x"), ("list",), ("revoke", "--all")])
def test_without_a_daemon_there_are_no_leases(
    cli: Run, capsys: Out, words: tuple[str, ...]
) -> None:
    assert cli("lease", *words) == 69
    assert capsys.readouterr().out == ""
