"""The processes below this one, looked at while they live: their words and their environment.

Others of the machine see the words of every process, and root and the user see the environment.
No words may hold a secret.  An environment may where the user himself gave it; what harvester, a
driver or a browser starts gets none.  Linux only (``/proc``).
"""

from __future__ import annotations

import os
import re
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# A sign-in's processes live for a second and more; a fast command's words are told by the one who
# starts it.  Each look costs a third of a millisecond and what is new.
EVERY_S = 0.1
# The kinds of place that are known by these looks alone.
SAMPLED = frozenset({"cmdline", "environ", "browser file"})
# A process is born with its parent's words and gets its own a moment later: it is looked at anew.
_LOOKS = 4
_OURS = re.compile(rb"(^|[\0/])harvester(\.[a-z_.]+)?(\0|$)|/playwright/driver/|chrom|headless")
_NOT_OURS = re.compile(rb"harvester\.standin|marked_standin|pytest")
# A profile directory of a browser: what it writes there lives as long as the browser.
_PROFILE = re.compile(rb"--user-data-dir=([^\0]+)")
# When it is looked into, in seconds after it was first seen: while pages are open, and once more
# when most sign-ins are about to end.
_PROFILE_AT_S = (0.5, 1.5, 4.0)

_FILE_MOST_BYTES = 256 << 10

Tell = Callable[[str, str, bytes], None]


@dataclass(slots=True)
class Seen:
    parent: int
    below: bool
    looks: float = 0
    words: bytes = b""


class Processes:
    """Tells of each process below ``root`` what is new of it; ``tell`` may be called from a
    thread of ours."""

    def __init__(self, tell: Tell, root: int | None = None) -> None:
        self._tell = tell
        self._root = os.getpid() if root is None else root
        self._seen: dict[int, Seen] = {}
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="canary-processes", daemon=True)
        self.closed = 0
        """Environments that the kernel did not show us: those of hardened processes."""
        self._profiles: dict[Path, list[float]] = {}
        self._written: dict[str, tuple[int, float]] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(EVERY_S):
            self.look()

    def look(self) -> None:
        with self._lock:
            there = {int(name) for name in os.listdir("/proc") if name.isdigit()}
            for gone in self._seen.keys() - there:
                del self._seen[gone]
            # A child's number may be below its parent's: twice round finds both.
            for pid in [*sorted(there - self._seen.keys()), *sorted(there)]:
                self._look_at(pid)
            now = time.monotonic()
            for profile, when in list(self._profiles.items()):
                if now >= when[0]:
                    self._profiles[profile] = when[1:]
                    self._look_into(profile)
                if not self._profiles[profile]:
                    del self._profiles[profile]

    def _look_into(self, profile: Path) -> None:
        """What the browser wrote since the last look; the directory ends with its sign-in."""
        for folder, _, names in os.walk(profile):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    about = os.lstat(path)
                    state = (about.st_size, about.st_mtime)
                    if not stat.S_ISREG(about.st_mode) or self._written.get(path) == state:
                        continue
                    self._written[path] = state
                    data = Path(path).read_bytes()[:_FILE_MOST_BYTES]
                except OSError:
                    continue  # browsers make and remove files all the time
                self._tell("browser file", os.path.relpath(path, profile.parent), data)

    def _look_at(self, pid: int) -> None:
        seen = self._seen.get(pid)
        if seen is None:
            parent = _parent(pid)
            if parent is None or (parent not in self._seen and parent > 2 and parent != self._root):
                return  # gone, or its parent comes first
            above = self._seen.get(parent)
            below = parent == self._root or (above is not None and above.below)
            seen = self._seen[pid] = Seen(parent, below)
        if seen.below and seen.looks < _LOOKS:
            # On a machine under load it may be long in coming to words of its own.
            seen.looks += 1 if self._tell_of(pid, seen) else 1 / 64

    def _tell_of(self, pid: int, seen: Seen) -> bool:
        """Tell what is new; whether this process has become what it is to be."""
        words = _read(pid, "cmdline") or b""
        if words and words != seen.words:
            seen.words = words
            self._tell("cmdline", _line(words), words)
            for found in _PROFILE.findall(words):
                now = time.monotonic()
                when = [now + after_s for after_s in _PROFILE_AT_S]
                self._profiles.setdefault(Path(os.fsdecode(found)), when)
        above = self._seen.get(seen.parent)
        if above is None or not _OURS.search(above.words) or _NOT_OURS.search(above.words):
            return above is None or words != above.words  # its user started it
        if words == above.words:
            # Between fork and exec it is its parent still, the environment too; it is looked at
            # again when it has words of its own.  A daemon that its user started was caught so.
            return False
        environ = _read(pid, "environ")
        if environ is None:
            self.closed += 1
        elif environ:
            where = f"of {_line(words)} started by {_line(above.words)}"
            self._tell("environ", where, environ)
        return True


def _parent(pid: int) -> int | None:
    stat = _read(pid, "stat")
    return int(stat.rpartition(b")")[2].split()[1]) if stat else None


def _read(pid: int, name: str) -> bytes | None:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return None


def _line(words: bytes) -> str:
    parts = words.rstrip(b"\0").split(b"\0")
    parts[0] = os.path.basename(parts[0])
    # The rest of a browser's words are the same for all of them.
    return b" ".join(parts).decode("utf-8", "replace")[:160]
