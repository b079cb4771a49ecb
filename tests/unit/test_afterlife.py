"""A session's end, its successor and the one before: what is learned, kept, fallen back upon."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from engine import START_S, Engine, FakeClock, World
from harvester import log
from harvester.cli.status import _lines
from harvester.clock import rfc3339
from harvester.lives import Life, learned
from harvester.session import Cookie
from harvester.status import profile_status
from harvester.verdict import Answer

HOUR = 3600.0
FOUR = Life(13800.0, 14400.0, 900.0)


class Told(list):
    """Every event that happened: its name and its fields."""

    def of(self, name: str) -> list[dict]:
        return [fields for told, fields in self if told == name]


@pytest.fixture
def told(world):
    heard = Told()
    end = log.listen(
        lambda name, _, fields: heard.append((name, {**fields, "at": world.clock.wall}))
    )
    yield heard
    end()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A second opinion without its second."""
    monkeypatch.setattr("harvester.afterlife.SECOND_OPINION_S", 0.0)
    monkeypatch.setattr("harvester.witness.SECOND_OPINION_S", 0.0)
    monkeypatch.setattr("harvester.climb.SECOND_OPINION_S", 0.0)


@pytest.fixture
def world() -> World:
    """A site whose sessions tell no end."""
    return World(FakeClock(), life_s=None)


@pytest.fixture
async def engine(tmp_path, world):
    made = await started(tmp_path, world)
    yield made
    await made.keeper.close()


async def started(tmp_path, world) -> Engine:
    made = Engine(tmp_path / "store", world)
    await made.keeper.start()
    return made


async def knowing(tmp_path, world, *lives: Life) -> Engine:
    """An engine whose ledger holds these lives."""
    made = await started(tmp_path, world)
    made.records.keep_ledger(made.records.ledger().with_lives(lives))
    await made.keeper.follow_store()
    return made


async def live(engine: Engine, seconds: float, *, life_s: float | None = None) -> None:
    """Let the time pass as the timer does; the site ends sessions at ``life_s``."""
    world = engine.world
    ends = world.clock.wall + seconds
    born = dict.fromkeys(world.live, world.clock.wall)
    while world.clock.wall < ends:
        for value in world.live:
            born.setdefault(value, world.clock.wall)
        if life_s is not None:
            world.live -= {v for v in world.live if world.clock.wall - born[v] >= life_s}
        wait_s = await engine.keeper.check()
        world.clock.sleep(max(1.0, min(wait_s, 60.0, ends - world.clock.wall)))


async def test_the_end_of_a_session_is_written_down_with_its_age(engine, world, told):
    await engine.keeper.get()
    await live(engine, HOUR)
    world.clock.sleep(100)
    world.revoke()
    assert (await engine.keeper.report(generation=1)).verdict == "refreshed"
    (life,) = engine.records.ledger().lives
    assert life.alive_s == pytest.approx(HOUR, abs=300) and life.dead_s == pytest.approx(
        3700, abs=5
    )
    assert 250 <= life.longest_gap_s <= 400 and life.declared_s is None
    (event,) = told.of("life.learned")
    assert (event["kind"], event["ends"]) == ("absolute", 1)


async def test_a_session_that_is_replaced_alive_tells_how_old_it_grew(engine, world):
    await engine.keeper.get()
    world.clock.sleep(500)
    await engine.keeper.prove(within_s=0)
    await engine.keeper.refresh(hard=True)
    assert engine.records.ledger().lives == (Life(500.0, None, 500.0),)


async def test_what_was_learned_dates_the_next_session_and_a_restart_knows_it_too(tmp_path, world):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    session = (await engine.keeper.get()).session
    assert (session.expires_kind, session.expires_at) == ("learned", world.clock.wall + 13800)
    again = await started(tmp_path, world)
    assert (await again.keeper.get()).session.expires_kind == "learned"
    assert world.sign_ins == ["scripted"]


async def test_a_learned_end_is_met_before_it_comes_and_the_one_before_is_watched(
    tmp_path, world, told
):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    await engine.keeper.get()
    await live(engine, 13799, life_s=14400)
    assert world.sign_ins == ["scripted", "silent"]
    assert told.of("afterlife.probe") == []
    await live(engine, 200, life_s=14400 - 13799)
    assert [one["verdict"] for one in told.of("afterlife.probe")] == ["alive"]
    assert engine.records.ledger().lives[-1].alive_s == pytest.approx(13800, abs=61)
    await live(engine, 700, life_s=400)


async def test_a_site_that_lengthened_its_sessions_is_found_out_without_a_401(
    tmp_path, world, told
):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    await engine.keeper.get()
    await live(engine, 5 * HOUR)
    assert learned(engine.records.ledger().lives).way == "unknown"
    assert engine.keeper.current.session.expires_at is None
    assert told.of("session.refused") == [] and told.of("session.refused_early") == []
    assert world.sign_ins == ["scripted", "silent"]
    # At its learned end, when its like were dead, then after each tenth of what was learned.
    times = [fields["at"] - START_S for fields in told.of("afterlife.probe")]
    assert times[0] == pytest.approx(13800, abs=61)
    steps = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert steps == [pytest.approx(each, abs=62) for each in (600, 1380, 1380)]


async def test_an_old_one_that_the_site_ended_with_the_new_sign_in_teaches_nothing(
    tmp_path, world, told
):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    old = (await engine.keeper.get()).session.cookies[0].value
    await live(engine, 13799)
    before = engine.records.ledger().lives
    world.live.discard(old)
    await live(engine, 400)
    assert [one["verdict"] for one in told.of("afterlife.probe")] == ["denied"]
    assert engine.records.ledger().lives == before
    assert engine.keeper.current.session.generation == 2


async def test_the_one_before_is_never_served_and_what_it_rolls_touches_nothing(
    tmp_path, world, told
):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    await engine.keeper.get()
    await live(engine, 13799)
    serving = engine.keeper.current.session
    world.rolls = Cookie("sid", "rolled-for-the-old-one", "knoq.one")
    engine.published.clear()
    ask = engine.keeper._afterlife
    world.clock.sleep(ask.due_in_s)
    await ask.look(learned(engine.records.ledger().lives))
    assert [one["verdict"] for one in told.of("afterlife.probe")] == ["alive"]
    assert engine.keeper.current.session == serving and engine.published == []


async def test_a_session_in_its_afterlife_is_asked_once_a_minute_at_most(tmp_path, world, told):
    engine = await knowing(tmp_path, world, Life(240, 300, 60), Life(240, 300, 60))
    await engine.keeper.get()
    world.probes = 0
    await live(engine, HOUR)
    signed = len(world.sign_ins)
    # Each new session and each touch before it is proved, too.
    assert world.probes - 4 * signed <= 60


async def test_an_afterlife_ends_with_the_first_no_and_that_end_counts(tmp_path, world, told):
    engine = await knowing(tmp_path, world, FOUR)
    old = (await engine.keeper.get()).session.cookies[0].value
    await live(engine, 14000)
    world.live.discard(old)
    await live(engine, 1000)
    assert [one["verdict"] for one in told.of("afterlife.probe")] == ["alive", "denied"]
    first, second = engine.records.ledger().lives
    assert first == FOUR and second.alive_s < second.dead_s == pytest.approx(14400, abs=65)
    await live(engine, 1000)
    assert len(told.of("afterlife.probe")) == 2


async def test_an_early_end_is_reported_once_and_kept_but_changes_nothing(tmp_path, world, told):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    await engine.keeper.get()
    await live(engine, HOUR)
    world.revoke()
    await asyncio.gather(*(engine.keeper.report(generation=1) for _ in range(20)))
    (event,) = told.of("session.refused_early")
    assert (event["generation"], event["expected_s"]) == (1, 13800)
    assert event["age_s"] == pytest.approx(HOUR, abs=5)
    kept = engine.records.ledger()
    assert kept.refused_early.generation == 1 and learned(kept.lives).life_s == 13800
    again = await started(tmp_path, world)
    assert again.records.ledger().refused_early == kept.refused_early
    shown = profile_status(again.keeper, world.clock.wall_s())
    assert shown["life"] == {
        "kind": "absolute", "life_s": 13800, "confidence": 0.639, "ends_seen": 2,
    }  # fmt: skip
    assert shown["refused_early"] == {
        "at": rfc3339(kept.refused_early.at), "generation": 1,
        "age_s": pytest.approx(HOUR, abs=5), "expected_s": 13800,
    }  # fmt: skip


async def test_status_tells_what_the_schedule_goes_by(tmp_path, world):
    engine = await started(tmp_path, world)

    def life() -> dict:
        return profile_status(engine.keeper, world.clock.wall_s())["life"]

    nothing = {"kind": "unknown", "life_s": None, "confidence": 0.0, "ends_seen": 0}
    assert life() == nothing
    await engine.keeper.get()
    assert life() == nothing
    world.life_s = 3600.0
    await engine.keeper.refresh(hard=True)
    assert life() == {"kind": "declared", "life_s": 3600, "confidence": 0.7, "ends_seen": 0}


async def test_two_early_ends_that_agree_change_the_mind_and_say_so(tmp_path, world, told):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    for generation in (1, 2):
        await engine.keeper.get()
        await live(engine, HOUR)
        world.clock.sleep(60)
        world.revoke()
        await engine.keeper.report(generation=generation)
    assert len(told.of("session.refused_early")) == 2
    (event,) = told.of("life.changed")
    assert (event["was_s"], event["kind"]) == (13800, "absolute")
    assert event["life_s"] == pytest.approx(HOUR, abs=300)
    assert len(engine.records.ledger().lives) == 2


async def test_a_touch_does_not_move_a_learned_end_that_is_absolute(tmp_path, world):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    await engine.keeper.get()
    world.rolls = Cookie("sid", next(iter(world.live)), "knoq.one", http_only=True)
    await live(engine, 13799)
    assert world.sign_ins == ["scripted", "silent"]
    assert not engine.records.ledger().worth("touch", world.clock.wall)


async def test_a_session_that_slides_is_kept_by_asking_and_never_renewed(tmp_path, world):
    sliding = (Life(2 * HOUR, 2 * HOUR + 400, 200), Life(HOUR, HOUR + 380, 190), Life(9 * HOUR))
    engine = await knowing(tmp_path, world, *sliding)
    await engine.keeper.get()
    assert engine.keeper.current.session.expires_at is None
    world.probes = 0
    await live(engine, HOUR)
    assert world.sign_ins == ["scripted"]
    assert HOUR / 200 <= world.probes <= HOUR / 90


async def test_a_new_session_that_dies_young_gives_way_to_the_one_before(engine, world, told):
    old = (await engine.keeper.get()).session
    await engine.keeper.refresh(hard=True)
    world.live = {old.cookies[0].value}
    world.clock.sleep(200)
    served = await engine.keeper.report(generation=2)
    assert (served.verdict, served.session.generation) == ("refreshed", 3)
    assert served.session.cookies == old.cookies
    assert world.sign_ins == ["scripted", "scripted"] or world.sign_ins == ["scripted", "silent"]
    (event,) = told.of("session.rolled_back")
    assert (event["refused"], event["back_to"], event["generation"]) == (2, 1, 3)
    assert engine.records.session().generation == 3


async def test_nothing_is_rolled_back_twice(engine, world, told):
    old = (await engine.keeper.get()).session
    await engine.keeper.refresh(hard=True)
    world.live = {old.cookies[0].value}
    await engine.keeper.report(generation=2)
    world.revoke()
    signed = len(world.sign_ins)
    assert (await engine.keeper.report(generation=3)).session.generation == 4
    assert len(told.of("session.rolled_back")) == 1 and len(world.sign_ins) == signed + 1


@pytest.mark.parametrize(("age_s", "back"), [(290, True), (310, False)])
async def test_young_is_five_minutes(engine, world, age_s, back):
    old = (await engine.keeper.get()).session
    await engine.keeper.refresh(hard=True)
    world.live = {old.cookies[0].value}
    world.clock.sleep(age_s)
    served = await engine.keeper.report(generation=2)
    assert (served.session.cookies == old.cookies) is back


@pytest.mark.parametrize(("age_s", "back"), [(1370, True), (1390, False)])
async def test_young_is_a_tenth_of_a_known_life(tmp_path, world, age_s, back):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    old = (await engine.keeper.get()).session
    await engine.keeper.refresh(hard=True)
    world.live = {old.cookies[0].value}
    world.clock.sleep(age_s)
    served = await engine.keeper.report(generation=2)
    assert (served.session.cookies == old.cookies) is back


async def test_a_session_that_was_refused_is_never_fallen_back_upon(engine, world, told):
    old = (await engine.keeper.get()).session
    world.revoke()
    await engine.keeper.report(generation=1)
    world.live = {old.cookies[0].value}  # the site changes its mind
    served = await engine.keeper.report(generation=2)
    assert served.session.cookies != old.cookies and told.of("session.rolled_back") == []


async def test_a_dead_one_before_is_asked_once_and_the_ladder_goes_on(engine, world, told):
    await engine.keeper.get()
    await engine.keeper.refresh(hard=True)
    world.revoke()
    signed = len(world.sign_ins)
    assert (await engine.keeper.report(generation=2)).session.generation == 3
    assert len(world.sign_ins) == signed + 1


EMPTIED = (
    Cookie("sid", "", "knoq.one"),
    Cookie("sid", "gone", "knoq.one", expires_at=1.0),
)


@pytest.mark.parametrize("emptied", EMPTIED)
async def test_an_answer_that_empties_the_jar_replaces_nothing(engine, world, emptied):
    good = (await engine.keeper.get()).session
    world.rolls = emptied
    await engine.keeper.prove(within_s=0)
    await engine.keeper.refresh()
    now = engine.keeper.current.session
    assert (now.cookies, now.jar) == (good.cookies, good.jar)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401), Answer(403), Answer(500), Answer(503, retry_after_s=1.0),
        Answer(302, location="https://login.acme.example/"), Answer(429),
    ],
)  # fmt: skip
async def test_a_cookie_that_comes_with_a_refusal_or_an_error_is_ignored(engine, world, answer):
    good = (await engine.keeper.get()).session
    anonymous = Cookie("sid", "somebody-signed-out", "knoq.one")
    world.answer = replace(answer, set_cookies=(anonymous,))
    await engine.keeper.prove(within_s=0)
    held = engine.keeper._held.session
    assert (held.cookies, held.jar) == (good.cookies, good.jar)
    assert engine.records.session().cookies == good.cookies


async def test_a_front_page_that_signs_out_is_not_believed(engine, world):
    good = (await engine.keeper.get()).session
    real = world.get

    async def get(path, cookies):
        answer = await real(path, cookies)
        return replace(
            answer, set_cookies=(Cookie("sid", "a-visitor", "knoq.one", http_only=True),)
        )

    world.get = get
    await engine.keeper.refresh()
    assert engine.keeper.current.session.cookies == good.cookies


async def test_a_clock_that_is_set_moves_the_watch_over_the_one_before_along(tmp_path, world):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    await engine.keeper.get()
    await live(engine, 13799)
    watch = engine.keeper._afterlife
    due_in_s = watch.due_in_s
    assert 0 < due_in_s < 400
    world.clock.wall += 365 * 86400.0
    engine.keeper.standing()
    assert watch.due_in_s == pytest.approx(due_in_s, abs=1)


async def test_a_person_reads_what_was_learned_and_what_ended_too_soon(tmp_path, world):
    engine = await knowing(tmp_path, world, FOUR, FOUR)
    await engine.keeper.get()
    await live(engine, HOUR)
    world.revoke()
    await engine.keeper.report(generation=1)
    now = world.clock.wall_s()
    told = dict(_lines(profile_status(engine.keeper, now), now))
    assert told["life"] == "230m at least, by age (64% sure, ends seen: 2)"
    assert told["refused early"].startswith("generation 1, ")
    assert "at 26% of its expected life" in told["refused early"]
