"""Who descends from whom among the processes of this machine.

A browser sits in a session of its own, so neither a process group nor a session names a tree: only
the parents do.  Linux reads ``/proc``; elsewhere ``ps`` is asked.
"""

from __future__ import annotations

import contextlib
import os
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
    return list(words_of(pids).values())


def words_of(pids: set[int]) -> dict[int, list[str]]:
    """As ``command_lines``, by process; one that has gone meanwhile is left out."""
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            raw = (_PROC / str(pid) / "cmdline").read_bytes()
            # Chromium writes the words of a renderer anew, with spaces between them.
            words = raw.decode("utf-8", "replace").rstrip("\0")
            found[pid] = words.split("\0" if "\0" in words else " ")
    return found


def filters_calls(pid: int) -> bool | None:
    """Whether the kernel filters what this process may ask of it (seccomp, mode 2), None where it
    does not say or the process is gone."""
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return None
    told = next((line.split()[1] for line in lines if line.startswith("Seccomp:")), None)
    return None if told is None else told == "2"


def environ_of(pid: int) -> dict[str, str]:
    """What a process was given at its start; empty where that is not ours to read."""
    try:
        raw = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (one.partition("=") for one in raw.decode("utf-8", "surrogateescape").split("\0"))
    return {name: value for name, _, value in pairs if name}


def processes_of(uid: int) -> set[int]:
    """All processes of one user, ours left out; Linux only, empty elsewhere."""
    found = set()
    if sys.platform == "linux":
        for entry in _PROC.iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == uid:
                    found.add(int(entry.name))
    return found - {os.getpid()}
