"""Waiting for the end of processes that are not our children."""

from __future__ import annotations

import os
import select


def ended(pid: int, within_s: float = 5.0) -> bool:
    """Whether a process is gone, asked of the kernel (a pidfd); waits for it that long."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within_s)[0])
    finally:
        os.close(descriptor)
