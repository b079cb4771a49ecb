"""One refresh in the air that all callers share: its result, or its error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from harvester.clock import Clock
from harvester.crowd import Crowd
from harvester.errors import Bug, Busy, HarvesterError, NotNow, TimedOut, from_dict
from harvester.ladder import Why
from harvester.ledger import RETRY_AFTER_MOST_S
from harvester.session import Session

# A failed flight answers everybody who asks within this time: a storm of callers is one failure.
# It doubles with each failure in a row, so that callers who ask all day cost the site little.
REPEAT_ERROR_S = 1.0
REPEAT_ERROR_MOST_S = 30.0
# Whoever asks for a new sign-in is not content with a lesser climb.
_NEW_SIGN_IN: tuple[Why, ...] = ("hard", "headed")

Climb = Callable[[Why], Coroutine[Any, Any, Session]]
Bring = Callable[[], Coroutine[Any, Any, Session]]


class Flight:
    """Single flight: at most one climb at a time, however many wait for it."""

    def __init__(self, climb: Climb, clock: Clock, *, note: Callable[..., None]) -> None:
        """``note`` is told of what nobody foresaw."""
        self._climb = climb
        self._note = note
        self._clock = clock
        self._task: asyncio.Task[Session] | None = None
        self._crowd: Crowd[Session] | None = None
        self._why: Why | None = None
        self._brought = False
        self._error: HarvesterError | None = None
        self._failures = 0
        self._failed_at = 0.0
        self.failing_since: float | None = None
        """Since when, by the wall clock, every climb has failed in this way."""

    @property
    def up(self) -> bool:
        return self._task is not None

    @property
    def error(self) -> HarvesterError | None:
        """Why the last climb failed; None once one succeeded or a person mended something."""
        return self._error

    def forgive(self) -> None:
        self._error, self._failures, self.failing_since = None, 0, None

    def shift(self, by_s: float) -> None:
        """Our clock was set forward by ``by_s``."""
        if self.failing_since is not None:
            self.failing_since += by_s

    async def join(self, why: Why, wait_s: float | None = None, *, anew: bool = False) -> Session:
        """Wait for the climb that is under way, or for a new one.  Raises its error, or
        TimeoutError after ``wait_s``.  ``anew``: an error of before is no answer.

        Whoever asks for a new sign-in joins no lesser climb: his own follows it.
        A caller who leaves (its patience ended) ends no climb that others wait for.
        """
        if self._task is not None and not self._shares(why):
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            async with asyncio.timeout(wait_s):
                session = await self._turn_came(why)
            if session is not None:
                return session
            wait_s = None if wait_s is None else max(0.0, wait_s - (loop.time() - began_s))
        if self._task is None or self._crowd is None:
            if self._error is not None and not anew and self._is_new():
                raise self._told_again(self._error)
            self._why = why
            self._crowd = self._take_off(self._run(why))
        return await self._result_of(self._crowd, wait_s)

    async def _turn_came(self, why: Why) -> Session | None:
        """Wait while what flies is not what is asked for; the session, if one was brought."""
        while (task := self._task) is not None and not self._shares(why):
            brought = self._brought
            await asyncio.wait({task})
            # The callback that clears it runs behind us.
            await asyncio.sleep(0)
            if (
                brought
                and why not in _NEW_SIGN_IN
                and not task.cancelled()
                and task.exception() is None
            ):
                return task.result()
        return None

    def _take_off(self, work: Coroutine[Any, Any, Session]) -> Crowd[Session]:
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._landed)
        # Behind the callback above: who is woken finds the flight landed.
        return Crowd(self._task)

    async def carry(self, bring: Bring, wait_s: float) -> Session:
        """Fly what somebody brings along, after what is under way.  Raises its error, Busy where
        its turn did not come within ``wait_s``, or TimeoutError where only its end did not.

        Who asks for a session meanwhile waits for it and shares it; its failure is its bringer's
        alone, and the others then climb.
        """
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(wait_s):
                await self.landed()
        except TimeoutError:
            raise Busy(
                "a sign-in is under way; nothing was looked at and nothing stored",
                hint="bring it again when that is over",
                retry_after_s=REPEAT_ERROR_S,
            ) from None
        self._brought = True
        self._crowd = self._take_off(self._carry(bring))
        return await self._result_of(self._crowd, max(0.0, wait_s - (loop.time() - began_s)))

    def _shares(self, why: Why) -> bool:
        return not self._brought and (why not in _NEW_SIGN_IN or self._why == why)

    async def landed(self) -> None:
        """Wait until no climb is under way, however it ended."""
        while self._task is not None:
            await asyncio.wait({self._task})
            # The callback that clears it runs behind us.
            await asyncio.sleep(0)

    async def cancel(self) -> None:
        """End the climb, and with it the sign-in process; and those whose turn comes by that."""
        while (task := self._task) is not None:
            task.cancel()
            await asyncio.wait({task})
            # As in ``landed``.
            await asyncio.sleep(0)

    async def _result_of(self, crowd: Crowd[Session], wait_s: float | None = None) -> Session:
        await crowd.over(wait_s)
        try:
            return crowd.task.result()
        except asyncio.CancelledError:
            error: HarvesterError = Busy(
                "the sign-in was ended before it was done",
                hint="ask again",
                retry_after_s=REPEAT_ERROR_S,
            )
        except HarvesterError as failed:
            # One exception raised to a thousand callers would gather all their frames.
            error = _again(failed)
        raise error

    async def _run(self, why: Why) -> Session:
        try:
            session = await self._climb(why)
        except HarvesterError as error:
            failure = error
        except Exception as surprise:
            # One door for the unforeseen: callers get a code, the log gets the kind, nobody
            # gets the text, which may hold what was typed.
            failure = Bug.of(surprise)
            self._note("bug", failure.message, level=logging.ERROR)
        else:
            self.forgive()
            return session
        if self._error is None or self._error.code != failure.code or self.failing_since is None:
            self.failing_since = self._clock.wall_s()
        self._error, self._failed_at = failure, self._clock.awake_s()
        self._failures += 1
        raise failure

    async def _carry(self, bring: Bring) -> Session:
        try:
            session = await bring()
        except HarvesterError:
            raise
        except Exception as surprise:
            bug = Bug.of(surprise)  # as above
            self._note("bug", bug.message, level=logging.ERROR)
        else:
            self.forgive()
            return session
        raise bug

    def _is_new(self) -> bool:
        window_s = min(REPEAT_ERROR_MOST_S, REPEAT_ERROR_S * 2 ** min(self._failures - 1, 10))
        if isinstance(self._error, NotNow) and self._error.retry_after_s is not None:
            window_s = max(window_s, min(self._error.retry_after_s, RETRY_AFTER_MOST_S))
        return bool(self._clock.awake_s() - self._failed_at < window_s)

    def _told_again(self, error: HarvesterError) -> HarvesterError:
        """The same, with what is left of the time that it names."""
        again = _again(error)
        if again.retry_after_s is not None:
            left_s = again.retry_after_s - (self._clock.awake_s() - self._failed_at)
            again.retry_after_s = min(again.retry_after_s, max(REPEAT_ERROR_S, left_s))
        return again

    def _landed(self, task: asyncio.Task[Session]) -> None:
        self._task = self._why = None
        self._brought = False
        # Nobody may be waiting any more when it fails; the error is kept in any case.
        if not task.cancelled():
            task.exception()


def not_yet(wait_s: float) -> TimedOut:
    """A caller's patience ended before the climb did."""
    return TimedOut(
        f"no session within {wait_s:.0f} s; the work goes on",
        hint="ask again, or with a longer wait_s",
        retry_after_s=1.0,
    )


def _again(error: HarvesterError) -> HarvesterError:
    return from_dict(error.as_dict())
