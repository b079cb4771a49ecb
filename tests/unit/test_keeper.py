"""The keeper's promises, each as the story it prevents."""

import asyncio
from dataclasses import replace

import pytest

from engine import Engine, FakeClock, World, profile
from harvester import errors
from harvester.clock import rfc3339
from harvester.profile import SecretSource
from harvester.signin.dialogue import Stopped
from harvester.status import profile_status
from harvester.verdict import Answer


@pytest.fixture
def world() -> World:
    return World(FakeClock())


@pytest.fixture
async def engine(tmp_path, world):
    made = Engine(tmp_path / "store", world)
    await made.keeper.start()
    yield made
    await made.keeper.close()


async def restarted(tmp_path, world, who=None) -> Engine:
    made = Engine(tmp_path / "store", world, who)
    await made.keeper.start()
    return made


def with_password(value: str):
    return profile(password=SecretSource("value", "HARVESTER_PASSWORD", value=value))


async def test_the_first_call_signs_in_and_the_second_does_not(engine, world):
    first = await engine.keeper.get()
    second = await engine.keeper.get()
    assert first.session == second.session
    assert [cookie.name for cookie in first.session.cookies] == ["sid"]
    assert world.sign_ins == ["scripted"]


async def test_what_is_at_hand_is_what_would_be_given_and_costs_nothing(engine, world):
    keeper = engine.keeper
    assert keeper.at_hand() is None, "there is no session yet"
    given = await keeper.get()
    world.probes = 0
    assert keeper.at_hand() == given == await keeper.get()
    assert keeper.at_hand(min_valid_s=10**9) == await keeper.get(min_valid_s=10**9)
    keeper._condition.broken = errors.StoreUnsafe("the record is open to others")
    assert keeper.at_hand() is None, "it may have been mended, which takes a look"
    keeper._condition.broken = None
    world.clock.suspend(12 * 3600)
    assert keeper.at_hand() is None, "the machine slept, and the site is asked first"
    await keeper.get()
    world.revoke()
    await keeper.report(generation=1)
    assert keeper.at_hand().session.generation == 2
    await keeper.logout()
    assert keeper.at_hand() is None
    assert world.probes > 0


async def test_two_hundred_reports_of_one_generation_are_one_sign_in(engine, world):
    old = (await engine.keeper.get()).session
    world.revoke()
    world.probes = 0
    told = await asyncio.gather(
        *(engine.keeper.report(generation=old.generation) for _ in range(200))
    )
    assert {served.session.generation for served in told} == {2}
    assert {served.verdict for served in told} <= {"refreshed", "superseded"}
    assert world.sign_ins == ["scripted", "silent"]


async def test_two_hundred_stale_reports_are_no_work_at_all(engine, world):
    await engine.keeper.get()
    await engine.keeper.refresh(hard=True)
    world.probes, world.sign_ins = 0, []
    told = [await engine.keeper.report(generation=1) for _ in range(200)]
    assert {served.verdict for served in told} == {"superseded"}
    assert (world.probes, world.sign_ins) == (0, [])


async def test_reports_about_a_live_session_cause_a_few_probes_and_no_sign_in(engine, world):
    await engine.keeper.get()
    world.probes, world.sign_ins = 0, []
    together = await asyncio.gather(*(engine.keeper.report(generation=1) for _ in range(30)))
    assert {served.verdict for served in together} == {"alive"}
    assert world.sign_ins == []
    assert world.probes <= 2
    one_by_one = [await engine.keeper.report(generation=1) for _ in range(30)]
    assert world.probes <= 6
    assert one_by_one[-1].probed_s_ago is not None or one_by_one[-1].verdict == "alive"


async def test_a_report_of_a_generation_that_never_was_is_a_mistake(engine):
    await engine.keeper.get()
    with pytest.raises(errors.Usage):
        await engine.keeper.report(generation=99)


async def test_an_outage_keeps_the_last_good_session_and_nobody_signs_in(engine, world):
    first = (await engine.keeper.get()).session
    world.down = True
    told = await engine.keeper.report(generation=1)
    assert (told.verdict, told.stale, told.session) == ("unreachable", True, first)
    assert world.sign_ins == ["scripted"]
    assert (await engine.keeper.get()).session == first


async def test_site_down_with_nothing_to_serve_is_said_and_no_browser_starts(engine, world):
    world.down = True
    with pytest.raises(errors.SiteDown):
        await engine.keeper.get()
    assert world.sign_ins == []


async def test_a_probe_that_is_alive_for_everybody_proves_nothing(engine, world):
    world.answer = Answer(200, body="[]")
    with pytest.raises(errors.ProbeProvesNothing):
        await engine.keeper.get()
    assert world.sign_ins == []


async def test_a_403_for_a_new_candidate_is_told_in_the_sites_own_words(tmp_path, world):
    engine = await restarted(tmp_path, world)
    world.stops_with = errors.SiteDown("the probe did not say")

    async def run(job, overseer):
        world.answer = Answer(403, words="your plan lacks this")
        await overseer.candidate(world.issue(), "browser")
        return Stopped(world.stops_with)

    world.run = run
    with pytest.raises(errors.ProbeProvesNothing) as caught:
        await engine.keeper.get()
    assert "your plan lacks this" in caught.value.message


async def test_a_restart_serves_the_same_session_without_a_sign_in(engine, world, tmp_path):
    first = (await engine.keeper.get()).session
    again = await restarted(tmp_path, world)
    assert (await again.keeper.get()).session == first
    assert world.sign_ins == ["scripted"]


async def test_while_the_provider_remembers_no_password_is_typed_also_after_a_restart(
    engine, world, tmp_path
):
    await engine.keeper.get()
    world.revoke()
    again = await restarted(tmp_path, world)
    await again.keeper.report(generation=1)
    assert world.sign_ins == ["scripted", "silent"]
    assert world.submits == ["right"]


async def test_when_the_provider_forgot_the_password_is_typed_after_the_silent_try(engine, world):
    await engine.keeper.get()
    world.remembers = False
    world.revoke()
    assert (await engine.keeper.report(generation=1)).verdict == "refreshed"
    assert world.sign_ins == ["scripted", "silent", "scripted"]


async def test_a_wrong_password_is_sent_once_however_often_and_wherever(tmp_path, world):
    for _ in range(5):
        engine = await restarted(tmp_path, world, with_password("wrong"))
        with pytest.raises(errors.CredentialsRejected):
            await engine.keeper.get()
        world.clock.sleep(10)
        with pytest.raises(errors.CredentialsRejected) as caught:
            await engine.keeper.get()
        assert caught.value.latched
    assert world.submits == ["wrong"]


async def test_another_password_is_tried_once_and_works_at_once(tmp_path, world):
    with pytest.raises(errors.CredentialsRejected):
        await (await restarted(tmp_path, world, with_password("wrong"))).keeper.get()
    engine = await restarted(tmp_path, world, with_password("right"))
    assert (await engine.keeper.get()).session.generation == 1
    assert world.submits == ["wrong", "right"]
    assert engine.keeper.standing().ledger.latch is None


async def test_two_rejected_in_turn_never_come_to_a_third_until_a_person_says_so(tmp_path, world):
    for password in ("one", "two", "one", "two", "three"):
        engine = await restarted(tmp_path, world, with_password(password))
        with pytest.raises(errors.CredentialsRejected):
            await engine.keeper.get()
        world.clock.sleep(3700)
    assert world.submits == ["one", "two"]
    right = await restarted(tmp_path, world, with_password("right"))
    with pytest.raises(errors.CredentialsRejected):
        await right.keeper.get()
    await right.keeper.unlock()
    assert (await right.keeper.get()).session.generation == 1


async def test_a_provider_that_is_down_is_not_asked_again_before_its_time(tmp_path, world):
    world.stops_with = errors.ProviderDown("no answer", retry_after_s=100)
    engine = await restarted(tmp_path, world)
    for _ in range(5):
        with pytest.raises(errors.ProviderDown):
            await engine.keeper.get()
        world.clock.sleep(2)
    again = await restarted(tmp_path, world)
    with pytest.raises(errors.ProviderDown) as caught:
        await again.keeper.get()
    assert world.sign_ins == ["scripted"]
    assert caught.value.retry_after_s == pytest.approx(90)
    world.clock.sleep(100)
    world.stops_with = None
    assert (await again.keeper.get()).session.generation == 1


async def test_a_silent_sign_in_that_failed_does_not_fall_through_to_the_password(engine, world):
    await engine.keeper.get()
    world.revoke()
    world.stops_with = errors.TimedOut("slow")
    with pytest.raises(errors.TimedOut):
        await engine.keeper.report(generation=1)
    assert world.sign_ins == ["scripted", "silent"]


async def test_a_short_session_is_renewed_before_its_end_again_and_again(engine, world):
    world.life_s = 25.0
    for _ in range(20):
        wait_s = await engine.keeper.check()
        world.clock.sleep(max(wait_s, 0.05))
        served = engine.keeper.current
        assert served is not None
        assert served.session.expires_at is not None
        assert served.session.expires_at > world.clock.wall_s()
    assert world.issued >= 5
    assert world.submits == ["right"]


async def test_callers_wait_in_the_last_tenth_and_get_the_new_session(engine, world):
    world.life_s = 100.0
    await engine.keeper.get()
    world.clock.sleep(95)
    assert (await engine.keeper.get()).session.generation == 2


async def test_a_failed_quiet_refresh_leaves_the_session_served(engine, world):
    world.life_s = 100.0
    first = (await engine.keeper.get()).session
    world.clock.sleep(70)
    world.stops_with = errors.ProviderDown("down")
    assert await engine.keeper.check() > 0
    served = engine.keeper.current
    assert served is not None and served.session.generation == first.generation


async def test_a_spent_session_is_given_as_stale_where_no_new_one_can_be_had(engine, world):
    world.life_s = 100.0
    await engine.keeper.get()
    world.clock.sleep(95)
    world.stops_with = errors.ProviderDown("down")
    served = await engine.keeper.get()
    assert served.stale and served.error is not None
    assert served.error.code == "identity_provider_down"


async def test_more_life_than_any_session_has_is_answered_without_a_storm(engine, world):
    world.life_s = 100.0
    for _ in range(5):
        served = await engine.keeper.get(min_valid_s=3600)
        assert served.min_valid_met is False
    assert world.sign_ins == ["scripted"]


async def test_patience_ends_before_the_work_does(engine, world):
    world.gate = asyncio.Event()
    with pytest.raises(errors.TimedOut):
        await engine.keeper.get(wait_s=0.01)
    world.gate.set()
    assert (await engine.keeper.get()).session.generation == 1
    assert world.sign_ins == ["scripted"]


async def test_a_caller_that_goes_away_ends_nobody_elses_sign_in(engine, world):
    world.gate = asyncio.Event()
    first = asyncio.create_task(engine.keeper.get())
    second = asyncio.create_task(engine.keeper.get())
    await world.began.wait()
    first.cancel()
    world.gate.set()
    assert (await second).session.generation == 1


async def test_logout_proves_the_cookie_dead_and_keeps_the_ledger(engine, world, tmp_path):
    await engine.keeper.get()
    told = await engine.keeper.logout()
    assert told["signed_out"] is True and told["denied"] is True
    assert engine.records.session() is None
    assert engine.records.identity_state() is None
    assert engine.records.ledger().submits
    assert await engine.keeper.check() > 60
    assert world.sign_ins == ["scripted"]


async def test_generations_never_go_back_not_even_after_a_logout(engine, world):
    await engine.keeper.get()
    await engine.keeper.logout()
    assert (await engine.keeper.get()).session.generation == 2


async def test_a_session_of_another_origin_is_never_served(engine, world, tmp_path):
    await engine.keeper.get()
    moved = profile()
    moved = replace(moved, site=replace(moved.site, origin="https://evil.example"))
    other = Engine(tmp_path / "store", world, moved)
    await other.keeper.start()
    with pytest.raises(errors.OriginMismatch):
        await other.keeper.get()
    assert not other.keeper.ready
    # The way out that the hint names works.
    assert (await other.keeper.logout())["done"]


async def test_another_processes_session_is_taken_up_without_a_sign_in(engine, world, tmp_path):
    await engine.keeper.get()
    other = await restarted(tmp_path, world)
    await other.keeper.refresh(hard=True)
    world.sign_ins = []
    await engine.keeper.follow_store()
    assert engine.keeper.current is not None
    assert engine.keeper.current.session.generation == 2
    assert world.sign_ins == []


async def test_two_processes_that_need_a_session_at_once_make_one_sign_in(tmp_path, world):
    one, two = await restarted(tmp_path, world), await restarted(tmp_path, world)
    told = await asyncio.gather(one.keeper.get(), two.keeper.get())
    assert world.sign_ins == ["scripted"]
    assert told[0].session == told[1].session


async def test_a_damaged_session_is_set_aside_and_the_ladder_climbs(engine, world, tmp_path):
    await engine.keeper.get()
    for name in ("session", "session.previous"):
        path = tmp_path / "store" / "profiles" / "default" / name
        if path.exists():
            path.write_bytes(path.read_bytes()[:-20])
    again = await restarted(tmp_path, world)
    assert (await again.keeper.get()).session.cookies[0].value != ""
    assert world.sign_ins == ["scripted", "silent"]
    assert list((tmp_path / "store" / "profiles" / "default").glob("session.bad-*"))


async def test_a_ledger_that_cannot_be_read_counts_as_spent(engine, world, tmp_path):
    await engine.keeper.get()
    world.revoke()
    world.remembers = False
    for path in (tmp_path / "store" / "profiles" / "default").glob("ledger*"):
        path.write_bytes(path.read_bytes()[:-20])
    again = await restarted(tmp_path, world)
    with pytest.raises(errors.StoreCorrupt) as caught:
        await again.keeper.report(generation=1)
    assert caught.value.latched and "unlock" in caught.value.hint
    assert world.submits == ["right"]
    assert world.sign_ins == ["scripted", "silent"]  # not begun, rather than refused at its end
    await again.keeper.unlock()
    assert (await again.keeper.get()).session.generation == 2


async def test_no_user_name_and_nothing_stored_starts_nothing(tmp_path, world):
    engine = await restarted(tmp_path, world, profile(username=None, password=None))
    with pytest.raises(errors.NotConfigured):
        await engine.keeper.get()
    assert world.sign_ins == []


async def test_no_sign_in_means_none(engine, world):
    with pytest.raises(errors.SignInForbidden):
        await engine.keeper.get(may_sign_in=False)
    assert world.sign_ins == []


async def test_a_challenge_is_latched_until_a_person_unlocks(engine, world):
    world.stops_with = errors.Challenge("a captcha at login.acme.example")
    for _ in range(3):
        with pytest.raises(errors.Challenge):
            await engine.keeper.get()
        world.clock.sleep(3600)
    assert world.sign_ins == ["scripted"]
    world.stops_with = None
    await engine.keeper.unlock()
    assert (await engine.keeper.get()).session.generation == 1


# what an attack on the engine found, each as the story that it prevents


async def test_another_user_in_the_settings_is_not_served_the_last_ones_session(
    engine, world, tmp_path
):
    kept = (await engine.keeper.get()).session
    engine.records.keep_session(replace(kept, identity="ada@acme.example", generation=2))
    other = await restarted(tmp_path, world, profile(username="bob@acme.example"))
    with pytest.raises(errors.IdentityMismatch):
        await other.keeper.get()


async def test_three_profiles_of_one_account_send_a_wrong_password_once(tmp_path, world):
    for name in ("acme", "globex", "initech"):
        who = replace(with_password("wrong"), name=name)
        engine = await restarted(tmp_path, world, who)
        with pytest.raises(errors.CredentialsRejected):
            await engine.keeper.get()
    assert world.submits == ["wrong"]


async def test_a_site_that_rolls_its_cookie_keeps_the_session_though_nothing_got_longer(
    engine, world
):
    world.life_s = 100.0
    first = (await engine.keeper.get()).session
    rolled = "rolled-value-of-the-site"
    world.live = {rolled, first.cookies[0].value}
    world.rolls = replace(first.cookies[0], value=rolled)
    world.clock.sleep(70)
    world.stops_with = errors.ProviderDown("down")
    await engine.keeper.check()
    served = engine.keeper.current
    assert served is not None and served.session.cookies[0].value == rolled


async def test_a_store_that_lost_the_record_is_no_logout(engine, world, tmp_path):
    first = (await engine.keeper.get()).session
    for path in (tmp_path / "store" / "profiles" / "default").glob("session*"):
        path.unlink()
    await engine.keeper.follow_store()
    assert engine.keeper.current is not None
    assert engine.records.session() == first


async def test_a_logout_by_another_process_is_followed(engine, world, tmp_path):
    await engine.keeper.get()
    await (await restarted(tmp_path, world)).keeper.logout()
    await engine.keeper.follow_store()
    assert engine.keeper.current is None
    assert engine.keeper.standing().state == "signed_out"
    assert engine.published[-1] is None


async def test_what_the_site_refused_is_not_served_again_after_a_restart(engine, world, tmp_path):
    await engine.keeper.get()
    world.revoke()
    world.stops_with = errors.ProviderDown("down")
    with pytest.raises(errors.ProviderDown):
        await engine.keeper.report(generation=1)
    again = await restarted(tmp_path, world)
    assert again.keeper.current is None and not again.keeper.ready


async def test_a_logout_during_a_sign_in_ends_it(engine, world):
    world.gate = asyncio.Event()
    waiting = asyncio.create_task(engine.keeper.get())
    await world.began.wait()
    await engine.keeper.logout()
    with pytest.raises(errors.Busy):
        await waiting
    assert engine.keeper.current is None and engine.records.session() is None


async def test_an_older_process_does_not_write_over_a_newer_session(engine, world, tmp_path):
    await engine.keeper.get()
    other = await restarted(tmp_path, world)
    await other.keeper.refresh(hard=True)
    world.clock.sleep(100)
    world.live.add(engine.keeper.current.session.cookies[0].value)
    await engine.keeper.report(generation=1)
    assert engine.records.session().generation == 2


async def test_no_sign_in_starts_none_through_the_keeper_of_a_daemon(engine, world):
    await engine.keeper.get()
    await engine.keeper.logout()
    world.sign_ins = []
    with pytest.raises(errors.SignInForbidden):
        await engine.keeper.get(may_sign_in=False)
    assert world.sign_ins == []


async def test_a_refresh_of_a_live_session_never_types_the_password(engine, world):
    await engine.keeper.get()
    world.remembers = False
    for _ in range(4):
        world.clock.sleep(30)
        served = await engine.keeper.refresh()
        assert served.error is None
    assert world.submits == ["right"]


async def test_a_new_sign_in_that_was_asked_for_joins_no_touch(engine, world):
    await engine.keeper.get()
    lesser = asyncio.create_task(engine.keeper.refresh())
    await asyncio.sleep(0)
    served = await engine.keeper.refresh(hard=True)
    await lesser
    assert served.session.generation >= 2 and "silent" in world.sign_ins


async def test_patience_holds_for_the_probe_too(engine, world):
    await engine.keeper.get()
    never = asyncio.Event()

    async def probe(cookies):
        await never.wait()

    world.probe = probe
    told = await engine.keeper.report(generation=1, wait_s=0.05)
    assert (told.verdict, told.stale) == ("unreachable", True)


async def test_a_site_that_fails_all_day_is_asked_seldom(engine, world):
    world.answer = Answer(503, retry_after_s=3600)
    assert await engine.keeper.check() == 3600
    world.answer = Answer(503)
    engine.keeper._flight.forgive()
    assert await engine.keeper.check() >= 30


async def test_a_site_that_fell_silent_after_the_sign_in_costs_no_password(tmp_path, world):
    engine = await restarted(tmp_path, world, profile(session_cookie="sid"))
    issue = world.issue

    def then_silent():
        cookies = issue()
        world.silent_after = world.probes + 1
        return cookies

    world.issue = then_silent
    with pytest.raises(errors.SiteDown):
        await engine.keeper.get()
    standing = engine.keeper.standing()
    assert standing.ledger.latch is None and standing.ledger.since_success() == ()
    world.issue, world.silent_after = issue, None
    world.clock.sleep(3600)
    assert (await engine.keeper.get()).session.generation == 1
    assert world.sign_ins == ["scripted", "silent"] and world.submits == ["right"]


async def test_a_damaged_ledger_leaves_silent_sign_ins_alone(engine, world, tmp_path):
    await engine.keeper.get()
    world.revoke()
    for path in (tmp_path / "store" / "profiles" / "default").glob("ledger*"):
        path.write_bytes(path.read_bytes()[:-20])
    again = await restarted(tmp_path, world)
    assert (await again.keeper.report(generation=1)).session.generation == 2
    assert world.sign_ins == ["scripted", "silent"]


async def test_two_unanswered_sends_are_shown_as_a_stop_that_a_person_clears(tmp_path, world):
    engine = await restarted(tmp_path, world)
    ledger = engine.records.ledger()
    for _ in range(2):
        ledger = ledger.with_submit(world.clock.wall_s(), "fp").with_lost()
    engine.records.keep_ledger(ledger)
    with pytest.raises(errors.BudgetSpent) as caught:
        await engine.keeper.get()
    assert caught.value.as_dict()["retryable"] is False
    latch = profile_status(engine.keeper, world.clock.wall_s())["latch"]
    assert latch["code"] == "budget_spent" and "harvester unlock" in latch["hint"]


async def test_a_wait_after_a_lost_answer_is_shown_with_its_end(tmp_path, world):
    engine = await restarted(tmp_path, world)
    engine.records.keep_ledger(engine.records.ledger().with_submit(world.clock.wall_s(), "fp"))
    await engine.keeper.follow_store()
    shown = profile_status(engine.keeper, world.clock.wall_s())["backoff_until"]
    assert shown == rfc3339(world.clock.wall_s() + 30)


async def test_of_a_person_who_signed_in_as_somebody_else_nothing_is_remembered(tmp_path, world):
    world.lands_in, world.switch_answer = "org_B", Answer(403)
    engine = await restarted(tmp_path, world, profile(organization="org_A"))
    with pytest.raises(errors.OrganizationMismatch):
        await engine.keeper.refresh(headed=True)
    assert engine.records.identity_state() is None
    await engine.keeper.close()
