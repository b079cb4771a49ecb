"""Waiting for a lock that another process, or another task of ours, holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harvester.errors import Busy
from harvester.log import event
from harvester.vault.lock import Lock

# How often one that waits looks again.  The kernel could wake us, but only a blocked thread, and
# a thread cannot be cancelled.
LOCK_POLL_S = 0.1
# Most work is over before; a person at a window may take minutes, and who waits wonders why.
_TELL_AFTER_S = 3.0


@asynccontextmanager
async def locked(lock: Lock, patience_s: float) -> AsyncIterator[float]:
    """Hold ``lock``; gives the seconds it was waited for.  Raises Busy after ``patience_s``."""
    waited_s = 0.0
    told = False
    while not lock.acquire_nonblocking():
        if waited_s >= patience_s:
            raise Busy(
                "another process has been at work on this profile for a long time",
                hint="is a window of `harvester login --headed` still open? sign in there, or "
                "close it",
                retry_after_s=patience_s,
            )
        if waited_s >= _TELL_AFTER_S and not told:
            told = True
            event(
                "lock.waits",
                level=logging.WARNING,
                why="another process is at work on this profile, maybe at a window; it is "
                "waited for",
            )
        await asyncio.sleep(LOCK_POLL_S)
        waited_s += LOCK_POLL_S
    try:
        yield waited_s
    finally:
        lock.release()
