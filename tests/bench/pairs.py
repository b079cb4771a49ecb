"""Paired runs: two ways of doing the same, one after the other, in turn, as whole processes.

A busy machine slows both halves of a pair alike, so the ratio of a pair says more than its
seconds.  Owns the counting and the table; knows nothing of what is measured.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Run = Callable[[], object]


@dataclass
class Paired:
    """``seconds`` of each way, by its name; the first way is the yardstick."""

    ways: Mapping[str, Run]
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, pairs: int, *, told: Callable[[str], None]) -> None:
        """Every way once for each pair, each pair in the other order; one round is thrown away."""
        names = list(self.ways)
        for turn in range(-1, pairs):
            order = names if turn % 2 == 0 else names[::-1]
            took = {name: _timed(self.ways[name]) for name in order}
            if turn < 0:
                continue
            for name in names:
                self.seconds.setdefault(name, []).append(took[name])
            told(f"{turn + 1}/{pairs}  " + "  ".join(f"{n} {took[n]:.2f} s" for n in names))

    def ratio(self, name: str) -> float:
        """The median of the pairs' ratios."""
        yardstick = self.seconds[next(iter(self.ways))]
        return statistics.median(
            one / base for one, base in zip(self.seconds[name], yardstick, strict=True)
        )

    def table(self) -> str:
        rows = [f"{'way':<34}{'median s':>10}{'fastest s':>11}{'ratio':>8}"]
        for name, seconds in self.seconds.items():
            rows.append(
                f"{name:<34}{statistics.median(seconds):>10.2f}{min(seconds):>11.2f}"
                f"{self.ratio(name):>8.2f}"
            )
        return "\n".join(rows)


def _timed(run: Run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
