"""The only door to APScheduler: when each profile is looked at next.

One date job for each profile, armed again by what its look returned, and a tick.  APScheduler's
defaults are dangerous here and are all set: a job that wakes a second late (a laptop that slept)
is silently dropped unless ``misfire_grace_time`` is None.  It also compares wall clock times: a
clock that is set back a day would make every job wait for yesterday's tomorrow, and one that went
on while the machine slept leaves the loop's own clock behind.  So the tick compares the machine's
three clocks, and when two of them part it has everybody looked at.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
    JobSubmissionEvent,
)
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from harvester.clock import STEP_S, Clock
from harvester.log import event
from harvester.steady import SLEPT_S

# Notices a suspend, a stepped clock and a store that another process changed.
TICK_S = 30.0
# After a look that failed in an unforeseen way: the loop must go on, but not spin.
AFTER_FAULT_S = 60.0
# A look that is asked for during a look comes behind it.
AFTER_SOON_S = 0.5
# All laptops of an office wake at nine, and all profiles of a daemon with it: they come to the
# site spread over this; and the network is back by then, or nearly.
RESUME_JITTER_S = 10.0

Look = Callable[[], Awaitable[float]]


class Timer:
    """Calls each ``look`` when it is due; a look returns the seconds until the next one."""

    def __init__(
        self, clock: Clock, *, tick_s: float = TICK_S, jitter_s: float = RESUME_JITTER_S
    ) -> None:
        # The library's own log tells every job it runs; ours tells what the job did.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        self._clock = clock
        self._tick_s = tick_s
        self._jitter_s = jitter_s
        self._looks: dict[str, Look] = {}
        self._ticking: asyncio.Task[None] | None = None
        self._scheduler = AsyncIOScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": AsyncIOExecutor()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )
        # Armed again when the library has done with a run, not from within it: while it still
        # counts the run, a job that is due at once is over ``max_instances`` and is dropped.
        self._scheduler.add_listener(self._looked, EVENT_JOB_EXECUTED)
        self._scheduler.add_listener(self._fault, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        self._scheduler.add_listener(self._too_soon, EVENT_JOB_MAX_INSTANCES)

    def watch(self, name: str, look: Look) -> None:
        """Look at once, and then whenever the last look said so."""
        self._looks[name] = look
        self._arm(name, 0.0)

    def forget(self, name: str) -> None:
        """Look no more; a look that is under way ends in its own time."""
        if self._looks.pop(name, None) is not None and self._scheduler.get_job(name) is not None:
            self._scheduler.remove_job(name)

    def soon(self, name: str) -> None:
        """Something changed: look now instead of later."""
        if name in self._looks:
            self._arm(name, 0.0)

    def start(self, tick: Callable[[], Awaitable[None]]) -> None:
        self._scheduler.start()
        self._ticking = asyncio.create_task(self._tick(tick))

    def stop(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        self._scheduler.shutdown(wait=False)

    async def _tick(self, tick: Callable[[], Awaitable[None]]) -> None:
        set_s, asleep_s = self._apart()
        while True:
            await asyncio.sleep(self._tick_s)
            before_set_s, before_asleep_s = set_s, asleep_s
            set_s, asleep_s = self._apart()
            by_s, for_s = set_s - before_set_s, asleep_s - before_asleep_s
            if for_s > SLEPT_S:
                event("machine.slept", for_s=round(for_s, 1))
            if abs(by_s) > STEP_S:
                event("clock.jumped", by_s=round(by_s, 1))
            if for_s > SLEPT_S or abs(by_s) > STEP_S:
                for name in self._looks:
                    self._arm(name, random.random() * self._jitter_s)  # noqa: S311  no secret
            try:
                await tick()
            except Exception as error:
                # A tick that ends would end the watch over clocks and store, unseen.
                event("timer.fault", level=logging.ERROR, job="tick", kind=type(error).__name__)

    def _apart(self) -> tuple[float, float]:
        """How far the wall clock and the loop's clock are from the one that never steps."""
        awake_s = self._clock.awake_s()
        return self._clock.wall_s() - awake_s, awake_s - self._clock.running_s()

    def _arm(self, name: str, wait_s: float) -> None:
        if name not in self._looks:
            return  # forgotten meanwhile
        at = datetime.now(UTC) + timedelta(seconds=wait_s)
        self._scheduler.add_job(
            self._looks[name], "date", run_date=at, id=name, replace_existing=True
        )

    def _looked(self, told: JobExecutionEvent) -> None:
        # A ``soon`` that came while it ran stands; it is never later than what was returned.
        if self._scheduler.get_job(told.job_id) is None:
            self._arm(told.job_id, float(told.retval))

    def _too_soon(self, told: JobSubmissionEvent) -> None:
        # ``soon`` came during a look that had perhaps passed the place already: look again.
        self._arm(told.job_id, AFTER_SOON_S)

    def _fault(self, told: JobExecutionEvent) -> None:
        kind = type(told.exception).__name__
        event("timer.fault", level=logging.ERROR, job=told.job_id, kind=kind)
        self._arm(told.job_id, AFTER_FAULT_S)
