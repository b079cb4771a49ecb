"""The watcher: one process that does nothing but see to it that a sign-in ends, wholly.

It forks; the child does the sign-in, and this side passes answers on to it and waits for the
first of: the child ended, the parent closed our stdin (it stopped us, or died), a signal, the time
limit.  Then every descendant is killed, whatever session or group it fled to.  A browser sits in a
session of its own, and a hung one answers nobody: only SIGKILL, process by process, is sure.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

from harvester.descent import alive, descendants
from harvester.process import prctl

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Killing is a matter of milliseconds; a process stuck in a dead disk is left to the kernel.
KILL_LIMIT_S = 5.0
_LOOK_AGAIN_S = 0.005
_CHUNK_BYTES = 65536
# What is told to a program whose sign-in was ended from outside, or that said what is no job.
EXIT_ENDED = 1
EXIT_USAGE = 2
_LINE_LIMIT_BYTES = 8 * 1024 * 1024


def watch(
    work: Callable[[int], None],
    *,
    answers: int,
    deadline: float,
    on_line: Callable[[bytes], float | None] = lambda line: None,
) -> int:
    """Run ``work`` in a child and outlive everything that it starts.

    ``work`` gets a descriptor on which the bytes of ``answers`` arrive.  ``deadline`` is of
    ``time.monotonic``; ``on_line`` is told each line of ``answers`` until it returns another one,
    and ends everything by raising ValueError.  Returns the exit code for our own process.
    """
    if sys.platform == "linux":
        # Orphans of the tree become our children, not init's: none gets out of sight.
        prctl(_PR_SET_CHILD_SUBREAPER, 1)
    reading, writing = os.pipe()
    watcher = os.getpid()
    wake_out, wake_in = socket.socketpair()
    wake_in.setblocking(False)
    signal.set_wakeup_fd(wake_in.fileno(), warn_on_full_buffer=False)
    for one in (*_SIGNALS, signal.SIGCHLD):
        signal.signal(one, _noted)
    child = os.fork()
    if child == 0:
        _become_worker(watcher)
        wake_out.close()
        wake_in.close()
        os.close(writing)
        work(reading)
        os._exit(0)
    os.close(reading)
    try:
        code = _until_end(child, answers, writing, wake_out, deadline, on_line)
    except ValueError:
        code = EXIT_USAGE
    signal.set_wakeup_fd(-1)
    kill_descendants()
    return code


def _noted(number: int, frame: object) -> None:
    """The wake-up descriptor has it."""


def _become_worker(watcher: int) -> None:
    signal.set_wakeup_fd(-1)
    for one in (*_SIGNALS, signal.SIGCHLD):
        signal.signal(one, signal.SIG_DFL)
    if sys.platform == "linux":
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != watcher:
        os._exit(EXIT_ENDED)  # it died before the line above


def _until_end(
    child: int,
    answers: int,
    writing: int,
    wake: socket.socket,
    deadline: float,
    on_line: Callable[[bytes], float | None],
) -> int:
    os.set_blocking(writing, False)
    pending = b""
    unread: bytes | None = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return EXIT_ENDED
        ready, writable, _ = select.select(
            [answers, wake.fileno()], [writing] if pending else [], [], left
        )
        if wake.fileno() in ready:
            numbers = wake.recv(_CHUNK_BYTES)
            if any(one in numbers for one in _SIGNALS):
                return EXIT_ENDED
            ended = _exit_code_of(child)
            if ended is not None:
                return ended
        if answers in ready:
            data = os.read(answers, _CHUNK_BYTES)
            if not data:
                return EXIT_ENDED
            pending += data
            while unread is not None:
                line, newline, unread = (unread + data).partition(b"\n")
                data = b""
                if not newline:
                    unread = line
                    if len(unread) > _LINE_LIMIT_BYTES:
                        raise ValueError("a line without end")
                    break
                given = on_line(line)
                if given is not None:
                    deadline, unread = given, None
        if writable:
            pending = _passed_on(writing, pending)


def _passed_on(writing: int, pending: bytes) -> bytes:
    """What is left to write.  Never a blocking write: a stopped child must not stop the watcher."""
    try:
        return pending[os.write(writing, pending) :]
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        return b""  # the child is about to be noticed as ended


def _exit_code_of(child: int) -> int | None:
    try:
        pid, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        return EXIT_ENDED
    if pid == 0:
        return None
    return EXIT_ENDED if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def kill_descendants(limit_s: float = KILL_LIMIT_S) -> bool:
    """Kill and reap every descendant of this process; True when none is left.

    Looks again until there is none: between two looks a process may fork, and a child whose parent
    dies comes to us (Linux) only then.  SIGKILL also ends a process that is stopped.
    """
    until = time.monotonic() + limit_s
    known: set[int] = set()
    while time.monotonic() < until:
        known |= descendants(os.getpid())
        for pid in known:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        known &= alive(known)
        if not _reap() and not known:
            return True
        time.sleep(_LOOK_AGAIN_S)
    return False


def _reap() -> bool:
    """Take in all children that ended; True while others live."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
