"""Answers "this session was refused" with as few probes as honesty allows.

A verdict older than the 401 it is asked about proves nothing, so a probe answers only the reports
that had arrived before it was sent.  A report that arrives while a probe is under way takes its
DENIED (a dead session stays dead), or waits for the next probe, which all such reports share.
Probes come from a bucket, so that a client that lies costs the site little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from harvester.bucket import Bucket
from harvester.clock import Clock
from harvester.crowd import Crowd
from harvester.errors import Busy
from harvester.verdict import Verdict

PROBES = 5
PROBE_REFILL_S = 10.0
# With an empty bucket an ALIVE this young still answers; the caller is told its age.
ALIVE_GOOD_FOR_S = 10.0


@dataclass(frozen=True, slots=True)
class Judged:
    """``age_s`` is 0.0 for a probe that was made for this report."""

    verdict: Verdict
    age_s: float = 0.0


class Reports:
    """The reports of one profile.  ``probe`` makes one probe of the current session."""

    def __init__(self, probe: Callable[[], Coroutine[Any, Any, Verdict]], clock: Clock) -> None:
        self._probe = probe
        self._clock = clock
        self._bucket = Bucket(float(PROBES), clock.awake_s())
        self._now: Crowd[Verdict] | None = None
        self._next: Crowd[Verdict] | None = None
        self._last_alive: tuple[int, float] | None = None

    async def judge(self, generation: int, wait_s: float | None = None) -> Judged:
        """Is ``generation``, which is the current one, dead?  Raises TimeoutError after
        ``wait_s``.  A caller who leaves ends no probe that others wait for."""
        if (now := self._now) is not None and not now.task.done():
            began_s = self._clock.running_s()
            await now.over(wait_s)
            if _of(now.task) is Verdict.DENIED:
                return Judged(Verdict.DENIED)
            if wait_s is not None:
                wait_s = max(0.0, wait_s - (self._clock.running_s() - began_s))
        if self._next is None or self._next.task.done():
            young = self._young_alive(generation)
            if young is not None and self._tokens() < 1:
                return Judged(Verdict.ALIVE, young)
            self._next = Crowd(asyncio.create_task(self._later(generation)))
        asked = self._next
        await asked.over(wait_s)
        return Judged(_of(asked.task))

    @property
    def up(self) -> bool:
        """Whether a probe is under way or waited for."""
        return bool(self._under_way())

    async def landed(self) -> None:
        """Wait until no probe is under way."""
        while tasks := self._under_way():
            await asyncio.wait(tasks)
        # Whoever waited for it goes on behind us.
        await asyncio.sleep(0)

    async def close(self) -> None:
        for task in self._under_way():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _under_way(self) -> list[asyncio.Task[Verdict]]:
        asked = (crowd.task for crowd in (self._now, self._next) if crowd is not None)
        return [task for task in asked if not task.done()]

    async def _later(self, generation: int) -> Verdict:
        if self._now is not None:
            await self._now.over()
        missing = 1 - self._tokens()
        if missing > 0:
            await asyncio.sleep(missing * PROBE_REFILL_S)
        self._bucket = Bucket(self._tokens() - 1, self._clock.awake_s())
        # From here on the probe is under way: later reports wait for the one after it.
        self._now, self._next = Crowd(asyncio.create_task(self._probe())), None
        verdict = await asyncio.shield(self._now.task)
        if verdict is Verdict.ALIVE:
            self._last_alive = (generation, self._clock.awake_s())
        return verdict

    def _tokens(self) -> float:
        return self._bucket.filled(
            self._clock.awake_s(), capacity=float(PROBES), refill_s=PROBE_REFILL_S
        ).tokens

    def _young_alive(self, generation: int) -> float | None:
        if self._last_alive is None or self._last_alive[0] != generation:
            return None
        age_s = self._clock.awake_s() - self._last_alive[1]
        return age_s if age_s <= ALIVE_GOOD_FOR_S else None


def _of(task: asyncio.Task[Verdict]) -> Verdict:
    """What it found.  Raises Busy where it was ended: that is nothing of whoever waited."""
    if task.cancelled():
        raise Busy("the site was asked, and all was ended meanwhile", hint="ask again")
    return task.result()
