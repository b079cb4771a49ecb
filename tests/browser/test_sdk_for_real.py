"""Every client over a real daemon that signs in with a real browser, and the SDK all by itself.

One daemon for all of them, so that it stays quick.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from harvester.sdk import Credentials
from runs import Home
from sdkclients import CLIENTS, Call
from standin import StandInProcess

AT_ONCE = 20
# One for each adapter; tests/sdk has the other kinds of clients too.
FOUR = [one for one in CLIENTS if one.name in ("httpx-async", "httpx2", "requests", "aiohttp")]


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess, monkeypatch: pytest.MonkeyPatch) -> Home:
    ask = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return ask("127.0.0.1" if str(name).endswith(".localhost") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return Home(tmp_path, standin)


def test_in_every_client_twenty_posts_on_a_dead_session_are_done_once_after_one_sign_in(
    home: Home,
) -> None:
    world = home.world
    api = f"{world.site}/api/managed-agents"
    with home.daemon():
        credentials = Credentials(socket=str(home.socket))
        begin = Call(f"{api}/session", "POST", json={"text": "hello"})
        run = json.loads(FOUR[0].ask(credentials, begin)[0].text)["sessionId"]
        post = Call(f"{api}/message", "POST", json={"sessionId": run, "text": "go"})
        for client in FOUR:
            world.advance(61)  # the site takes 60 messages a minute
            before = world.state()
            world.revoke("sessions")
            told = client.ask(credentials, *[post] * AT_ONCE, together=True)
            after = world.state()
            assert [one.status for one in told] == [200] * AT_ONCE, client.name
            assert after["sign_ins"] == before["sign_ins"] + 1, client.name
            done = after["api_posts_executed"] - before["api_posts_executed"]
            assert done == AT_ONCE, client.name
    assert world.state()["password_submits"] == 1


def test_told_to_it_signs_in_without_a_daemon_and_not_else(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in home.env.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    credentials = Credentials(sign_in=True)
    call = Call(f"{home.world.site}/api/managed-agents/sessions")
    requests = next(one for one in FOUR if one.name == "requests")
    assert [one.status for one in requests.ask(credentials, call)] == [200]
    home.world.revoke("sessions")
    assert [one.status for one in requests.ask(credentials, call)] == [200]
    state = home.world.state()
    assert (state["sign_ins"], state["password_submits"]) == (2, 1)
    secret = credentials.session().cookies[0].value
    assert home.in_clear(secret, home.world.password) == []
    for path in home.store.rglob("*"):
        mode = path.lstat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert home.processes() == []
