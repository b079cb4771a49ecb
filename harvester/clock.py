"""The time, behind one seam, so that tests can hold it still.

``wall_s`` is for stored times, for codes and for display.  ``awake_s`` never steps and goes on
while the machine sleeps (CLOCK_BOOTTIME): waiting is measured with it, because the clock that
asyncio uses stops during suspend.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

_STEADY_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Seconds since 1970 (``wall_s``), and seconds since some fixed moment (``awake_s``)."""

    def wall_s(self) -> float: ...

    def awake_s(self) -> float: ...


class SystemClock:
    """The machine's own clocks."""

    def wall_s(self) -> float:
        return time.time()

    def awake_s(self) -> float:
        return time.clock_gettime(_STEADY_CLOCK)


def rfc3339(at: float | None) -> str | None:
    """Seconds since 1970 as ``2026-11-23T10:00:00Z`` (whole seconds), None as None."""
    if at is None:
        return None
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str | None) -> float | None:
    """The opposite of ``rfc3339``; raises ValueError when it is no time."""
    if text is None:
        return None
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
