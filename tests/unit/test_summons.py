"""A person who is needed is told once for each episode, also across restarts; and nobody waits."""

from __future__ import annotations

import asyncio

import pytest

from engine import Engine, FakeClock, World, profile
from harvester import ledger_form
from harvester.errors import (
    BY_CODE,
    BrowserMissing,
    BudgetSpent,
    Challenge,
    HarvesterError,
    NeedsHuman,
    NotConfigured,
    PageNotRecognised,
    SiteDown,
    StoreCorrupt,
    StoreTampered,
)
from harvester.ledger import Ledger
from harvester.locking import LOCK_POLL_S
from harvester.summons import needs_person

TROUBLE = Challenge("a captcha", hint="run: harvester login --headed")


class Calls:
    """Who was called, and for what."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def __call__(self, profile: str, error: HarvesterError) -> None:
        self.codes.append(error.code)


@pytest.fixture
def world() -> World:
    return World(FakeClock())


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
async def start(tmp_path, world, calls):
    running: list[Engine] = []

    async def started(**changes: object) -> Engine:
        engine = Engine(tmp_path / "store", world, profile(**changes), call=calls)
        await engine.keeper.start()
        running.append(engine)
        return engine

    yield started
    for engine in running:
        await engine.keeper.close()


async def look(engine: Engine) -> None:
    """One look of the schedule, and all that it set going."""
    await engine.keeper.check()
    summons = engine.keeper._summons
    while summons._task is not None:
        await asyncio.wait({summons._task})
        await asyncio.sleep(0)


async def test_a_latch_is_told_once_however_often_it_is_met_and_also_after_a_restart(
    start, world, calls
):
    world.stops_with = TROUBLE
    engine = await start()
    for _ in range(5):
        await look(engine)
        world.clock.sleep(400)
    assert calls.codes == ["challenge"]
    await look(await start())
    assert calls.codes == ["challenge"]
    assert engine.records.ledger().person_told


async def test_unlock_ends_the_episode_and_the_same_trouble_is_told_again(start, world, calls):
    world.stops_with = TROUBLE
    engine = await start()
    await look(engine)
    await engine.keeper.unlock()
    assert not engine.records.ledger().person_told
    await look(engine)
    assert calls.codes == ["challenge", "challenge"]


async def test_a_session_ends_the_episode_and_the_next_trouble_is_told(start, world, calls):
    world.stops_with = TROUBLE
    engine = await start()
    await look(engine)
    world.stops_with = None
    cookies = world.issue()
    await engine.keeper.take_in(cookies)
    assert not engine.records.ledger().person_told
    world.revoke()
    world.stops_with = NeedsHuman("it asks for a person")
    with pytest.raises(HarvesterError):
        await engine.keeper.report(generation=engine.keeper.current.session.generation)
    await look(engine)
    assert len(calls.codes) == 2


async def test_a_refusal_while_the_session_still_lives_is_told_before_it_ends(start, world, calls):
    engine = await start()
    await engine.keeper.get()
    world.stops_with = TROUBLE
    world.clock.sleep(3500)  # stale: the quiet refresh meets the captcha
    await look(engine)
    assert engine.keeper.ready
    assert calls.codes == ["challenge"]
    world.clock.sleep(3600)  # and now it is over; still the same episode
    await look(engine)
    assert calls.codes == ["challenge"]


async def test_trouble_that_passes_by_itself_calls_nobody(start, world, calls):
    world.down = True
    engine = await start()
    await look(engine)
    assert calls.codes == []
    assert not engine.records.ledger().person_told


async def test_a_page_that_was_not_recognised_once_is_looked_at_again_first(start, world, calls):
    world.stops_with = PageNotRecognised("odd")
    engine = await start()
    await look(engine)
    assert calls.codes == []
    world.clock.sleep(1000)
    await look(engine)
    assert calls.codes == ["page_not_recognised"]


async def test_a_profile_that_nobody_has_set_up_calls_nobody(start, calls):
    engine = await start(username=None, password=None)
    await look(engine)
    assert calls.codes == []


async def test_a_record_that_was_tampered_with_is_told_and_settled_once_mended(
    start, world, calls, tmp_path
):
    engine = await start()
    await engine.keeper.get()
    place = tmp_path / "store" / "profiles" / "default" / "session"
    good = place.read_bytes()
    other = await start()
    await other.keeper.refresh(hard=True)
    swapped = (place.parent / "ledger").read_bytes()
    place.write_bytes(swapped)
    (place.parent / "session.previous").unlink()
    third = await start()
    await look(third)
    await look(third)
    assert calls.codes == ["store_swapped"]
    place.write_bytes(good)
    await third.keeper.get()
    await look(third)
    assert not third.records.ledger().person_told


async def test_nobody_waits_for_it_though_another_process_holds_the_profile(start, world, calls):
    world.stops_with = TROUBLE
    engine = await start()
    await look(engine)
    await engine.keeper.unlock()
    # The climb is over when another process begins to work; telling waits for it, callers do not.
    held = engine.store.lock("default")
    real = engine.keeper._climber.climb

    async def climb(*words: object, **named: object):
        try:
            return await real(*words, **named)
        finally:
            assert held.acquire_nonblocking()

    engine.keeper._climber.climb = climb
    async with asyncio.timeout(5):
        with pytest.raises(Challenge):
            await engine.keeper.get()
    assert calls.codes == ["challenge"]
    held.release()
    async with asyncio.timeout(20 * LOCK_POLL_S):
        while len(calls.codes) < 2:  # noqa: ASYNC110  the lock is polled too
            await asyncio.sleep(LOCK_POLL_S / 4)


async def test_a_disk_that_takes_nothing_does_not_make_it_ring_for_ever(start, world, calls):
    world.stops_with = TROUBLE
    engine = await start()
    real = engine.records.keep_ledger

    def refuses(ledger: Ledger) -> None:
        if ledger.person_told:
            raise StoreTampered("no")
        real(ledger)

    engine.records.keep_ledger = refuses
    for _ in range(3):
        await look(engine)
    assert calls.codes == ["challenge"]


async def test_a_person_at_the_window_is_not_told_what_he_sees(start, world, calls):
    world.stops_with = TROUBLE
    engine = await start()
    with pytest.raises(Challenge):
        await engine.keeper.refresh(headed=True)
    assert engine.keeper._summons._task is None
    assert calls.codes == []


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_what_a_latch_repeats_is_for_a_person_whatever_it_is(code):
    error = BY_CODE[code]("what", latched=True)
    latched = Ledger(generation=1).with_latch(0.0, error, blocks=(), settings="")
    if code not in ("sign_in_forbidden", "paused"):
        assert needs_person(error, latched)


@pytest.mark.parametrize(
    ("error", "needed"),
    [
        (SiteDown("x"), False),
        (BudgetSpent("of this hour"), False),
        (BudgetSpent("since the last success", latched=True), True),
        (StoreCorrupt("one session"), False),
        (StoreTampered("x"), True),
        (BrowserMissing("x"), True),
        (PageNotRecognised("once"), False),
        (NotConfigured("x"), True),
    ],
)
def test_who_can_help(error, needed):
    assert needs_person(error, Ledger(generation=1)) is needed
    assert not needs_person(NotConfigured("x"), Ledger())


def test_that_he_was_told_is_stored_and_old_ledgers_say_he_was_not():
    told = ledger_form.to_dict(Ledger(person_told=True))
    assert ledger_form.from_dict(told).person_told
    del told["person_told"]
    assert not ledger_form.from_dict(told).person_told
