"""Waiting for a lock that another process, or another task of ours, holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harvester.errors import Busy
from harvester.vault.lock import Lock

# How often one that waits looks again.  The kernel could wake us, but only a blocked thread, and
# a thread cannot be cancelled.
LOCK_POLL_S = 0.1


@asynccontextmanager
async def locked(lock: Lock, patience_s: float) -> AsyncIterator[float]:
    """Hold ``lock``; gives the seconds it was waited for.  Raises Busy after ``patience_s``."""
    waited_s = 0.0
    while not lock.acquire_nonblocking():
        if waited_s >= patience_s:
            raise Busy(
                "another process has been at work on this profile for a long time",
                hint="see: harvester status",
                retry_after_s=patience_s,
            )
        await asyncio.sleep(LOCK_POLL_S)
        waited_s += LOCK_POLL_S
    try:
        yield waited_s
    finally:
        lock.release()
