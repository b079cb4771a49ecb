"""When to act: windows that can be read at a glance, because time is an integer here."""

from dataclasses import replace

import pytest

from harvester.lifetime import (
    Freshness,
    apart_s,
    ask_every_s,
    estimate,
    foreseen,
    freshness,
    life_of,
    renewable,
    windows,
)
from harvester.lives import Learned, Life
from harvester.session import Cookie
from jars import cookie, jwt, session


@pytest.mark.parametrize(
    ("life_s", "stale_at", "spent_at"),
    [(30, 20, 27), (300, 200, 270), (600, 400, 540), (3600, 3300, 3540), (28800, 28500, 28740)],
)
def test_windows_open_at_two_thirds_or_five_minutes_before_the_end(life_s, stale_at, spent_at):
    when = windows(session(life_s))
    jitter = min(life_s * 0.05, 60)
    assert when.stale_at is not None and when.spent_at is not None
    assert stale_at - jitter <= when.stale_at <= stale_at
    assert spent_at - jitter / 2 <= when.spent_at <= spent_at


def test_two_profiles_do_not_come_back_in_the_same_second():
    whens = {windows(session(28800, generation=n)).stale_at for n in range(50)}
    assert len(whens) == 50


@pytest.mark.parametrize(("life_s", "stale_at", "most_s"), [(1000, 700, 50), (28800, 28500, 60)])
def test_they_come_within_a_twentieth_of_the_life_or_a_minute(life_s, stale_at, most_s):
    early = [stale_at - windows(session(life_s, generation=n)).stale_at for n in range(200)]
    assert 0 <= min(early) < most_s / 10
    assert most_s * 0.9 < max(early) <= most_s


def test_freshness_goes_through_its_states():
    one = session(300)
    when = windows(one)
    states = [freshness(one, now, when) for now in (0, 184, 200, 254, 270, 400)]
    assert states == [
        Freshness.FRESH, Freshness.FRESH, Freshness.STALE,
        Freshness.STALE, Freshness.SPENT, Freshness.SPENT,
    ]  # fmt: skip


def test_a_session_that_tells_no_end_is_asked_about_now_and_then():
    one = session(None, proved_at=6000.0)
    when = windows(one)
    assert freshness(one, 6299, when) is Freshness.FRESH
    assert freshness(one, 6300, when) is Freshness.UNKNOWN


@pytest.mark.parametrize(
    ("age_s", "every_s"), [(0, 60), (240, 60), (400, 100), (1200, 300), (1300, 300), (9e6, 300)]
)
def test_a_young_one_is_asked_about_more_often_so_that_its_end_is_known_to_a_quarter(
    age_s, every_s
):
    assert ask_every_s(session(None, proved_at=age_s), Learned()) == every_s


def test_what_declares_its_end_is_not_asked_about_before_it_unless_the_last_one_ended_early():
    assert ask_every_s(session(28800), Learned()) is None
    assert ask_every_s(session(28800, proved_at=9000.0), Learned(doubted=True)) == 300


def test_a_declared_end_before_which_its_like_were_found_dead_is_looked_for():
    found_dead = Learned(within_s=7000.0)
    assert ask_every_s(session(7100, proved_at=6000.0), found_dead) == 300
    assert ask_every_s(session(6900, proved_at=6000.0), found_dead) is None
    assert ask_every_s(session(7100), Learned("absolute", 6900.0, None, 7000.0)) is None


def test_what_may_die_of_disuse_is_used_well_before():
    idle = Learned("sliding", idle_s=120.0, within_s=400.0)
    assert ask_every_s(session(None, proved_at=9000.0), idle) == pytest.approx(80)
    assert ask_every_s(session(None, proved_at=9000.0), Learned(idle_s=200.0)) == pytest.approx(
        133.3, abs=0.1
    )


def test_where_a_life_is_shorter_than_four_minutes_it_has_four_probes_but_none_within_15_s():
    assert apart_s(Learned()) == 60
    assert apart_s(Learned(within_s=3600.0)) == 60
    assert apart_s(Learned(within_s=120.0)) == 30
    assert apart_s(Learned(within_s=20.0)) == 15
    assert ask_every_s(session(None), Learned(within_s=120.0)) == 30
    assert ask_every_s(session(None, proved_at=9000.0), Learned(within_s=600.0)) == 150


LEARNED = Learned("absolute", life_s=1000.0, within_s=1100.0, confidence=0.6, ends=2)


def test_the_end_is_the_earlier_of_the_declared_and_the_learned():
    short, long = session(900, confidence=0.7), session(5000, confidence=0.7)
    assert foreseen(short, LEARNED) is short
    early = foreseen(long, LEARNED)
    assert (early.expires_at, early.expires_kind, early.confidence) == (1000, "learned", 0.6)
    assert early.declared_at == 5000
    opaque = foreseen(session(None), LEARNED)
    assert (opaque.expires_at, opaque.expires_kind) == (1000, "learned")


def test_what_is_learned_can_be_unlearned_and_the_declared_end_is_back():
    early = foreseen(session(5000, confidence=0.7), LEARNED)
    again = foreseen(early, Learned())
    assert (again.expires_at, again.expires_kind, again.confidence) == (5000, "declared", 0.7)
    assert foreseen(foreseen(session(None), LEARNED), Learned()).expires_kind == "unknown"


def test_an_end_that_was_outlived_is_none():
    old = session(None, proved_at=1119.0)
    assert foreseen(old, LEARNED).expires_at == 1000
    assert foreseen(replace(old, proved_at=1121.0), LEARNED).expires_at is None
    declared = foreseen(session(5000, proved_at=1121.0), LEARNED)
    assert (declared.expires_at, declared.expires_kind) == (5000, "declared")
    assert foreseen(session(900, proved_at=1100.0), Learned()).expires_at is None


def test_a_session_tells_its_life_so_far_and_its_longest_rest():
    one = session(5000).proved(300.0).proved(350.0)
    assert life_of(one) == Life(350.0, None, 300.0, 5000.0)
    assert life_of(one, dead_at=400.0) == Life(350.0, 400.0, 300.0, 5000.0)
    assert life_of(foreseen(one, LEARNED)) == Life(350.0, None, 300.0, 5000.0)
    renewed = replace(one, renewed_at=340.0, longest_gap_s=0.0)
    assert life_of(renewed, dead_at=400.0).alive_s == 10


def test_upper_bounds_of_the_settings_shorten_the_schedule():
    assert windows(session(None), refresh_every_s=60).stale_at == 60
    assert windows(session(28800), refresh_every_s=60).stale_at == 60
    when = windows(session(None), max_age_s=300)
    assert (when.stale_at, when.spent_at) == (200, 300)


def test_a_touch_that_lengthened_the_session_moves_the_windows_but_not_its_age():
    one = session(1000, renewed_at=700.0)
    stale_at = windows(one).stale_at
    assert stale_at is not None and stale_at > 880
    assert windows(one, max_age_s=300).spent_at == 300


def test_the_earliest_declared_end_counts_and_a_jwt_is_believed_over_its_cookie():
    long = Cookie("a", "opaque", "knoq.one", expires_at=5000.0)
    short = Cookie("b", jwt(exp=300), "knoq.one", expires_at=5000.0)
    assert estimate([long], 0.0).expires_at == 5000
    found = estimate([long, short], 0.0)
    assert (found.expires_at, found.kind) == (300, "declared")
    assert found.confidence > estimate([long], 0.0).confidence
    assert estimate([cookie("c")], 0.0).kind == "unknown"


def test_a_page_load_can_renew_only_a_jwt_that_stands_beside_another_cookie():
    token, opaque = cookie("b", jwt(exp=300)), cookie("a")
    assert renewable(session(300, cookies=(token,), jar=(token, opaque)))
    assert not renewable(session(300, cookies=(token,), jar=(token,)))
    assert not renewable(session(300, cookies=(opaque,), jar=(token, opaque)))


def test_an_end_that_no_browser_would_keep_is_none_and_nothing_is_quite_sure():
    assert estimate([cookie("b", jwt(exp=399 * 86400))], 0.0).expires_at == 399 * 86400
    assert estimate([cookie("b", jwt(exp=401 * 86400))], 0.0).expires_at is None
    assert 0.9 < estimate([cookie("b", jwt(exp=300))], 0.0).confidence < 1
    # A cookie's own word is believed enough to tell that it ended early, and no more.
    said = Cookie("a", "opaque", "knoq.one", expires_at=300.0)
    assert 0.5 < estimate([said], 0.0).confidence < 0.9


@pytest.mark.parametrize("exp", [-5, 0, 1_800_000_000_000, 1e300])
def test_an_end_that_is_over_or_absurdly_far_says_nothing(exp):
    assert estimate([cookie("b", jwt(exp=exp))], 10.0).expires_at is None


@pytest.mark.parametrize("ahead_s", [86400.0, -86400.0])
def test_a_token_of_a_site_whose_clock_is_a_day_off_has_its_right_life(ahead_s):
    now = 10 * 86400.0
    token = cookie("b", jwt(exp=now - ahead_s + 300))
    assert estimate([token], now, ahead_s=ahead_s).expires_at == now + 300
