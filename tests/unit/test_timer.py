"""The schedule goes on: whatever a look returns, however the clocks jump."""

import asyncio

from engine import FakeClock
from harvester.timer import Timer


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

    timer = Timer(clock, tick_s=0.02)
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
