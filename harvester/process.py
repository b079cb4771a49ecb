"""What a process that holds secrets does to itself before it touches any.

Called once at the start of the daemon, of a one-shot command and of the signer.  Linux only where
said; elsewhere the part is skipped, and ``doctor`` says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys

PR_SET_DUMPABLE = 4


def harden() -> None:
    """Private files, no core dumps, and no other program of this user looking into our memory.

    umask belongs to the whole process: it is set once and never toggled, because another thread
    could make a file in between.
    """
    os.umask(0o077)
    # Python itself writes the keys of every TLS connection to the file that this names.
    os.environ.pop("SSLKEYLOGFILE", None)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        prctl(PR_SET_DUMPABLE, 0)


def prctl(option: int, value: int) -> bool:
    """One ``prctl`` call (Linux); False when the kernel refused it."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(option, value, 0, 0, 0) == 0)
