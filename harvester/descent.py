"""Who descends from whom among the processes of this machine.

A browser sits in a session of its own, so neither a process group nor a session names a tree: only
the parents do.  Linux reads ``/proc``; elsewhere ``ps`` is asked.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

_PROC = Path("/proc")


def alive(pids: set[int]) -> set[int]:
    """Those that still run.  A zombie that is not our own child is its parent's matter."""
    parents = _parents()
    return {pid for pid in pids if pid in parents}


def descendants(root: int) -> set[int]:
    """All processes below ``root``, zombies left out."""
    parents = _parents()
    found: set[int] = set()
    fresh = {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def _parents() -> dict[int, int]:
    if sys.platform != "linux":
        return _parents_by_ps()
    parents = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in parentheses may hold spaces and parentheses of its own.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[int(entry.name)] = int(parent)
    return parents


def _parents_by_ps() -> dict[int, int]:
    words = ["/bin/ps", "-A", "-o", "pid=,ppid=,stat="]
    listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    parents = {}
    for line in listed.splitlines():
        pid, parent, state = line.split()[:3]
        if not state.startswith("Z") and int(parent) != 0:
            parents[int(pid)] = int(parent)
    return parents


def command_lines(pids: set[int]) -> list[list[str]]:
    """The words with which processes were started; Linux only, empty elsewhere."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            raw = (_PROC / str(pid) / "cmdline").read_bytes()
            found.append(raw.decode("utf-8", "replace").rstrip("\0").split("\0"))
    return found
