"""Why-lines: every decision is told with its evidence, and with what comes next and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, FakeClock, World, profile
from harvester import errors, ledger_form, log
from harvester.clock import rfc3339
from harvester.errors import HarvesterError
from harvester.ledger import Ledger
from harvester.profile import SecretSource
from harvester.reasons import span
from harvester.settings import load
from harvester.verdict import Answer

Told = list[tuple[str, Mapping[str, Any]]]


@pytest.fixture
def told() -> Iterator[Told]:
    heard: Told = []
    deaf = log.listen(lambda name, level, fields: heard.append((name, dict(fields))))
    yield heard
    deaf()


@pytest.fixture
def world() -> World:
    return World(FakeClock())


@pytest.fixture
async def engine(tmp_path: Path, world: World) -> AsyncIterator[Engine]:
    made = Engine(tmp_path / "store", world)
    await made.keeper.start()
    yield made
    await made.keeper.close()


def last(told: Told, name: str) -> Mapping[str, Any]:
    found = [fields for each, fields in told if each == name]
    assert found, f"no {name} in {[each for each, _ in told]}"
    return found[-1]


async def test_a_new_session_says_by_which_rung_and_what_for(engine: Engine, told: Told) -> None:
    await engine.keeper.get()
    assert last(told, "session.new")["why"] == "scripted: there is no session"
    rung = last(told, "climb.rung")
    assert (rung["rung"], rung["why"], rung["cause"]) == (
        "scripted", "there is no session", "none",
    )  # fmt: skip
    assert rung["skipped"] == [
        "touch: there is no live session",
        "renew: no page could mint the session anew",
        "silent: nothing is remembered of the identity provider",
    ]


async def test_a_refresh_that_is_planned_says_when_and_of_which_life(
    engine: Engine, world: World, told: Told
) -> None:
    world.life_s = 8 * 3600.0
    await engine.keeper.get()
    await engine.keeper.check()
    plan = last(told, "refresh.scheduled")
    assert plan["next"] == "refresh" and plan["why"].endswith("of its declared life of 8 h")
    assert plan["next_at"] > rfc3339(world.clock.wall_s() + 7 * 3600)  # type: ignore[operator]
    before = len(told)
    await engine.keeper.check()
    assert all(name != "refresh.scheduled" for name, _ in told[before:]), "told once"


async def test_a_rung_that_is_not_worth_it_says_so(
    engine: Engine, world: World, told: Told
) -> None:
    world.life_s = 900.0
    await engine.keeper.get()
    world.clock.sleep(700)
    await engine.keeper.check()  # the touch does not help, a silent sign-in does
    world.clock.sleep(700)
    await engine.keeper.check()
    rung = last(told, "climb.rung")
    assert rung["rung"] == "silent" and rung["why"] == "the session nears its end"
    assert rung["skipped"][0] == "touch: it did not help when it was tried last"
    assert last(told, "climb.no_help")["why"]


async def test_a_refused_session_names_its_witnesses(
    engine: Engine, world: World, told: Told
) -> None:
    await engine.keeper.get()
    world.revoke()
    await engine.keeper.report(generation=1)
    refused = last(told, "session.refused")
    assert refused["why"] == "the site said no to a report and our own probe"
    assert refused["next"] == "a new session"
    assert last(told, "session.new")["why"] == "silent: the site refused the session"


async def test_a_sign_in_that_stopped_says_where_whether_it_counts_and_what_comes_next(
    engine: Engine, world: World, told: Told
) -> None:
    world.stops_with = errors.ProviderDown("no answer", retry_after_s=60)
    with pytest.raises(HarvesterError):
        await engine.keeper.get()
    stopped = last(told, "sign_in.stopped")
    assert (stopped["code"], stopped["stage"], stopped["counted"]) == (
        "identity_provider_down", "before_submit", False,
    )  # fmt: skip
    assert stopped["next"] == "another try"
    assert stopped["next_at"] == rfc3339(world.clock.wall_s() + 60)
    assert last(told, "refresh.failed")["next_at"] == stopped["next_at"]
    await asyncio.sleep(0)
    world.clock.sleep(30)
    engine.keeper._flight.forgive()
    with pytest.raises(HarvesterError):
        await engine.keeper.get()
    halt = last(told, "climb.stopped")
    assert halt["skipped"][-1] == "scripted: a back-off runs"
    assert halt["next_at"] == stopped["next_at"]


async def test_a_latch_is_told_when_it_is_set_and_when_it_is_cleared(
    tmp_path: Path, world: World, told: Told
) -> None:
    wrong = profile(password=SecretSource("value", "HARVESTER_PASSWORD", value="wrong"))
    engine = Engine(tmp_path / "store", world, wrong)
    with pytest.raises(HarvesterError):
        await engine.keeper.get()
    latch = last(told, "latch.set")
    assert latch["code"] == "credentials_rejected" and "correct" in latch["next"]
    assert "next_at" not in latch, "time alone opens it not"
    assert last(told, "sign_in.stopped")["counted"] is True
    right = Engine(tmp_path / "store", world)
    await right.keeper.get()
    assert last(told, "latch.cleared")["why"] == "a scripted sign-in succeeded"


async def test_a_site_that_says_nothing_is_told_with_what_it_said(
    engine: Engine, world: World, told: Told
) -> None:
    await engine.keeper.get()
    world.answer = Answer(502)
    await engine.keeper.report(generation=1)
    probe = last(told, "probe")
    assert (probe["verdict"], probe["why"]) == ("unreachable", "status 502")


async def test_what_is_told_of_a_profile_names_it(engine: Engine, world: World, told: Told) -> None:
    await engine.keeper.get()
    world.revoke()
    await engine.keeper.report(generation=1)
    assert {fields.get("profile") for _, fields in told} == {"default"}


def test_a_ledger_of_before_reads_as_one_that_did_not_fail() -> None:
    data = ledger_form.to_dict(Ledger())
    for name in ("failing_since", "faults"):
        del data[name]
    assert ledger_form.from_dict(data) == Ledger()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (45, "45 s"), (300, "5 min"), (5400, "1 h 30 min"), (8 * 3600, "8 h"),
     (90 * 86400, "90 d"), (90061, "1 d 1 h")],
)  # fmt: skip
def test_a_span_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


async def test_a_house_keeps_what_happens_and_one_that_only_looks_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harvester.assembly import House

    monkeypatch.setenv("HARVESTER_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HARVESTER_ORIGIN", "HARVESTER_PROBE_PATH"):
        monkeypatch.delenv(name, raising=False)
    settings = load({}, config=None, env_file=None)
    async with House(settings) as house:
        log.event("session.new", profile="default", why="a story")
        entries = await house.history("default", limit=5)
        with pytest.raises(errors.UnknownProfile):
            await house.history("nobody", limit=5)
    assert [one["why"] for one in entries if one["event"] == "session.new"] == ["a story"]
    journal = tmp_path / "store" / "profiles" / "default" / "journal"
    before = journal.read_bytes()
    async with House(settings, only_look=True) as house:
        log.event("session.new", profile="default", why="another")
        assert len(await house.history("default", limit=5)) == len(entries)
    assert journal.read_bytes() == before
