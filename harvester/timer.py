"""The only door to APScheduler: when each profile is looked at next.

One date job for each profile, which renews itself, and one tick.  Its defaults are dangerous here
and are all set: a job that wakes a second late (a laptop that slept) is silently dropped unless
``misfire_grace_time`` is None, and a slow job would pile up copies of itself.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from harvester.log import event

# Notices a suspend, a stepped clock and a store that another process changed.
TICK_S = 30.0
# After a look that failed in an unforeseen way: the loop must go on, but not spin.
AFTER_FAULT_S = 60.0

Look = Callable[[], Awaitable[float]]


class Timer:
    """Calls each ``look`` when it is due; a look returns the seconds until the next one."""

    def __init__(self) -> None:
        # The library's own log tells every job it runs; ours tells what the job did.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        self._looks: dict[str, Look] = {}
        self._scheduler = AsyncIOScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": AsyncIOExecutor()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )
        self._scheduler.add_listener(self._fault, EVENT_JOB_ERROR)

    def watch(self, name: str, look: Look) -> None:
        """Look at once, and then whenever the last look said so."""
        self._looks[name] = look
        self._in(name, 0.0)

    def soon(self, name: str) -> None:
        """Something changed: look now instead of later."""
        self._in(name, 0.0)

    def tick(self, tick: Callable[[], Awaitable[None]]) -> None:
        self._scheduler.add_job(tick, "interval", seconds=TICK_S, id="tick")

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)

    async def _look(self, name: str) -> None:
        self._in(name, await self._looks[name]())

    def _in(self, name: str, wait_s: float) -> None:
        at = datetime.now(UTC) + timedelta(seconds=wait_s)
        self._scheduler.add_job(
            self._look, "date", run_date=at, args=[name], id=name, replace_existing=True
        )

    def _fault(self, told: JobExecutionEvent) -> None:
        kind = type(told.exception).__name__
        event("timer.fault", level=logging.ERROR, job=told.job_id, kind=kind)
        if told.job_id in self._looks:
            self._in(told.job_id, AFTER_FAULT_S)
