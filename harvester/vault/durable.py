"""The disk: bytes that are whole, private and still there after a power cut.

Owns how a file is written (beside its place, synced, then renamed into it) and what is refused
when one is read.  Every system call goes through ``Calls`` (calls.py).  Knows nothing of records,
keys or profiles.

    write_atomic    temp file → write → fsync → link the present one as NAME.previous
                    → rename over NAME → fsync the directory

At every instant a reader finds NAME as it was or as it will be, never a part and never nothing.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from harvester.errors import StoreUnsafe
from harvester.vault.calls import (
    DIRECTORY_MODE,
    FILE_MODE,
    Calls,
    check_file,
    check_owner,
    told,
)

__all__ = ["PREVIOUS", "Calls", "Disk", "Stamp"]

PREVIOUS = ".previous"
# A write takes milliseconds.  A minute is beyond any stalled disk that then still finishes, and
# short enough that what a kill -9 left behind is gone at the next start.
STALE_TEMP_S = 60.0

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_TEMP_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMP_NAME = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")
_READ_CHUNK_BYTES = 256 * 1024
# Sixteen random digits are never taken by chance; three times in a row somebody foresees them.
_TEMP_NAMES_MOST = 3

_T = TypeVar("_T")

# inode, mtime in ns, size: changes whenever a file is replaced.
Stamp = tuple[int, int, int]

_NO_HARD_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))


def stamp_of(seen: os.stat_result) -> Stamp:
    return (seen.st_ino, seen.st_mtime_ns, seen.st_size)


class Disk:
    """Whole files in directories.  A ``name`` is a plain file name, never a path.

    ``private_dirs`` asks of every directory what the store asks of its own: ours, 0700, no
    symlink.  Without it a directory may be anything; the files are held to the same rules.
    Raises StoreUnsafe (owner, mode, kind, rights) with the command that mends it, and StoreFull
    for everything that the disk itself refuses; what was there before is then still there.
    """

    def __init__(self, calls: Calls | None = None, *, private_dirs: bool = False) -> None:
        self._calls = calls or Calls()
        self._private_dirs = private_dirs

    @property
    def calls(self) -> Calls:
        """For what is written in another way (journal.py)."""
        return self._calls

    def make_dir(self, path: Path) -> None:
        """Make a directory, 0700 from birth, and those above it that are missing; check it."""
        with told(path, must_exist=True):
            self._make(path)
            self._calls.close(self._open_dir(path))

    def check_dir(self, path: Path) -> bool:
        """False if there is no such directory; raises if it is not as it must be."""
        try:
            with told(path):
                self._calls.close(self._open_dir(path))
        except FileNotFoundError:
            return False
        return True

    def read(self, dir: Path, name: str, limit_bytes: int) -> bytes | None:
        """The file's bytes, None if there is no file.  A larger one gives ``limit_bytes`` + 1
        bytes, so that the caller sees it."""
        found = self.read_stamped(dir, name, limit_bytes)
        return None if found is None else found[0]

    def read_stamped(self, dir: Path, name: str, limit_bytes: int) -> tuple[bytes, Stamp] | None:
        """As ``read``, with the stamp of exactly the file that was read."""
        path = dir / _plain(name)
        try:
            with told(path), self._opened_dir(dir) as dir_fd:
                # Looked at first, because opening a device may do something, and again when it is
                # open, because it may be another by then.
                check_file(self._calls.lstat(name, dir_fd=dir_fd), path)
                fd = self._calls.open(name, _READ_FLAGS, dir_fd=dir_fd)
                try:
                    seen = self._calls.fstat(fd)
                    check_file(seen, path)
                    return self._read_all(fd, limit_bytes), stamp_of(seen)
                finally:
                    self._calls.close(fd)
        except FileNotFoundError:
            return None

    def write_atomic(
        self, dir: Path, name: str, data: bytes, *, keep_previous: bool = False
    ) -> None:
        """Put ``data`` in the place of the file, durably when this returns.

        With ``keep_previous`` the present file stays as ``NAME.previous``.
        """
        path = dir / _plain(name)
        with told(path, must_exist=True), self._opened_dir(dir) as dir_fd:
            for lost in (path, dir / (name + PREVIOUS)) if keep_previous else (path,):
                with suppress(FileNotFoundError):
                    # rename would replace a symlink, not follow it; but somebody who put one here
                    # meant another file, and must hear that it is not written.
                    check_file(self._calls.lstat(lost.name, dir_fd=dir_fd), lost)
            temp = self._write_temp(dir_fd, path, data)
            try:
                if keep_previous:
                    self._keep(dir_fd, path)
                self._calls.rename(temp, name, dir_fd)
            except BaseException:
                self._drop(temp, dir_fd)
                raise
            self._calls.fsync(dir_fd)

    def create(self, dir: Path, name: str, data: bytes) -> bool:
        """Write a file that is not there yet; False, and nothing done, if it is.

        Whole from its first instant, so that of two who create it the second can read it.
        """
        path = dir / _plain(name)
        with told(path, must_exist=True), self._opened_dir(dir) as dir_fd:
            try:
                temp = self._write_temp(dir_fd, path, data)
                try:
                    self._link(temp, name, dir_fd)
                finally:
                    self._drop(temp, dir_fd)
            except FileExistsError:
                return False
            self._calls.fsync(dir_fd)
        return True

    def remove(self, dir: Path, *names: str) -> None:
        """Remove files in this order, durably; those that are not there are no error."""
        try:
            with told(dir), self._opened_dir(dir) as dir_fd:
                for name in names:
                    with suppress(FileNotFoundError):
                        self._calls.unlink(_plain(name), dir_fd)
                self._calls.fsync(dir_fd)
        except FileNotFoundError:
            return

    def set_aside(self, dir: Path, name: str, aside: str, stamp: Stamp) -> bool:
        """Rename the file that ``stamp`` was taken of; False if another stands there by now, or if
        the name ``aside`` is taken.

        The story it prevents: we read a damaged file, a writer replaces it by a good one, and we
        rename the good one away.
        """
        try:
            with told(dir / _plain(name)), self._opened_dir(dir) as dir_fd:
                with suppress(FileNotFoundError):
                    self._calls.lstat(aside, dir_fd=dir_fd)
                    return False
                self._calls.rename(name, _plain(aside), dir_fd)
                right = stamp_of(self._calls.lstat(aside, dir_fd=dir_fd)) == stamp
                if not right:
                    # Back, unless a still newer one has come.
                    with suppress(FileExistsError):
                        self._link(aside, name, dir_fd)
                    self._drop(aside, dir_fd)
                self._calls.fsync(dir_fd)
        except FileNotFoundError:
            return False  # somebody else did it
        return right

    def stamp(self, dir: Path, name: str) -> Stamp | None:
        """What changes when the file is replaced; None if there is none.  One system call."""
        path = dir / _plain(name)
        try:
            with told(path):
                return stamp_of(self._calls.lstat(path))
        except FileNotFoundError:
            return None

    def names(self, dir: Path) -> list[str]:
        """The names in a directory, sorted; empty if there is no directory."""
        try:
            with told(dir), self._opened_dir(dir) as dir_fd:
                return sorted(self._calls.names(dir_fd))
        except FileNotFoundError:
            return []

    def sweep(self, dir: Path, *, now_s: float) -> None:
        """Remove temp files that a killed writer left: our pattern, regular, over a minute old."""
        stale = []
        for name in self.names(dir):
            if not _TEMP_NAME.fullmatch(name):
                continue
            with suppress(FileNotFoundError), told(dir / name):
                seen = self._calls.lstat(dir / name)
                # By ctime: a second name for an old file is new, though its mtime is old.  And a
                # clock that was set back makes files of the future; those are as stale.
                if stat.S_ISREG(seen.st_mode) and abs(now_s - seen.st_ctime) > STALE_TEMP_S:
                    stale.append(name)
        if stale:
            self.remove(dir, *stale)

    @contextmanager
    def _opened_dir(self, path: Path) -> Iterator[int]:
        fd = self._open_dir(path)
        try:
            yield fd
        finally:
            self._calls.close(fd)

    def _open_dir(self, path: Path) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        fd = self._calls.open(path, flags | (os.O_NOFOLLOW if self._private_dirs else 0))
        try:
            if self._private_dirs:
                check_owner(self._calls.fstat(fd), path, mode=DIRECTORY_MODE)
        except BaseException:
            self._calls.close(fd)
            raise
        return fd

    def _make(self, path: Path) -> None:
        try:
            self._calls.mkdir(path)
        except FileExistsError:
            return
        except FileNotFoundError:
            if path.parent == path:
                raise
            self._make(path.parent)
            with suppress(FileExistsError):
                self._calls.mkdir(path)
        # Somebody else's directory may be one that we can use but not open; then the name of
        # ours is as durable as that one is.
        with suppress(PermissionError):
            above = self._calls.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._calls.fsync(above)
            finally:
                self._calls.close(above)

    def _read_all(self, fd: int, limit_bytes: int) -> bytes:
        parts: list[bytes] = []
        left = limit_bytes + 1
        while left > 0:
            part = self._calls.read(fd, min(left, _READ_CHUNK_BYTES))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _new_name(self, path: Path, make: Callable[[str], _T]) -> tuple[str, _T]:
        """A temp name beside ``path`` that nothing has, and what ``make`` made of it."""
        for _ in range(_TEMP_NAMES_MOST):
            temp = f".{path.name}.{secrets.token_hex(8)}.tmp"
            with suppress(FileExistsError):
                return temp, make(temp)
        raise StoreUnsafe(
            f"somebody foresees the names of temporary files beside {path}: {temp} is taken",
            hint=f"look at it: ls -la {shlex.quote(str(path.parent))}; then move it away",
        )

    def _write_temp(self, dir_fd: int, path: Path, data: bytes) -> str:
        temp, fd = self._new_name(
            path, lambda name: self._calls.open(name, _TEMP_FLAGS, FILE_MODE, dir_fd=dir_fd)
        )
        try:
            try:
                rest = memoryview(data)
                while rest:
                    # A short write is no error; the next one tells what is wrong.
                    written = self._calls.write(fd, bytes(rest))
                    if not written:  # no system should; one that does would hold us for ever
                        raise OSError(errno.EIO, os.strerror(errno.EIO))
                    rest = rest[written:]
                self._calls.fsync(fd)
            finally:
                # Checked: some file systems report a full disk only here.
                self._calls.close(fd)
        except BaseException:
            self._drop(temp, dir_fd)
            raise
        return temp

    def _keep(self, dir_fd: int, path: Path) -> None:
        """The present file under its second name.  A rename would leave an instant without it."""
        try:
            second = self._second(dir_fd, path)
        except FileNotFoundError:
            return
        try:
            self._calls.rename(second, path.name + PREVIOUS, dir_fd)
        finally:
            # rename does nothing when both are names of one file, as after a crash just here.
            self._drop(second, dir_fd)

    def _second(self, dir_fd: int, path: Path) -> str:
        """Another name for the present file, or a copy where there are no hard links."""
        try:
            return self._new_name(path, lambda second: self._calls.link(path.name, second, dir_fd))[
                0
            ]
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return self._copy(dir_fd, path)

    def _link(self, source: str, target: str, dir_fd: int) -> None:
        """Put ``source`` under the name ``target`` if that is free, else raise FileExistsError.

        The caller drops ``source``.  Without hard links a rename must do, and two processes at
        this very instant are not told apart.
        """
        try:
            self._calls.link(source, target, dir_fd)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            with suppress(FileNotFoundError):
                self._calls.lstat(target, dir_fd=dir_fd)
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            self._calls.rename(source, target, dir_fd)

    def _copy(self, dir_fd: int, path: Path) -> str:
        fd = self._calls.open(path.name, _READ_FLAGS, dir_fd=dir_fd)
        try:
            data = self._read_all(fd, self._calls.fstat(fd).st_size)
        finally:
            self._calls.close(fd)
        return self._write_temp(dir_fd, path, data)

    def _drop(self, temp: str, dir_fd: int) -> None:
        # The error that brought us here matters; a temp file that stays is swept later.
        with suppress(OSError):
            self._calls.unlink(temp, dir_fd)


def _plain(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise ValueError(f"{name!r} is no plain file name")
    return name
