"""A session that a person brings: proved before it is stored, and one flight with all the rest."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine import ORIGIN, Engine, FakeClock, World, profile
from harvester import errors
from harvester.by_hand import BROUGHT
from harvester.session import Cookie
from harvester.verdict import Answer
from jars import cookie, jwt

DEAD = (Cookie("sid", "long-dead", "knoq.one"),)


@pytest.fixture
def world() -> World:
    return World(FakeClock())


@pytest.fixture
async def engine(tmp_path, world):
    made = Engine(tmp_path / "store", world)
    await made.keeper.start()
    yield made
    await made.keeper.close()


async def test_what_is_brought_is_proved_stored_and_served_and_no_browser_runs(
    tmp_path, engine, world
):
    told = await engine.keeper.take_in(world.issue(), user_agent="Browser/1")
    session = told.session
    assert (session.generation, [one.name for one in session.cookies]) == (1, ["sid"])
    assert session.user_agent == "Browser/1"
    assert session.expires_at == world.clock.wall + 3600
    assert (await engine.keeper.get()).session == session
    again = Engine(tmp_path / "store", world)
    await again.keeper.start()
    assert (await again.keeper.get()).session == session
    assert (world.sign_ins, world.submits) == ([], [])


async def test_it_follows_the_last_session_by_one_generation(engine, world):
    first = (await engine.keeper.get()).session
    told = await engine.keeper.take_in(world.issue())
    assert told.session.generation == first.generation + 1
    assert engine.published[-1].session == told.session
    assert (await engine.keeper.report(generation=1)).verdict == "superseded"


async def test_a_dead_one_is_refused_and_the_last_good_session_is_kept(engine, world):
    first = (await engine.keeper.get()).session
    with pytest.raises(errors.NeedsHuman) as caught:
        await engine.keeper.take_in(DEAD)
    assert caught.value.exit_code == 4 and "long-dead" not in caught.value.message
    assert engine.records.session() == first
    assert (await engine.keeper.get()).session == first
    assert engine.keeper.ready


async def test_a_dead_one_with_nothing_stored_stores_nothing_and_hinders_no_sign_in(engine, world):
    with pytest.raises(errors.NeedsHuman):
        await engine.keeper.take_in(DEAD)
    assert engine.records.session() is None
    assert (await engine.keeper.get()).session.generation == 1
    assert world.sign_ins == ["scripted"]


async def test_a_site_that_does_not_answer_stores_nothing(engine, world):
    brought = world.issue()
    world.down = True
    with pytest.raises(errors.SiteDown):
        await engine.keeper.take_in(brought)
    world.down = False
    await engine.keeper.take_in(brought)
    world.answer = Answer(403, words="your plan lacks this")
    with pytest.raises(errors.ProbeProvesNothing, match="your plan lacks this"):
        await engine.keeper.take_in(brought)
    assert engine.records.session().generation == 1


async def test_a_probe_that_is_alive_for_everybody_takes_nothing_in(engine, world):
    world.answer = Answer(200, body="[]")
    with pytest.raises(errors.ProbeProvesNothing):
        await engine.keeper.take_in(DEAD)
    assert engine.records.session() is None


@pytest.mark.parametrize("claims", [{"email": "eve@x"}, {"email": "eve@x", "org": "globex"}])
async def test_a_session_of_somebody_else_is_not_stored(tmp_path, world, claims):
    who = profile(username="ada@x", organization="acme")
    engine = Engine(tmp_path / "store", world, who)
    await engine.keeper.start()
    with pytest.raises(errors.IdentityMismatch):
        await engine.keeper.take_in((*world.issue(), cookie("jwt", jwt(**claims))))
    assert (engine.records.session(), world.switches) == (None, [])


async def test_it_clears_nothing_in_the_ledger_and_counts_as_no_sign_in(tmp_path, world):
    wrong = profile(password=replace(profile().password, value="wrong"))
    engine = Engine(tmp_path / "store", world, wrong)
    await engine.keeper.start()
    with pytest.raises(errors.CredentialsRejected):
        await engine.keeper.get()
    before = engine.records.ledger()
    await engine.keeper.take_in(world.issue())
    after = engine.records.ledger()
    assert (after.latch, after.submits, after.rejected) == (
        before.latch, before.submits, before.rejected,
    )  # fmt: skip
    assert (after.generation, after.buckets) == (1, before.buckets)
    assert engine.keeper.ready


async def test_after_a_logout_it_signs_in_again(engine, world):
    await engine.keeper.get()
    await engine.keeper.logout()
    await engine.keeper.take_in(world.issue())
    assert engine.keeper.standing().state == "live"
    assert not engine.records.ledger().signed_out


async def test_a_store_that_cannot_keep_it_says_so(engine, world, monkeypatch):
    def full(*_: object) -> None:
        raise errors.StoreFull("the disk is full")

    monkeypatch.setattr(engine.records, "keep_session", full)
    with pytest.raises(errors.StoreFull):
        await engine.keeper.take_in(world.issue())
    assert engine.keeper.current is None


async def test_it_waits_for_the_sign_in_under_way_and_then_counts(engine, world):
    world.gate = asyncio.Event()
    asking = asyncio.create_task(engine.keeper.get())
    await world.began.wait()
    bringing = asyncio.create_task(engine.keeper.take_in(world.issue()))
    world.gate.set()
    assert (await asking).session.generation == 1
    assert (await bringing).session.generation == 2
    assert world.sign_ins == ["scripted"]


class Slow(World):
    """Answers the probe with cookies only when let."""

    async def probe(self, cookies: tuple[Cookie, ...]) -> Answer:
        if cookies and self.slow is not None:
            self.asked.set()
            await self.slow.wait()
        return await super().probe(cookies)

    slow: asyncio.Event | None = None
    asked: asyncio.Event


async def slow_engine(tmp_path) -> tuple[Engine, Slow]:
    world = Slow(FakeClock())
    world.slow, world.asked = asyncio.Event(), asyncio.Event()
    engine = Engine(tmp_path / "store", world)
    await engine.keeper.start()
    return engine, world


async def test_callers_who_ask_meanwhile_share_it_and_nobody_signs_in(tmp_path):
    engine, world = await slow_engine(tmp_path)
    bringing = asyncio.create_task(engine.keeper.take_in(world.issue()))
    await world.asked.wait()
    asking = [asyncio.create_task(engine.keeper.get()) for _ in range(50)]
    await asyncio.sleep(0)
    world.slow.set()
    told = (await bringing).session
    assert {served.session for served in await asyncio.gather(*asking)} == {told}
    assert world.sign_ins == []


async def test_callers_who_waited_for_a_dead_one_sign_in_once_together(tmp_path):
    engine, world = await slow_engine(tmp_path)
    bringing = asyncio.create_task(engine.keeper.take_in(DEAD))
    await world.asked.wait()
    asking = [asyncio.create_task(engine.keeper.get()) for _ in range(50)]
    hard = asyncio.create_task(engine.keeper.refresh(hard=True))
    await asyncio.sleep(0)
    world.slow.set()
    with pytest.raises(errors.NeedsHuman):
        await bringing
    told = await asyncio.gather(*asking)
    assert {served.session.generation for served in told} == {1}
    assert (await hard).session.generation == 2
    assert world.sign_ins == ["scripted", "silent"]


async def test_a_bringer_whose_patience_ends_is_told_and_the_work_goes_on(tmp_path):
    engine, world = await slow_engine(tmp_path)
    with pytest.raises(errors.TimedOut):
        await engine.keeper.take_in(world.issue(), wait_s=0.01)
    world.slow.set()
    assert (await engine.keeper.get()).session.generation == 1
    assert world.sign_ins == []


async def test_a_fault_of_ours_is_told_without_its_text(engine, world, monkeypatch):
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(engine.keeper._by_hand, "bring", broken)
    with pytest.raises(errors.Bug) as caught:
        await engine.keeper.take_in(world.issue())
    assert "canary" not in caught.value.message
    assert caught.value.__context__ is None or "canary" not in str(caught.value.__context__)


async def test_a_program_that_brings_dead_ones_all_day_costs_the_site_little(engine, world):
    for _ in range(BROUGHT):
        with pytest.raises(errors.NeedsHuman):
            await engine.keeper.take_in(DEAD)
    world.probes = 0
    with pytest.raises(errors.RateLimited) as caught:
        await engine.keeper.take_in(DEAD)
    assert world.probes == 0 and 0 < caught.value.retry_after_s <= 10
    world.clock.sleep(caught.value.retry_after_s)
    await engine.keeper.take_in(world.issue())


async def test_a_stored_session_of_another_organisation_does_not_bar_the_way(tmp_path, world):
    first = Engine(tmp_path / "store", world)
    await first.keeper.start()
    await first.keeper.take_in((*world.issue(), cookie("jwt", jwt(org="globex"))))
    other = Engine(tmp_path / "store", world, profile(organization="acme"))
    await other.keeper.start()
    with pytest.raises(errors.OrganizationMismatch):
        await other.keeper.get()
    told = await other.keeper.take_in((*world.issue(), cookie("jwt", jwt(org="acme"))))
    assert (told.session.organization, told.session.generation) == ("acme", 2)
    assert told.session.origin == ORIGIN


@pytest.mark.parametrize("answer", [Answer(429, retry_after_s=600), Answer(503, retry_after_s=600)])
async def test_a_site_that_asks_to_be_left_alone_while_one_is_proved_is_left_alone(
    engine, world, answer
):
    await engine.keeper.get()
    world.answer = answer
    with pytest.raises(errors.SiteDown) as caught:
        await engine.keeper.take_in(world.issue())
    assert caught.value.retry_after_s == 600
    asked = world.probes
    assert (await engine.keeper.report(generation=1)).verdict == "unreachable"
    with pytest.raises(errors.RateLimited):
        await engine.keeper.take_in(world.issue())
    assert world.probes == asked
    world.answer = None
    world.clock.sleep(601)
    assert (await engine.keeper.report(generation=1)).verdict == "alive"
