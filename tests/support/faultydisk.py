"""Disks that fail, that are watched, and that end the process: all at the seam ``vault.calls``.

``Tapped`` sees each system call before it is made; the others say what comes of that.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harvester.vault.calls import Calls
from harvester.vault.directory import DirectoryStore
from harvester.vault.durable import Disk
from harvester.vault.seal import Seal

# What a full disk, a read-only one and a spent quota refuse; reading goes on.
_CHANGES = frozenset(("write", "fsync", "link", "rename", "mkdir"))
_CALLS = frozenset(name for name in vars(Calls) if not name.startswith("_"))


class Unsynced(Calls):
    """The power stays on: what was written is there, synced or not, and soon."""

    def fsync(self, fd: int) -> None:
        os.fstat(fd)


class Tapped(Unsynced):
    """``tap`` is given a call's name, the call, and what it is called with, and answers for it."""

    def __getattribute__(self, name: str) -> Any:
        call = super().__getattribute__(name)
        if name not in _CALLS:
            return call
        return lambda *args, **named: self.tap(name, call, args, named)

    def tap(
        self, name: str, call: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        raise NotImplementedError


class Fault:
    """One thing that can go wrong with a call.  ``number`` is an errno; 0: a short write."""

    def __init__(self, name: str, number: int = 0) -> None:
        self.name = name
        self.number = number

    def __repr__(self) -> str:
        return self.name

    def hits(self, name: str, args: tuple[Any, ...]) -> bool:
        """Whether a call can fail in this way."""
        if not self.number:
            return name == "write"
        if self.number == errno.EMFILE:
            return name in ("open", "names")
        if self.number in (errno.ENOSPC, errno.EROFS, errno.EDQUOT):
            if name == "mkdir" and os.path.isdir(args[0]):
                return False  # "it is there" is said first
            creates = name == "open" and bool(args[1] & (os.O_CREAT | os.O_RDWR))
            return creates or name in _CHANGES or (name == "unlink" and self.number == errno.EROFS)
        return True

    def strike(self, name: str, call: Callable[..., Any], args: Any, named: Any) -> Any:
        if not self.number:
            fd, data = args
            return call(fd, data[: (len(data) + 1) // 2])
        if name == "close":
            call(*args, **named)  # as on Linux: closed all the same
        raise OSError(self.number, os.strerror(self.number))


EIO = Fault("EIO", errno.EIO)
ENOSPC = Fault("ENOSPC", errno.ENOSPC)
SHORT = Fault("short write")
FAULTS = (
    ENOSPC,
    EIO,
    Fault("EROFS", errno.EROFS),
    Fault("EDQUOT", errno.EDQUOT),
    Fault("EMFILE", errno.EMFILE),
    Fault("EINTR", errno.EINTR),
    SHORT,
)


class FailingCalls(Tapped):
    """The n-th call that can fail so does (with ``for_good`` all later ones too), till ``heal``."""

    def __init__(self, fault: Fault, at: int, *, for_good: bool = False) -> None:
        self._fault = fault
        self._at = at
        self._for_good = for_good
        self._count = 0
        self._healed = False
        self.reached = False

    def heal(self) -> None:
        self._healed = True

    def fail(self) -> None:
        """The count goes on after a ``heal``."""
        self._healed = False

    def tap(self, name: str, call: Callable[..., Any], args: Any, named: Any) -> Any:
        if not self._healed and self._fault.hits(name, args):
            self._count += 1
            if self._count == self._at or (self._for_good and self._count > self._at):
                self.reached = True
                return self._fault.strike(name, call, args, named)
        return call(*args, **named)


class DeadlyCalls(Tapped):
    """The process is killed in the place of the n-th call."""

    def __init__(self, at: int) -> None:
        self.left = at

    def tap(self, name: str, call: Callable[..., Any], args: Any, named: Any) -> Any:
        self.step()
        return call(*args, **named)

    def step(self) -> None:
        """One more place to die at; a story may have some that are no system calls."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def store_on(root: Path, seal: Seal, calls: Calls | None = None) -> DirectoryStore:
    return DirectoryStore(root, seal, disk=disk_of(calls))


def disk_of(calls: Calls | None = None) -> Disk:
    return Disk(calls or Unsynced(), private_dirs=True)


def temp_files(root: Path) -> list[Path]:
    """What writers left behind."""
    return [path for path in root.rglob(".*.tmp") if path.is_file()]


def open_fds() -> int:
    """Descriptors of this process, without those of the canary's thread, which looks into /proc
    beside the tests and closes each at once."""
    there = 0
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            there += not os.readlink(f"/proc/self/fd/{fd}").startswith("/proc")
    return there
