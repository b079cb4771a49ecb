"""The unix socket that we listen on: made by us, private from birth, never taken from another.

Owns the socket's path, its directory's modes and the lock beside it.  Knows nothing of what is
spoken over it.  Libraries' own binders are not used: they make the path readable by all, or
take it away from a daemon that lives.

    lock (flock on PATH.lock) → a path without a listener is removed → bind → check → listen
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import sys
from collections.abc import Collection
from pathlib import Path

from harvester.errors import ConfigInvalid, ConfigUnsafe

# Connections that wait to be accepted.  A caller with a time-out is turned away at once (EAGAIN)
# when the queue is full, and 2,000 of them knocking together overran one of 1024.  The kernel
# cuts this to its own limit (net.core.somaxconn: 4096 on current Linux).
BACKLOG = 4096
# Accepted in one turn of the loop: those inside wait for 2 ms at most.  (asyncio takes the whole
# queue at once: 4,096 used up the descriptors before one of them was looked at.)
ACCEPTS_A_TURN = 64
# Asking a path whether somebody listens: a live daemon's kernel answers at once, even if the
# daemon itself is busy.
_ASK_S = 1.0

_PRIVATE_DIR = 0o700
_PASSABLE_DIR = 0o711
_PRIVATE_SOCKET = 0o600
_OPEN_SOCKET = 0o666


class Listener:
    """A listening socket for as long as the ``with`` block lasts.

    Raises ConfigUnsafe where the directory is not private to us, ConfigInvalid where another
    daemon listens there or no socket can stand there.  ``allow_uids`` other than our own widen
    directory and socket: the check of the peer's uid is then the only door.
    """

    def __init__(self, path: Path, *, allow_uids: Collection[int] = ()) -> None:
        self.path = path
        self._others = any(uid != os.geteuid() for uid in allow_uids)
        self._sock: socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        self._lock_fd = -1

    def __enter__(self) -> socket.socket:
        _make_private(self.path.parent, others=self._others)
        self._lock_fd = _lock(self.path)
        try:
            _clear(self.path)
            self._sock, self._inode = _bind(self.path)
            if self._others:
                os.chmod(self.path, _OPEN_SOCKET)
            self._sock.listen(BACKLOG)
        except BaseException:
            self._close()
            raise
        return self._sock

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        """Stop listening; the path goes too, unless somebody has put another thing there."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        if self._inode is not None and self._inode == _inode(self.path):
            os.unlink(self.path)
        self._inode = None
        # The lock file stays: removing it would let two daemons lock two files of one name.
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _make_private(directory: Path, *, others: bool) -> None:
    """The directory, made if need be: ours, 0700 (0711 where others are let in)."""
    try:
        os.makedirs(directory.parent, mode=_PRIVATE_DIR, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, _PRIVATE_DIR)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise ConfigInvalid(
            f"the socket's directory {directory} cannot be used: {_words(error)}",
            hint="name another place with HARVESTER_SOCKET",
        ) from None
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            raise ConfigUnsafe(
                f"the socket's directory {directory} belongs to uid {found.st_uid}, not to us",
                hint="name a directory of your own with HARVESTER_SOCKET",
            )
        mode = stat.S_IMODE(found.st_mode)
        allowed = _PASSABLE_DIR if others else _PRIVATE_DIR
        if mode & ~allowed & 0o077:
            raise ConfigUnsafe(
                f"the socket's directory {directory} is open to others (mode {mode:04o})",
                hint=f"chmod {allowed:o} {directory}   (under systemd: RuntimeDirectoryMode=0700)",
            )
        if others and mode & 0o777 != _PASSABLE_DIR:
            os.fchmod(fd, _PASSABLE_DIR)
    finally:
        os.close(fd)


def _lock(path: Path) -> int:
    """The descriptor that holds the lock beside ``path``; the kernel frees it when we die."""
    beside = path.with_name(path.name + ".lock")
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with contextlib.suppress(FileNotFoundError):
            # Before it is opened, because opening a device may do something; and again when it is
            # open, because it may be another by then.
            _refuse_planted(os.lstat(beside), beside)
        fd = os.open(beside, flags, 0o600)
    except OSError as error:
        raise ConfigInvalid(
            f"the socket's lock {beside} cannot be opened: {_words(error)}",
            hint="name another place with HARVESTER_SOCKET",
        ) from None
    try:
        _refuse_planted(os.fstat(fd), beside)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ConfigUnsafe:
        os.close(fd)
        raise
    except OSError as error:
        if not isinstance(error, BlockingIOError):
            os.close(fd)
            raise ConfigInvalid(
                f"the socket's lock {beside} cannot be locked: {_words(error)}",
                hint="name a place on a local disk with HARVESTER_SOCKET",
            ) from None
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        os.close(fd)
        raise _second(path, f" (pid {holder})" if holder.isdigit() else "") from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _refuse_planted(found: os.stat_result, beside: Path) -> None:
    """Our pid is written into it, so it must not be a second name of somebody's own file."""
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
        raise ConfigUnsafe(
            f"the socket's lock {beside} is no plain file of ours alone, and it was not touched",
            hint=f"look at it: ls -ld {beside}; then move it away",
        )


def _second(path: Path, who: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"another daemon{who} already listens on {path}",
        hint="`harvester status` shows it; stop it first, or set HARVESTER_SOCKET to another path",
    )


def _clear(path: Path) -> None:
    """Remove what a dead daemon left.  A live listener, or a thing that is no socket, stays."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _no_socket(path, error) from None
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigInvalid(
            f"{path} is there already and is not a socket",
            hint="name another path with HARVESTER_SOCKET",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ASK_S)
        try:
            asking.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            # EAGAIN: its queue of callers is full, so somebody lives there.
            if error.errno not in (errno.EAGAIN, None) and not isinstance(error, TimeoutError):
                raise _no_socket(path, error) from None
    raise _second(path, "")


def _bind(path: Path) -> tuple[socket.socket, tuple[int, int]]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if sys.platform == "linux":
            # The path gets the mode of the unbound socket, less the umask: so it is 0600 from
            # its first instant.  Elsewhere the umask (0077, set once at start) sees to that.
            os.fchmod(sock.fileno(), _PRIVATE_SOCKET)
        sock.bind(os.fspath(path))
        found = os.lstat(path)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            path.unlink()
            raise ConfigUnsafe(
                f"the socket {path} was born open to others (mode {found.st_mode & 0o777:04o})",
                hint="start with umask 0077, on a file system that keeps owners and modes",
            )
    except OSError as error:
        sock.close()
        raise _no_socket(path, error) from None
    except BaseException:
        sock.close()
        raise
    return sock, (found.st_dev, found.st_ino)


def _no_socket(path: Path, error: OSError) -> ConfigInvalid:
    return ConfigInvalid(
        f"no socket can stand at {path}: {_words(error)}",
        hint="set HARVESTER_SOCKET to a short path in a directory of your own",
    )


def _words(error: OSError) -> str:
    return (os.strerror(error.errno) if error.errno else str(error)).lower()
