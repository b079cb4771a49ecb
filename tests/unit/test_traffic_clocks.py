"""How far our clock is from theirs, as the answers in a browser tell."""

import time
from email.utils import formatdate

import pytest

from harvester.signin.traffic import Traffic

SITE, PROVIDER, API = "https://knoq.one", "https://login.acme.example", "https://api.acme.example"


def answer(traffic: Traffic, origin: str, ours_ahead_s: float, **headers: str) -> None:
    date = formatdate(time.time() - ours_ahead_s, usegmt=True)
    traffic.answered(1, f"{origin}/x", 200, {"date": date, **headers}, navigation=False)


def test_each_origin_has_a_clock_of_its_own_and_the_site_stands_in() -> None:
    traffic = Traffic(SITE)
    assert traffic.clock_skew_s(PROVIDER) is None
    answer(traffic, SITE, 5.0)
    answer(traffic, PROVIDER, 300.0)
    assert traffic.clock_skew_s(PROVIDER) == pytest.approx(300, abs=2)
    assert traffic.clock_skew_s(API, PROVIDER) == pytest.approx(300, abs=2)
    assert traffic.clock_skew_s(API) == pytest.approx(5, abs=2)


def test_a_page_that_a_cache_kept_says_nothing_of_our_clock() -> None:
    traffic = Traffic(SITE)
    answer(traffic, PROVIDER, 90.0)  # an hour-glass in a cache of the browser's
    answer(traffic, PROVIDER, 0.0)
    answer(traffic, PROVIDER, 120.0)
    assert traffic.clock_skew_s(PROVIDER) == pytest.approx(0, abs=2)
    shared = Traffic(SITE)
    answer(shared, PROVIDER, 3600.0, age="3600")
    assert shared.clock_skew_s(PROVIDER) == pytest.approx(0, abs=2)


def test_no_date_and_a_wrong_one_tell_nothing() -> None:
    traffic = Traffic(SITE)
    for date in ("", "yesterday", "Thu, 99 Foo 2026 99:99:99 GMT"):
        traffic.answered(1, f"{SITE}/x", 200, {"date": date}, navigation=True)
    assert traffic.clock_skew_s() is None
