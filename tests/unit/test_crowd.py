"""Many who wait for one task."""

from __future__ import annotations

import asyncio

from harvester.crowd import Crowd


async def test_who_came_first_is_woken_first() -> None:
    """Not in the order of addresses, in which the same story would end otherwise each time."""
    done = asyncio.Event()
    crowd = Crowd(asyncio.create_task(done.wait()))
    woken: list[int] = []

    async def wait(number: int) -> None:
        await crowd.over()
        woken.append(number)

    callers = [asyncio.create_task(wait(number)) for number in range(100)]
    await asyncio.sleep(0)
    done.set()
    await asyncio.gather(*callers)
    assert woken == list(range(100))


async def test_who_leaves_ends_it_for_nobody() -> None:
    done = asyncio.Event()
    crowd = Crowd(asyncio.create_task(done.wait()))
    leaver, stayer = (asyncio.create_task(crowd.over()) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    assert not crowd.task.done()
    done.set()
    await stayer
    assert leaver.cancelled()
