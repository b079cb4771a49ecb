"""The system calls of the vault, one method each, and what is refused of a file.

``Calls`` is the seam at which a test makes the n-th call fail or kills the process before it.
Owns also the rules of owner, mode and kind, and the translation of the system's refusals into
errors for a person.  Knows no order of calls: that is ``durable.py``'s.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harvester.errors import StoreError, StoreFull, StoreUnsafe

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700

_NOT_OURS_ALONE = stat.S_IRWXG | stat.S_IRWXO
# Matters of rights and kinds, which a person mends.  Everything else is the disk's: full,
# read-only or broken, which passes.
# ENXIO and ENODEV are what a socket, a pipe or a device says that was put there just now.
_UNSAFE = frozenset(
    (
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,
        errno.EMLINK,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENXIO,
        errno.ENODEV,
    )
)


class Calls:
    """The system calls that are made, and no others."""

    def open(self, path: str | Path, flags: int, mode: int = 0, dir_fd: int | None = None) -> int:
        return os.open(path, flags, mode, dir_fd=dir_fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def fstat(self, fd: int) -> os.stat_result:
        return os.fstat(fd)

    def lstat(self, name: str | Path, dir_fd: int | None = None) -> os.stat_result:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)

    def read(self, fd: int, length: int) -> bytes:
        return os.read(fd, length)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def link(self, source: str, target: str, dir_fd: int) -> None:
        os.link(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)

    def rename(self, source: str, target: str, dir_fd: int) -> None:
        os.rename(source, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)

    def unlink(self, name: str, dir_fd: int) -> None:
        os.unlink(name, dir_fd=dir_fd)

    def mkdir(self, path: Path) -> None:
        os.mkdir(path, DIRECTORY_MODE)

    def names(self, fd: int) -> list[str]:
        return os.listdir(fd)


def check_file(seen: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(seen.st_mode):
        raise StoreUnsafe(
            f"{path} is no regular file, and it was not touched",
            hint=f"look at it: ls -ld {shlex.quote(str(path))}; then move it away",
        )
    check_owner(seen, path, mode=FILE_MODE)


def check_one_name(seen: os.stat_result, path: Path) -> None:
    """For a file that is written in place.  A second name of it may be a file of somebody's own,
    and owner and mode are then those of that file.  What is replaced by a rename needs no such
    check: the other name keeps its bytes."""
    if seen.st_nlink > 1:
        raise StoreUnsafe(
            f"{path} is a second name of another file, and it was not touched",
            hint=f"run: rm {shlex.quote(str(path))}   (the file keeps its other name)",
        )


def check_owner(seen: os.stat_result, path: Path, *, mode: int) -> None:
    name = shlex.quote(str(path))
    if seen.st_uid != os.geteuid():
        raise StoreUnsafe(
            f"{path} belongs to user {seen.st_uid}, and this is user {os.geteuid()}",
            hint=f"run as its owner, or: chown {os.geteuid()} {name}",
        )
    if seen.st_mode & _NOT_OURS_ALONE:
        raise StoreUnsafe(
            f"{path} is open to others (mode {stat.S_IMODE(seen.st_mode):04o})",
            hint=f"run: chmod {mode:o} {name}",
        )


@contextmanager
def told(path: Path, *, must_exist: bool = False) -> Iterator[None]:
    """What the system refused, as an error for a person.

    FileNotFoundError goes through, for the caller to say what absence means; with ``must_exist``
    it is a StoreFull like the rest.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not must_exist:
            raise
        raise _refusal(error, path) from error


def _refusal(error: OSError, path: Path) -> StoreError:
    above = shlex.quote(str(path.parent))
    if isinstance(error, FileNotFoundError):
        return StoreFull(
            f"{path} cannot be written: its directory is not there", hint=f"run: mkdir -p {above}"
        )
    if error.errno in _UNSAFE:
        return StoreUnsafe(
            f"{path} cannot be used: {error.strerror}",
            hint=f"look at it as this user: ls -ld {above} {shlex.quote(str(path))}",
        )
    return StoreFull(
        f"the disk refused {path}: {error.strerror}",
        hint=f"look at the disk: df -h {above}; nothing stored was lost",
    )
