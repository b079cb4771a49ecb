"""`harvester passkey`: what a person is told; no key is ever shown."""

from __future__ import annotations

import json

import pytest

from fakeonce import FakeOnce, Run
from harvester.errors import NeedsHuman
from harvester.passkeys import Passkey
from harvester.wallet import Enrolled

Out = pytest.CaptureFixture[str]

LAPTOP = Passkey(
    "laptop", "acme.example", "aWQ=", "canary-private-key", 1_763_900_000.0,
    user_name="ada@acme.example", used_at=1_763_990_000.0,
)  # fmt: skip
DESK = Passkey("desk", "acme.example", "aWQy", "canary-private-key", 1_763_900_001.0)


def test_the_list_shows_names_and_times_and_no_key(cli: Run, capsys: Out) -> None:
    assert cli("passkey", "list", once=FakeOnce((LAPTOP, DESK))) == 0
    out, err = capsys.readouterr()
    head, first, second = out.splitlines()
    assert head.split() == ["NAME", "SITE", "USER", "MADE", "LAST", "USED"]
    assert first.split() == [
        "laptop", "acme.example", "ada@acme.example", "2025-11-23T12:13:20Z",
        "2025-11-24T13:13:20Z",
    ]  # fmt: skip
    assert second.split()[-1] == "never"
    assert "canary" not in out + err


def test_the_list_as_json_is_the_same(cli: Run, capsys: Out) -> None:
    assert cli("--json", "passkey", "list", once=FakeOnce((DESK,))) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == [
        {
            "name": "desk",
            "site": "acme.example",
            "user": "",
            "created_at": "2025-11-23T12:13:21Z",
            "used_at": None,
        }
    ]


def test_an_empty_list_says_how_one_is_made(cli: Run, capsys: Out) -> None:
    assert cli("passkey", "list", once=FakeOnce(())) == 0
    out, err = capsys.readouterr()
    assert out == "" and "harvester passkey enroll" in err


def test_a_removed_one_is_still_to_be_revoked_at_the_provider(cli: Run, capsys: Out) -> None:
    once = FakeOnce(LAPTOP)
    assert cli("passkey", "remove", "laptop", once=once) == 0
    assert once.calls[0] == ("remove_passkey", "default", "laptop")
    err = capsys.readouterr().err
    assert "forgotten here" in err
    assert "revoke it too, on the security page of ada@acme.example at acme.example" in err


def test_one_that_was_made_is_used_only_where_the_profile_signs_in(
    cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = FakeOnce(Enrolled(LAPTOP), steps=({"state": "passkey_made", "host": "acme.example"},))
    assert cli("passkey", "enroll", "--name", "laptop", once=once) == 0
    assert once.calls[0] == ("enroll", "default", "laptop")
    err = capsys.readouterr().err
    assert "a passkey for acme.example was made, and is sealed" in err
    assert "add the origin of acme.example to HARVESTER_IDENTITY_ORIGINS" in err

    monkeypatch.setenv("HARVESTER_IDENTITY_ORIGINS", "https://login.acme.example")
    trouble = NeedsHuman("the window was closed before knoq.one had a session")
    assert cli("passkey", "enroll", once=FakeOnce(Enrolled(LAPTOP, trouble))) == 0
    err = capsys.readouterr().err
    assert "HARVESTER_IDENTITY_ORIGINS" not in err
    assert "no new session yet: the window was closed" in err
    assert "harvester login" in err


def test_a_name_that_could_not_be_typed_again_is_refused_before_a_window_opens(
    cli: Run, capsys: Out
) -> None:
    once = FakeOnce()
    assert cli("passkey", "enroll", "--name", "-x y", once=once) == 2
    assert once.calls == []
    assert "give one with --name" in capsys.readouterr().err


def test_what_stopped_the_window_is_told_as_it_is(cli: Run, capsys: Out) -> None:
    error = NeedsHuman("there is no screen here to open a window on", hint="come in with ssh -X")
    assert cli("--json", "passkey", "enroll", once=FakeOnce(error)) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "needs_human"
