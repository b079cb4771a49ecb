"""What a sign-in left behind whose every process was killed: a browser that runs on, a directory.

The watcher ends its tree whatever happens to the daemon; but a ``kill -9`` of both, or a machine
that kills what uses most memory, may spare a browser that hangs.  It is known by its HOME, the
private directory of its sign-in, and by the lock on that directory, which the kernel gives back
when the last process of the signer is gone.  Swept at each start of a daemon and of a sign-in.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harvester.descent import descendants, environ_of, processes_of

PREFIX = "harvester-sign-in-"
_PROC_MOUNTS = Path("/proc/mounts")


@dataclass(frozen=True, slots=True)
class Swept:
    processes: int = 0
    directories: int = 0


def scratch_root() -> Path:
    """Memory where there is some: what a browser writes then never reaches a disk."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_ours(Path(runtime)):
        return Path(runtime)
    shm = Path("/dev/shm")  # noqa: S108  only a directory of our own inside it is used
    if _on_tmpfs(shm) and os.access(shm, os.W_OK | os.X_OK):
        return shm
    return Path(tempfile.gettempdir())


def _is_ours(path: Path) -> bool:
    try:
        facts = path.stat()
    except OSError:
        return False
    private = stat.S_IMODE(facts.st_mode) & 0o077 == 0
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and private


def _on_tmpfs(path: Path) -> bool:
    try:
        mounts = _PROC_MOUNTS.read_text()
    except OSError:
        return False
    return any(line.split()[1:3] == [str(path), "tmpfs"] for line in mounts.splitlines())


def sweep(root: Path, *, thorough: bool = False) -> Swept:
    """End and remove what is left below ``root``; what belongs to a living sign-in stays.

    ``thorough``: also processes whose directory is gone already, for which every process of ours
    is looked at; a sign-in that finds no directory spares itself that.
    """
    places = set(root.glob(PREFIX + "*"))
    homes = _homes(root) if places or thorough else {}
    ended = removed = 0
    for left in {*places, *homes}:
        lock = _claimed(left)
        if lock is None:
            continue
        try:
            ended += sum(_end(pid, left) for pid in homes.get(left, ()))
            if lock >= 0:
                shutil.rmtree(left, ignore_errors=True)
                removed += 1
        finally:
            if lock >= 0:
                os.close(lock)
    return Swept(ended, removed)


def is_locked_by_us(descriptor: int) -> bool:
    """Takes the lock, unless another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _claimed(left: Path) -> int | None:
    """The lock on a directory of ours that nobody uses; -1 where there is no directory any more;
    None where it is somebody's."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(left, flags)
    except FileNotFoundError:
        return -1
    except OSError:
        return None
    if os.fstat(descriptor).st_uid == os.geteuid() and is_locked_by_us(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _homes(root: Path) -> dict[Path, list[int]]:
    """Processes of ours by the sign-in that they were started for."""
    found: dict[Path, list[int]] = {}
    for pid in processes_of(os.geteuid()):
        home = Path(environ_of(pid).get("HOME", "."))
        if home.parent == root and home.name.startswith(PREFIX) and _lives_here(pid):
            found.setdefault(home, []).append(pid)
    return found


def _lives_here(pid: int) -> bool:
    """Not in a container of the same user, whose directory of that name is another one."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    return False


def _end(pid: int, home: Path) -> int:
    """Kill it and all below it; how many were killed."""
    killed = 0
    for one in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            held = os.pidfd_open(one)
            try:
                # The number may have gone to another program meanwhile.
                if one == pid and environ_of(pid).get("HOME") != str(home):
                    return 0
                signal.pidfd_send_signal(held, signal.SIGKILL)
                killed += 1
            finally:
                os.close(held)
    return killed
