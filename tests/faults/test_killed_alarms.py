"""Killed in the place of any system call between a theft and what follows: once the alarm was told,
no process after it hands anything out.

The child meets the refusal, with the door to be held; it dies at its n-th step, n = 1, 2, 3 ...
until it comes to its end.  What it told and handed out is in a file that outlives it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from engine import Engine, FakeClock, World, profile
from faultydisk import DeadlyCalls, disk_of
from harvester import log
from harvester.errors import HarvesterError
from harvester.lives import Life
from simulated import simulate

FOUR = Life(13800.0, 14400.0, 900.0)
NEVER = 10**9


class Town(World):
    """Whose sessions go by their number, so that two processes mean the same."""

    def dead(self, *, but: int) -> None:
        self.issued = but
        self.live.clear()


async def an_hour_old(root: Path, world: Town) -> None:
    """A session whose like live for four hours."""
    engine = Engine(root, world, profile(tripwire="hold"))
    await engine.keeper.start()
    engine.records.keep_ledger(engine.records.ledger().with_lives((FOUR, FOUR)))
    await engine.keeper.follow_store()
    await engine.keeper.get()
    for _ in range(6):
        world.clock.sleep(600)
        await engine.keeper.prove(within_s=0)
    await engine.keeper.close()


async def theft(root: Path, world: Town, calls: DeadlyCalls, out: Path) -> None:
    """Many clients meet the 401 and go on asking; what they get, and what is told, in order."""

    def tell(line: str) -> None:
        with out.open("a") as file:
            file.write(line + "\n")

    log.listen(lambda name, _, fields: tell("ALARM") if name == "alarm.raised" else None)
    engine = Engine(root, world, profile(tripwire="hold"), disk=disk_of(calls))
    try:
        await engine.keeper.start()
        asks = [engine.keeper.report(generation=1), *(engine.keeper.get() for _ in range(3))]
        for answer in asyncio.as_completed(asks):
            try:
                served = await answer
            except HarvesterError as error:
                tell(f"none {error.code}")
            else:
                tell(f"handed {served.session.generation}")
        try:
            await engine.keeper.get()
        except HarvesterError as error:
            tell(f"none {error.code}")
        else:
            tell("handed after all")
    finally:
        await engine.keeper.close()


def killed_at(step: int, root: Path, out: Path) -> tuple[list[str], bool]:
    """What a process told that dies at this step, and whether it came to its end."""
    out.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            clock = FakeClock()
            clock.sleep(3700)
            world = Town(clock, life_s=None)
            world.dead(but=1)
            simulate(theft(root, world, DeadlyCalls(step), out), clock)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it failed by itself"
    return (out.read_text().splitlines() if out.exists() else []), not os.WIFSIGNALED(status)


async def handed(root: Path, world: Town) -> str:
    """What the process after it says to who asks."""
    engine = Engine(root, world, profile(tripwire="hold"))
    try:
        await engine.keeper.start()
        served = await engine.keeper.get()
    except HarvesterError as error:
        return json.dumps([error.code, error.latched])
    finally:
        published = [one for one in engine.published if one is not None]
        await engine.keeper.close()
    return f"handed {served.session.generation}, published {len(published)}"


def test_no_death_between_the_alarm_and_a_hand_out_lets_one_slip(
    tmp_path: Path, size: Callable[[int, int], int]
) -> None:
    clock = FakeClock()
    simulate(an_hour_old(tmp_path / "made", Town(clock, life_s=None)), clock)
    every = size(7, 1)
    told_first = after_alarm = 0
    step, whole = 1, False
    while not whole:
        root = tmp_path / "store"
        shutil.copytree(tmp_path / "made", root)
        told, whole = killed_at(step, root, tmp_path / "out")
        if "ALARM" in told:
            after_alarm += 1
            assert not [one for one in told[told.index("ALARM") :] if one.startswith("handed")]
            then = FakeClock()
            then.sleep(3800)
            world = Town(then, life_s=None)
            world.dead(but=1)
            assert simulate(handed(root, world), then) == '["needs_human", true]', step
        else:
            told_first += 1
        shutil.rmtree(root)
        step += every
    assert told_first > 3 and after_alarm > 1, "deaths on both sides of it were tried"
    assert "none needs_human" in told and "handed after all" not in told
