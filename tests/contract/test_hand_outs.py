"""The porter before the API and the proxy: over their sockets, with a house of fakes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakehouse import FakeHouse
from harvester.clock import SystemClock
from harvester.errors import NeedsHuman, Paused
from harvester.outlets.api import Api
from harvester.outlets.listen import Listener
from harvester.outlets.proxy import Proxy
from harvester.outlets.proxy_gate import Gate, bind
from harvester.outlets.turns import Places
from harvester.outlets.upstream import Upstream
from harvester.pause import NoPause
from harvester.porter import Porter
from porters import Asked, Stopped, Told
from proxied import CHECKED, ProxyHouse
from rawsite import Seen, always, plain, raw_site

GET = "GET {path} HTTP/1.1\r\nHost: h\r\n{more}\r\n"
REFUSED = b'"code": "paused"'


class Scene:
    def __init__(self) -> None:
        self.audit, self.pause = Told(), Stopped()
        self.confirm = Asked(self.pause)
        self.confirm.words = ()
        self.porter = Porter(pause=self.pause, confirm=self.confirm, audit=self.audit)

    @property
    def results(self) -> list[tuple[str, str]]:
        return [(line[0], line[3]) for line in self.audit.lines]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


@pytest.fixture
async def api(tmp_path: Path, house: FakeHouse, scene: Scene) -> AsyncIterator[Path]:
    path = tmp_path / "run" / "h.sock"
    with Listener(path) as sock:
        api = Api(house, porter=scene.porter)
        await api.start(sock)
        yield path
        await api.stop(1)


class Talk:
    """One connection, kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, path: str = "/v1/session", *more: str, body: str = "") -> tuple[int, bytes]:
        head = GET.format(path=path, more="".join(f"{line}\r\n" for line in more))
        if body:
            head = head.replace("GET", "POST", 1)
            head = head.replace("\r\n\r\n", f"\r\nContent-Length: {len(body)}\r\n\r\n")
        self._writer.write((head + body).encode())
        async with asyncio.timeout(20):
            said = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(said.partition("content-length:")[2].partition("\r\n")[0] or 0)
            return int(said.split()[1]), await self._reader.readexactly(length)


@asynccontextmanager
async def talking(path: Path) -> AsyncIterator[Talk]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()


async def test_a_pause_holds_at_once_also_for_what_the_lane_has_learned(
    api: Path, house: FakeHouse, scene: Scene
) -> None:
    async with talking(api) as one:
        for _ in range(3):
            status, body = await one.ask("/v1/session", "Harvester-Client: tool")
            assert status == 200 and b"canary" in body
        assert house.recalled >= 1, "the lane answered"
        assert scene.audit.lines == [("session", "default", "tool", "given", 7)] * 3
        scene.pause.paused = True
        before = len(house.default.calls)
        for path in ("/v1/session", "/v1/session?format=cookie"):
            status, body = await one.ask(path, "Harvester-Client: tool")
            assert status == 409 and json.loads(body)["code"] == "paused"
            assert b"canary" not in body
        assert len(house.default.calls) == before, "nothing is begun for him"
        scene.pause.paused = False
        assert (await one.ask("/v1/session", "Harvester-Client: tool"))[0] == 200
    assert scene.results[3:] == [("session", "paused")] * 2 + [("session", "given")]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/session/report", '{"generation": 7}'), ("/v1/session/refresh", "{}"),
        ("/v1/session/import", '{"cookies": [{"name": "a", "value": "b"}]}'),
    ],
)  # fmt: skip
async def test_whatever_answers_with_a_session_asks_the_porter(
    api: Path, house: FakeHouse, scene: Scene, path: str, body: str
) -> None:
    operation = path.rpartition("/")[2]
    async with talking(api) as one:
        assert (await one.ask(path, body=body))[0] == 200
        scene.pause.paused = True
        assert (await one.ask(path, body=body))[0] == 409
        scene.pause.paused = False
        scene.confirm.words, scene.confirm.says_no = ("ask",), True
        assert (await one.ask(path, body=body))[0] == 409
    assert len(house.default.calls) == 1
    assert scene.results == [
        (operation, "given"), (operation, "paused"), (operation, "needs_human")
    ]  # fmt: skip


async def test_where_a_person_is_asked_the_lane_is_shut(
    api: Path, house: FakeHouse, scene: Scene
) -> None:
    async with talking(api) as one:
        await one.ask()
        await one.ask()
        recalled = house.recalled
        scene.confirm.words = ("ask",)
        for _ in range(3):
            assert (await one.ask())[0] == 200
        assert (scene.confirm.questions, house.recalled) == (3, recalled)
        scene.confirm.says_no = True
        assert (await one.ask())[0] == 409


async def test_what_did_not_change_is_no_hand_out(api: Path, scene: Scene) -> None:
    async with talking(api) as one:
        for _ in range(2):
            assert (await one.ask("/v1/session", 'If-None-Match: "7"'))[0] == 304
    assert scene.results == [("session", "unchanged")] * 2


@pytest.mark.parametrize(
    "name", ["", "a b", "x" * 65, "caf\xe9", "a\tb", "tool\r\nHarvester-Client: b"]
)
async def test_a_name_that_is_none_is_refused_and_nothing_is_given(
    api: Path, house: FakeHouse, scene: Scene, name: str
) -> None:
    async with talking(api) as one:
        assert (await one.ask("/v1/session", f"Harvester-Client: {name}"))[0] == 400
    assert house.default.calls == []


async def test_who_asks_is_known_by_uid_and_pid_in_the_lane_and_outside(
    tmp_path: Path, house: FakeHouse
) -> None:
    seen = []

    class Seeing(Told):
        def tell(self, operation, profile, visitor, client=None, **more):
            seen.append((visitor.uid, visitor.pid))

    path = tmp_path / "run" / "h.sock"
    with Listener(path) as sock:
        api = Api(house, porter=Porter(audit=Seeing()))
        await api.start(sock)
        async with talking(path) as one:
            for _ in range(3):
                await one.ask()
        async with talking(path) as other:  # answered on the doorstep
            await other.ask()
        await api.stop(1)
    assert seen == [(os.geteuid(), os.getpid())] * 4


async def test_ready_says_that_it_is_paused(api: Path, scene: Scene) -> None:
    scene.pause.paused = True
    async with talking(api) as one:
        status, body = await one.ask("/readyz")
        assert status == 503
        assert [said["why"] for said in json.loads(body)["profiles"]] == ["paused", "paused"]
        assert (await one.ask("/livez"))[0] == 200


async def test_pause_and_resume_are_of_all_or_of_one(api: Path, house: FakeHouse) -> None:
    for path in ("/v1/pause", "/v1/resume"):
        async with talking(api) as one:
            for body in ("{}", '{"profile": null}', '{"profile": "work-eu"}'):
                status, said = await one.ask(path, body=body)
                assert status == 200 and json.loads(said)["done"] is True
            assert (await one.ask(path, body='{"profile": "none"}'))[0] == 404
            assert (await one.ask(path, body='{"profile": 3}'))[0] == 400
            assert (await one.ask(path))[0] == 405
    names = [None, None, "work-eu"]
    assert house.asked == [("pause", one) for one in names] + [("resume", one) for one in names]


# the proxy


@asynccontextmanager
async def proxy_before(
    site_origin: str, tmp_path: Path, porter: Porter
) -> AsyncIterator[tuple[ProxyHouse, Path, str]]:
    house = ProxyHouse(site_origin)
    path = tmp_path / "run" / "proxy.sock"
    tcp, authority = bind("127.0.0.1:0")
    with Listener(path) as sock, tcp:
        proxy = Proxy(
            house, clock=SystemClock(), upstream=Upstream(https_proxy=None, ca_file=None),
            porter=porter,
        )  # fmt: skip
        await proxy.start(sock)
        await proxy.start_tcp(tcp, Gate(authority, "hvp_" + "a" * 43))
        try:
            yield house, path, authority
        finally:
            await proxy.stop(0.2)


async def test_a_connection_of_the_proxy_is_one_line_until_something_changes(
    tmp_path: Path, scene: Scene
) -> None:
    async with (
        raw_site(always(plain(b"{}"))) as site,
        proxy_before(site.origin, tmp_path, scene.porter) as (house, path, _),
    ):
        async with talking(path) as one:
            for _ in range(3):
                assert (await one.ask("/x"))[0] == 200
            assert (await one.ask("/x", "Harvester-Client: tool"))[0] == 200
            assert (await one.ask("/x", "Harvester-Client: tool", "Harvester-Profile: work-eu"))[
                0
            ] == 200
            await house.all["work-eu"]._refresh()
            for _ in range(2):
                assert (
                    await one.ask("/x", "Harvester-Client: tool", "Harvester-Profile: work-eu")
                )[0] == 200
        async with talking(path) as other:
            await other.ask("/x")
    assert [(line[1], line[2], line[4]) for line in scene.audit.lines] == [
        ("default", None, 1), ("default", "tool", 1), ("work-eu", "tool", 1),
        ("work-eu", "tool", 2), ("default", None, 1),
    ]  # fmt: skip
    assert set(scene.results) == {("proxy", "given")}


async def test_a_pause_stops_the_proxy_also_on_a_connection_that_was_let_in(
    tmp_path: Path, scene: Scene
) -> None:
    async with (
        raw_site(always(plain(b"{}"))) as site,
        proxy_before(site.origin, tmp_path, scene.porter) as (_, path, _),
        talking(path) as one,
    ):
        assert (await one.ask("/x"))[0] == 200
        scene.pause.paused = True
        for _ in range(2):
            status, body = await one.ask("/x")
            assert (status, json.loads(body)["code"]) == (409, "paused")
        assert len(site.seen) == 1
        scene.pause.paused = False
        assert (await one.ask("/x"))[0] == 200
    assert ("proxy", "paused") in scene.results


async def test_who_pauses_while_a_401_is_looked_into_gets_nothing_sent_again(
    tmp_path: Path, scene: Scene
) -> None:
    async def answer(seen: Seen) -> bytes:
        scene.pause.paused = True
        return plain(b"{}", "401 Unauthorized")

    async with (
        raw_site(answer) as site,
        proxy_before(site.origin, tmp_path, scene.porter) as (house, path, _),
        talking(path) as one,
    ):
        assert (await one.ask(f"{CHECKED}sessions"))[0] == 401
        assert len(site.seen) == 1 and house.default.reports == [1]


@pytest.mark.parametrize("what", ["paused", "needs_human"])
async def test_what_waits_for_its_place_gets_no_session_after_a_pause_or_a_theft(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("harvester.outlets.proxy.Places", lambda: Places(1))
    held, go_on = asyncio.Event(), asyncio.Event()

    async def answer(seen: Seen) -> bytes:
        held.set()
        await go_on.wait()
        return plain(b"{}")

    async with (
        raw_site(answer) as site,
        proxy_before(site.origin, tmp_path, scene.porter) as (house, path, _),
        talking(path) as one,
        talking(path) as other,
    ):
        first = asyncio.create_task(one.ask("/x"))
        await held.wait()
        second = asyncio.create_task(other.ask("/x"))
        async with asyncio.timeout(10):
            while len(scene.audit.lines) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        if what == "paused":
            scene.pause.paused = True
        else:
            house.default.handout.shut = NeedsHuman("held")
        go_on.set()
        assert (await first)[0] == 200
        status, body = await second
        assert (status, json.loads(body)["code"]) == (409, what)
        assert len(site.seen) == 1


async def test_the_proxy_asks_a_person_once_for_each_connection(
    tmp_path: Path, scene: Scene
) -> None:
    scene.confirm.words = ("ask",)
    async with (
        raw_site(always(plain(b"{}"))) as site,
        proxy_before(site.origin, tmp_path, scene.porter) as (_, path, _),
    ):
        async with talking(path) as one:
            assert [(await one.ask("/x"))[0] for _ in range(3)] == [200] * 3
        assert scene.confirm.questions == 1
        scene.confirm.says_no = True
        async with talking(path) as other:
            status, body = await other.ask("/x")
            assert (status, json.loads(body)["code"]) == (409, "needs_human")
            assert (await other.ask("/x"))[0] == 409
        assert (scene.confirm.questions, len(site.seen)) == (3, 3)


async def test_who_knocks_at_the_tcp_port_without_the_token_is_in_the_audit(
    tmp_path: Path, scene: Scene
) -> None:
    async with (
        raw_site(always(plain(b"{}"))) as site,
        proxy_before(site.origin, tmp_path, scene.porter) as (_, _, authority),
    ):
        host, _, port = authority.partition(":")
        for name in (authority, "rebound.example"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET /x HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            await reader.read()
            writer.close()
    assert scene.audit.lines == [
        ("proxy", None, None, "http_407", None), ("proxy", None, None, "http_421", None)
    ]  # fmt: skip


def test_the_null_parts_are_the_ones_that_are_replaced() -> None:
    assert isinstance(Porter().pause, NoPause)
    with pytest.raises(Paused):
        paused = Stopped()
        paused.paused = True
        Porter(pause=paused).check("default")
