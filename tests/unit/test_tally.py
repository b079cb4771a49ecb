"""Events become numbers, and nothing that an event may hold becomes a label."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from harvester.log import event, listen
from harvester.tally import SIGN_IN_BUCKETS_S, Tally


@pytest.fixture
def tally():
    heard = Tally()
    deaf = listen(heard.hear)
    yield heard
    deaf()


def test_what_is_logged_below_every_level_is_counted_all_the_same(tally) -> None:
    event("probe", level=1, profile="work", verdict="alive")
    event("probe", level=1, profile="work", verdict="alive")
    event("probe", level=1, profile="work", verdict="denied")
    event("session.refused_early", profile="work", age_s=60.0)
    assert tally.probes() == {("work", "alive"): 2, ("work", "denied"): 1}
    assert tally.early_refusals() == {("work",): 1}


def test_a_rung_is_a_refresh_and_one_with_a_browser_has_a_length(tally) -> None:
    event("climb.rung_ended", profile="work", rung="touch", result="session", took_s=0.1)
    event("climb.rung_ended", profile="work", rung="silent", result="session", took_s=2.0)
    event("climb.rung_ended", profile="work", rung="silent", result="session", took_s=2.5)
    event("climb.rung_ended", profile="work", rung="scripted", result="timed_out", took_s=9999.0)
    assert tally.refreshes() == {
        ("work", "touch", "session"): 1,
        ("work", "silent", "session"): 2,
        ("work", "scripted", "timed_out"): 1,
    }
    took = tally.sign_ins()
    assert set(took) == {("work", "silent", "session"), ("work", "scripted", "timed_out")}
    silent = took["work", "silent", "session"]
    assert silent.sum_s == 4.5
    # An end belongs to its bucket: 2.0 is "at most 2", 2.5 is not.
    assert silent.counts[SIGN_IN_BUCKETS_S.index(2.0)] == 1
    assert silent.counts[SIGN_IN_BUCKETS_S.index(5.0)] == 1
    assert took["work", "scripted", "timed_out"].counts[-1] == 1


def test_a_word_that_nobody_foresaw_is_other_whatever_it_holds(tally) -> None:
    for number in range(100):
        event("probe", profile="work", verdict=f"word-{number}")
        event("climb.rung_ended", profile="work", rung=f"r{number}", result=f"s{number}", took_s=1)
    tally.reported("work", "canary-c00kie")
    assert tally.probes() == {("work", "other"): 100}
    assert tally.refreshes() == {("work", "other", "other"): 100}
    assert tally.reports() == {("work", "other"): 1}
    assert tally.sign_ins() == {}


def test_a_report_that_got_no_session_is_an_error(tally) -> None:
    tally.reported("work", None)
    tally.reported("work", "superseded")
    assert tally.reports() == {("work", "error"): 1, ("work", "superseded"): 1}


def test_other_events_count_nothing(tally) -> None:
    event("daemon.started", socket="/x", profiles=3)
    event("file.written", profile="work", format="cookie")
    event("session.new", profile="work", generation=3)
    assert tally.sessions_served() == {("file", "work", "cookie"): 1}
    assert not tally.probes() and not tally.refreshes() and not tally.reports()


def test_many_threads_lose_no_count(tally) -> None:
    def many(_: int) -> None:
        for _ in range(1000):
            event("probe", profile="work", verdict="alive")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(many, range(8)))
    assert tally.probes() == {("work", "alive"): 8000}
