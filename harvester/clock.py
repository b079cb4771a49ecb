"""The time, behind one seam, so that tests can hold it still.

``wall_s`` is for codes and for display, and it may be set at any moment.  ``awake_s`` never steps
and goes on while the machine sleeps (CLOCK_BOOTTIME): ages are by it.  ``running_s`` stops while
the machine sleeps, as asyncio's own clock does: where the two part, the machine slept.

What is stored carries the ``Moment`` of its writing, so that whoever reads it can tell what the
times in it mean by his own clock (``reckon``).
"""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol

_STEADY_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# Clocks of one machine drift apart by microseconds, and two reads of them are no instant either;
# a step that matters is seconds at least.
STEP_S = 2.0
# A one-time code lives for 30 s, and most who check it allow for one more step on either side:
# from here on a code is wasted, and a person should hear of it.
CLOCK_TOLERANCE_S = 20.0
# Where nothing tells one boot from the next, this much of the wall clock is believed.
BELIEVED_S = 7 * 24 * 3600.0


class Clock(Protocol):
    """Seconds since 1970 (``wall_s``), and seconds since some fixed moment (the other two).

    ``boot_id`` tells whether two readings of ``awake_s`` are of one clock; None: nobody knows.
    """

    def wall_s(self) -> float: ...

    def awake_s(self) -> float: ...

    def running_s(self) -> float: ...

    def boot_id(self) -> str | None: ...


class SystemClock:
    """The machine's own clocks."""

    def wall_s(self) -> float:
        return time.time()

    def awake_s(self) -> float:
        return time.clock_gettime(_STEADY_CLOCK)

    def running_s(self) -> float:
        return time.monotonic()

    def boot_id(self) -> str | None:
        return _boot_id()


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment by the clocks of whoever wrote something down."""

    boot: str | None
    awake_s: float
    wall_s: float

    @classmethod
    def of(cls, clock: Clock) -> Moment:
        return cls(clock.boot_id(), clock.awake_s(), clock.wall_s())

    def as_dict(self) -> dict[str, Any]:
        return {"boot": self.boot, "awake_s": self.awake_s, "wall_s": self.wall_s}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Moment:
        """Raises ValueError, KeyError or TypeError when the data is none."""
        boot = data["boot"]
        return cls(
            None if boot is None else str(boot), float(data["awake_s"]), float(data["wall_s"])
        )


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What times that somebody wrote are by the reader's clock.

    ``by_s`` is to be added to each of them: ages then are what they were, whatever was done to
    the wall clock.  ``sure`` is false where they may be wrong all the same: then the site is asked
    before anything is decided by them.
    """

    by_s: float
    sure: bool


def reckon(then: Moment | None, now: Moment) -> Reckoned:
    """Within one boot by the clock that nobody sets; else by the wall clock, which then is a
    guess, and where it went back no time has passed: no budget refills by that."""
    if then is None:
        return Reckoned(0.0, sure=False)
    same = then.boot is not None and then.boot == now.boot
    if same and now.awake_s >= then.awake_s - STEP_S:
        by_s = (now.wall_s - now.awake_s) - (then.wall_s - then.awake_s)
        return Reckoned(by_s, sure=False) if abs(by_s) > STEP_S else Reckoned(0.0, sure=True)
    passed_s = now.wall_s - then.wall_s
    unknown = then.boot is None or now.boot is None
    return Reckoned(min(0.0, passed_s), sure=unknown and 0 <= passed_s <= BELIEVED_S)


class Ahead:
    """How far our clock is ahead of somebody's who tells his time now and then.

    He tells it in whole seconds, and it takes a while to arrive: what differs by less is no news.
    ``s`` is None until he told it.
    """

    def __init__(self) -> None:
        self.s: float | None = None

    def told(self, ours_s: float, theirs_s: float) -> None:
        seen_s = ours_s - theirs_s
        if self.s is None or abs(seen_s - self.s) > STEP_S:
            self.s = seen_s if abs(seen_s) > STEP_S else 0.0


@cache
def _boot_id() -> str | None:
    if sys.platform == "darwin":
        return _boot_session()
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        return None
    try:
        # A container may have been given a boot clock of its own.
        return f"{boot} {os.readlink('/proc/self/ns/time')}"
    except OSError:
        return boot


def _boot_session() -> str | None:
    """What macOS calls this boot.  (Its time of boot moves when the wall clock is set.)"""
    import ctypes  # late: the fast command needs no clock but this file

    room = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(room))
    ask = getattr(ctypes.CDLL(None), "sysctlbyname", None)
    if ask is None or ask(b"kern.bootsessionuuid", room, ctypes.byref(size), None, 0) != 0:
        return None
    return room.value.decode("ascii", "replace") or None


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
