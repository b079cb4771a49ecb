"""Who is believed that a session is dead, and how often the site is asked."""

import asyncio
from pathlib import Path

import pytest

from engine import Engine, FakeClock, World
from harvester.reports import PROBES
from harvester.session import Cookie
from harvester.verdict import Answer, Verdict
from simulated import simulate


@pytest.fixture
def world() -> World:
    return World(FakeClock(), life_s=None)


def test_one_no_is_no_refusal_when_the_next_answer_is_yes(world: World, tmp_path: Path) -> None:
    async def story() -> None:
        keeper = (engine := Engine(tmp_path / "store", world)).keeper
        await keeper.start()
        await keeper.get()
        said: list[Answer] = [Answer(401), Answer(200, body="[]")]
        engine.world.probe = lambda _: _answered(said.pop(0))  # type: ignore[method-assign]
        assert await keeper.prove(within_s=0) is Verdict.ALIVE
        assert not said and keeper.ready
        assert (await keeper.get()).session.generation == 1
        await keeper.close()

    simulate(story(), world.clock)


async def _answered(answer: Answer) -> Answer:
    return answer


def test_a_probe_answers_only_reports_that_came_before_it(world: World, tmp_path: Path) -> None:
    async def story() -> None:
        keeper = Engine(tmp_path / "store", world).keeper
        await keeper.start()
        await keeper.get()
        world.probes = 0
        real, gate = world.probe, asyncio.Event()

        async def slow(cookies: tuple[Cookie, ...]) -> Answer:
            answer = await real(cookies)  # the site's mind is made up, its answer on the way
            await gate.wait()
            return answer

        world.probe = slow  # type: ignore[method-assign]
        early = asyncio.create_task(keeper.report(generation=1))
        await asyncio.sleep(0.1)
        world.revoke()  # whoever asks from now on asks about a dead one
        late = asyncio.create_task(keeper.report(generation=1))
        await asyncio.sleep(0.1)
        gate.set()
        assert (await early).verdict == "alive"
        assert (await late).verdict == "refreshed"
        await keeper.close()

    simulate(story(), world.clock)


def test_a_client_that_lies_costs_the_site_a_probe_in_ten_seconds(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = Engine(tmp_path / "store", world).keeper
        await keeper.start()
        await keeper.get()
        world.probes, world.down = 0, True
        began = world.clock.awake
        for _ in range(40):
            assert (await keeper.report(generation=1, wait_s=60)).verdict == "unreachable"
        passed_s = world.clock.awake - began
        assert world.probes <= PROBES + passed_s / 10 + 1
        assert passed_s > 300
        await keeper.close()

    simulate(story(), world.clock)


def test_what_is_rolled_on_every_request_is_stored_now_and_then(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        engine = Engine(tmp_path / "store", world)
        keeper = engine.keeper
        await keeper.start()
        await keeper.get()
        stored: list[int] = []
        keep = engine.records.keep_session_if_newest
        monkeypatch.setattr(
            engine.records,
            "keep_session_if_newest",
            lambda session: stored.append(1) or keep(session),
        )
        for turn in range(60):
            world.rolls = Cookie("sid", f"rolled-{turn}-{'x' * 20}", "knoq.one", http_only=True)
            world.live.add(world.rolls.value)
            await keeper.prove(within_s=0)
            await asyncio.sleep(1)
        assert 8 <= len(stored) <= 14
        await keeper.close()

    simulate(story(), world.clock)


def test_who_is_refused_with_a_rolled_value_is_told_a_new_generation(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = Engine(tmp_path / "store", world).keeper
        await keeper.start()
        await keeper.get()
        world.rolls = Cookie("sid", f"rolled-{'x' * 20}", "knoq.one", http_only=True)
        world.live.add(world.rolls.value)
        await keeper.prove(within_s=0)
        world.rolls = None
        told = await keeper.report(generation=1)
        assert (told.verdict, told.session.generation) == ("alive", 2)
        assert told.session.cookies[0].value.startswith("rolled-")
        assert (await keeper.report(generation=1)).verdict == "superseded"
        await keeper.close()

    simulate(story(), world.clock)


def test_a_site_that_is_down_causes_no_sign_in(tmp_path: Path) -> None:
    world = World(FakeClock(), life_s=3600.0)

    async def story() -> None:
        keeper = Engine(tmp_path / "store", world).keeper
        await keeper.start()
        await keeper.get()
        await asyncio.sleep(3560)  # it is spent, and callers would wait
        world.sign_ins.clear()
        world.down = True
        await keeper.check()
        served = await keeper.get()
        assert served.stale and served.session.generation == 1
        assert world.sign_ins == []
        await keeper.close()

    simulate(story(), world.clock)
