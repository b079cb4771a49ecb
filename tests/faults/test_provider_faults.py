"""The identity provider in bad weather, met by a real browser, before the password and after it.

Before, nothing counts; after, the password counts whatever became of it.  What the provider asks
for is honoured, and a page that is an error is never typed into.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from harvester.clock import parse_rfc3339
from harvester.ledger import AMBIGUOUS_WAIT_S, BACKOFF_FIRST_S
from standin import StandInProcess
from weather import Weather

DAY_S = 86400.0
DOWN, LATE, SLOWER = "identity_provider_down", "timed_out", "rate_limited"
# A sign-in is through in two or three seconds; what never comes is waited for until here.
LIMIT = "7s"

# name → the fault, the code, and for how long the provider asked to be left alone
FAULTS: dict[str, tuple[dict[str, Any], str, float | None]] = {
    "500": ({"kind": "status", "status": 500}, DOWN, None),
    "502": ({"kind": "status", "status": 502}, DOWN, None),
    "503": ({"kind": "status", "status": 503}, DOWN, None),
    "503 for 120 s": ({"kind": "status", "status": 503, "retry_after": "120"}, SLOWER, 120),
    "503 until a date": ({"kind": "status", "status": 503, "retry_after": "date"}, SLOWER, 300),
    "429 for 77 s": ({"kind": "status", "status": 429, "retry_after": "77"}, SLOWER, 77),
    "429 for ages": ({"kind": "status", "status": 429, "retry_after": "9" * 9}, SLOWER, DAY_S),
    "429": ({"kind": "status", "status": 429}, SLOWER, None),
    "429 for 0 s": ({"kind": "status", "status": 429, "retry_after": "0"}, SLOWER, None),
    "500 with a form": ({"kind": "error_form", "status": 500}, DOWN, None),
    "429 with a form": ({"kind": "error_form", "status": 429, "retry_after": "60"}, SLOWER, 60),
    "time-out": ({"kind": "hang"}, LATE, None),
    "one byte a second": ({"kind": "trickle"}, LATE, None),
    "a page without end": ({"kind": "endless"}, LATE, None),
    "a page that breaks off": ({"kind": "broken_off"}, DOWN, None),
    "reset": ({"kind": "reset"}, DOWN, None),
    "no HTTP": ({"kind": "rubbish"}, DOWN, None),
    "TLS that fails": ({"kind": "tls"}, DOWN, None),
    "redirect loop": ({"kind": "redirect_loop"}, DOWN, None),
    "an answer that is lost": ({"kind": "lost_answer"}, DOWN, None),
}
# What is tried in each run; the rest in the full size.
BEFORE = ("503 until a date", "429 with a form", "redirect loop")
# What status calls it before anything was sent.
KINDS = {DOWN: "provider_down", LATE: "provider_down", SLOWER: "rate_limited"}
AFTER = ("503 for 120 s", "time-out", "an answer that is lost")


# The page's own policy lets no answer to its form lead to an origin that it does not name.
NOT_AFTER = "TLS that fails"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" not in metafunc.fixturenames:
        return
    before = "before" in metafunc.function.__name__
    names = BEFORE if before else AFTER
    if metafunc.config.getoption("--full"):
        names = tuple(one for one in FAULTS if before or one != NOT_AFTER)
    metafunc.parametrize("name", names)


def falls_ill(world: StandInProcess, name: str) -> None:
    """The provider does this from now on."""
    fault = FAULTS[name][0]
    if fault.get("retry_after") == "date":
        fault = {**fault, "retry_after": formatdate(time.time() + 300, usegmt=True)}
    world.fault(**fault, server="identity")


async def test_before_the_password_nothing_counts(
    tmp_path: Path, world: StandInProcess, name: str
) -> None:
    async with Weather(tmp_path, world, HARVESTER_SIGN_IN_TIMEOUT=LIMIT) as weather:
        before = await weather.bring()
        arrived = world.state()["passwords_arrived"]
        _, code, asked_s = FAULTS[name]
        falls_ill(world, name)
        error = await weather.sign_in()
        assert error is not None and (error.code, error.exit_code) == (code, 75), error
        assert world.state()["passwords_arrived"] == arrived
        ledger = await weather.ledger()
        assert ledger.submits == () and ledger.latch is None
        await _waits(weather, code, KINDS[code], asked_s or 0.0, asked_s or BACKOFF_FIRST_S)
        served = await weather.keeper.get()
        assert served.session.cookies == before.session.cookies and weather.accepted(served)
        await weather.nothing_left()


async def test_after_the_password_it_counts_and_is_not_sent_again_at_once(
    tmp_path: Path, world: StandInProcess, name: str
) -> None:
    async with Weather(tmp_path, world, HARVESTER_SIGN_IN_TIMEOUT=LIMIT) as weather:
        before = await weather.bring()
        arrived = world.state()["passwords_arrived"]
        _, code, asked_s = FAULTS[name]
        weather.when["submit"] = lambda: falls_ill(world, name)
        error = await weather.sign_in()
        assert error is not None and (error.code, error.exit_code) == (code, 75), error
        assert world.state()["passwords_arrived"] > arrived
        ledger = await weather.ledger()
        assert [one.outcome for one in ledger.submits] == ["lost"] and ledger.latch is None
        least_s = asked_s or AMBIGUOUS_WAIT_S
        arrived = world.state()["passwords_arrived"]
        kind = "rate_limited" if asked_s else "ambiguous"
        await _waits(weather, code, kind, least_s, least_s)
        assert world.state()["passwords_arrived"] == arrived
        served = await weather.keeper.get()
        assert served.session.cookies == before.session.cookies and weather.accepted(served)
        await weather.nothing_left()


async def _waits(weather: Weather, code: str, kind: str, least_s: float, most_s: float) -> None:
    """The wait is written down and shown, and who asks meanwhile is told so, with no browser."""
    now = weather.clock.wall_s()
    wait = (await weather.ledger()).waits(now)
    status = weather.status()
    assert status["state"] == "live"
    if wait is None:
        assert least_s == 0  # jitter may come to nothing
        return
    assert wait.code == code and wait.retry_after_s is not None
    assert least_s - 15 <= wait.retry_after_s <= most_s
    assert status["backoff_code"] == code
    assert (status["trouble"]["code"], status["trouble"]["class"]) == (code, kind)
    assert status["trouble"]["next_try_at"] == status["backoff_until"]
    until = parse_rfc3339(status["backoff_until"])
    assert until is not None and now < until + 1 <= now + most_s + 1
    if wait.retry_after_s < 1:
        return
    started = weather.signer.started
    again = await weather.sign_in()
    assert again is not None and (again.code, again.exit_code) == (code, 75)
    assert again.retry_after_s is not None and again.retry_after_s <= most_s
    assert weather.signer.started == started


async def test_a_date_is_meant_by_the_providers_own_clock(
    tmp_path: Path, world: StandInProcess
) -> None:
    async with Weather(tmp_path, world) as weather:
        await weather.bring()
        world.set(clock_skew_s=-DAY_S)
        until = formatdate(time.time() - DAY_S + 200, usegmt=True)
        world.fault("status", server="identity", status=503, retry_after=until)
        assert await weather.sign_in() is not None
        wait = (await weather.ledger()).waits(weather.clock.wall_s())
        assert wait is not None and wait.retry_after_s is not None
        assert 180 <= wait.retry_after_s <= 202


async def test_however_often_it_is_asked_for_the_budget_is_not_exceeded(
    tmp_path: Path, world: StandInProcess
) -> None:
    async with Weather(tmp_path, world) as weather:
        before = await weather.bring()
        arrived = world.state()["passwords_arrived"]
        world.fault("status", server="identity", method="POST", status=502)
        codes = []
        for _ in range(12):  # twelve hours
            error = await weather.sign_in()
            assert error is not None
            codes.append(error.code)
            weather.clock.pass_by(3600)
        assert codes == [DOWN] * 2 + ["budget_spent"] * 10
        assert world.state()["passwords_arrived"] - arrived == 2
        assert weather.signer.started <= 3
        latch = weather.status()["latch"]
        assert latch["code"] == "budget_spent" and "harvester unlock" in latch["hint"]
        assert (await weather.keeper.get()).session.cookies == before.session.cookies
        # A person saw to it.
        world.clear_faults()
        await weather.keeper.unlock()
        assert await weather.sign_in() is None
        assert weather.status()["latch"] is None


async def test_a_silent_sign_in_that_fails_is_no_reason_to_type_the_password(
    tmp_path: Path, world: StandInProcess
) -> None:
    async with Weather(tmp_path, world) as weather:
        await weather.keeper.get(wait_s=60)
        arrived = world.state()["passwords_arrived"]
        assert arrived == 1
        world.fault("status", server="identity", status=503)
        for _ in range(2):
            error = await weather.sign_in()
            assert error is not None and error.code == DOWN
            weather.clock.pass_by(60)
        assert world.state()["passwords_arrived"] == arrived
        world.clear_faults()
        assert await weather.sign_in() is None
        assert world.state()["silent_sign_ins"] == 1
        assert world.state()["passwords_arrived"] == arrived
