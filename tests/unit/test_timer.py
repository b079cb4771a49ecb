"""The schedule goes on: whatever a look returns, however the clocks jump."""

import asyncio
from datetime import datetime, timedelta

import apscheduler.schedulers.base
import pytest

from engine import FakeClock
from harvester import log
from harvester import timer as timer_module
from harvester.steady import SLEPT_S
from harvester.timer import RESUME_JITTER_S, Timer


async def nothing() -> None:
    """A tick with nothing to do."""


async def until(count, reached, limit_s=5.0):
    async with asyncio.timeout(limit_s):
        while len(count) < reached:  # noqa: ASYNC110  a look sets no event
            await asyncio.sleep(0.005)


async def test_a_look_that_is_due_again_at_once_is_made_again_and_again():
    looks = []

    async def look():
        looks.append(1)
        return 0.0

    timer = Timer(FakeClock())
    timer.watch("default", look)
    timer.start(nothing)
    await until(looks, 50)
    timer.stop()


async def test_a_look_comes_when_the_last_one_said_so_and_not_before():
    looks = []

    async def look():
        looks.append(asyncio.get_running_loop().time())
        return 0.2

    timer = Timer(FakeClock())
    timer.watch("default", look)
    timer.start(nothing)
    await until(looks, 3)
    timer.stop()
    assert looks[1] - looks[0] >= 0.19


async def test_soon_brings_the_next_look_forward():
    looks = []

    async def look():
        looks.append(1)
        return 3600.0

    timer = Timer(FakeClock())
    timer.watch("default", look)
    timer.start(nothing)
    await until(looks, 1)
    timer.soon("default")
    await until(looks, 2)
    timer.stop()


async def test_soon_during_a_look_is_not_lost():
    looks, timer = [], Timer(FakeClock())

    async def look():
        looks.append(1)
        if len(looks) == 1:
            timer.soon("default")
            await asyncio.sleep(0.05)
        return 3600.0

    timer.watch("default", look)
    timer.start(nothing)
    await until(looks, 2)
    timer.stop()


async def test_a_clock_that_is_set_has_everybody_looked_at():
    looks, clock = [], FakeClock()

    async def look():
        looks.append(1)
        return 3600.0

    timer = Timer(clock, tick_s=0.02, jitter_s=0.0)
    timer.watch("default", look)
    timer.start(nothing)
    await until(looks, 1)
    clock.wall -= 86400
    await until(looks, 2)
    clock.sleep(100)
    await asyncio.sleep(0.1)
    timer.stop()
    assert len(looks) == 2


async def test_a_tick_that_fails_is_followed_by_the_next():
    ticks = []

    async def tick():
        ticks.append(1)
        raise ValueError

    timer = Timer(FakeClock(), tick_s=0.01)
    timer.start(tick)
    await until(ticks, 3)
    timer.stop()


@pytest.fixture
def told():
    heard = []
    end = log.listen(lambda name, level, fields: heard.append((name, fields)))
    yield heard
    end()


async def test_a_machine_that_slept_has_everybody_looked_at_once(told):
    looks, clock = [], FakeClock()

    async def look():
        looks.append(1)
        return 3600.0

    timer = Timer(clock, tick_s=0.02, jitter_s=0.0)
    timer.watch("default", look)
    timer.start(nothing)
    await until(looks, 1)
    clock.suspend(SLEPT_S)
    await asyncio.sleep(0.1)
    assert len(looks) == 1
    clock.suspend(8 * 3600)
    await until(looks, 2)
    await asyncio.sleep(0.1)
    timer.stop()
    assert len(looks) == 2
    assert told == [("machine.slept", {"for_s": 8 * 3600.0})]


async def test_profiles_that_wake_together_do_not_come_in_the_same_second():
    clock, armed = FakeClock(), []

    async def look():
        return 3600.0

    timer = Timer(clock, tick_s=0.02)
    for number in range(40):
        timer.watch(f"p{number}", look)
    timer.start(nothing)
    await asyncio.sleep(0.1)
    arm = timer._arm
    timer._arm = lambda name, wait_s: (armed.append(wait_s), arm(name, 3600.0))
    clock.suspend(3600)
    await until(armed, 40)
    timer.stop()
    assert all(0 <= one < RESUME_JITTER_S for one in armed)
    assert max(armed) - min(armed) > RESUME_JITTER_S / 2


class Calendar:
    """What the library and our timer take for the time of day; it can be set."""

    by = timedelta()

    @classmethod
    def now(cls, zone=None):
        return datetime.now(zone) + cls.by


@pytest.mark.parametrize("days", [365, -365])
async def test_a_wall_clock_set_by_a_year_makes_no_job_wait_and_none_come_twice(
    monkeypatch, days, told
):
    monkeypatch.setattr(Calendar, "by", timedelta())
    monkeypatch.setattr(timer_module, "datetime", Calendar)
    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Calendar)
    looks, clock = {"a": [], "b": []}, FakeClock()

    def looking(name):
        async def look():
            looks[name].append(1)
            return 0.3

        return look

    timer = Timer(clock, tick_s=0.02, jitter_s=0.0)
    for name in looks:
        timer.watch(name, looking(name))
    timer.start(nothing)
    await until(looks["a"], 1)
    await until(looks["b"], 1)
    Calendar.by = timedelta(days=days)
    clock.wall += days * 86400
    before = asyncio.get_running_loop().time()
    await until(looks["a"], 4)
    await until(looks["b"], 4)
    took_s = asyncio.get_running_loop().time() - before
    timer.stop()
    assert took_s > 0.55  # one look for the step, then each when it is due
    assert [name for name, _ in told] == ["clock.jumped"]
