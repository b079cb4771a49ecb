"""`harvester token` from a running daemon, beside `python -c pass` of the same environment.

    scripts/bench token [--pairs 100] [--at-most 1.3] [--at-most-old 2.0]

Whole processes, each pair one after the other: processor time as the kernel counts it for that
process, and time by the clock.  The command is started by the script that pip puts into bin/,
written here as two pips write it: today's (26.3), and 23.2, which Python 3.11 brings and whose
script imports ``re``.  ``curl --unix-socket`` stands beside them for information.  Exit 1 where a
median of the pairs' ratios is above its bound.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from runs import Home
from standin import StandInProcess

TODAYS = """\
#!{python}
import sys
from harvester.__main__ import command
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit(command())
"""
PIP_23_2 = """\
#!{python}
# -*- coding: utf-8 -*-
import re
import sys
from harvester.__main__ import command
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(command())
"""


def took(words: list[str], environ: dict[str, str], out: str) -> tuple[float, float]:
    """Seconds by the clock and of processor time of one whole process, which must succeed."""
    actions = [(os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    began = time.perf_counter()
    pid = os.posix_spawn(words[0], words, environ, file_actions=actions)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if status:
        sys.exit(f"{words[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return wall, used.ru_utime + used.ru_stime


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--pairs", type=int, default=100)
    options.add_argument("--at-most", type=float, default=1.3)
    options.add_argument("--at-most-old", type=float, default=2.0, help="with pip 23.2's script")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as directory, StandInProcess() as world:
        place = Path(directory)
        home = Home(place, world)
        ways = {"python -c pass": [sys.executable, "-c", "pass"]}
        for name, text in (("today's pip", TODAYS), ("pip 23.2", PIP_23_2)):
            script = place / name.replace(" ", "-")
            script.write_text(text.format(python=sys.executable))
            script.chmod(0o700)
            ways[f"harvester token, {name}"] = [str(script), "token"]
        curl = shutil.which("curl")
        if curl is not None:
            url = "http://harvester/v1/session?format=cookie"
            ways["curl --unix-socket"] = [curl, "-sS", "--unix-socket", str(home.socket), url]
        wall: dict[str, list[float]] = {name: [] for name in ways}
        cpu: dict[str, list[float]] = {name: [] for name in ways}
        with home.daemon():
            for turn in range(-2, asked.pairs):  # the first rounds warm up
                order = list(ways) if turn % 2 else list(ways)[::-1]
                for name in order:
                    out = place / "out"
                    seconds = took(ways[name], home.environ(), str(out))
                    if name != "python -c pass" and "stytch_session=" not in out.read_text():
                        sys.exit(f"{name} printed no session")
                    if turn >= 0:
                        wall[name].append(seconds[0])
                        cpu[name].append(seconds[1])
    bounds = {
        "harvester token, today's pip": asked.at_most,
        "harvester token, pip 23.2": asked.at_most_old,
    }
    print(f"{'way':<34}{'wall ms':>9}{'ratio':>7}{'cpu ms':>9}{'ratio':>7}{'at most':>9}")
    kept = True
    for name in ways:
        ratios = [
            statistics.median(
                one / base for one, base in zip(took[name], took["python -c pass"], strict=True)
            )
            for took in (wall, cpu)
        ]
        bound = bounds.get(name)
        kept = kept and (bound is None or max(ratios) <= bound)
        print(
            f"{name:<34}{statistics.median(wall[name]) * 1e3:>9.2f}{ratios[0]:>7.2f}"
            f"{statistics.median(cpu[name]) * 1e3:>9.2f}{ratios[1]:>7.2f}"
            f"{'' if bound is None else bound:>9}"
        )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
