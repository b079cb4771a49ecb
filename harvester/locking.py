"""Waiting for a lock that another process, or another task of ours, holds; and what is done under
it is over before it is given back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, TypeVarTuple

from harvester.errors import Busy
from harvester.log import event
from harvester.vault.lock import Lock

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

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


async def to_the_end(write: Callable[[*_Ts], _T], *given: *_Ts) -> _T:
    """``write`` in a thread.  Who is cancelled meanwhile waits for its end, and goes then.

    The story it prevents: a disk hangs in the middle of a write, its task is ended and gives the
    lock back, another process works, and then the late write lands over what that one wrote down.
    A thread cannot be cancelled; so the lock is held for as long as it takes.
    """
    work = asyncio.ensure_future(asyncio.to_thread(write, *given))
    gone: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError as error:
            gone = error
    if gone is not None:
        work.exception()  # looked at: whoever asked is not there any more
        raise gone
    return work.result()
