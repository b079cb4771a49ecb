"""Who is believed that a session is dead, and how often the site is asked."""

import asyncio
from pathlib import Path

import pytest

from engine import Engine, FakeClock, World
from harvester.errors import BrowserMissing, ProviderDown, RateLimited, SignInForbidden
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


def test_a_no_about_a_value_that_was_rolled_away_takes_no_session_away(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = Engine(tmp_path / "store", world).keeper
        await keeper.start()
        old = (await keeper.get()).session.cookies[0]
        new = Cookie("sid", f"rolled-{'x' * 20}", "knoq.one", http_only=True)
        world.sign_ins.clear()
        real, asked = world.probe, 0

        async def probe(cookies: tuple[Cookie, ...]) -> Answer:
            """Rolls the value on the first request, and answers the second one later."""
            nonlocal asked
            if old.value not in {cookie.value for cookie in cookies}:
                return await real(cookies)
            asked += 1
            first = asked == 1
            await asyncio.sleep(0.2 * asked)
            world.live = {new.value}
            return Answer(200, body="[]", set_cookies=(new,)) if first else Answer(401)

        world.probe = probe  # type: ignore[method-assign]
        looking = asyncio.create_task(keeper.prove(within_s=0))
        await asyncio.sleep(0.01)
        told = await keeper.report(generation=1)
        assert asked == 2
        assert await looking is Verdict.ALIVE
        assert told.verdict == "alive" and told.session.cookies[0].value == new.value
        assert world.sign_ins == [] and keeper.ready
        await keeper.close()

    simulate(story(), world.clock)


def test_callers_in_doubt_about_a_silent_site_are_no_storm(tmp_path: Path) -> None:
    world = World(FakeClock(), life_s=3600.0)

    async def story() -> None:
        keeper = Engine(tmp_path / "store", world).keeper
        await keeper.start()
        await keeper.get()
        world.clock.suspend(7200.0)
        world.down, world.probes = True, 0
        for _ in range(200):
            await keeper.get()
            await asyncio.sleep(0.01)
        assert world.probes == 1
        await asyncio.sleep(10)
        await keeper.get()
        assert world.probes == 2
        await keeper.close()

    simulate(story(), world.clock)


def test_who_signs_out_during_our_own_look_is_not_signed_in_again(tmp_path: Path) -> None:
    world = World(FakeClock(), life_s=None)

    async def story() -> None:
        keeper = Engine(tmp_path / "store", world).keeper
        await keeper.start()
        await keeper.get()
        await asyncio.sleep(400)
        world.sign_ins.clear()
        looking = asyncio.create_task(keeper.check())
        asked = asyncio.create_task(keeper.report(generation=1))
        await asyncio.sleep(0)
        await keeper.logout()
        await asyncio.gather(looking, asked, return_exceptions=True)
        assert world.sign_ins == []
        assert keeper.standing().state == "signed_out"
        await keeper.close()

    simulate(story(), world.clock)


def test_a_site_that_fell_silent_is_asked_again_by_itself(tmp_path: Path) -> None:
    world = World(FakeClock(), life_s=36000.0)

    async def story() -> None:
        engine = Engine(tmp_path / "store", world)
        keeper = engine.keeper
        await keeper.start()
        await keeper.get()
        world.down = True
        engine.changes.clear()
        assert (await keeper.report(generation=1)).verdict == "unreachable"
        assert engine.changes  # the schedule is told
        assert await keeper.check() <= 60
        world.down = False
        await asyncio.sleep(61)
        await keeper.check()
        assert keeper.standing().trouble is None
        await keeper.close()

    simulate(story(), world.clock)


def test_after_a_climb_that_failed_for_a_caller_the_schedule_goes_on_trying(
    tmp_path: Path,
) -> None:
    world = World(FakeClock(), life_s=36000.0)

    async def story() -> None:
        engine = Engine(tmp_path / "store", world)
        keeper = engine.keeper
        await keeper.start()
        await keeper.get()
        world.revoke()
        world.stops_with = ProviderDown("it is down")
        engine.changes.clear()
        with pytest.raises(ProviderDown):
            await keeper.report(generation=1)
        assert engine.changes
        world.stops_with = None
        for _ in range(10):
            await asyncio.sleep(await keeper.check())
            if keeper.ready:
                break
        assert keeper.ready
        await keeper.close()

    simulate(story(), world.clock)


def test_a_person_who_asks_is_not_answered_from_before_his_question(tmp_path: Path) -> None:
    world = World(FakeClock())

    async def story() -> None:
        keeper = Engine(tmp_path / "store", world).keeper
        await keeper.start()
        world.stops_with = BrowserMissing("there is none")
        with pytest.raises(BrowserMissing):
            await keeper.get()
        world.stops_with = None  # he installed one
        with pytest.raises(BrowserMissing):
            await keeper.get()
        assert (await keeper.refresh()).session.generation == 1
        await keeper.close()

    simulate(story(), world.clock)


def test_a_refusal_that_nobody_may_act_upon_is_written_down(tmp_path: Path) -> None:
    world = World(FakeClock(), life_s=36000.0)

    async def story() -> None:
        first = Engine(tmp_path / "store", world)
        await first.keeper.start()
        await first.keeper.get()
        world.revoke()
        assert await first.keeper.prove(within_s=0) is Verdict.DENIED
        with pytest.raises(SignInForbidden):
            await first.keeper.get(may_sign_in=False)
        await first.keeper.close()
        other = Engine(tmp_path / "store", world)
        await other.keeper.start()
        assert not other.keeper.ready and other.keeper.current is None
        await other.keeper.close()

    simulate(story(), world.clock)


def test_unlock_does_not_cut_short_what_the_provider_asked_for(tmp_path: Path) -> None:
    world = World(FakeClock())

    async def story() -> None:
        engine = Engine(tmp_path / "store", world)
        keeper = engine.keeper
        await keeper.start()
        world.stops_with = RateLimited("later", retry_after_s=900.0)
        with pytest.raises(RateLimited):
            await keeper.get()
        await keeper.unlock()
        left = engine.records.ledger().waits(world.clock.wall_s())
        assert isinstance(left, RateLimited) and left.retry_after_s == pytest.approx(900, abs=5)
        world.stops_with = ProviderDown("a fault of its own")
        world.clock.sleep(1000)
        with pytest.raises(ProviderDown):
            await keeper.get()
        await keeper.unlock()
        assert engine.records.ledger().waits(world.clock.wall_s()) is None
        await keeper.close()

    simulate(story(), world.clock)
