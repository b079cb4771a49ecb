"""The door while an alarm stands: who gets nothing, since when, and what opens it again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, FakeClock, World, profile
from harvester import log
from harvester.errors import (
    HarvesterError,
    IdentityMismatch,
    NeedsHuman,
    OrganizationMismatch,
    StoreFull,
)
from harvester.lives import Life
from harvester.profile import Profile
from harvester.session import Cookie
from harvester.status import glance, profile_status
from jars import jwt

HOUR = 3600.0
FOUR = Life(13800.0, 14400.0, 900.0)
HOLD = {"tripwire": "hold"}


class Told(list[tuple[str, dict[str, Any]]]):
    """Every event that happened."""

    def of(self, name: str) -> list[dict[str, Any]]:
        return [fields for told, fields in self if told == name]


@pytest.fixture
def told() -> Iterator[Told]:
    heard = Told()
    end = log.listen(lambda name, _, fields: heard.append((name, dict(fields))))
    yield heard
    end()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second opinion without its second."""
    for module in ("afterlife", "witness", "climb"):
        monkeypatch.setattr(f"harvester.{module}.SECOND_OPINION_S", 0.0)


@pytest.fixture
def world() -> World:
    """A site whose sessions tell no end."""
    return World(FakeClock(), life_s=None)


Calls = list[tuple[str, str]]


class House:
    """Keepers over one store, one after the other or side by side."""

    def __init__(self, root: Path, world: World) -> None:
        self.root, self.world = root, world
        self.calls: Calls = []
        self._all: list[Engine] = []

    async def open(self, who: Profile | None = None, *, daemon: bool = True) -> Engine:
        made = Engine(
            self.root,
            self.world,
            who,
            call=(lambda name, error: self.calls.append((name, error.code))) if daemon else None,
        )
        self._all.append(made)
        await made.keeper.start()
        await settled(made)
        return made

    async def close(self) -> None:
        for each in self._all:
            await each.keeper.close()


@pytest.fixture
async def house(tmp_path: Path, world: World) -> AsyncIterator[House]:
    made = House(tmp_path / "store", world)
    yield made
    await made.close()


async def settled(engine: Engine) -> None:
    """Until the alarm is written down and told, where there is one."""
    for _ in range(200):
        await asyncio.sleep(0)
        task = engine.keeper.handout._task
        if task is None:
            return
        await asyncio.wait({task})


async def robbed(engine: Engine) -> None:
    """Sessions are known to live four hours; this one is refused after one."""
    world = engine.world
    engine.records.keep_ledger(engine.records.ledger().with_lives((FOUR, FOUR)))
    await engine.keeper.follow_store()
    await engine.keeper.get()
    await lives_on(engine)
    world.revoke()


async def lives_on(engine: Engine, seconds: float = HOUR) -> None:
    """The session is in use, and nobody leaves it alone for longer than its like have borne."""
    for _ in range(int(seconds // 600)):
        engine.world.clock.sleep(600)
        await engine.keeper.prove(within_s=0)


async def reported(engine: Engine) -> HarvesterError | None:
    """A client meets the 401 and says so; the error that it is told, if any."""
    try:
        await engine.keeper.report(generation=engine.records.ledger().generation)
    except HarvesterError as error:
        return error
    finally:
        await settled(engine)
    return None


def ways(engine: Engine) -> dict[str, Callable[[], Awaitable[Any]]]:
    """All by which a session leaves."""
    keeper = engine.keeper
    generation = engine.records.ledger().generation
    return {
        "get": lambda: keeper.get(),
        "get without sign-in": lambda: keeper.get(may_sign_in=False),
        "report": lambda: keeper.report(generation=generation),
        "an older report": lambda: keeper.report(generation=generation - 1),
        "refresh": lambda: keeper.refresh(),
        "a new sign-in": lambda: keeper.refresh(hard=True),
        "a person at a window": lambda: keeper.refresh(headed=True),
        "import": lambda: keeper.take_in(engine.world.issue()),
        "bundle": lambda: engine.bundles.pack(),
    }


async def refuses_all(engine: Engine) -> None:
    sign_ins = list(engine.world.sign_ins)
    for way, ask in ways(engine).items():
        with pytest.raises(HarvesterError) as caught:
            await ask()
        # A ledger that nobody knows stops a bundle by itself.
        assert isinstance(caught.value, NeedsHuman) or way == "bundle", way
        assert caught.value.latched and "harvester unlock" in caught.value.hint, way
    assert engine.keeper.at_hand() is None and engine.keeper.current is None
    assert not engine.keeper.ready and "serving is held" in engine.keeper.why_not
    assert engine.world.sign_ins == sign_ins, "nobody signs in because of a stranger"
    await engine.keeper.check()
    assert engine.world.sign_ins == sign_ins


async def test_a_session_that_dies_early_is_an_alarm_and_serving_goes_on(
    house: House, world: World, told: Told
) -> None:
    engine = await house.open()
    await robbed(engine)
    assert await reported(engine) is None
    assert (await engine.keeper.get()).session.generation == 2
    (event,) = told.of("alarm.raised")
    assert event["sign"] == "early_end" and "age of 60 min" in event["why"]
    assert "serving goes on" in event["next"] and "harvester unlock" in event["next"]
    assert house.calls == [("default", "needs_human")]
    shown = profile_status(engine.keeper, world.clock.wall_s())
    assert shown["alarm"]["sign"] == "early_end" and not shown["alarm"]["held"]
    assert shown["alarm"]["helps"] == "harvester unlock" and shown["alarm"]["since"]
    assert (shown["state"], shown["ready"], shown["trouble"]) == ("live", True, None)


async def test_where_serving_is_held_nothing_leaves_and_nobody_signs_in(
    house: House, world: World, told: Told
) -> None:
    engine = await house.open(profile(**HOLD))
    await robbed(engine)
    error = await reported(engine)
    assert isinstance(error, NeedsHuman) and error.latched
    await refuses_all(engine)
    assert len(told.of("alarm.raised")) == 1
    assert house.calls == [("default", "needs_human")], "once, though many asked"
    shown = profile_status(engine.keeper, world.clock.wall_s())
    assert shown["state"] == "latched" and shown["alarm"]["held"] and shown["why_not"]
    assert shown["trouble"]["class"] == "stranger"
    assert shown["trouble"]["helps"] == "harvester unlock"
    assert glance(engine.keeper, 0.0)["state"] == "latched"


async def test_nobody_falls_back_upon_the_one_before_while_serving_is_held(
    house: House, told: Told
) -> None:
    engine = await house.open(profile(**HOLD))
    engine.records.keep_ledger(engine.records.ledger().with_lives((FOUR, FOUR)))
    await engine.keeper.follow_store()
    first = (await engine.keeper.get()).session
    await engine.keeper.refresh(hard=True)
    engine.world.clock.sleep(60)
    await engine.keeper.prove(within_s=0)
    engine.world.live = {cookie.value for cookie in first.cookies}
    assert isinstance(await reported(engine), NeedsHuman)
    assert told.of("session.rolled_back") == []
    assert engine.records.ledger().generation == 2, "and no number was given out for it"


async def test_a_restart_does_not_open_the_door_and_calls_nobody_again(
    house: House, told: Told
) -> None:
    engine = await house.open(profile(**HOLD))
    await robbed(engine)
    await reported(engine)
    for _ in range(3):
        await engine.keeper.close()
        engine = await house.open(profile(**HOLD))
        await refuses_all(engine)
    assert len(house.calls) == len(told.of("alarm.raised")) == 1


async def test_another_process_with_other_settings_holds_too(house: House) -> None:
    engine = await house.open(profile(**HOLD))
    beside = await house.open(profile())
    await robbed(engine)
    await reported(engine)
    await beside.keeper.follow_store()
    await refuses_all(beside)
    await refuses_all(await house.open(profile(), daemon=False))


async def test_who_is_told_later_to_hold_holds_because_of_an_alarm_that_stands(
    house: House,
) -> None:
    engine = await house.open()
    await robbed(engine)
    await reported(engine)
    assert (await engine.keeper.get()).session.generation == 2
    await refuses_all(await house.open(profile(**HOLD)))


async def test_an_unlock_opens_the_door_and_signs_in_again(house: House, told: Told) -> None:
    engine = await house.open(profile(**HOLD))
    await robbed(engine)
    await reported(engine)
    engine.world.clock.sleep(60)
    assert (await engine.keeper.unlock())["alarm"] == "early_end"
    assert (await engine.keeper.get()).session.generation == 2
    assert len(told.of("alarm.cleared")) == 1
    shown = profile_status(engine.keeper, engine.world.clock.wall_s())
    assert shown["alarm"] is None and shown["ready"]
    again = await house.open(profile(**HOLD))
    assert (await again.keeper.get()).session.generation == 2


async def test_a_new_episode_calls_again(house: House, told: Told) -> None:
    engine = await house.open()
    await robbed(engine)
    await reported(engine)
    await engine.keeper.unlock()
    engine.records.keep_ledger(engine.records.ledger().with_lives((FOUR, FOUR)))
    await engine.keeper.get()
    await lives_on(engine, 2 * HOUR)
    engine.world.revoke()
    await reported(engine)
    assert len(house.calls) == len(told.of("alarm.raised")) == 2


async def test_two_that_die_at_one_early_age_are_told_as_the_sites_new_rule(
    house: House, told: Told
) -> None:
    engine = await house.open()
    await robbed(engine)
    await reported(engine)
    await engine.keeper.get()
    await lives_on(engine)
    engine.world.revoke()
    await reported(engine)
    assert len(told.of("session.refused_early")) == 2 and len(told.of("life.changed")) == 1
    stands = profile_status(engine.keeper, engine.world.clock.wall_s())["alarm"]
    assert "changed its rules" in stands["message"] and "theft" in stands["hint"]
    assert house.calls == [("default", "needs_human")]


async def test_what_is_written_nowhere_is_told_and_held_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    engine = await house.open(profile(**HOLD))
    await robbed(engine)

    def full(*_: object) -> None:
        raise StoreFull("no space")

    monkeypatch.setattr(engine.store, "write", full)
    assert isinstance(await reported(engine), NeedsHuman)
    await refuses_all(engine)
    assert len(told.of("alarm.raised")) == len(house.calls) == 1


async def test_an_unlock_that_cannot_be_written_opens_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await house.open(profile(**HOLD))
    await robbed(engine)
    await reported(engine)

    def full(*_: object) -> None:
        raise StoreFull("no space")

    with monkeypatch.context() as patch:
        patch.setattr(engine.store, "write", full)
        with pytest.raises(StoreFull):
            await engine.keeper.unlock()
        assert engine.keeper.handout.shut is not None
        await refuses_all(engine)


async def test_who_waits_when_the_door_falls_shut_gets_nothing(house: House) -> None:
    engine = await house.open(profile(**HOLD))
    engine.world.gate = asyncio.Event()
    waiting = asyncio.create_task(engine.keeper.get())
    await engine.world.began.wait()
    engine.keeper.handout._put_back("session", 5, 7)
    engine.world.gate.set()
    with pytest.raises(NeedsHuman):
        await waiting


# kept files


async def test_kept_files_are_taken_back_and_written_again_after_the_unlock(house: House) -> None:
    engine = await house.open(profile(**HOLD))
    await engine.keeper.get()
    assert engine.published[-1] is not None
    engine.keeper.handout._put_back("session", 5, 7)
    await settled(engine)
    assert engine.published[-1] is None
    await engine.keeper.close()
    again = await house.open(profile(**HOLD))
    assert all(one is None for one in again.published), "at no moment of a start"
    await again.keeper.unlock()
    assert again.published[-1] is not None
    assert again.published[-1].session.generation == 1


# who it is


def claims(email: str, org: str) -> Cookie:
    return Cookie("sid", jwt(email=email, org=org), "knoq.one")


class Telling(World):
    """A site whose session is a JWT."""

    def issue(self) -> tuple[Cookie, ...]:
        self.issued += 1
        made = claims(self.email, self.lands_in or "acme")
        self.live.add(made.value)
        return (made,)

    def turns_into(self, email: str, org: str) -> None:
        self.rolls = claims(email, org)
        self.live.add(self.rolls.value)


@pytest.fixture
def telling(tmp_path: Path) -> Telling:
    return Telling(FakeClock(), life_s=None)


@pytest.mark.parametrize(
    ("who", "email", "org", "taken"),
    [
        ({"username": "ada"}, "mallory@acme.example", "acme", False),
        ({"username": "ada@acme.example"}, "mallory@acme.example", "acme", False),
        ({"username": "ada"}, "ada@acme.example", "globex", True),
        ({"organization": "acme"}, "ada@acme.example", "globex", False),
    ],
)
async def test_a_proved_session_that_becomes_somebody_elses_is_an_alarm(
    tmp_path: Path, telling: Telling, told: Told, who: dict[str, Any], email: str, org: str,
    taken: bool,
) -> None:  # fmt: skip
    house = House(tmp_path / "store", telling)
    engine = await house.open(profile(**who))
    before = (await engine.keeper.get()).session
    telling.turns_into(email, org)
    await engine.keeper.prove(within_s=0)
    await settled(engine)
    (event,) = told.of("alarm.raised")
    assert event["sign"] == "other_owner" and (email in event["why"] or org in event["why"])
    assert engine.records.ledger().alarm is not None
    now = (await engine.keeper.get()).session
    assert (now.cookies != before.cookies) is taken, "another user's is never taken in"
    held = await house.open(profile(**who, **HOLD))
    await refuses_all(held)
    await house.close()


async def test_an_organisation_that_was_switched_by_hand_is_no_alarm(
    tmp_path: Path, telling: Telling, told: Told
) -> None:
    house = House(tmp_path / "store", telling)
    engine = await house.open()
    cookies = telling.issue()
    await engine.keeper.take_in(cookies)
    telling.turns_into("ada@acme.example", "globex")
    await engine.keeper.prove(within_s=0)
    await settled(engine)
    assert told.of("alarm.raised") == []
    await house.close()


@pytest.mark.parametrize(
    ("first", "then", "mismatch"),
    [
        ({"organization": "acme"}, {"organization": "globex"}, OrganizationMismatch),
        (
            {"username": "ada@acme.example"},
            {"username": "bob@acme.example"},
            IdentityMismatch,
        ),
    ],
)
async def test_a_mismatch_after_a_setting_was_changed_is_a_mistake_and_no_theft(
    tmp_path: Path, telling: Telling, told: Told, first: dict[str, Any], then: dict[str, Any],
    mismatch: type[HarvesterError],
) -> None:  # fmt: skip
    house = House(tmp_path / "store", telling)
    engine = await house.open(profile(**first))
    await engine.keeper.get()
    changed = await house.open(profile(**then, **HOLD))
    with pytest.raises(mismatch):
        await changed.keeper.get()
    telling.turns_into("ada@acme.example", "acme")
    await changed.keeper.check()
    await settled(changed)
    assert told.of("alarm.raised") == [] and changed.records.ledger().alarm is None
    await house.close()


# what was put back


def record(house: House, name: str) -> Path:
    return house.root / "profiles" / "default" / name


async def twice(house: House, who: Profile) -> Engine:
    """Generation 1 as a thief or a backup kept it, and generation 2 in use."""
    engine = await house.open(who)
    await engine.keeper.get()
    shutil.copytree(record(house, ""), house.root / "kept")
    await engine.keeper.refresh(hard=True)
    await engine.keeper.close()
    return engine


async def test_a_session_that_was_put_back_is_an_alarm_until_a_person_says_it_was_him(
    house: House, told: Told
) -> None:
    await twice(house, profile(**HOLD))
    shutil.copy(house.root / "kept" / "session", record(house, "session"))
    for _ in range(2):  # a restart neither hides it nor tells it again
        engine = await house.open(profile(**HOLD))
        await refuses_all(engine)
        await engine.keeper.close()
    assert len(house.calls) == 1
    (event,) = told.of("alarm.raised")
    assert event["sign"] == "put_back" and "number 1, though number 2" in event["why"]
    engine = await house.open(profile(**HOLD), daemon=False)
    engine.world.clock.sleep(5)
    await engine.keeper.unlock()
    assert (await engine.keeper.get()).session.generation == 1, "it lives: the person was right"
    again = await house.open(profile(**HOLD))
    assert (await again.keeper.get()).session.generation == 1
    assert len(told.of("alarm.raised")) == 1


async def test_who_only_shows_a_store_writes_nothing_into_it(house: House, told: Told) -> None:
    await twice(house, profile(**HOLD))
    shutil.copy(house.root / "kept" / "session", record(house, "session"))
    before = record(house, "ledger").read_bytes()
    engine = Engine(house.root, house.world, profile(**HOLD))
    engine.keeper.handout.only_looks = True
    await engine.keeper.start()
    await settled(engine)
    assert profile_status(engine.keeper, 0.0)["state"] == "latched"
    await engine.keeper.close()
    assert record(house, "ledger").read_bytes() == before and told.of("alarm.raised") == []
    await refuses_all(await house.open(profile(**HOLD)))
    assert len(told.of("alarm.raised")) == 1


async def test_a_ledger_that_was_put_back_is_one_too(house: House) -> None:
    await twice(house, profile(**HOLD))
    shutil.copy(house.root / "kept" / "ledger", record(house, "ledger"))
    for _ in range(2):
        engine = await house.open(profile(**HOLD))
        await refuses_all(engine)
        await engine.keeper.close()
    engine = await house.open(profile(**HOLD))
    engine.world.clock.sleep(5)
    await engine.keeper.unlock()
    assert (await engine.keeper.get()).session.generation == 2
    assert (await house.open(profile(**HOLD))).keeper.handout.shut is None


async def test_a_session_put_back_under_a_running_daemon_is_noticed(house: House) -> None:
    await twice(house, profile(**HOLD))
    engine = await house.open(profile(**HOLD))
    assert (await engine.keeper.get()).session.generation == 2
    shutil.copy(house.root / "kept" / "session", record(house, "session"))
    await engine.keeper.follow_store()
    await refuses_all(engine)


async def test_another_writers_session_of_our_number_is_an_alarm(house: House) -> None:
    engine = await house.open(profile(**HOLD))
    session = (await engine.keeper.get()).session
    engine.world.clock.sleep(600)
    (theirs, *_) = engine.world.issue()
    forged = replace(session, cookies=(theirs,), jar=(theirs,), obtained_at=engine.world.clock.wall)
    thief = Engine(house.root, engine.world)
    thief.records.keep_session(forged)
    await engine.keeper.follow_store()
    await settled(engine)
    assert engine.records.ledger().alarm is not None
    await refuses_all(engine)


async def test_what_another_process_of_ours_does_is_no_alarm(house: House, told: Told) -> None:
    one = await house.open(profile(**HOLD))
    other = await house.open(profile(**HOLD))
    await one.keeper.get()
    await other.keeper.follow_store()
    for turn in range(4):
        await (one if turn % 2 else other).keeper.refresh(hard=True)
        one.world.clock.sleep(60)
        await one.keeper.follow_store()
        await other.keeper.follow_store()
    await other.keeper.logout()
    await one.keeper.follow_store()
    await one.keeper.refresh(hard=True)
    await other.keeper.follow_store()
    one.world.revoke()
    assert await reported(one) is None
    assert told.of("alarm.raised") == []


async def test_a_sign_out_by_another_process_is_no_theft(house: House, told: Told) -> None:
    engine = await house.open(profile(**HOLD))
    await robbed(engine)  # the site ended it, because
    other = await house.open(profile(**HOLD), daemon=False)
    await other.keeper.logout()  # a person signed out there
    await reported(engine)
    assert told.of("alarm.raised") == [] and engine.keeper.handout.shut is None


async def test_a_session_that_a_person_brought_may_end_where_he_has_it(
    house: House, told: Told
) -> None:
    engine = await house.open(profile(**HOLD))
    engine.records.keep_ledger(engine.records.ledger().with_lives((FOUR, FOUR)))
    await engine.keeper.follow_store()
    await engine.keeper.take_in(engine.world.issue())
    await lives_on(engine)
    engine.world.revoke()
    await reported(engine)
    assert len(told.of("session.refused_early")) == 1
    assert told.of("alarm.raised") == []
    assert (await engine.keeper.get()).session.generation == 2


async def test_a_bundle_carries_the_alarm(house: House, tmp_path: Path, world: World) -> None:
    engine = await house.open()
    await robbed(engine)
    await reported(engine)
    bundle = await engine.bundles.pack()
    job = House(tmp_path / "job", world)
    there = await job.open(profile(**HOLD))
    await there.bundles.unpack(bundle)
    await there.keeper.follow_store()
    await refuses_all(there)
    await job.close()
