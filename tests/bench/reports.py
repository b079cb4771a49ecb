"""A thousand callers whose session died, beside a bare asyncio future that a thousand wait for.

    scripts/bench reports [--pairs 20] [--callers 1000] [--at-most 3.0] [--stale 1000000]

Ours is the keeper over a real store (sealed, on the disk), with a site and a signer that answer at
once.  What is measured is the process's own work, in seconds of processor time, from the first
report to the last answer; the waiting for the disk is not in it.  One report alone costs a probe,
a sign-in's books, sealing and storing; what a thousand cost beyond that one is set against the
bare half, which does nothing but wake a thousand.  Exit 1 where the median ratio is above the
bound; the ratio with the one sign-in in it is told beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

from engine import Engine, FakeClock, World


async def bare(callers: int) -> float:
    """What it takes a thousand tasks to share one future's result, each shielded from the rest."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def caller() -> int:
        return await asyncio.shield(future)

    began = time.process_time()
    tasks = [asyncio.create_task(caller()) for _ in range(callers)]
    await asyncio.sleep(0)
    future.set_result(2)
    told = await asyncio.gather(*tasks)
    took = time.process_time() - began
    assert set(told) == {2}
    return took


async def reported(callers: int, root: Path) -> float:
    """What it takes as many reports of one dead session to be answered with the next one."""
    world = World(FakeClock())
    engine = Engine(root, world)
    await engine.keeper.start()
    await engine.keeper.get()
    world.revoke()
    began = time.process_time()
    told = await asyncio.gather(
        *(asyncio.create_task(engine.keeper.report(generation=1)) for _ in range(callers))
    )
    took = time.process_time() - began
    assert {served.session.generation for served in told} == {2}
    assert len(world.sign_ins) == 2
    await engine.keeper.close()
    return took


async def stale(reports: int, root: Path) -> float:
    """Seconds for as many reports of a session that was replaced already."""
    world = World(FakeClock())
    engine = Engine(root, world)
    await engine.keeper.start()
    await engine.keeper.get()
    await engine.keeper.refresh(hard=True)
    world.probes = 0
    began = time.perf_counter()
    for _ in range(reports):
        await engine.keeper.report(generation=1)
    took = time.perf_counter() - began
    assert (world.probes, len(world.sign_ins)) == (0, 2)
    await engine.keeper.close()
    return took


def main() -> int:
    told = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    told.add_argument("--pairs", type=int, default=20)
    told.add_argument("--callers", type=int, default=1000)
    told.add_argument("--at-most", type=float, default=3.0)
    told.add_argument("--stale", type=int, default=1_000_000)
    args = told.parse_args()
    logging.getLogger("harvester").addHandler(logging.NullHandler())
    ours, one, yardstick = [], [], []
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for turn in range(-1, args.pairs):
            gc.collect()
            gc.freeze()  # the halves are weighed, not what was imported for them
            pair = [
                lambda: asyncio.run(bare(args.callers)),
                lambda turn=turn: asyncio.run(reported(args.callers, root / f"many{turn}")),
                lambda turn=turn: asyncio.run(reported(1, root / f"one{turn}")),
            ]
            took = [0.0] * 3
            for half in (0, 1, 2) if turn % 2 else (2, 1, 0):
                took[half] = pair[half]()
            if turn >= 0:  # the first round warms up
                yardstick.append(took[0])
                ours.append(took[1])
                one.append(took[2])
        stale_s = asyncio.run(stale(args.stale, root / "stale"))
    halves = list(zip(ours, one, yardstick, strict=True))
    ratio = statistics.median((mine - alone) / base for mine, alone, base in halves)
    whole = statistics.median(mine / base for mine, _, base in halves)
    print(f"{'a bare future, ' + str(args.callers) + ' shielded waiters':<44}"
          f"{statistics.median(yardstick) * 1e3:>9.1f} ms")  # fmt: skip
    print(f"{str(args.callers) + ' reports of a dead session':<44}"
          f"{statistics.median(ours) * 1e3:>9.1f} ms{whole:>8.2f}")  # fmt: skip
    print(f"{'one report of it':<44}{statistics.median(one) * 1e3:>9.1f} ms")
    print(f"{str(args.stale) + ' stale reports':<44}{stale_s:>9.1f} s "
          f"{stale_s / args.stale * 1e6:>8.2f} µs each")  # fmt: skip
    print(f"beyond one report, median ratio {ratio:.2f}, at most {args.at_most}")
    return 0 if ratio <= args.at_most else 1


if __name__ == "__main__":
    sys.exit(main())
