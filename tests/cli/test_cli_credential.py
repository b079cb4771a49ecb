"""`harvester credential-helper get`, as a build tool calls it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from fakedaemon import SESSION, FakeDaemon
from fakeonce import FakeOnce, Run, served
from harvester import __main__, credential
from harvester.clock import parse_rfc3339, rfc3339
from harvester.errors import OriginMismatch, Usage

Out = pytest.CaptureFixture[str]
URI = "https://knoq.one/api/managed-agents/sessions?x=1"
NOW = 1_800_000_000.0


class Stdin:
    def __init__(self, text: str) -> None:
        self.buffer = io.BytesIO(text.encode())


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch):
    def give(uri: object = URI) -> None:
        text = uri if isinstance(uri, bytes) else json.dumps({"uri": uri, "more": 1}).encode()
        monkeypatch.setattr(sys, "stdin", Stdin(text.decode()))

    give()
    return give


def test_the_headers_of_the_session_and_until_when_they_are_good(
    daemon: FakeDaemon, capsys: Out, asks: object
) -> None:
    daemon.set("/v1/session", {**SESSION, "expires_at": None})
    assert __main__.main(["credential-helper", "get"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["headers"] == {"Cookie": ["sid=v1"], "Origin": ["https://knoq.one"]}
    good_s = datetime.fromisoformat(told["expires"]).timestamp() - time.time()
    assert 0 < good_s <= credential.LONGEST_S
    [asked] = [one for one in daemon.asked if one.path == "/v1/session"]
    assert asked.query["origin"] == "https://knoq.one"
    assert float(asked.query["wait_s"]) < 10, "a tool's patience"


@pytest.mark.parametrize(
    "uri", ["https://other.example/x", "http://knoq.one/", "https://knoq.one:8443/"]
)
def test_for_another_origin_it_is_an_error_and_nothing_is_given(
    cli: Run, capsys: Out, asks, uri: str
) -> None:
    asks(uri)
    once = FakeOnce(served())
    assert cli("credential-helper", "get", once=once) == 78
    out, err = capsys.readouterr()
    assert (out, once.calls) == ("", []) and "knoq.one" in err


def test_what_the_daemon_says_of_another_origin_is_an_error_too(
    daemon: FakeDaemon, capsys: Out, asks
) -> None:
    daemon.problem("/v1/session", "origin_mismatch", status=409)
    asks("https://other.example/x")
    assert __main__.main(["credential-helper", "get"]) == 78
    assert capsys.readouterr().out == ""


def test_without_a_daemon_the_store_gives_it_and_nobody_signs_in(
    cli: Run, capsys: Out, asks: object
) -> None:
    once = FakeOnce(served())
    assert cli("credential-helper", "get", once=once) == 0
    assert json.loads(capsys.readouterr().out)["headers"]["Cookie"] == ["sid=canary-cookie"]
    assert once.calls[0] == ("token", "default", 0.0, False)


@pytest.mark.parametrize("request_", [b"", b"{}", b"[]", b'{"uri": 7}', b"\xc3\xa4"])
def test_what_is_no_request_is_told(cli: Run, capsys: Out, asks, request_: bytes) -> None:
    asks(request_)
    assert cli("credential-helper", "get", once=FakeOnce(served())) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("uri", ["grpcs://knoq.one/x", "knoq.one", "https://u@knoq.one/", ""])
def test_what_is_no_address_of_a_site_gets_nothing(uri: str) -> None:
    with pytest.raises(OriginMismatch):
        credential.origin_asked(io.BytesIO(json.dumps({"uri": uri}).encode()))
    with pytest.raises(Usage):
        credential.origin_asked(io.BytesIO(b"null"))


@pytest.mark.parametrize(
    ("session_s", "cookie_s", "good_s"),
    [
        (None, None, credential.LONGEST_S),
        (8 * 3600, None, credential.LONGEST_S),
        (100, None, 100 - credential.MARGIN_S),
        (8 * 3600, 200, 200 - credential.MARGIN_S),
        (-60, None, credential.SHORTEST_S),
    ],
)
def test_the_careful_end_of_what_is_known(
    session_s: float | None, cookie_s: float | None, good_s: float
) -> None:
    def at(left_s: float | None) -> str | None:
        return None if left_s is None else rfc3339(NOW + left_s)

    told = {**SESSION, "expires_at": at(session_s), "cookies": [{"expires_at": at(cookie_s)}]}
    assert parse_rfc3339(json.loads(credential.answer(told, NOW))["expires"]) == NOW + good_s


def test_a_build_that_asks_often_pays_for_no_click_and_no_settings(
    daemon: FakeDaemon, home: Path
) -> None:
    daemon.set("/v1/session", SESSION)
    script = (
        "import sys; from harvester.__main__ import main;"
        "code = main(['credential-helper', 'get']);"
        "print(sorted({name.split('.')[0] for name in sys.modules}"
        " & {'click', 'pydantic', 'aiohttp', 'rich', 'asyncio', 'http', 'email'}), code)"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", script], input=json.dumps({"uri": URI}), text=True,
        capture_output=True, env={"XDG_RUNTIME_DIR": str(home / "r")}, check=True,
    )  # fmt: skip
    assert ended.stdout.splitlines()[-1] == "[] 0"
