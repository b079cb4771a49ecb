"""A person's yes to each hand-out, as ``ssh-add -c`` asks for it: a command of his, which asks him.

    HARVESTER_PROFILE, _OPERATION, _CLIENT, _PID, _UID ──► program.py ──► 0: yes; all else: no

Owns who is asked about when: one question of a caller at a time, few in all, and no question for
somebody who has gone away meanwhile.  How the command is run is ``program.py``'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harvester.errors import Busy, NeedsHuman
from harvester.log import event
from harvester.program import LIMIT_S, failure, inherited
from harvester.visitor import Caller

# A person answers one question at a time; more windows than this hide each other.
AT_ONCE = 3
# Who comes when so many wait is told to come again: the last of them waits for minutes.
WAITING_MOST = 32
_RETRY_S = 5.0

# Whose questions stand in one queue: one program under one name, however many processes it is.
_Asker = tuple[int | None, str | int | None]


def _fine() -> None:
    """Nothing to look at."""


@dataclass(slots=True)
class _Turn:
    """Of one asker.  ``waiting`` counts the one whose question is open too."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Confirm:
    """Of one process.  Without ``words`` nobody is asked."""

    def __init__(
        self, words: Sequence[str], *, environ: Mapping[str, str], limit_s: float = LIMIT_S
    ) -> None:
        self._environ = inherited(environ)
        self._limit_s = limit_s
        self._few = asyncio.Semaphore(AT_ONCE)
        self._turns: dict[_Asker, _Turn] = {}
        self.words = tuple(words)
        """May be changed; it holds for the next question."""

    async def ask(
        self, profile: str, operation: str, caller: Caller, *, check: Callable[[], None] = _fine
    ) -> None:
        """Raises NeedsHuman unless the command says yes, Busy where too many wait for that, and
        what ``check`` raises when it is this caller's turn: a person who paused everything
        meanwhile is not asked thirty questions about it."""
        if not self.words:
            return
        if sum(turn.waiting for turn in self._turns.values()) >= WAITING_MOST:
            raise Busy(
                f"{WAITING_MOST} wait already for a person to confirm",
                hint="answer the questions that are open",
                retry_after_s=_RETRY_S,
            )
        asker = _asker(caller)
        turn = self._turns.setdefault(asker, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock, self._few:
                if caller.is_gone():
                    raise ConnectionError("whoever asked is gone")
                check()
                why = await failure(
                    self.words, self._told(profile, operation, caller), limit_s=self._limit_s
                )
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[asker]
        if why is None:
            return
        event(
            "hand_out.not_confirmed", level=logging.WARNING, profile=profile, operation=operation,
            client=caller.client, pid=caller.visitor.pid, uid=caller.visitor.uid, why=why,
        )  # fmt: skip
        raise NeedsHuman(
            f"this hand-out was not confirmed: the command of HARVESTER_CONFIRM said no ({why})",
            hint="ask again and say yes, or change HARVESTER_CONFIRM",
        )

    def _told(self, profile: str, operation: str, caller: Caller) -> dict[str, str]:
        visitor = caller.visitor
        told = {
            "PROFILE": profile,
            "OPERATION": operation,
            "CLIENT": caller.client or "",
            "PID": "" if visitor.pid is None else str(visitor.pid),
            "UID": "" if visitor.uid is None else str(visitor.uid),
        }
        return self._environ | {f"HARVESTER_{name}": value for name, value in told.items()}


def _asker(caller: Caller) -> _Asker:
    return caller.visitor.uid, caller.client or caller.visitor.pid
