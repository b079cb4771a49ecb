"""When to act: windows that can be read at a glance, because time is an integer here."""

import pytest

from harvester.lifetime import (
    ASK_UNKNOWN_EVERY_S,
    Freshness,
    estimate,
    freshness,
    renewable,
    windows,
)
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


def test_freshness_goes_through_its_states():
    one = session(300)
    when = windows(one)
    states = [freshness(one, now, when) for now in (0, 184, 200, 254, 270, 400)]
    assert states == [
        Freshness.FRESH, Freshness.FRESH, Freshness.STALE,
        Freshness.STALE, Freshness.SPENT, Freshness.SPENT,
    ]  # fmt: skip


def test_a_session_that_tells_no_end_is_asked_about_now_and_then():
    one = session(None)
    when = windows(one)
    assert freshness(one, ASK_UNKNOWN_EVERY_S - 1, when) is Freshness.FRESH
    assert freshness(one, ASK_UNKNOWN_EVERY_S, when) is Freshness.UNKNOWN


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


@pytest.mark.parametrize("exp", [-5, 0, 1_800_000_000_000, 1e300])
def test_an_end_that_is_over_or_absurdly_far_says_nothing(exp):
    assert estimate([cookie("b", jwt(exp=exp))], 10.0).expires_at is None
