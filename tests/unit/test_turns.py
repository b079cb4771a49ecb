"""Turns at the site: fair between clients, below its limits, and no sooner than it wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from harvester import knoq
from harvester.errors import Busy, RateLimited
from harvester.ledger import RETRY_AFTER_MOST_S
from harvester.outlets.turns import Lane, Pace, Places
from harvester.profile import Limit, Profile, Site

MESSAGE = ("POST", "/message")
ORIGIN = "https://app.example"


def profile(
    name: str = "default", *, username: str | None = None, origin: str = ORIGIN,
    limits: tuple[Limit, ...] = (Limit(*MESSAGE, 2, 60.0),),
) -> Profile:  # fmt: skip
    return Profile(name, Site(origin, origin, "/", limits=limits), username=username)


class Now:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@asynccontextmanager
async def place(places: Places, client: object) -> AsyncIterator[None]:
    await places.take(client)
    try:
        yield
    finally:
        places.give_back()


async def in_order(
    wait: Callable[[object], Any], clients: list[object], let_go: Callable[[], Any]
) -> list[object]:
    """Who came when, if all of them stand in line in this order."""
    came: list[object] = []

    async def one(client: object) -> None:
        await wait(client)
        came.append(client)

    tasks = [asyncio.create_task(one(client)) for client in clients]
    await asyncio.sleep(0)
    await let_go()
    await asyncio.gather(*tasks)
    return came


async def test_a_client_with_a_hundred_waiting_is_one_client() -> None:
    places = Places(1)
    holding = asyncio.Event()
    entered = asyncio.Event()

    async def first() -> None:
        async with place(places, "first"):
            entered.set()
            await holding.wait()

    held = asyncio.create_task(first())
    await entered.wait()

    async def wait(client: object) -> None:
        async with place(places, client):
            pass

    async def let_go() -> None:
        holding.set()

    came = await in_order(wait, ["greedy"] * 100 + ["modest", "quiet"], let_go)
    await held
    assert came[:3] == ["greedy", "modest", "quiet"]


async def test_a_place_that_somebody_gave_up_waiting_for_goes_to_the_next() -> None:
    places = Places(1, patience_s=5)
    async with place(places, "a"):
        gone = asyncio.create_task(places.take("b"))
        stays = asyncio.create_task(places.take("c"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert not stays.done()
    await asyncio.wait_for(stays, 1)


async def test_a_place_that_came_in_the_moment_of_giving_up_is_not_lost() -> None:
    places = Places(1, patience_s=5)
    await places.take("a")
    waits = asyncio.create_task(places.take("b"))
    await asyncio.sleep(0)
    places.give_back()  # it is b's now
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    async with asyncio.timeout(1), place(places, "c"):
        pass


async def test_who_waits_too_long_is_told_so_and_stands_in_line_no_more() -> None:
    places = Places(1, patience_s=0.01)
    async with place(places, "a"):
        with pytest.raises(Busy):
            async with place(places, "b"):
                pass
        assert not places._line
    async with place(places, "c"):
        pass


async def test_a_window_that_slides_holds_no_more_than_the_limit() -> None:
    now = Now()
    lane = Lane((Limit(*MESSAGE, 2, 60.0), Limit(*MESSAGE, 3, 3600.0)), now)
    await lane.turn("a", 0)
    now.s += 30
    await lane.turn("a", 0)
    assert 30 < lane.wait_s() < 31
    with pytest.raises(RateLimited) as told:
        await lane.turn("b", 20)
    assert 30 < (told.value.retry_after_s or 0) < 31
    now.s += 31
    await lane.turn("b", 0)
    now.s += 3600 - 61 - 1
    assert lane.wait_s() > 0, "three in the hour"
    now.s += 2
    assert lane.wait_s() == 0


async def test_those_who_wait_for_a_limit_take_turns_too() -> None:
    now = Now()
    lane = Lane((Limit(*MESSAGE, 1, 5.0),), now)
    lane.rest(10)

    async def wait(client: object) -> None:
        await lane.turn(client, 20)

    async def let_go() -> None:
        for _ in range(4):
            now.s += 10
            lane._look()

    came = await in_order(wait, ["greedy", "greedy", "greedy", "modest"], let_go)
    assert came == ["greedy", "modest", "greedy", "greedy"]


async def test_a_rest_that_grows_while_somebody_waits_is_kept_too() -> None:
    now = Now()
    lane = Lane((), now)
    lane.rest(10)
    waits = asyncio.create_task(lane.turn("a", 20))
    await asyncio.sleep(0)
    lane.rest(20)
    now.s += 10
    lane._look()
    await asyncio.sleep(0)
    assert not waits.done()
    now.s += 10
    lane._look()
    await waits


async def test_a_rest_is_waited_for_by_the_clock() -> None:
    loop = asyncio.get_running_loop()
    lane = Lane((), loop.time)
    began_s = loop.time()
    lane.rest(0.05)
    await lane.turn("a", 20)
    assert loop.time() - began_s >= 0.05


async def test_who_goes_away_takes_nobodys_turn() -> None:
    now = Now()
    lane = Lane((Limit(*MESSAGE, 1, 0.5),), now)
    await lane.turn("a", 0)
    waits = asyncio.create_task(lane.turn("b", 20))
    await asyncio.sleep(0)
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    now.s += 1
    await lane.turn("c", 0)
    assert len(lane._sent) == 1


async def test_limits_are_a_users_and_each_kind_has_its_own() -> None:
    pace = Pace(Now(), governs=True, patience_s=0)
    ada, same = profile(username="ada"), profile("work", username="ada")
    for one in (ada, same):
        await pace.turn(one, *MESSAGE, "c")
    with pytest.raises(RateLimited):
        await pace.turn(same, *MESSAGE, "other client")
    await pace.turn(ada, "GET", "/message", "c")
    await pace.turn(ada, "POST", "/elsewhere", "c")
    await pace.turn(profile(username="eve"), *MESSAGE, "c")
    await pace.turn(profile(username="ada", origin="https://b.example"), *MESSAGE, "c")


async def test_a_429_rests_its_kind_and_a_503_the_whole_site() -> None:
    now = Now()
    pace = Pace(now, governs=False, patience_s=0)
    ada, eve = profile(username="ada"), profile("eve", username="eve")
    pace.told(ada, *MESSAGE, status=429, retry_after_s=30)
    with pytest.raises(RateLimited):
        await pace.turn(ada, *MESSAGE, "c")
    await pace.turn(ada, "GET", "/x", "c")
    pace.told(ada, "GET", "/x", status=429, retry_after_s=30)
    with pytest.raises(RateLimited):
        await pace.turn(ada, "GET", "/y", "c")
    await pace.turn(eve, "GET", "/y", "c")
    pace.told(ada, "GET", "/x", status=503, retry_after_s=60)
    with pytest.raises(RateLimited):
        await pace.turn(eve, "GET", "/y", "c")
    now.s += 60
    for method, path in (MESSAGE, ("GET", "/y")):
        await pace.turn(ada, method, path, "c")


async def test_no_site_is_left_alone_for_longer_than_a_day() -> None:
    now = Now()
    pace = Pace(now, governs=False, patience_s=0)
    pace.told(profile(), "GET", "/x", status=503, retry_after_s=1e9)
    now.s += RETRY_AFTER_MOST_S
    await pace.turn(profile(), "GET", "/x", "c")


def test_the_documented_limits_are_those_of_the_site() -> None:
    told = {(path.rpartition("/")[2], times, within) for _, path, times, within in knoq.LIMITS}
    assert told == {
        ("message", 60, 60), ("session", 10, 60), ("session", 20, 3600), ("cancel", 30, 60),
        ("switch-org", 30, 3600),
    }  # fmt: skip
