"""One owner at a time, across processes: a lock file and ``flock``.

The kernel drops the lock when its owner dies, however it dies, so there is no stale lock and
nothing to clean up; the file itself stays, since removing it would let two owners hold two files
of one name.  Knows nothing of what the lock is for.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from harvester.errors import StoreFull, StoreUnsafe
from harvester.vault.calls import FILE_MODE, check_file, told

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PID_LIMIT_BYTES = 32


class Lock:
    """Held from ``acquire_nonblocking`` to ``release``, or to the death of this process.

    As a context manager it only releases: whether it was got must be looked at.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._fd is not None

    def acquire_nonblocking(self) -> bool:
        """True if it is ours now; False if anybody holds it, this object too.

        Raises StoreUnsafe or StoreFull if the lock file cannot be opened.
        """
        if self._fd is not None:
            return False
        with told(self._path, must_exist=True):
            # 0600 from birth.  Not inherited by children: a signer that outlives us must not
            # keep the lock.
            fd = os.open(self._path, _FLAGS, FILE_MODE)
        try:
            check_file(os.fstat(fd), self._path)
        except StoreUnsafe:
            os.close(fd)
            raise
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError as error:
            os.close(fd)
            raise StoreFull(
                f"{self._path} cannot be locked: {error.strerror}",
                hint="the store must be on a file system that knows flock",
            ) from error
        # Only told to people; on a full disk the lock is held all the same.
        with suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode("ascii"), 0)
        self._fd = fd
        return True

    def release(self) -> None:
        """Give it back; nothing happens if it is not held."""
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        with suppress(OSError):
            os.ftruncate(fd, 0)
        os.close(fd)

    def holder_pid(self) -> int | None:
        """Who holds it, for a message.  Never decide anything by it: numbers are used again."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            text = os.read(fd, _PID_LIMIT_BYTES).decode("ascii", "replace").strip()
        except OSError:
            return None
        finally:
            os.close(fd)
        if not text.isdecimal() or not 0 < int(text) < 2**31:
            return None
        try:
            os.kill(int(text), 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass  # alive, another user's
        return int(text)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
