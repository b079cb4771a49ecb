"""The audit's file: lines added at its end by any number of processes, turned over when it is full.

    audit.log            the lines in use
    audit.log.1 ... .4   those before them, the youngest first; the next turn drops the last

Owns how lines are added whole, how much is kept, and what stands in the file's place and is refused
(a link, another's file, one that others can read).  Not synced: a power cut may take the last
seconds.  Knows nothing of what a line says.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from harvester.errors import StoreFull
from harvester.vault.calls import DIRECTORY_MODE, FILE_MODE, check_file, check_owner, told
from harvester.vault.durable import Disk

NAME = "audit.log"
# A line has some 200 bytes: 40,000 hand-outs in each file, 200,000 in all, 40 MB of disk.
MOST_BYTES = 8 * 1024 * 1024
OLDER_MOST = 4
# How often we look again because another process turned the file over meanwhile.
_LOOKS_MOST = 5

_ADD = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Trail:
    """The audit file in the store's directory, which is there."""

    def __init__(
        self, disk: Disk, directory: Path, *, most_bytes: int = MOST_BYTES, older: int = OLDER_MOST
    ) -> None:
        self._calls = disk.calls
        self._directory = directory
        self._most_bytes = most_bytes
        self._older = older

    @property
    def path(self) -> Path:
        return self._directory / NAME

    def check(self) -> None:
        """Raises StoreUnsafe for what may not be written to, StoreFull where nothing can be."""
        with told(self.path, must_exist=True):
            self._calls.close(self._opened())

    def add(self, lines: bytes) -> None:
        """Add whole lines, all or none of them.  Blocks for the disk and for who else adds.

        Raises as ``check``."""
        for _ in range(_LOOKS_MOST):
            with told(self.path, must_exist=True):
                fd = self._opened()
                try:
                    # Held for one write.  Without it a line that a full disk cut short could not
                    # be taken back, and two could turn the file over at once.
                    fcntl.flock(fd, fcntl.LOCK_EX)
                    if self._added(fd, lines):
                        return
                finally:
                    self._calls.close(fd)
        raise StoreFull(f"{self.path} is turned over again and again", hint="see who writes there")

    def _added(self, fd: int, lines: bytes) -> bool:
        """False where the file has another name by now, or was just given one."""
        seen = self._calls.fstat(fd)
        try:
            if self._calls.lstat(self.path).st_ino != seen.st_ino:
                return False
        except FileNotFoundError:
            return False
        size = seen.st_size
        if size and size + len(lines) > self._most_bytes:
            self._turn_over()
            return False
        if size and os.pread(fd, 1, size - 1) != b"\n":
            lines = b"\n" + lines  # somebody was killed in the middle of a line
        if self._calls.write(fd, lines) != len(lines):
            with suppress(OSError):
                os.ftruncate(fd, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return True

    def _turn_over(self) -> None:
        above = self._calls.open(self._directory, _DIRECTORY)
        try:
            for number in range(self._older - 1, 0, -1):
                with suppress(FileNotFoundError):
                    self._calls.rename(f"{NAME}.{number}", f"{NAME}.{number + 1}", above)
            self._calls.rename(NAME, f"{NAME}.1", above)
        finally:
            self._calls.close(above)

    def _opened(self) -> int:
        """Made 0600, if it is not there; a file of ours alone, in a directory of ours alone."""
        above = self._calls.open(self._directory, _DIRECTORY)
        try:
            check_owner(self._calls.fstat(above), self._directory, mode=DIRECTORY_MODE)
            fd = self._calls.open(NAME, _ADD, FILE_MODE, dir_fd=above)
        finally:
            self._calls.close(above)
        try:
            check_file(self._calls.fstat(fd), self.path)
        except BaseException:
            self._calls.close(fd)
            raise
        return fd
