"""An older session in the place of the last one: the site is asked first, and a person is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import KEY, Engine, FakeClock, World
from faultydisk import disk_of
from harvester import log
from harvester.cli.status import _lines
from harvester.errors import StoreCorrupt
from harvester.session import Served
from harvester.status import profile_status
from harvester.vault.directory import DirectoryStore
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import Seal
from storekit import at, damage, names

SIGN_IN_APART_S = 400.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second opinion without its second."""
    monkeypatch.setattr("harvester.witness.SECOND_OPINION_S", 0.0)
    monkeypatch.setattr("harvester.climb.SECOND_OPINION_S", 0.0)


@pytest.fixture
def heard() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    told: list[tuple[str, dict[str, Any]]] = []
    end = log.listen(lambda name, level, fields: told.append((name, {**fields, "level": level})))
    yield told
    end()


class Kept:
    """A store in which one session followed another; the files of the first are at hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.world = World(FakeClock(), life_s=None)
        self.first: dict[str, bytes] = {}

    async def live(self) -> None:
        engine = await self.engine()
        await engine.keeper.get()
        self.first = {name: at(self.root, name).read_bytes() for name in names(self.root)}
        self.world.clock.sleep(SIGN_IN_APART_S)
        await engine.keeper.refresh(hard=True)
        await engine.keeper.close()
        self.world.sign_ins.clear()
        self.world.submits.clear()
        self.world.probes = 0

    async def engine(self) -> Engine:
        engine = Engine(self.root, self.world, disk=disk_of())
        await engine.keeper.start()
        return engine

    def put_back(self, name: str) -> None:
        path = at(self.root, name)
        path.write_bytes(self.first[name])
        path.chmod(0o600)

    def stored(self) -> int:
        found = DirectoryStore(self.root, Seal(KeyRing(MasterKey(KEY)))).read("default", "session")
        assert found is not None
        return found.generation

    def revoke(self, generation: int) -> None:
        self.world.live.discard(f"session-{generation}-{'x' * 20}")


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    made = Kept(tmp_path / "store")
    await made.live()
    return made


def trouble(engine: Engine) -> dict[str, Any] | None:
    told: dict[str, Any] | None = profile_status(engine.keeper, engine.world.clock.wall_s())[
        "trouble"
    ]
    return told


@pytest.fixture
async def put_back(kept: Kept) -> AsyncIterator[Engine]:
    """A process that starts where somebody put the first session back."""
    kept.put_back("session")
    engine = await kept.engine()
    yield engine
    await engine.keeper.close()


async def test_a_session_that_was_put_back_is_served_once_the_site_says_it_lives(
    kept: Kept, put_back: Engine
) -> None:
    keeper = put_back.keeper
    assert keeper.at_hand() is None
    assert put_back.published == [], "no kept file is written over with it either"
    served = await keeper.get()
    assert (served.session.generation, served.stale, kept.world.probes) == (1, False, 1)
    assert kept.world.sign_ins == []
    assert [one.session.generation for one in put_back.published if one is not None] == [1]
    assert keeper.at_hand() is not None


async def test_a_session_that_was_put_back_and_is_dead_climbs(kept: Kept, put_back: Engine) -> None:
    kept.revoke(1)
    served = await put_back.keeper.get()
    assert (served.session.generation, kept.world.sign_ins) == (3, ["silent"])
    assert [one.session.generation for one in put_back.published if one is not None] == [3]
    assert trouble(put_back) is None


async def test_where_the_site_does_not_answer_it_is_the_last_good_one_and_nobody_signs_in(
    kept: Kept, put_back: Engine
) -> None:
    kept.world.down = True
    served = await put_back.keeper.get()
    assert (served.session.generation, served.stale, kept.world.sign_ins) == (1, True, [])
    assert put_back.published == []


async def test_the_schedule_asks_the_site_though_nobody_comes(kept: Kept, put_back: Engine) -> None:
    await put_back.keeper.check()
    assert kept.world.probes == 1
    assert put_back.keeper.at_hand() is not None


async def test_a_session_put_back_is_told_in_the_log_and_in_status_until_there_is_a_new_one(
    kept: Kept, put_back: Engine, heard: list[tuple[str, dict[str, Any]]]
) -> None:
    await put_back.keeper.get()
    told = trouble(put_back)
    assert told is not None
    assert (told["code"], told["class"]) == ("store_rolled_back", "store_fault")
    assert "generation 1" in told["message"]
    shown = dict(_lines(profile_status(put_back.keeper, kept.world.clock.wall_s()), 0.0))
    assert "put it back" in shown["trouble"]
    assert "harvester --profile default refresh --hard" in shown["what helps"]
    kept.world.clock.sleep(SIGN_IN_APART_S)
    await put_back.keeper.refresh(hard=True)
    assert trouble(put_back) is None
    again = await kept.engine()
    assert trouble(again) is None
    assert [name for name, _ in heard if name == "store.rolled_back"] == []
    kept.put_back("session")
    await (await kept.engine()).keeper.close()
    (fields,) = [fields for name, fields in heard if name == "store.rolled_back"]
    assert (fields["code"], fields["level"]) == ("store_rolled_back", 30)
    assert fields["why"] and fields["next"] and fields["hint"]
    await again.keeper.close()


async def test_a_process_that_holds_the_last_one_serves_it_on_and_stores_it_again(
    kept: Kept, heard: list[tuple[str, dict[str, Any]]]
) -> None:
    engine = await kept.engine()
    kept.put_back("session")
    for _ in range(2):
        await engine.keeper.follow_store()
        await engine.keeper.handout.settle()  # the alarm is written down too, under the same lock
    assert (await engine.keeper.get()).session.generation == 2
    assert kept.stored() == 2
    assert [name for name, _ in heard if name == "store.rolled_back"] == ["store.rolled_back"]
    assert kept.world.probes == 0
    await engine.keeper.close()


async def test_an_older_one_is_not_what_another_process_made_meanwhile(kept: Kept) -> None:
    """A climb rereads the store first: what was put back there must not end it."""
    engine = await kept.engine()
    at(kept.root, "session").unlink()
    at(kept.root, "session.previous").unlink()
    engine.keeper._held.session = None
    kept.put_back("session")
    assert (await engine.keeper.refresh()).session.generation == 3
    assert kept.world.sign_ins == ["silent"]
    await engine.keeper.close()


async def test_a_session_that_damage_left_is_asked_about_and_told_too(
    kept: Kept, heard: list[tuple[str, dict[str, Any]]]
) -> None:
    damage(at(kept.root, "session"))
    engine = await kept.engine()
    assert engine.keeper.at_hand() is None
    assert engine.published == []
    served = await engine.keeper.get()
    assert (served.session.generation, kept.world.probes, kept.world.sign_ins) == (1, 1, [])
    told = trouble(engine)
    assert told is not None
    assert (told["code"], "harvester doctor" in told["helps"]) == ("store_corrupt", True)
    (fields,) = [fields for name, fields in heard if name == "store.set_aside"]
    assert "session.bad-" in fields["why"]
    await engine.keeper.close()


async def test_a_ledger_that_was_put_back_lets_no_password_out_until_unlock(kept: Kept) -> None:
    kept.world.remembers = False
    kept.put_back("ledger")
    engine = await kept.engine()
    kept.world.revoke()
    with pytest.raises(StoreCorrupt, match="put back") as caught:
        await engine.keeper.report(generation=2)
    assert "harvester unlock" in caught.value.hint
    assert kept.world.submits == []
    await engine.keeper.unlock()
    served: Served = await engine.keeper.get()
    assert (served.session.generation, kept.world.submits) == (3, ["right"])
    await engine.keeper.close()


async def test_an_older_identity_state_is_used_and_told(
    kept: Kept, heard: list[tuple[str, dict[str, Any]]]
) -> None:
    kept.put_back("identity-state")
    engine = await kept.engine()
    kept.world.revoke()
    served = await engine.keeper.report(generation=2)
    assert (served.session.generation, kept.world.sign_ins) == (3, ["silent"])
    told = [fields["why"] for name, fields in heard if name == "store.rolled_back"]
    assert told and all("identity-state of profile default is older" in why for why in told)
    heard.clear()
    kept.world.revoke()
    kept.world.clock.sleep(SIGN_IN_APART_S)
    assert (await engine.keeper.report(generation=3)).session.generation == 4
    assert [name for name, _ in heard if name == "store.rolled_back"] == []
    await engine.keeper.close()


async def test_all_who_come_at_once_are_one_question(kept: Kept, put_back: Engine) -> None:
    served = await asyncio.gather(*(put_back.keeper.get() for _ in range(50)))
    assert {one.session.generation for one in served} == {1}
    assert kept.world.probes == 1
