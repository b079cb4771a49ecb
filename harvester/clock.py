"""The time, behind one seam, so that tests can hold it still.

``wall_s`` is for stored times, for codes and for display.  ``awake_s`` never steps and goes on
while the machine sleeps (CLOCK_BOOTTIME): waiting is measured with it, because the clock that
asyncio uses stops during suspend.
"""

from __future__ import annotations

import re
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
    """Seconds since 1970 as ``2026-11-23T10:00:00Z`` (whole seconds), None as None.

    None also for what no calendar holds: a site may put any number into a cookie.
    """
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def parse_rfc3339(text: str | None) -> float | None:
    """The opposite of ``rfc3339``; raises ValueError when it is no time."""
    if text is None:
        return None
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(s|m|h|d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """``90s``, ``15m``, ``12h`` or ``7d`` in seconds; ValueError for anything else."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError("not a duration")
    return float(found[1]) * _UNIT_S[found[2]]


def as_duration(seconds: float) -> str:
    """The opposite of ``parse_duration``, in the largest unit that needs no fraction."""
    for unit in ("d", "h", "m"):
        if seconds >= _UNIT_S[unit] and seconds % _UNIT_S[unit] == 0:
            return f"{int(seconds // _UNIT_S[unit])}{unit}"
    return f"{seconds:g}s"
