"""Ten thousand connections at once: whoever behaves does not notice, and nothing leaks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harvester.errors import HarvesterError
from serving_process import MORE_MEMORY_KB, ServingProcess, ask

SUPPORT = Path(__file__).parents[1] / "support"
ATTACKERS = 4
EVERY_S = 0.01
SLOWEST_S = 0.05
# Speed is measured in the full size, on a machine that does nothing else; here nobody hangs.
HANGS_S = 1.0


class Behaved:
    """Asks again and again, at its times, and keeps how long each answer took."""

    def __init__(self, once: Callable[[], None]) -> None:
        self._once = once
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self.took_s: list[float] = []
        self.failure: BaseException | None = None
        self._thread.start()

    def _go_on(self) -> None:
        try:
            while not self._over.wait(EVERY_S):
                began = time.monotonic()
                self._once()
                self.took_s.append(time.monotonic() - began)
        except (OSError, AssertionError, HarvesterError) as error:
            self.failure = error

    def stop(self) -> list[float]:
        self._over.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure
        return sorted(self.took_s)


@contextmanager
def attack(path: Path, count: int, seconds: float) -> Iterator[list[subprocess.Popen[str]]]:
    """All of them begin at the same moment; who asks them afterwards hears what they met."""
    words = [sys.executable, str(SUPPORT / "attacker.py"), str(path), str(count // ATTACKERS)]
    attackers = [
        subprocess.Popen(
            [*words, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(ATTACKERS)
    ]
    try:
        for one in attackers:
            assert one.stdout is not None and one.stdout.readline() == "ready\n"
        for one in attackers:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        yield attackers
    finally:
        for one in attackers:
            one.kill()
            one.communicate()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServingProcess]:
    served = ServingProcess(tmp_path)
    yield served
    served.stop()


def test_ten_thousand_connections_at_once_keep_nobody_from_an_answer(
    served: ServingProcess, size
) -> None:
    count, seconds = size((3_000, 3.0), (10_000, 15.0))
    with served.connected() as kept:
        for _ in range(50):
            ask(kept)
            served.ask_anew()
        memory_kb, descriptors = served.memory_kb(), served.descriptors()
        behaved = {"kept": Behaved(lambda: ask(kept)), "anew": Behaved(served.ask_anew)}
        try:
            with attack(served.path, count, seconds) as attackers:
                time.sleep(seconds / 2)
                at_worst_kb = served.memory_kb()
                told = [json.loads(one.communicate()[0]) for one in attackers]
        finally:
            took = {name: one.stop() for name, one in behaved.items()}
        assert sum(one["opened"] for one in told) == count
        # The limit was in force: who waited longest without a whole request was turned out.
        assert sum(one["closed"] for one in told) >= count - 2048
        for name, sorted_s in took.items():
            at = sorted_s[len(sorted_s) * 99 // 100]
            print(f"{name}: {len(sorted_s)} answers, p50 {sorted_s[len(sorted_s) // 2] * 1e3:.1f}, "
                  f"p99 {sorted_s[len(sorted_s) * 99 // 100] * 1e3:.1f} ms")  # fmt: skip
            assert at < size(HANGS_S, SLOWEST_S), f"{name}: {at * 1e3:.0f} ms"
        print(f"memory: +{(at_worst_kb - memory_kb) / 1024:.0f} MB, opened in "
              f"{max(one['took_s'] for one in told):.1f} s")  # fmt: skip
        assert max(at_worst_kb, served.memory_kb()) - memory_kb <= MORE_MEMORY_KB
        ends_at = time.monotonic() + 20
        while served.descriptors() > descriptors and time.monotonic() < ends_at:
            time.sleep(0.05)
        assert served.descriptors() <= descriptors
        ask(kept)
    assert served.stop() == 0
    log = served.log.read_text()
    assert '"bug"' not in log and "Traceback" not in log
