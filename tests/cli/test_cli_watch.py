"""`harvester watch` and `status --watch`: what changes, line by line."""

from __future__ import annotations

import json

import pytest

from fakedaemon import FakeDaemon
from fakeonce import Run
from harvester.cli import status

Out = pytest.CaptureFixture[str]
NOW = {
    "at": "2026-11-23T10:00:00Z", "profile": "default", "generation": 7, "state": "live",
    "ready": True, "expires_at": "2026-11-23T18:00:00Z", "code": None,
}  # fmt: skip
NONE = {**NOW, "generation": None, "state": "latched", "expires_at": None, "code": "account_locked"}


def stream(*events: object, comment: str = ": watching") -> bytes:
    head = "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    told = "".join(f"id: 7\nevent: session\ndata: {json.dumps(one)}\n\n" for one in events)
    return f"{head}{comment}\n\n{told}".encode()


def test_a_line_for_each_change_until_the_daemon_ends(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.set("/v1/session/watch", stream(NOW, NONE))
    assert cli("watch", "--after", "3") == 69
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "2026-11-23T10:00:00Z default live generation 7 until 2026-11-23T18:00:00Z",
        "2026-11-23T10:00:00Z default latched account_locked",
    ]
    assert "the daemon has ended" in err
    assert daemon.asked[0].query == {"profile": "default", "after": "3"}


def test_with_json_each_line_is_an_object(cli: Run, daemon: FakeDaemon, capsys: Out) -> None:
    daemon.set("/v1/session/watch", stream(NOW, NONE))
    assert cli("--json", "--profile", "default", "watch") == 69
    *lines, error = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [NOW, NONE]
    assert json.loads(error)["error"]["code"] == "no_daemon"


def test_what_the_daemon_tells_is_cleaned_for_the_terminal(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.set("/v1/session/watch", stream({**NOW, "state": "live\x1b]0;owned\x07"}))
    cli("watch")
    assert "\x1b" not in capsys.readouterr().out


def test_without_a_daemon_there_is_nothing_to_watch(cli: Run, capsys: Out) -> None:
    assert cli("watch") == 69
    assert "harvester serve" in capsys.readouterr().err


def test_what_the_daemon_refuses_is_told_as_it_tells_it(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.problem("/v1/session/watch", "unknown_profile", status=404)
    assert cli("watch") == 78
    assert "mend unknown_profile" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [b"nonsense\n\n", stream() + b"data: [1]\n\n", b""])
def test_what_is_no_daemon_is_not_believed(
    cli: Run, daemon: FakeDaemon, capsys: Out, answer: bytes
) -> None:
    daemon.set("/v1/session/watch", answer)
    assert cli("watch") == 70
    assert capsys.readouterr().out == ""


def test_status_is_shown_again_and_again_until_somebody_has_seen_enough(
    cli: Run, daemon: FakeDaemon, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def sleep(seconds: float) -> None:
        seen.append(seconds)
        if len(seen) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", sleep)
    daemon.set("/v1/status", {"version": 1, "pid": 1, "profiles": [{"profile": "default"}]})
    assert cli("status", "--watch", "--json") == 130
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["pid"] for line in lines] == [1, 1, 1]
    seen.clear()
    assert cli("status", "--watch") == 130
    assert capsys.readouterr().out.count("default") == 3
