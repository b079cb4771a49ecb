"""A record that cannot be used stops everybody, also those who ask while it is looked at again."""

import asyncio
from pathlib import Path

from engine import Engine, FakeClock, World, profile
from harvester.errors import OrganizationMismatch


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
