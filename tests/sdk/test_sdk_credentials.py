"""Credentials: one question for many callers, nothing served that was refused, no loop blocked."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakedaemon import SESSION, FakeDaemon
from harvester import wire
from harvester.errors import Bug, CredentialsRejected, NoDaemon, OriginMismatch, Usage
from harvester.sdk import Credentials, Session
from harvester.sdk import credentials as module
from harvester.session import Served
from jars import session as stored
from plaindaemon import PlainDaemon
from tinysite import TinySite

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """``clock.at`` is the time by both clocks, moved by hand."""
    told = SimpleNamespace(at=time.time())
    told.monotonic = told.time = lambda: told.at
    monkeypatch.setattr(module, "time", told)
    return told


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(tmp_path / "f.sock") as running:
        running.set("/v1/session", SESSION)
        yield running


# what is asked, and how often


def test_a_session_has_what_the_session_object_has(fake: FakeDaemon) -> None:
    told = wire.session_object(Served(stored(3600.0, generation=7), min_valid_met=False))
    fake.set("/v1/session", {**told, "from_a_later_release": 1})
    session = Credentials("work-eu", socket=str(fake.path)).session(min_valid_s=300)
    assert set(told) - {"version"} <= {one.name for one in fields(Session)}
    assert (session.generation, session.origin) == (7, "https://knoq.one")
    assert dict(session.headers) == told["headers"]
    assert session.cookies == stored().cookies
    assert (session.expires_at, session.expires_kind) == (3600.0, "declared")
    assert session.min_valid_met is False
    assert fake.asked[0].query == {"profile": "work-eu", "min_valid_s": "300", "wait_s": "150"}


def test_the_headers_are_the_callers_own_to_change(fake: FakeDaemon) -> None:
    credentials = Credentials(socket=str(fake.path))
    credentials.headers()["Cookie"] = "changed"
    assert credentials.headers() == SESSION["headers"]


def test_an_answer_is_good_for_some_seconds_and_then_asked_again(
    daemon: PlainDaemon, credentials: Credentials, clock: SimpleNamespace
) -> None:
    for _ in range(100):
        credentials.session()
    assert len(daemon.one.asked) == 1
    clock.at += module.ASK_DAEMON_EVERY_S
    credentials.session()
    assert len(daemon.one.asked) == 2


def test_a_session_that_is_shorter_than_wanted_is_asked_for_once(
    daemon: PlainDaemon, credentials: Credentials, clock: SimpleNamespace
) -> None:
    daemon.one.life_s = 120
    credentials.session(min_valid_s=60)
    for _ in range(10):
        credentials.session(min_valid_s=3600)
    assert [one["min_valid_s"] for one in daemon.one.asked] == [60, 3600]
    clock.at += 121  # over: the same answer is not good enough for anybody
    credentials.session(min_valid_s=0)
    credentials.session(min_valid_s=0)
    assert len(daemon.one.asked) == 4


def test_many_callers_ask_once_and_many_reports_are_one_question_or_two(
    tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    daemon.one.hold_s = 0.2
    with ThreadPoolExecutor(50) as pool:
        first = set(pool.map(lambda _: credentials.session().generation, range(50)))
        assert (first, len(daemon.one.asked)) == ({1}, 1)
        tiny.end()
        dead = credentials.session()
        told = list(pool.map(lambda _: credentials.report(dead), range(50)))
    assert {one.generation for one in told} == {2}
    assert {one.verdict for one in told} <= {"refreshed", "superseded"}
    assert daemon.one.begun == 2
    assert daemon.one.reports == [1]


def test_a_late_report_of_an_older_session_asks_nobody(
    tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    dead = credentials.session()
    tiny.end()
    credentials.report(dead)
    told = credentials.report(dead)
    assert (told.verdict, told.generation, daemon.one.reports) == ("superseded", 2, [1])
    assert credentials.session().verdict is None, "a verdict belongs to its report"


def test_a_verdict_from_before_ones_own_401_is_not_believed(
    tiny: TinySite, daemon: PlainDaemon, credentials: Credentials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    session = credentials.session()
    asked, joined, may_answer = threading.Event(), threading.Event(), threading.Event()
    join = credentials._join

    def watched(*what: Any) -> Any:
        flight, ours = join(*what)
        if not ours:
            joined.set()
        return flight, ours

    def slowly(cookies: Any) -> bool:
        lives = TinySite.lives(tiny, cookies)  # the site is asked here, and dies after that
        asked.set()
        assert may_answer.wait(10)
        return lives

    monkeypatch.setattr(credentials, "_join", watched)
    monkeypatch.setattr(tiny, "lives", slowly)
    with ThreadPoolExecutor(2) as pool:
        early = pool.submit(credentials.report, session)
        assert asked.wait(10)
        tiny.end()
        late = pool.submit(credentials.report, session)
        assert joined.wait(10)
        may_answer.set()
        assert early.result().verdict == "alive"
        assert (late.result().verdict, late.result().generation) == ("refreshed", 2)
    assert daemon.one.reports == [1, 1]


# what was refused


def test_a_session_that_was_reported_is_not_served_from_memory(fake: FakeDaemon) -> None:
    credentials = Credentials(socket=str(fake.path))
    endless = {**SESSION, "expires_at": None}
    fake.set("/v1/session", endless)
    session = credentials.session()
    fake.set("/v1/session/report", {**endless, "verdict": "unreachable", "stale": True})
    told = credentials.report(session)
    assert (told.verdict, told.stale) == ("unreachable", True)
    before = len(fake.asked)
    credentials.session()
    credentials.session()
    assert len(fake.asked) == before + 2, "the daemon decides each time"
    fake.set("/v1/session/report", {**endless, "verdict": "alive", "probed_s_ago": 2.5})
    assert credentials.report(session).probed_s_ago == 2.5
    before = len(fake.asked)
    credentials.session()
    assert len(fake.asked) == before, "found alive, it is good again"


def test_a_store_that_begins_anew_begins_with_lower_generations(
    fake: FakeDaemon, clock: SimpleNamespace
) -> None:
    credentials = Credentials(socket=str(fake.path))
    endless = {**SESSION, "expires_at": None}
    fake.set("/v1/session", endless)
    fake.set("/v1/session/report", {**endless, "generation": 8, "verdict": "refreshed"})
    assert credentials.report(credentials.session()).generation == 8
    clock.at += 60
    first = {"generation": 1, "headers": {"Cookie": "sid=w1", "Origin": "https://knoq.one"}}
    fake.set("/v1/session", {**endless, **first})
    session = credentials.session()
    before = len(fake.asked)
    assert credentials.session() == session
    assert (session.generation, len(fake.asked)) == (1, before), "remembered like any other"
    fake.set("/v1/session/report", {**endless, **first, "generation": 2, "verdict": "refreshed"})
    assert credentials.report(session).generation == 2
    assert fake.asked[-1].body == {"profile": "default", "generation": 1, "wait_s": 150}


def test_an_answer_that_comes_late_does_not_bring_back_the_dead(
    tiny: TinySite, daemon: PlainDaemon, credentials: Credentials, clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    dead = credentials.session()
    ask, asked, may_answer = credentials._source.session, threading.Event(), threading.Event()

    def slowly(*what: Any, **more: Any) -> Any:
        told = ask(*what, **more)
        asked.set()
        assert may_answer.wait(10)
        return told

    clock.at += 60
    monkeypatch.setattr(credentials._source, "session", slowly)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(credentials.session)
        assert asked.wait(10)
        tiny.end()
        clock.at += 1
        assert credentials.report(dead).generation == 2
        may_answer.set()
        assert late.result().generation == 1, "it was asked before"
    assert credentials.session().generation == 2


def test_a_report_of_another_profiles_session_is_a_mistake(credentials: Credentials) -> None:
    session = credentials.session()
    with pytest.raises(Usage):
        Credentials("work-eu", socket="/nowhere").report(session)


def test_the_error_that_stopped_a_refresh_reaches_everybody_and_the_next_one_tries_again(
    tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    session = credentials.session()
    tiny.end()
    daemon.one.fails = CredentialsRejected("refused", hint="mend it")
    daemon.one.hold_s = 0.1
    with ThreadPoolExecutor(10) as pool:
        tries = [pool.submit(credentials.report, session) for _ in range(10)]
        assert {type(one.exception()) for one in tries} == {CredentialsRejected}
    daemon.one.fails = None
    assert credentials.report(session).generation == 2


# a daemon that goes, and mistakes


def test_while_the_daemon_restarts_its_last_word_is_good(
    tmp_path: Path, tiny: TinySite, clock: SimpleNamespace
) -> None:
    path = tmp_path / "run" / "h.sock"
    credentials = Credentials(socket=str(path))
    with PlainDaemon(path, tiny):
        first = credentials.session()
    clock.at += 60
    last = credentials.session()
    assert (last.generation, last.stale) == (first.generation, True)
    assert isinstance(last.error, NoDaemon)
    with PlainDaemon(path, tiny):
        assert credentials.session().stale is False


def test_the_origin_that_is_named_must_be_the_daemons(
    fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.problem("/v1/session", "origin_mismatch", status=409)
    with pytest.raises(OriginMismatch):
        Credentials(socket=str(fake.path), origin="https://App.Example:443/").session()
    monkeypatch.setenv("HARVESTER_ORIGIN", "https://by.example")
    monkeypatch.setenv("HARVESTER_PROFILES__WORK_EU__ORIGIN", "https://eu.example")
    for name in ("default", "work-eu"):
        with pytest.raises(OriginMismatch):
            Credentials(name, socket=str(fake.path)).session()
    asked = [one.query["origin"] for one in fake.asked]
    assert asked == ["https://app.example", "https://by.example", "https://eu.example"]


@pytest.mark.parametrize(
    "wrong", [{"profile": "No Such"}, {"wait_s": 301}, {"wait_s": -1}, {"origin": "no-url"}]
)
def test_a_mistake_is_told_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(Usage):
        Credentials(**wrong)


@pytest.mark.parametrize(
    "broken",
    [
        [], {}, {**SESSION, "headers": {}}, {**SESSION, "origin": "HTTPS://knoq.one/"},
        {**SESSION, "headers": {"Cookie": "sid=v1\r\nX: y"}}, {**SESSION, "generation": "x"},
        {**SESSION, "cookies": [{"name": "sid"}]}, {**SESSION, "expires_at": 7},
    ],
)  # fmt: skip
def test_what_is_no_session_object_is_an_error_without_a_word_of_it(
    fake: FakeDaemon, broken: Any
) -> None:
    fake.set("/v1/session", broken)
    with pytest.raises(Bug) as raised:
        Credentials(socket=str(fake.path)).session()
    assert "v1" not in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__context__ is None


def test_nothing_that_is_printed_holds_a_cookie(credentials: Credentials) -> None:
    session = credentials.session()
    assert session.headers["Cookie"] == "sid=v1"
    assert "v1" not in repr(session) + repr(session.cookies) + repr(credentials)


# asyncio


async def test_the_loop_turns_while_a_hundred_tasks_wait_for_one_sign_in(
    tiny: TinySite,
    daemon: PlainDaemon,
    credentials: Credentials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = await credentials.asession()
    tiny.end()
    loop = asyncio.get_running_loop()

    def begin() -> dict[str, str]:
        # A loop that stood still until there is a session would never do this.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(10)
        return TinySite.begin(tiny)

    monkeypatch.setattr(tiny, "begin", begin)
    told = await asyncio.gather(*(credentials.areport(dead) for _ in range(100)))
    assert {one.generation for one in told} == {2}
    assert daemon.one.reports == [1]
    assert await credentials.aheaders() == {"Cookie": "sid=v2", "Origin": tiny.origin}


async def test_who_is_cancelled_leaves_and_the_others_get_their_session(
    tiny: TinySite,
    daemon: PlainDaemon,
    credentials: Credentials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, under_way, left = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def begin() -> dict[str, str]:
        loop.call_soon_threadsafe(under_way.set)
        assert left.wait(10)
        return TinySite.begin(tiny)

    monkeypatch.setattr(tiny, "begin", begin)
    leaving, staying = (asyncio.create_task(credentials.asession()) for _ in range(2))
    await under_way.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    left.set()
    assert (await staying).generation == 1
    assert len(daemon.one.asked) == 1


def test_one_credentials_serves_several_loops_and_threads(
    daemon: PlainDaemon, credentials: Credentials
) -> None:
    daemon.one.hold_s = 0.1
    with ThreadPoolExecutor(8) as pool:
        in_loops = [pool.submit(lambda: asyncio.run(credentials.asession())) for _ in range(4)]
        in_threads = [pool.submit(credentials.session) for _ in range(4)]
        assert {one.result().generation for one in in_loops + in_threads} == {1}
    assert len(daemon.one.asked) == 1


# processes


def _script(text: str, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", text, *words],
        cwd=ROOT, env=kept, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


FORKED = """
import os, sys, threading, time
from harvester.sdk import Credentials
credentials = Credentials(socket=sys.argv[1])
waiting = threading.Thread(target=credentials.session, daemon=True)
waiting.start()
while not credentials._up:
    time.sleep(0.001)
credentials._lock.acquire()     # as another thread may hold it at the moment of a fork
child = os.fork()
if child == 0:
    print(credentials.session().generation, flush=True)
    os._exit(0)
credentials._lock.release()
assert os.waitpid(child, 0)[1] == 0
waiting.join()
print(credentials.session().generation)
"""


def test_a_forked_child_waits_for_nobody_who_did_not_come_along(daemon: PlainDaemon) -> None:
    daemon.one.hold_s = 0.3
    ended = _script(FORKED, str(daemon.path))
    assert ended.stdout.split() == ["1", "1"], ended.stderr


def test_the_sdk_and_a_daemons_session_need_nothing_but_the_standard_library(
    daemon: PlainDaemon,
) -> None:
    text = """
import json, sys
import harvester.sdk
harvester.sdk.Credentials(socket=sys.argv[1]).session()
print(json.dumps(sorted({name for name in sys.modules})))
"""
    ended = _script(text, str(daemon.path))
    loaded = json.loads(ended.stdout)
    bare = json.loads(_script("import json, sys; print(json.dumps(sorted(sys.modules)))").stdout)
    foreign = {name.partition(".")[0] for name in set(loaded) - set(bare)}
    assert foreign - set(sys.stdlib_module_names) == {"harvester"}
    engine = ("oneshot", "assembly", "keeper", "settings", "vault", "signin")
    assert not [one for one in loaded if one.startswith(tuple(f"harvester.{x}" for x in engine))]


@pytest.mark.parametrize("package", ["httpx", "httpx2", "requests", "aiohttp"])
def test_an_adapter_without_its_package_says_which(package: str) -> None:
    text = f"""
import sys
sys.modules["{package}"] = None
try:
    import harvester.sdk.{package}
except ModuleNotFoundError as error:
    print(error)
"""
    told = _script(text).stdout
    assert f"pip install {package}" in told and "not installed" in told


def test_what_an_installed_package_misses_is_told_as_it_is() -> None:
    from harvester.sdk.absent import absent

    missing = ModuleNotFoundError("No module named 'h11'", name="h11")
    assert absent("httpx", missing) is missing


def test_the_public_names_are_these() -> None:
    import harvester.sdk

    assert sorted(harvester.sdk.__all__) == [
        "Cookie", "Credentials", "HarvesterError", "NotReplayed", "Session",
    ]  # fmt: skip
    public = {name for name in vars(Credentials) if not name.startswith("_")}
    assert public == {
        "session", "headers", "report", "asession", "aheaders", "areport", "origin",
        "session_flow", "report_flow",
    }  # fmt: skip
