"""What every adapter does, in the real client that it is for, against the stand-in."""

from __future__ import annotations

import json
import threading

import pytest

from harvester.sdk import Credentials
from plaindaemon import PlainDaemon
from sdkclients import Call, Client
from standin import StandInProcess
from tinysite import Came, Say, TinySite

AT_ONCE = 20


def _api(world: StandInProcess, name: str) -> str:
    return f"{world.site}/api/managed-agents/{name}"


def _begin(client: Client, credentials: Credentials, world: StandInProcess) -> str:
    call = Call(_api(world, "session"), "POST", json={"text": "hello"})
    (told,) = client.ask(credentials, call)
    assert told.status == 201, told.text
    return str(json.loads(told.text)["sessionId"])


def test_an_expiry_goes_by_unnoticed(
    client: Client, world: StandInProcess, real: PlainDaemon
) -> None:
    credentials = Credentials(socket=str(real.path))
    asked = Call(_api(world, "sessions"))
    assert [one.status for one in client.ask(credentials, asked)] == [200]
    world.revoke()
    assert [one.status for one in client.ask(credentials, asked, asked, asked)] == [200] * 3
    assert real.one.reports == [1]
    assert real.one.begun == 2


def test_twenty_posts_at_once_on_a_dead_session_are_each_done_once_after_one_refresh(
    client: Client, world: StandInProcess, real: PlainDaemon
) -> None:
    credentials = Credentials(socket=str(real.path))
    run = _begin(client, credentials, world)
    before = world.state()["api_posts_executed"]
    world.revoke()
    real.one.hold_s = 0.2  # so that all of them are there before it ends
    post = Call(_api(world, "message"), "POST", json={"sessionId": run, "text": "go"})
    told = client.ask(credentials, *[post] * AT_ONCE, together=True)
    assert [one.status for one in told] == [200] * AT_ONCE
    assert world.state()["api_posts_executed"] == before + AT_ONCE
    assert real.one.begun == 2, "one refresh"
    assert set(real.one.reports) == {1}
    assert len(real.one.reports) <= 2, "and one question, or one more for who came late"


def test_while_one_request_waits_for_a_sign_in_the_others_go_on(
    client: Client,
    tiny: TinySite,
    daemon: PlainDaemon,
    credentials: Credentials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credentials.session()
    tiny.end()
    elsewhere = threading.Event()

    def seen(_: Came) -> Say:
        elsewhere.set()
        return Say()

    def begin() -> dict[str, str]:
        # A loop that stood still in the first request would never send the second.
        assert elsewhere.wait(10)
        return TinySite.begin(tiny)

    tiny.routes["/elsewhere"] = seen
    monkeypatch.setattr(tiny, "begin", begin)
    waiting = Call(f"{tiny.origin}/api")
    other = Call(f"{tiny.at('x.localhost')}/elsewhere")
    told = client.ask(credentials, waiting, other, together=True)
    assert [one.status for one in told] == [200, 200]
    assert daemon.one.begun == 2
