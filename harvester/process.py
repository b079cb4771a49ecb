"""What a process that holds secrets does to itself before it touches any, and what came of it.

``harden`` is called once at the start of the daemon, of a one-shot command and of the signer.
Linux only where said; elsewhere the part is skipped, and ``doctor`` says so.  What a user's own
command inherits (a hook, a password manager, the program of ``exec``) is not ours to shut:
``core_limit_of_the_user`` gives that back.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Iterator

PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4

# Python's ssl writes the keys of each connection there: with them, who recorded the wire reads the
# cookie.  (aiohttp opens the file when it is imported.)
KEY_LOG = "SSLKEYLOGFILE"

# The soft limit that we were started with; None until ``harden`` lowered it.
_core_at_start: int | None = None
_set_aside: dict[str, str] = {}


def harden() -> None:
    """Private files, no core dumps, and no other program of this user looking into our memory.

    umask belongs to the whole process: it is set once and never toggled, because another thread
    could make a file in between.  Of the core limit the soft half is enough: it is what the
    kernel asks, and a hard one could not be given back to the commands that we run.
    """
    global _core_at_start
    os.umask(0o077)
    with contextlib.suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
        if _core_at_start is None:
            _core_at_start = soft
    if (path := os.environ.pop(KEY_LOG, None)) is not None:
        _set_aside[KEY_LOG] = path
    if sys.platform == "linux":
        prctl(PR_SET_DUMPABLE, 0)


def environment_of_the_user() -> dict[str, str]:
    """Ours, with what was set aside: for a program that the user runs through us."""
    return {**os.environ, **_set_aside}


@contextlib.contextmanager
def core_limit_of_the_user() -> Iterator[None]:
    """Within it a process is started with the core limit that we were started with.

    Ours is open that long, which dumps nothing: a process that is not dumpable leaves no core.
    """
    if not _core_at_start:
        yield  # nothing was taken away
        return
    _set_core(_core_at_start)
    try:
        yield
    finally:
        _set_core(0)


def _set_core(soft: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def is_dumpable() -> bool | None:
    """Whether other programs of this user may look into our memory; None where none can tell."""
    if sys.platform != "linux":
        return None
    return _call(PR_GET_DUMPABLE, 0) != 0


def prctl(option: int, value: int) -> bool:
    """One ``prctl`` call (Linux); False when the kernel refused it."""
    return _call(option, value) == 0


def _call(option: int, value: int) -> int:
    import ctypes  # late: who only starts the signer early needs none of it

    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(option, value, 0, 0, 0))
