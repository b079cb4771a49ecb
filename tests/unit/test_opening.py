"""A record that cannot be used stops everybody, also those who ask while it is looked at again."""

import asyncio
from pathlib import Path

import pytest

from engine import Engine, FakeClock, World, profile
from harvester.errors import KeyWrong, OrganizationMismatch


async def test_of_three_who_ask_at_once_none_slips_past_a_session_of_another_organisation(
    tmp_path: Path,
) -> None:
    world = World(FakeClock(), lands_in="org_A")
    first = Engine(tmp_path / "store", world, profile(organization="org_A"))
    await first.keeper.start()
    await first.keeper.get()
    await first.keeper.close()
    world.lands_in = "org_B"
    world.sign_ins.clear()
    other = Engine(tmp_path / "store", world, profile(organization="org_B"))
    await other.keeper.start()
    told = await asyncio.gather(*(other.keeper.get() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [OrganizationMismatch] * 3
    assert world.sign_ins == []
    await other.keeper.close()


async def test_a_store_of_another_key_stops_all_and_says_so_until_the_key_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong() -> None:
        raise KeyWrong("it was sealed with another key")

    engine = Engine(tmp_path / "store", World(FakeClock()))
    await engine.keeper.start()
    await engine.keeper.get()
    with monkeypatch.context() as patched:
        patched.setattr(engine.records, "ledger", wrong)
        await engine.keeper.follow_store()
        with pytest.raises(KeyWrong):
            await engine.keeper.get()
        assert not engine.keeper.ready and engine.keeper.why_not.startswith("key_wrong")
        assert engine.keeper.standing().state == "waiting"
    await engine.keeper.check()  # nobody asks for a session: the daemon sees it by itself
    assert engine.keeper.ready and engine.keeper.standing().state == "live"
    await engine.keeper.close()
