"""A program that is run in our place: it gets our signals, and we end with its code.

It stays in our process group.  So what the terminal sends reaches it without us: an interrupt, a
quit, a hang-up, a new size of the window; and a stop stops both, as it does any two programs of
one job.  Only what somebody sent to us alone is passed on.  A group of its own would take the
terminal from the other programs of a pipeline.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Self

from harvester.process import core_limit_of_the_user

_PASSED_ON = frozenset(
    {
        signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
        signal.SIGUSR2, signal.SIGWINCH,
    }
)  # fmt: skip
# What a terminal sends to the whole job.  A hang-up too, but to the leader of its session alone
# where there is one: twice is better than never.
_KEYS = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH})
# As shells say it.
_SIGNALLED = 128


class Child:
    """A context manager: within it signals wait, so that none ends us before the child has ended.

    Threads that are started within it inherit that, and take no signal away from ``run``.
    """

    def __init__(self) -> None:
        self._before: set[int] = set()

    def __enter__(self) -> Self:
        # Whoever started us may have it ignored; then no end of a child could be seen.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, signal.SIGCHLD})
        return self

    def __exit__(self, *reason: object) -> None:
        # One that came when the child had ended already is for nobody any more.
        for number in _PASSED_ON & signal.sigpending():
            signal.sigwait({number})
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def run(self, words: Sequence[str], environ: Mapping[str, str]) -> int:
        """Its exit code, or 128 and the number of the signal that ended it.

        Raises FileNotFoundError where there is no such program, another OSError where it cannot
        be run.
        """
        with core_limit_of_the_user():
            pid = os.posix_spawnp(
                words[0],
                list(words),
                environ,
                setsigmask=self._before,
                # Python ignores these two, and what is ignored is inherited.
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        while True:
            number, ours_alone = _next_signal()
            if number == signal.SIGCHLD:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    code = os.waitstatus_to_exitcode(status)
                    return code if code >= 0 else _SIGNALLED - code
            elif ours_alone:
                os.kill(pid, number)  # not waited for yet, so the number is still its own


def _next_signal() -> tuple[int, bool]:
    """The next one, and whether it came to us alone (the child's end, of course, does)."""
    waited_for = {*_PASSED_ON, signal.SIGCHLD}
    if sys.platform == "darwin":
        # It does not tell who sent it; at a terminal, its keys are the likely sender.
        number = signal.sigwait(waited_for)
        return number, not (number in _KEYS and _in_foreground())
    told = signal.sigwaitinfo(waited_for)
    # Above nought: the kernel made it, for the whole job.  Others were sent by a process.
    return told.si_signo, told.si_code <= 0 or told.si_signo not in _KEYS


def _in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
