"""Laptops sleep, clocks are set: a session loses nothing by it, and no budget changes."""

import asyncio
from dataclasses import replace

import pytest

from engine import Engine, FakeClock, World, profile
from harvester import climb, errors, witness
from harvester.budgets import left
from harvester.lifetime import Freshness
from harvester.session import ENDS_WITHIN_S
from harvester.verdict import Verdict
from jars import jwt

YEAR_S = 365 * 86400.0
NIGHT_S = 8 * 3600.0
STEPS = pytest.mark.parametrize("by_s", [YEAR_S, -YEAR_S], ids=["forward", "back"])


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    for module in (climb, witness):
        monkeypatch.setattr(module, "SECOND_OPINION_S", 0.0)


@pytest.fixture
def world():
    return World(FakeClock())


@pytest.fixture
async def house(tmp_path, world):
    """Starts keepers over one store; all are closed at the end."""
    made = []

    async def start(**changes):
        engine = Engine(tmp_path / "store", world, profile(**changes))
        await engine.keeper.start()
        made.append(engine)
        return engine

    yield start
    for engine in made:
        await engine.keeper.close()


async def begun(house, world, **changes):
    """A keeper with a session, and how the world looked then."""
    engine = await house(**changes)
    await engine.keeper.get()
    world.sign_ins.clear()
    world.submits.clear()
    world.probes = 0
    return engine


async def at_rest(engine):
    """What the timer does, until nothing is due for a minute."""
    for _ in range(10):
        wait_s = await engine.keeper.check()
        if wait_s >= 60:
            return wait_s
    raise AssertionError("never at rest")


# a clock that is set


@STEPS
async def test_in_one_process_a_fresh_session_stays_what_it_is(house, world, by_s):
    engine = await begun(house, world)
    world.clock.sleep(600)
    due_s = await engine.keeper.check()
    world.clock.wall += by_s
    served = await engine.keeper.get(min_valid_s=2000)
    assert (served.stale, served.min_valid_met, served.session.generation) == (False, True, 1)
    assert await at_rest(engine) == pytest.approx(due_s, abs=1)
    assert world.sign_ins == [] and world.probes == 1


@STEPS
async def test_the_labels_follow_and_are_stored_and_published(house, world, by_s):
    engine = await begun(house, world)
    before = engine.keeper.current.session
    world.clock.wall += by_s
    await at_rest(engine)
    after = engine.keeper.current.session
    assert after.expires_at == before.expires_at + by_s
    assert after.obtained_at == before.obtained_at + by_s
    assert after.cookies[0].expires_at == before.cookies[0].expires_at + by_s
    stored = (await house()).records.session()
    assert stored.expires_at == after.expires_at
    assert engine.published[-1].session.expires_at == after.expires_at


@STEPS
async def test_a_stale_session_is_still_stale_and_is_refreshed(house, world, by_s):
    engine = await begun(house, world)
    world.clock.sleep(3400)
    world.clock.wall += by_s
    await engine.keeper.check()  # the site is asked first
    assert world.sign_ins == []
    await at_rest(engine)
    assert world.sign_ins == ["silent"] and world.submits == []
    assert engine.keeper.current.session.generation == 2


@STEPS
async def test_a_step_during_a_probe_loses_nothing_of_its_answer(house, world, by_s):
    engine = await begun(house, world)
    ask = world.probe
    rolled = world.issue()[0]
    world.rolls = rolled

    async def steps(cookies):
        answer = await ask(cookies)
        world.clock.wall += by_s
        engine.keeper.standing()
        return answer

    world.probe = steps
    assert await engine.keeper.prove(within_s=0) is Verdict.ALIVE
    assert engine.keeper.current.session.cookies[0].value == rolled.value


def with_history(ledger, now):
    """Submits that were lost, a switch, a spent bucket, a rung given up."""
    return (
        ledger.with_submit(now - 60, "fp-old")
        .with_lost()
        .with_switch(now - 60)
        .with_rung("silent", now, None)
        .with_usefulness(now, "touch", helped=False)
    )


async def kept(engine, world):
    now = engine.records._clock.wall_s()
    engine.records.keep_ledger(with_history(engine.records.ledger(), now))
    await engine.keeper.follow_store()
    return shown(engine)


def shown(engine):
    standing = engine.keeper.standing()
    now = engine.records._clock.wall_s()
    return left(standing.ledger, engine.keeper.profile, now, standing.life_s)


@STEPS
async def test_no_budget_is_freed_or_lost_in_one_process_or_the_next(house, world, by_s):
    engine = await begun(house, world)
    before = await kept(engine, world)
    assert before["submits_left_hour"] == 1 and before["silent_left"] == 9
    world.clock.wall += by_s
    assert shown(engine) == before
    await engine.keeper.follow_store()
    assert shown(engine) == before
    other = await house()
    assert shown(other) == before
    assert not other.keeper.standing().ledger.worth("touch", other.records._clock.wall_s())
    world.clock.sleep(3600)
    await other.keeper.follow_store()
    assert shown(other)["submits_left_hour"] == 3


async def test_a_boot_with_the_clock_set_back_refills_no_budget(house, world):
    engine = await begun(house, world)
    before = await kept(engine, world)
    world.clock.reboot(off_s=-YEAR_S)
    other = await house()
    assert shown(other) == before
    world.revoke()
    await at_rest(other)  # a climb writes the ledger by the new clock, and from then on time counts
    world.clock.sleep(3600)
    await other.keeper.follow_store()
    assert shown(other)["submits_left_hour"] == 3


@STEPS
async def test_a_back_off_that_runs_goes_on_running(house, world, by_s):
    engine = await house()
    world.stops_with = errors.ProviderDown("no", retry_after_s=600.0)
    with pytest.raises(errors.ProviderDown):
        await engine.keeper.get()
    world.sign_ins.clear()
    world.stops_with = None
    world.clock.sleep(300)
    world.clock.wall += by_s
    for each in (engine, await house()):
        with pytest.raises(errors.ProviderDown) as caught:
            await each.keeper.refresh(hard=True)  # else the flight repeats its own answer
        assert caught.value.retry_after_s == pytest.approx(300, abs=1)
    assert world.sign_ins == []
    world.clock.sleep(301)
    assert (await engine.keeper.refresh()).session.generation == 1


async def test_a_back_off_ends_after_a_boot_with_the_clock_set_back(house, world):
    engine = await house()
    world.stops_with = errors.ProviderDown("no", retry_after_s=600.0)
    with pytest.raises(errors.ProviderDown):
        await engine.keeper.get()
    world.stops_with = None
    world.clock.reboot(off_s=-YEAR_S)
    other = await house()
    with pytest.raises(errors.ProviderDown):
        await other.keeper.get()
    world.clock.sleep(601)
    assert (await other.keeper.get()).session.generation == 1


@STEPS
async def test_what_is_latched_stays_so(house, world, by_s):
    world.password = "another"
    engine = await house()
    with pytest.raises(errors.CredentialsRejected):
        await engine.keeper.get()
    for move in (lambda: setattr(world.clock, "wall", world.clock.wall + by_s),
                 lambda: world.clock.reboot(off_s=by_s)):  # fmt: skip
        move()
        for each in (engine, await house()):
            with pytest.raises(errors.CredentialsRejected) as caught:
                await each.keeper.refresh(hard=True)
            assert caught.value.latched
    assert len(world.submits) == 1


@STEPS
async def test_since_when_a_site_is_silent_is_still_told(house, world, by_s):
    engine = await begun(house, world)
    world.clock.sleep(600)
    world.down = True
    await engine.keeper.prove(within_s=0)
    before = engine.keeper.standing().trouble
    assert before is not None and before.code == "site_down"
    world.clock.wall += by_s
    after = engine.keeper.standing().trouble
    assert after is not None and after.code == "site_down"
    assert after.since == before.since + by_s


@STEPS
async def test_since_when_every_climb_fails_is_still_told(house, world, by_s):
    engine = await house()
    world.down = True
    with pytest.raises(errors.SiteDown):
        await engine.keeper.get()
    before = engine.keeper.standing().trouble.since
    world.clock.wall += by_s
    assert engine.keeper.standing().trouble.since == before + by_s


@STEPS
async def test_a_second_process_of_the_boot_neither_signs_in_nor_refuses(house, world, by_s):
    await begun(house, world)
    world.clock.sleep(60)
    world.clock.wall += by_s
    other = await house()
    served = await other.keeper.get()
    assert (served.session.generation, served.stale) == (1, False)
    assert served.session.expires_at == world.clock.wall + 3540
    await at_rest(other)
    assert world.sign_ins == [] and world.probes == 1
    third = await house()  # stored again by the clock as it is now
    await at_rest(third)
    assert world.probes == 1


@pytest.mark.parametrize("off_s", [YEAR_S, -YEAR_S, 60.0, NIGHT_S])
async def test_after_a_boot_the_site_is_asked_before_anything_is_decided(house, world, off_s):
    await begun(house, world)
    world.clock.reboot(off_s=off_s)
    other = await house()
    assert other.keeper.current is not None
    served = await other.keeper.get()
    assert (served.session.generation, served.stale) == (1, False)
    await at_rest(other)
    assert world.sign_ins == [] and world.probes == 1


async def test_a_restart_in_one_boot_asks_nobody(house, world):
    await begun(house, world)
    other = await house()
    await at_rest(other)
    assert world.probes == 0


async def test_who_wants_a_proof_gets_one_after_a_step(house, world):
    engine = await begun(house, world)
    world.clock.wall += 86400
    assert await engine.keeper.prove(within_s=60) is Verdict.ALIVE
    assert world.probes == 1
    assert await engine.keeper.prove(within_s=60) is Verdict.ALIVE
    assert world.probes == 1


# a machine that sleeps


async def test_a_night_with_a_session_that_lives_on_is_one_probe(house, world):
    engine = await begun(house, world)
    world.clock.suspend(NIGHT_S)
    await at_rest(engine)
    assert (world.probes, world.sign_ins) == (1, [])
    session = engine.keeper.current.session
    assert (session.generation, session.expires_at, session.expires_kind) == (1, None, "unknown")


async def test_a_night_that_the_session_did_not_survive_is_one_sign_in(house, world):
    engine = await begun(house, world)
    world.revoke()
    world.clock.suspend(NIGHT_S)
    await at_rest(engine)
    assert world.sign_ins == ["silent"]
    assert engine.keeper.current.session.generation == 2


async def test_a_night_and_a_network_that_is_not_back_yet_loses_nothing(house, world):
    engine = await begun(house, world)
    world.clock.suspend(NIGHT_S)
    world.down = True
    assert await engine.keeper.check() <= 60
    served = await engine.keeper.get()
    assert served.stale and served.session.generation == 1
    assert isinstance(served.error, errors.SiteDown)
    world.down = False
    world.clock.sleep(60)
    await at_rest(engine)
    assert world.sign_ins == []
    assert not (await engine.keeper.get()).stale


async def test_callers_at_the_moment_of_waking_share_one_probe(house, world):
    engine = await begun(house, world)
    world.clock.suspend(NIGHT_S)
    given = await asyncio.gather(*(engine.keeper.get() for _ in range(100)))
    assert {(one.session.generation, one.stale) for one in given} == {(1, False)}
    assert (world.probes, world.sign_ins) == (1, [])


async def test_a_nap_within_its_life_is_served_from_memory_and_then_asked_about(house, world):
    engine = await begun(house, world)
    world.clock.suspend(600)
    assert not (await engine.keeper.get()).stale
    assert world.probes == 0
    await at_rest(engine)
    assert (world.probes, world.sign_ins) == (1, [])


async def test_waiting_for_the_site_ends_with_the_callers_patience(house, world):
    engine = await begun(house, world)
    world.clock.suspend(NIGHT_S)
    never = asyncio.Event()

    async def probe(cookies):
        await never.wait()

    world.probe = probe
    served = await engine.keeper.get(wait_s=0.05)
    assert served.stale and isinstance(served.error, errors.TimedOut)


async def test_an_hour_awake_is_no_sleep(house, world):
    engine = await begun(house, world, refresh_every_s=7200.0)
    world.life_s = None
    world.clock.sleep(1800)
    await engine.keeper.check()
    assert world.probes == 0


# an end that was none


@pytest.mark.parametrize(("late_s", "known"), [(ENDS_WITHIN_S, True), (ENDS_WITHIN_S + 1, False)])
async def test_a_session_that_outlives_its_end_never_had_it(house, world, late_s, known):
    engine = await begun(house, world)
    session = engine.keeper.current.session
    proved = session.proved(session.expires_at + late_s)
    assert (proved.expires_at is not None) is known


async def test_doubt_ends_with_the_sites_word(house, world):
    engine = await begun(house, world)
    world.clock.suspend(NIGHT_S)
    held = engine.keeper._held
    held.notice()
    assert held.freshness(held.session) is Freshness.UNKNOWN
    await engine.keeper.prove(within_s=0)
    assert held.freshness(held.session) is Freshness.FRESH


async def test_who_comes_first_after_a_night_causes_no_sign_in_where_a_touch_is_given_up(
    house, world
):
    engine = await begun(house, world)
    now = engine.records._clock.wall_s()
    ledger = engine.records.ledger()
    world.clock.suspend(NIGHT_S)
    engine.records.keep_ledger(ledger.with_usefulness(now + NIGHT_S, "touch", helped=False))
    assert not (await engine.keeper.get()).stale
    assert (world.probes, world.sign_ins) == (1, [])


@STEPS
async def test_what_is_counted_in_memory_beside_a_damaged_ledger_keeps_its_age(
    house, world, tmp_path, by_s
):
    await begun(house, world)
    for path in (tmp_path / "store" / "profiles" / "default").glob("ledger*"):
        path.write_bytes(path.read_bytes()[:-20])
    engine = await house()
    now = engine.records._clock.wall_s()
    engine.records.keep_ledger(engine.records.ledger().with_rung("silent", now, None))
    world.clock.wall += by_s
    await engine.keeper.follow_store()
    engine.keeper.standing()
    await engine.keeper.follow_store()
    assert shown(engine)["silent_left"] == 9


@STEPS
async def test_a_token_of_a_site_that_is_a_day_off_is_believed_by_the_sites_clock(
    house, world, by_s
):
    ahead_s = 86400.0 if by_s > 0 else -86400.0
    engine = await house(session_cookie="sid")
    issue, ask = world.issue, world.probe

    def issue_token():
        opaque, theme = issue()
        world.live.discard(opaque.value)
        token = jwt(exp=world.clock.wall_s() - ahead_s + 300)
        world.live.add(token)
        return (replace(opaque, value=token, expires_at=None), theme)

    async def probe(cookies):
        return replace(await ask(cookies), ahead_s=ahead_s)

    world.issue, world.probe = issue_token, probe
    session = (await engine.keeper.get()).session
    assert session.expires_at == world.clock.wall_s() + 300


@STEPS
async def test_a_step_while_the_store_is_read_moves_what_was_read(house, world, by_s):
    first = await begun(house, world)
    second = await house()
    await first.keeper.refresh(hard=True)
    read = second.records.dated_session

    def steps():
        found = read()
        world.clock.wall += by_s
        second.keeper.standing()
        return found

    second.records.dated_session = steps
    await second.keeper.follow_store()
    session = second.keeper.current.session
    assert (session.generation, session.obtained_at) == (2, world.clock.wall)
