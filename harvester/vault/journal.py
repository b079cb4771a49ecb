"""A file that only grows, line by line, until it is turned over: what happened, for people.

    journal           the lines in use
    journal.older     those before them; the next turn drops it

Owns how a line is added by several processes at once, how much is kept, and what of a file that
was cut short is still read.  Not sealed and not synced: losing the last lines in a power cut loses
no session.  Knows nothing of what a line says.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harvester.errors import StoreFull
from harvester.vault.calls import (
    DIRECTORY_MODE,
    FILE_MODE,
    check_file,
    check_one_name,
    check_owner,
    told,
)
from harvester.vault.durable import Disk

NAME = "journal"
OLDER = NAME + ".older"
# A usual line has 250 bytes: a thousand of them are there at any time, in two files at most.
MOST_BYTES = 256 * 1024
# A line is one write to the file, whole or not at all; and no line may be most of the file.
LINE_BYTES = 4096

_ADD = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Journal:
    """The journal in one directory of the store.  Any number of processes may add to it."""

    def __init__(self, disk: Disk, directory: Path) -> None:
        self._disk = disk
        self._calls = disk.calls
        self._directory = directory

    def add(self, line: bytes) -> None:
        """Add one line, without its end.  Raises StoreFull, StoreUnsafe, and ValueError for what
        is no line or is longer than ``LINE_BYTES``."""
        if b"\n" in line or not 0 < len(line) <= LINE_BYTES:
            raise ValueError("not one line")
        # An end before it too: whatever was cut short by a full disk stays a line of its own.
        data = b"\n" + line + b"\n"
        path = self._directory / NAME
        try:
            fd = self._opened(path)
        except FileNotFoundError:
            self._disk.make_dir(self._directory)
            with told(path, must_exist=True):
                fd = self._opened(path)
        with told(path):
            try:
                seen = self._calls.fstat(fd)
                check_file(seen, path)
                check_one_name(seen, path)
                if seen.st_size + len(data) > MOST_BYTES and self._turned_over(fd, seen):
                    self._calls.close(fd)
                    fd = self._opened(path)
                    check_file(self._calls.fstat(fd), path)
                if self._calls.write(fd, data) != len(data):
                    raise StoreFull(f"the disk refused {path}: {os.strerror(errno.ENOSPC)}")
            finally:
                self._calls.close(fd)

    def lines(self) -> Sequence[bytes]:
        """Whole lines, the oldest first; a last one without its end is left out.

        Raises StoreUnsafe for a file that others can read or that is none, StoreFull where the
        disk cannot read it.
        """
        found: list[bytes] = []
        for name in (OLDER, NAME):
            # One that another process adds to while it turns over may be a few lines larger.
            data = self._disk.read(self._directory, name, 2 * MOST_BYTES) or b""
            found += [line for line in data.split(b"\n")[:-1] if line]
        return found

    def _opened(self, path: Path) -> int:
        with told(path):
            above = self._calls.open(self._directory, _DIRECTORY)
            try:
                check_owner(self._calls.fstat(above), self._directory, mode=DIRECTORY_MODE)
                with suppress(FileNotFoundError):
                    # Before it is opened (see durable.py); what is open is looked at again.
                    check_file(self._calls.lstat(NAME, dir_fd=above), path)
                return self._calls.open(NAME, _ADD, FILE_MODE, dir_fd=above)
            finally:
                self._calls.close(above)

    def _turned_over(self, fd: int, seen: os.stat_result) -> bool:
        """Make a full file the older one.  False where another process is just doing so: then
        the line goes to where it goes.

        The story it prevents: two find it full, one turns it over and begins a new one, the other
        turns that one over, and a thousand lines are gone.  So whoever does it holds the lock of
        the very file that is full, and looks again whether it still has the name.
        """
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        with suppress(FileNotFoundError):
            if self._calls.lstat(self._directory / NAME).st_ino == seen.st_ino:
                above = self._calls.open(self._directory, _DIRECTORY)
                try:
                    with suppress(FileNotFoundError):
                        check_file(self._calls.lstat(OLDER, dir_fd=above), self._directory / OLDER)
                    self._calls.rename(NAME, OLDER, above)
                finally:
                    self._calls.close(above)
        return True


class NoJournal:
    """Holds nothing and takes nothing: of a store that is not there."""

    def add(self, line: bytes) -> None:
        """There is nowhere to write, and nobody asked for it to be kept."""

    def lines(self) -> Sequence[bytes]:
        return ()
