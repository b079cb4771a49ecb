"""A thousand programs find their session dead in the same second, and a million did so before.

One probe, one sign-in, one answer for all; a report about a session that was replaced is no work
at all.  How fast that is, `scripts/bench reports` tells.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import Engine, FakeClock, World
from harvester.errors import ProviderDown, TimedOut

CALLERS = 1000


class Counting(asyncio.SelectorEventLoop):
    """Counts what a caller may cost beside his own task."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def call_at(self, *args: Any, **named: Any) -> asyncio.TimerHandle:
        self.counts["timers"] += 1
        return super().call_at(*args, **named)

    def run_in_executor(self, *args: Any) -> Any:
        self.counts["threads"] += 1
        return super().run_in_executor(*args)


async def _begun(path: Path) -> tuple[Engine, World]:
    world = World(FakeClock())
    engine = Engine(path, world)
    await engine.keeper.start()
    await engine.keeper.get()
    return engine, world


async def _all_report(engine: Engine, callers: int = CALLERS) -> list[Any]:
    return await asyncio.gather(
        *(engine.keeper.report(generation=1) for _ in range(callers)), return_exceptions=True
    )


def _run(story: Any) -> Counter[str]:
    with asyncio.Runner(loop_factory=Counting) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Counting)
        runner.run(story)
        return loop.counts


def test_a_thousand_reports_of_a_dead_session_are_one_probe_and_one_sign_in(
    tmp_path: Path,
) -> None:
    async def story(callers: int) -> None:
        engine, world = await _begun(tmp_path / str(callers))
        world.revoke()
        world.probes, world.sign_ins = 0, []
        told = await _all_report(engine, callers)
        assert {(one.session.generation, one.verdict, one.stale) for one in told} == {
            (2, "refreshed", False)
        }
        assert world.sign_ins == ["silent"]
        # The one that answers them all, the candidate, and what its cookies are found with.
        assert world.probes == 3
        await engine.keeper.close()

    alone, together = _run(story(1)), _run(story(CALLERS))
    # No thread of one's own, no timer of one's own.
    assert together["threads"] <= alone["threads"] + 4
    assert together["timers"] <= alone["timers"] + 20


async def test_a_sign_in_that_fails_fails_once_for_a_thousand(tmp_path: Path) -> None:
    engine, world = await _begun(tmp_path)
    world.revoke()
    world.stops_with, world.sign_ins = ProviderDown("it does not answer"), []
    told = await _all_report(engine)
    assert {type(one) for one in told} == {ProviderDown}
    assert len({id(one) for one in told}) == CALLERS, "one exception would gather all their frames"
    assert world.sign_ins == ["silent"]
    await engine.keeper.close()


async def test_who_lost_patience_or_went_away_ends_nothing_for_the_others(tmp_path: Path) -> None:
    engine, world = await _begun(tmp_path)
    world.revoke()
    world.gate, world.sign_ins = asyncio.Event(), []
    world.began.clear()
    patient = [asyncio.create_task(engine.keeper.report(generation=1)) for _ in range(100)]
    hasty = [
        asyncio.create_task(engine.keeper.report(generation=1, wait_s=0.1)) for _ in range(100)
    ]
    gone = [asyncio.create_task(engine.keeper.report(generation=1)) for _ in range(100)]
    await world.began.wait()
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    left = await asyncio.gather(*hasty, *gone, return_exceptions=True)
    assert {type(one) for one in left[:100]} == {TimedOut}
    assert {type(one) for one in left[100:]} == {asyncio.CancelledError}
    assert not any(task.done() for task in patient)
    world.gate.set()
    assert {one.session.generation for one in await asyncio.gather(*patient)} == {2}
    assert world.sign_ins == ["silent"]
    await engine.keeper.close()


async def test_a_million_stale_reports_are_no_probe_and_no_sign_in(
    tmp_path: Path, size: Callable[[int, int], int]
) -> None:
    engine, world = await _begun(tmp_path)
    current = await engine.keeper.refresh(hard=True)
    world.probes, world.sign_ins = 0, []
    reports = size(20_000, 1_000_000)
    began_s = time.perf_counter()
    for _ in range(reports):
        told = await engine.keeper.report(generation=1)
        assert told.verdict == "superseded"
    took_s = time.perf_counter() - began_s
    assert told.session == current.session
    assert (world.probes, world.sign_ins) == (0, [])
    print(f"{reports} stale reports: {took_s:.1f} s")
    await engine.keeper.close()
