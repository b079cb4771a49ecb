"""An event loop whose time jumps to the next timer as soon as nothing else is ready.

A year of waiting takes as long as the work in it.  What would run in a thread runs in the loop's
own, where it is asked for (or a little later, in an order that a seed chooses).  Nothing ready and
no timer means that somebody waits for what never comes: that is ``Stalled``, at once.

Knows nothing of harvester but a clock that can be moved (``engine.FakeClock``).
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")


class Movable(Protocol):
    """A clock that stands still until it is told that time has passed."""

    def sleep(self, seconds: float) -> None: ...


class Stalled(AssertionError):
    """Everybody waits, and nothing is left that could wake anybody."""


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Looks at the files, and lets time pass instead of waiting for them."""

    loop: SimulatedLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stalled("everybody waits, and nothing is left that could wake anybody")
            if timeout > 0:
                self.loop.pass_time(timeout)
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """``clock`` is moved along.  ``until_s`` is an end: who is still at work by then hangs.

    With ``chance`` a thread's result comes some milliseconds later, so that a seed decides who is
    first; without, at once.
    """

    def __init__(
        self,
        clock: Movable,
        *,
        chance: random.Random | None = None,
        until_s: float = float("inf"),
    ) -> None:
        self._passed_s = 0.0
        self._until_s = until_s
        self._clock = clock
        self._chance = chance
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        # Floats of a year's seconds have steps of some nanoseconds: a timer is due a bit early.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._passed_s

    def pass_time(self, seconds: float) -> None:
        self._passed_s += seconds
        self._clock.sleep(seconds)
        if self._passed_s > self._until_s:
            raise Stalled(f"still at work after {self._until_s:.0f} s")

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        done: asyncio.Future[_T] = self.create_future()
        if self._chance is None:
            _run(done, func, args)
        else:
            self.call_later(self._chance.random() / 100, _run, done, func, args)
        return done


def _run(done: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    # A thread works on when nobody waits for it any more.
    try:
        result = func(*args)
    except BaseException as error:
        if not done.cancelled():
            done.set_exception(error)
        return
    if not done.cancelled():
        done.set_result(result)


def simulate(
    story: Coroutine[Any, Any, _T],
    clock: Movable,
    *,
    chance: random.Random | None = None,
    until_s: float = float("inf"),
) -> _T:
    """Run ``story`` to its end in simulated time."""
    with asyncio.Runner(
        loop_factory=lambda: SimulatedLoop(clock, chance=chance, until_s=until_s)
    ) as runner:
        return runner.run(story)


async def scheduled(
    look: Callable[[], Coroutine[Any, Any, float]],
    bell: asyncio.Event,
    *,
    tick: Callable[[], Coroutine[Any, Any, None]] | None = None,
    tick_s: float = 30.0,
) -> None:
    """What ``timer.py`` does, for ever: look when the last look said so, or when ``bell`` rings;
    tick between."""
    loop = asyncio.get_running_loop()
    due_at = ticks_at = loop.time()
    while True:
        if tick is not None and loop.time() >= ticks_at:
            ticks_at = loop.time() + tick_s
            await tick()
        if bell.is_set() or loop.time() >= due_at:
            bell.clear()
            due_at = loop.time() + await look()
            continue
        wait_s = due_at - loop.time()
        if tick is not None:
            wait_s = min(wait_s, ticks_at - loop.time())
        try:
            async with asyncio.timeout(max(wait_s, 0.001)):
                await bell.wait()
        except TimeoutError:
            continue
