"""One owner at a time, across processes: a lock file and ``flock``.

The kernel drops the lock when its owner dies, however it dies, so there is no stale lock and
nothing to clean up; the file itself stays, since removing it would let two owners hold two files
of one name.  Knows nothing of what the lock is for.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from harvester.errors import StoreFull
from harvester.vault.calls import FILE_MODE, Calls, check_file, check_one_name, told

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PID_LIMIT_BYTES = 32


class Lock:
    """Held from ``acquire_nonblocking`` to ``release``, or to the death of this process.

    As a context manager it only releases: whether it was got must be looked at.
    """

    def __init__(self, path: Path, calls: Calls | None = None) -> None:
        self._path = path
        self._calls = calls or Calls()
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
            with suppress(FileNotFoundError):
                # Before it is opened (see durable.py); what is open is looked at again.
                check_file(self._calls.lstat(self._path), self._path)
            fd = self._opened()
            try:
                seen = self._calls.fstat(fd)
                check_file(seen, self._path)
                check_one_name(seen, self._path)
            except BaseException:
                self._closed(fd)
                raise
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._closed(fd)
            return False
        except OSError as error:
            self._closed(fd)
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
        self._closed(fd)

    def _opened(self) -> int:
        # 0600 from birth.  Not inherited by children: a signer that outlives us must not keep
        # the lock.
        try:
            return self._calls.open(self._path, os.O_RDWR | os.O_CREAT | _FLAGS, FILE_MODE)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
        # A disk that became read-only still tells who is at work, by the file that is there.
        return self._calls.open(self._path, os.O_RDONLY | _FLAGS)

    def _closed(self, fd: int) -> None:
        # Whatever is said of a file that we only locked: it is closed, and the lock is gone.
        with suppress(OSError):
            self._calls.close(fd)

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
