"""Two things at once: whatever crosses whatever, no proved session is lost, no refused one is
served, and nobody is signed in behind a sign-out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine import Engine, FakeClock, World
from harvester.session import Cookie
from harvester.verdict import Answer
from simulated import simulate


@pytest.fixture
def world() -> World:
    return World(FakeClock(), life_s=None)


async def begun(root: Path, world: World) -> Engine:
    """A process that holds a session."""
    made = Engine(root / "store", world)
    await made.keeper.start()
    await made.keeper.get()
    return made


def answers_once(world: World, answer: Answer | None, after_s: float) -> None:
    """The next probe is answered ``after_s`` later, with what the site thinks now or ``answer``;
    those behind it as always."""
    real = world.probe

    async def slow(cookies: tuple[Cookie, ...]) -> Answer:
        world.probe = real  # type: ignore[method-assign]
        said = answer or await real(cookies)
        await asyncio.sleep(after_s)
        return said

    world.probe = slow  # type: ignore[method-assign]


def test_a_no_about_the_session_before_is_none_about_the_one_that_took_its_place(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        world.revoke()
        world.sign_ins.clear()
        answers_once(world, None, after_s=5)
        early = asyncio.create_task(keeper.report(generation=1))
        await asyncio.sleep(0.1)
        await keeper.take_in(world.issue())
        lie = asyncio.create_task(keeper.report(generation=2))
        assert (await early).verdict == "superseded"
        assert (await lie).verdict == "alive"
        assert world.sign_ins == [] and keeper.ready
        await keeper.close()

    simulate(story(), world.clock)


def test_one_no_about_each_of_two_sessions_is_no_refusal(world: World, tmp_path: Path) -> None:
    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        world.revoke()
        world.sign_ins.clear()
        await asyncio.sleep(400)
        looking = asyncio.create_task(keeper.check())
        await asyncio.sleep(0.5)  # its first probe is answered, the second one is to come
        await keeper.take_in(world.issue())
        answers_once(world, Answer(401), after_s=0)
        await looking
        assert world.sign_ins == [] and keeper.ready
        await keeper.close()

    simulate(story(), world.clock)
