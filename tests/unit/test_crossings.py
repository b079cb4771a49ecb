"""Two things at once: whatever crosses whatever, no proved session is lost, no refused one is
served, and nobody is signed in behind a sign-out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine import START_S, Engine, FakeClock, World, profile
from harvester.errors import (
    Busy,
    CredentialsRejected,
    ProviderDown,
    RateLimited,
    StoreError,
    StoreFull,
    TimedOut,
    Usage,
)
from harvester.records import Records
from harvester.session import Cookie, Served
from harvester.signer import Overseer
from harvester.signin.dialogue import Job, SignedIn, Stopped
from harvester.vault.directory import DirectoryStore, Stored
from harvester.vault.seal import Purpose
from harvester.verdict import Answer, Verdict
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


# rolled values


async def rolled(root: Path, world: World) -> Engine:
    """A process whose clients have a value that the site rolled away."""
    engine = await begun(root, world)
    world.rolls = Cookie("sid", f"rolled-{'x' * 20}", "knoq.one", http_only=True)
    await engine.keeper.prove(within_s=0)
    world.live, world.rolls = {world.rolls.value}, None
    return engine


@pytest.mark.parametrize("who", ["we", "they"])
def test_no_two_sessions_have_one_number_though_one_is_made_while_another_is_told(
    world: World, tmp_path: Path, who: str
) -> None:
    async def story() -> None:
        ours = await rolled(tmp_path, world)
        theirs = await begun(tmp_path, world) if who == "they" else ours
        world.gate = asyncio.Event()
        world.began.clear()
        making = asyncio.create_task(theirs.keeper.refresh(hard=True))
        await world.began.wait()
        told = await ours.keeper.report(generation=1)
        assert told.verdict == "alive"
        assert told.session.cookies[0].value.startswith("rolled-")
        world.gate.set()
        made = await making
        assert told.session.generation < made.session.generation
        await ours.keeper.follow_store()
        current = ours.keeper.current
        assert current is not None and current.session.cookies == made.session.cookies
        assert (await ours.keeper.report(generation=1)).verdict == "superseded"
        await ours.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


def test_all_who_were_refused_with_a_rolled_value_are_told_one_number(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = (await rolled(tmp_path, world)).keeper
        told = await asyncio.gather(*(keeper.report(generation=1) for _ in range(50)))
        assert {one.session.generation for one in told} == {2}
        await keeper.close()

    simulate(story(), world.clock)


def test_a_number_that_was_told_is_written_down(world: World, tmp_path: Path) -> None:
    async def story() -> None:
        engine = await rolled(tmp_path, world)
        assert (await engine.keeper.report(generation=1)).session.generation == 2
        assert engine.records.ledger().generation == 2
        await engine.keeper.close()

    simulate(story(), world.clock)


def test_a_value_that_was_rolled_too_soon_to_be_stored_is_stored_by_the_next_tick(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        for number in range(2):
            await asyncio.sleep(1)
            world.rolls = Cookie("sid", f"rolled-{number}-{'x' * 20}", "knoq.one")
            await keeper.prove(within_s=0)
            world.live = {world.rolls.value}
        world.rolls = None
        await asyncio.sleep(30)
        await keeper.follow_store()
        # Killed here, the next one finds the value that lives.
        after = await begun(tmp_path, world)
        assert await after.keeper.prove(within_s=0) is Verdict.ALIVE
        await after.keeper.close()
        await keeper.close()

    simulate(story(), world.clock)


def test_a_value_that_was_rolled_too_soon_to_be_stored_is_stored_at_the_end(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = (await rolled(tmp_path, world)).keeper
        await asyncio.sleep(1)
        world.rolls = Cookie("sid", f"again-{'x' * 20}", "knoq.one")
        await keeper.prove(within_s=0)
        world.live, world.rolls = {world.rolls.value}, None
        await keeper.close()
        after = await begun(tmp_path, world)
        assert await after.keeper.prove(within_s=0) is Verdict.ALIVE
        await after.keeper.close()

    simulate(story(), world.clock)


def test_a_climb_that_ends_with_the_same_session_brings_back_no_value_of_before(
    tmp_path: Path,
) -> None:
    world = World(FakeClock(), life_s=3600.0)

    async def rolls(*asked: object) -> Answer:
        """Each request of a live session gives it another value, and the one before is dead."""
        cookies = asked[-1]
        assert isinstance(cookies, tuple)
        if not {one.value for one in cookies} & world.live:
            return Answer(401)
        world.live = {f"rolled-{world.issued}-{'x' * 20}"}
        world.issued += 1
        new = Cookie("sid", *world.live, "knoq.one", expires_at=START_S + 3600)
        return Answer(200, body="[]", set_cookies=(new,))

    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        world.probe = world.get = rolls  # type: ignore[method-assign]
        world.remembers, world.gate = False, asyncio.Event()
        world.began.clear()
        asked = asyncio.create_task(keeper.refresh())  # a touch, and then a browser for a while
        await world.began.wait()
        await asyncio.sleep(2)
        await keeper.prove(within_s=0)
        world.gate.set()
        assert {one.value for one in (await asked).session.cookies} & world.live
        assert await keeper.prove(within_s=0) is Verdict.ALIVE
        await keeper.close()

    simulate(story(), world.clock)


# a sign-out


def test_who_is_in_doubt_when_a_person_signs_out_is_not_signed_in_again(tmp_path: Path) -> None:
    world = World(FakeClock(), life_s=3600.0)

    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        world.sign_ins.clear()
        world.clock.suspend(7200)
        answers_once(world, None, after_s=5)
        asked = asyncio.create_task(keeper.get())
        await asyncio.sleep(0.1)
        await keeper.logout()
        with pytest.raises(Busy):
            await asked
        assert world.sign_ins == [] and keeper.standing().state == "signed_out"
        await keeper.close()

    simulate(story(), world.clock)


@pytest.mark.parametrize("way", ["logout", "close"])
def test_who_waits_for_his_turn_gets_none_when_all_is_called_off(
    world: World, tmp_path: Path, way: str
) -> None:
    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        world.sign_ins.clear()
        world.gate = asyncio.Event()  # a browser that would be at work for ever
        asks = [
            asyncio.create_task(keeper.refresh(hard=True)),
            asyncio.create_task(keeper.refresh(headed=True)),
            asyncio.create_task(keeper.take_in(world.issue(), wait_s=600)),
        ]
        await asyncio.sleep(1)
        async with asyncio.timeout(5):
            await getattr(keeper, way)()
        for told in await asyncio.gather(*asks, return_exceptions=True):
            assert isinstance(told, Busy) or (isinstance(told, Served) and told.stale)
        assert world.sign_ins == ["silent"]
        assert keeper.standing().state != "refreshing"
        await keeper.close()

    simulate(story(), world.clock)


def test_who_loses_patience_after_a_sign_out_is_given_no_session(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        answers_once(world, Answer(trouble="time-out"), after_s=20)
        asked = asyncio.create_task(keeper.report(generation=1, wait_s=10))
        await asyncio.sleep(0.1)
        await keeper.logout()
        with pytest.raises(Busy):
            await asked
        await keeper.close()

    simulate(story(), world.clock)


def test_a_sign_out_that_cannot_be_written_down_is_not_begun(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreFull("no room")

    async def story() -> None:
        engine = await begun(tmp_path, world)
        with monkeypatch.context() as patched:
            patched.setattr(engine.store, "write", full)
            with pytest.raises(StoreFull):
                await engine.keeper.logout()
        assert world.live and await engine.keeper.prove(within_s=0) is Verdict.ALIVE
        assert engine.keeper.standing().state == "live"
        await engine.keeper.close()

    simulate(story(), world.clock)


def test_a_sign_out_ends_the_session_that_another_process_made_last(
    world: World, tmp_path: Path
) -> None:
    async def ends(path: str, cookies: tuple[Cookie, ...], body: bytes) -> Answer:
        world.live -= {cookie.value for cookie in cookies}
        return Answer(200)

    async def story() -> None:
        ours, theirs = await begun(tmp_path, world), await begun(tmp_path, world)
        made = await theirs.keeper.refresh(hard=True)
        world.post = ends  # type: ignore[method-assign]
        told = await ours.keeper.logout()
        assert (told["signed_out"], told["denied"]) == (True, True)
        assert made.session.cookies[0].value not in world.live
        await ours.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


# another process


@pytest.mark.parametrize("wait_s", [2.0, 60.0])
def test_what_was_refused_while_a_report_was_looked_into_is_not_its_answer(
    world: World, tmp_path: Path, wait_s: float
) -> None:
    async def story() -> None:
        ours, theirs = await begun(tmp_path, world), await begun(tmp_path, world)
        world.revoke()
        world.stops_with = ProviderDown("it is down")
        answers_once(world, Answer(trouble="time-out"), after_s=5)
        asked = asyncio.create_task(ours.keeper.report(generation=1, wait_s=wait_s))
        await asyncio.sleep(0.1)
        with pytest.raises(ProviderDown):
            await theirs.keeper.report(generation=1)
        await ours.keeper.follow_store()
        with pytest.raises((ProviderDown, TimedOut)):
            await asked
        await ours.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


def test_a_generation_that_another_process_gave_out_is_no_mistake(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        ours, theirs = await begun(tmp_path, world), await begun(tmp_path, world)
        await theirs.keeper.refresh(hard=True)
        told = await ours.keeper.report(generation=2)
        assert (told.verdict, told.session.generation) == ("alive", 2)
        with pytest.raises(Usage):
            await ours.keeper.report(generation=3)
        await ours.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


@pytest.mark.parametrize("way", ["unlock", "logout", "take_in"])
def test_what_a_person_does_by_hand_waits_for_who_is_at_work(
    world: World, tmp_path: Path, way: str
) -> None:
    async def story() -> None:
        engine = await begun(tmp_path, world)
        given = (world.issue(),) if way == "take_in" else ()
        with Records(engine.store, "default", world.clock).lock() as theirs:
            assert theirs.acquire_nonblocking()
            asked = asyncio.create_task(getattr(engine.keeper, way)(*given))
            await asyncio.sleep(5)
            assert not asked.done()
        await asked
        await engine.keeper.close()

    simulate(story(), world.clock)


@pytest.mark.parametrize("who", ["a client", "the schedule"])
def test_what_was_refused_right_after_a_climb_failed_is_not_served_by_the_next_process(
    world: World, tmp_path: Path, who: str
) -> None:
    async def story() -> None:
        engine = await begun(tmp_path, world)
        world.stops_with = ProviderDown("it is down")
        for _ in range(3):
            assert (await engine.keeper.refresh(hard=True)).stale
        world.revoke()
        if who == "a client":
            with pytest.raises(ProviderDown):
                await engine.keeper.report(generation=1)
        else:
            assert await engine.keeper.prove(within_s=0) is Verdict.DENIED
            await engine.keeper.check()
        assert engine.keeper.current is None
        await engine.keeper.close()
        later = Engine(tmp_path / "store", world)
        await later.keeper.start()
        assert later.keeper.current is None
        await later.keeper.close()

    simulate(story(), world.clock)


def test_who_unlocks_while_a_password_is_under_way_has_not_seen_its_refusal(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        engine = Engine(tmp_path / "store", world)
        await engine.keeper.start()
        records = Records(engine.store, "default", world.clock)
        with records.lock() as theirs:
            assert theirs.acquire_nonblocking()
            unlocking = asyncio.create_task(engine.keeper.unlock())
            await asyncio.sleep(2)
            now = world.clock.wall_s()
            ledger = records.ledger().with_submit(now, "mistyped").with_rejected("mistyped")
            refused = CredentialsRejected("refused")
            records.keep_ledger(ledger.with_latch(now, refused, blocks=("scripted",), settings="s"))
            await asyncio.sleep(2)
        with pytest.raises(CredentialsRejected):
            await unlocking
        after = Records(engine.store, "default", world.clock).ledger()
        assert after.rejected_fingerprints() == ("mistyped",)
        assert len(after.since_success()) == 1
        await engine.keeper.close()

    simulate(story(), world.clock)


def test_what_is_owed_to_the_store_is_not_paid_while_another_process_is_at_work(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreFull("no room")

    records = Engine(tmp_path / "store", world).records
    with monkeypatch.context() as patched:
        patched.setattr(records._store, "write", full)
        with pytest.raises(StoreFull):
            records.note_ledger(records.ledger().with_generation(7))
    with Records(records._store, "default", world.clock).lock() as theirs:
        assert theirs.acquire_nonblocking()
        records.pay()
        assert records.owes
    records.pay()
    assert not records.owes
    assert Records(records._store, "default", world.clock).ledger().generation == 7


@pytest.mark.parametrize("way", ["report", "follow"])
def test_what_another_process_made_and_the_site_refused_is_not_taken_up(
    world: World, tmp_path: Path, way: str
) -> None:
    async def story() -> None:
        ours, theirs = await begun(tmp_path, world), await begun(tmp_path, world)
        await theirs.keeper.refresh(hard=True)
        world.revoke()
        world.stops_with = ProviderDown("it is down")
        with pytest.raises(ProviderDown):
            await theirs.keeper.report(generation=2)
        if way == "report":
            with pytest.raises(ProviderDown):
                await ours.keeper.report(generation=1)
        await ours.keeper.follow_store()
        assert [one.session.generation for one in ours.published if one is not None] == [1]
        await ours.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


def test_nobody_falls_back_upon_what_another_process_saw_refused(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        ours, theirs = await begun(tmp_path, world), await begun(tmp_path, world)
        refused = set(world.live)
        world.revoke()
        assert (await theirs.keeper.report(generation=1)).session.generation == 2
        assert (await ours.keeper.refresh()).session.generation == 2
        world.sign_ins.clear()
        world.live = set(refused)  # the new one dies young, and the site has changed its mind
        told = await ours.keeper.report(generation=2)
        assert not {one.value for one in told.session.cookies} & refused
        assert world.sign_ins == ["silent"]
        await ours.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


def test_a_process_without_a_session_takes_up_none_that_was_refused(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        ours = Engine(tmp_path / "store", world)
        await ours.keeper.start()
        theirs = await begun(tmp_path, world)
        world.revoke()
        world.stops_with = ProviderDown("it is down")
        with pytest.raises(ProviderDown):
            await theirs.keeper.report(generation=1)
        await ours.keeper.follow_store()
        assert ours.keeper.current is None and ours.published == []
        await ours.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


def test_who_waits_while_another_process_signs_out_is_not_signed_in_behind_it(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        ours, theirs = await begun(tmp_path, world), await begun(tmp_path, world)
        world.sign_ins.clear()
        real = world.post

        async def slow(path: str, cookies: tuple[Cookie, ...], body: bytes) -> Answer:
            await asyncio.sleep(3)
            return await real(path, cookies, body)

        world.post = slow  # type: ignore[method-assign]
        out = asyncio.create_task(theirs.keeper.logout())
        await asyncio.sleep(0.1)
        asked = asyncio.create_task(ours.keeper.refresh(hard=True))
        await out
        assert isinstance((await asked).error, Busy)
        await ours.keeper.check()
        assert world.sign_ins == [] and ours.keeper.standing().state == "signed_out"
        await ours.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


def test_a_proof_does_not_bring_back_what_another_process_signed_out(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        ours, theirs = await begun(tmp_path, world), await begun(tmp_path, world)
        await asyncio.sleep(100)
        await theirs.keeper.logout()
        world.live.add(ours.published[-1].session.cookies[0].value)  # the site did not care
        await ours.keeper.prove(within_s=0)
        assert ours.records.session() is None
        await ours.keeper.check()
        assert ours.keeper.standing().state == "signed_out"
        await ours.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


def test_of_two_profiles_of_one_account_one_sends_at_a_time_and_counts_for_both(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        world.password, world.gate = "another", asyncio.Event()
        names = ("default", "work")
        keepers = [Engine(tmp_path / "store", world, profile(name=name)).keeper for name in names]
        for keeper in keepers:
            await keeper.start()
        asks = [asyncio.create_task(keeper.get()) for keeper in keepers]
        await asyncio.sleep(5)
        assert world.sign_ins == ["scripted"]
        world.gate.set()
        told = await asyncio.gather(*asks, return_exceptions=True)
        assert [type(one) for one in told] == [CredentialsRejected] * 2
        assert world.submits == ["right"]
        for keeper in keepers:
            await keeper.close()

    simulate(story(), world.clock)


@pytest.mark.parametrize("how", ["does not read", "was cut", "was put back"])
def test_what_another_profile_of_the_account_sent_counts_though_it_cannot_be_read(
    world: World, tmp_path: Path, how: str
) -> None:
    """A provider that locks at three: what is not known may have been two."""
    ledger = tmp_path / "store" / "profiles" / "work" / "ledger"

    def sick(self: DirectoryStore, profile: str, purpose: Purpose) -> Stored | None:
        if profile == "work":
            raise StoreFull("the disk does not read")
        return read(self, profile, purpose)

    async def story() -> None:
        world.password = "another"
        work = Engine(tmp_path / "store", world, profile(name="work")).keeper
        await work.start()
        with pytest.raises(CredentialsRejected):
            await work.get()
        assert world.submits == ["right"]
        before = ledger.read_bytes()
        ours = Engine(tmp_path / "store", world, profile(name="default")).keeper
        await ours.start()
        with pytest.MonkeyPatch.context() as patched:
            if how == "does not read":
                patched.setattr(DirectoryStore, "read", sick)
            elif how == "was cut":
                ledger.write_bytes(before[:-20])
            else:
                ledger.write_bytes(ledger.with_name("ledger.previous").read_bytes())
            world.password = "right"  # what stands in its way is nothing else
            with pytest.raises(StoreError, match="what profile work sent is not known") as caught:
                await ours.get()
            assert world.submits == ["right"]
        if how == "does not read":
            assert caught.value.code == "store_full"
            await asyncio.sleep(3600)
        else:
            assert caught.value.hint.endswith("harvester --profile work unlock")
        await work.unlock()
        await ours.unlock()
        assert (await ours.get()).session.generation == 1
        await ours.close()
        await work.close()

    read = DirectoryStore.read
    simulate(story(), world.clock)


def test_a_code_of_another_profile_of_the_account_is_not_typed_again(
    world: World, tmp_path: Path
) -> None:
    steps: list[int | None] = []

    async def typed(job: Job, overseer: Overseer) -> SignedIn | Stopped:
        steps.append(job.totp_last_step)
        assert await overseer.code(100 + len(steps)) is None
        return await World.run(world, job, overseer)

    async def story() -> None:
        world.run = typed  # type: ignore[method-assign]
        for name in ("default", "work", "play"):
            keeper = Engine(tmp_path / "store", world, profile(name=name)).keeper
            await keeper.start()
            await keeper.get()
            await keeper.close()
        assert steps == [None, 101, 102]

    simulate(story(), world.clock)


# other settings, clocks, patience


def test_other_settings_while_the_disk_does_not_read_take_no_session_away(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sick(*_: object) -> None:
        raise StoreFull("the disk does not read")

    async def story() -> None:
        before, after = await begun(tmp_path, world), Engine(tmp_path / "store", world)
        with monkeypatch.context() as patched:
            patched.setattr(after.store, "read", sick)
            await after.keeper.take_over(before.keeper)
            assert (await after.keeper.get()).session.generation == 1
            assert after.keeper.ready
        await before.keeper.close()
        await after.keeper.close()

    simulate(story(), world.clock)


def test_a_session_that_another_process_made_after_a_sign_out_is_looked_after(
    tmp_path: Path,
) -> None:
    world = World(FakeClock(), life_s=3600.0)

    async def story() -> None:
        before = await begun(tmp_path, world)
        await before.keeper.logout()
        theirs = await begun(tmp_path, world)
        after = Engine(tmp_path / "store", world)  # other settings, before the next tick
        await after.keeper.take_over(before.keeper)
        await before.keeper.close()
        world.sign_ins.clear()
        await asyncio.sleep(3400)  # its time has come
        await after.keeper.check()
        current = after.keeper.current
        assert current is not None and current.session.generation == 3
        await after.keeper.close()
        await theirs.keeper.close()

    simulate(story(), world.clock)


def test_a_caller_in_doubt_waits_no_longer_than_he_said(tmp_path: Path) -> None:
    world = World(FakeClock(), life_s=3600.0)

    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        world.clock.suspend(7200)
        world.revoke()
        world.gate = asyncio.Event()
        answers_once(world, None, after_s=8)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(TimedOut):
            await keeper.get(wait_s=10)
        assert asyncio.get_running_loop().time() - began_s < 11
        await keeper.close()

    simulate(story(), world.clock)


def test_an_answer_that_is_repeated_names_what_is_left_of_its_time(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = Engine(tmp_path / "store", world).keeper
        await keeper.start()
        world.stops_with = ProviderDown("it is down", retry_after_s=600)
        assert await keeper.check() == pytest.approx(600, abs=1)
        await asyncio.sleep(590)
        with pytest.raises(ProviderDown) as told:
            await keeper.get()
        assert told.value.retry_after_s == pytest.approx(10, abs=1)
        # Nor does the schedule wait the whole time again because it looked too soon.
        assert await keeper.check() <= 31
        await keeper.close()

    simulate(story(), world.clock)


@pytest.mark.parametrize("way", ["refresh", "hard", "stale"])
def test_a_site_that_asked_our_probe_for_rest_gets_it_from_every_rung(
    tmp_path: Path, way: str
) -> None:
    world = World(FakeClock(), life_s=3600.0)

    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        await asyncio.sleep(2000)
        world.answer = Answer(429, retry_after_s=1500)
        assert (await keeper.report(generation=1)).verdict == "unreachable"
        world.sign_ins.clear()
        world.probes = 0
        if way == "stale":
            await asyncio.sleep(1400)
            await keeper.check()
        else:
            served = await keeper.refresh(hard=way == "hard")
            assert served.stale and isinstance(served.error, RateLimited)
        assert (world.probes, world.sign_ins) == (0, [])
        world.answer = None
        await asyncio.sleep(1501)
        assert not (await keeper.refresh(hard=way == "hard")).stale
        await keeper.close()

    simulate(story(), world.clock)


@pytest.mark.parametrize("patient", [True, False])
@pytest.mark.parametrize("way", ["get", "report"])
def test_who_waits_for_a_probe_when_all_ends_is_told_so_and_who_may_finish_is_answered(
    tmp_path: Path, way: str, patient: bool
) -> None:
    world = World(FakeClock(), life_s=3600.0)

    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        if way == "get":
            world.clock.suspend(7200)
        answers_once(world, None, after_s=5)
        asked = asyncio.create_task(keeper.get() if way == "get" else keeper.report(generation=1))
        await asyncio.sleep(0.1)
        if patient:
            await keeper.landed()
            await keeper.close()
            assert (await asked).session.generation == 1
        else:
            await keeper.close()
            with pytest.raises(Busy):
                await asked

    simulate(story(), world.clock)


def test_who_brings_a_session_is_told_whether_it_is_looked_at(world: World, tmp_path: Path) -> None:
    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        world.gate = asyncio.Event()
        world.began.clear()
        making = asyncio.create_task(keeper.refresh(hard=True))
        await world.began.wait()
        with pytest.raises(Busy):
            await keeper.take_in(world.issue(), wait_s=10)
        world.gate.set()
        await making
        answers_once(world, None, after_s=20)
        with pytest.raises(TimedOut):
            await keeper.take_in(world.issue(), wait_s=10)
        await keeper.landed()
        current = keeper.current
        assert current is not None and current.session.generation == 3  # the work went on
        await keeper.close()

    simulate(story(), world.clock)


def test_a_look_of_the_schedule_that_is_ended_in_the_middle_ends_without_an_error(
    world: World, tmp_path: Path
) -> None:
    async def story() -> None:
        keeper = (await begun(tmp_path, world)).keeper
        await asyncio.sleep(400)
        answers_once(world, None, after_s=60)
        look = asyncio.create_task(keeper.check())
        await asyncio.sleep(1)
        assert not look.done()
        await keeper.close()
        assert await look > 0

    simulate(story(), world.clock)
