"""One refresh in the air that all callers share: its result, or its error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from harvester.clock import Clock
from harvester.errors import Bug, HarvesterError
from harvester.ladder import Why
from harvester.session import Session

# A failed flight answers everybody who asks within this time: a storm of callers is one failure.
REPEAT_ERROR_S = 1.0
# A person who asks does not get an answer from before his question.
_ASKED: tuple[Why, ...] = ("hard", "asked")

Climb = Callable[[Why, bool], Coroutine[Any, Any, Session]]


class Flight:
    """Single flight: at most one climb at a time, however many wait for it."""

    def __init__(self, climb: Climb, clock: Clock) -> None:
        self._climb = climb
        self._clock = clock
        self._task: asyncio.Task[Session] | None = None
        self._error: HarvesterError | None = None
        self._failed_at = 0.0

    @property
    def up(self) -> bool:
        return self._task is not None

    @property
    def error(self) -> HarvesterError | None:
        """Why the last climb failed; None once one succeeded or a person mended something."""
        return self._error

    def forgive(self) -> None:
        self._error = None

    async def join(self, why: Why, *, may_sign_in: bool = True) -> Session:
        """Wait for the climb that is under way, or for a new one.  Raises its error.

        Cancelling a caller (its patience ended) cancels no climb that others wait for.
        """
        if self._task is None:
            if self._error is not None and why not in _ASKED and self._is_new():
                raise self._error
            self._task = asyncio.create_task(self._run(why, may_sign_in))
            self._task.add_done_callback(self._landed)
        return await asyncio.shield(self._task)

    async def cancel(self) -> None:
        """End the climb, and with it the sign-in process."""
        if self._task is not None:
            task = self._task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, why: Why, may_sign_in: bool) -> Session:
        try:
            session = await self._climb(why, may_sign_in)
        except HarvesterError as error:
            failure = error
        except Exception as surprise:
            # One door for the unforeseen: callers get a code, the log gets the kind, nobody
            # gets the text, which may hold what was typed.
            failure = Bug.of(surprise)
        else:
            self._error = None
            return session
        self._error, self._failed_at = failure, self._clock.awake_s()
        raise failure

    def _is_new(self) -> bool:
        return self._clock.awake_s() - self._failed_at < REPEAT_ERROR_S

    def _landed(self, task: asyncio.Task[Session]) -> None:
        self._task = None
        # Nobody may be waiting any more when it fails; the error is kept in any case.
        if not task.cancelled():
            task.exception()
