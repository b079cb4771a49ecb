"""A wall clock that nobody sets: the engine's time, for one profile.

Everything a profile knows in memory is dated by it.  It reads as the wall clock did when it was
made and goes on by the clock that never steps, so that a wall clock that is set, by a second or by
a year, changes no age, no budget and no end.  Only the labels are wrong then, until ``follow``.

It also notices what its owner should know: that the machine slept, that the clock was set.
"""

from __future__ import annotations

from harvester.clock import STEP_S, Clock, as_duration

# A machine that is busy, or a debugger, delays a read by less.
SLEPT_S = 5.0


class SteadyClock:
    """A ``Clock``.  Reading it costs two reads of the machine's."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._apart_s = machine.wall_s() - machine.awake_s()
        self._seen_apart_s = self._apart_s
        self._asleep_s = machine.awake_s() - machine.running_s()
        self.moved_s = 0.0
        """By how much it followed in all: what was dated before and is kept after differs by it."""

    def wall_s(self) -> float:
        return self._machine.awake_s() + self._apart_s

    def awake_s(self) -> float:
        return self._machine.awake_s()

    def running_s(self) -> float:
        return self._machine.running_s()

    def boot_id(self) -> str | None:
        return self._machine.boot_id()

    def jolt(self) -> str:
        """What happened to the time since this was asked last, in words; usually nothing."""
        awake_s, wall_s = self._machine.awake_s(), self._machine.wall_s()
        asleep_s, apart_s = awake_s - self._machine.running_s(), wall_s - awake_s
        slept_s, set_by_s = asleep_s - self._asleep_s, apart_s - self._seen_apart_s
        self._asleep_s = asleep_s
        if abs(set_by_s) > STEP_S:
            self._seen_apart_s = apart_s
            way = "forward" if set_by_s > 0 else "back"
            return f"the clock was set {way} by {as_duration(round(abs(set_by_s)))}"
        return f"the machine slept for {as_duration(round(slept_s))}" if slept_s > SLEPT_S else ""

    def follow(self) -> float:
        """Read as the wall clock does again.  Returns by how much the owner's times are to be
        moved at this same moment; 0.0 where they are right."""
        by_s = self._machine.wall_s() - self.wall_s()
        if abs(by_s) <= STEP_S:
            return 0.0
        self._apart_s += by_s
        self.moved_s += by_s
        return by_s
