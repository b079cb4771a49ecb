"""What a caller hears who waits for a lock that another process holds."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from harvester import locking
from harvester.errors import Busy
from harvester.locking import locked, to_the_end


class Held:
    """A lock that somebody holds for the first few looks."""

    def __init__(self, looks: int) -> None:
        self.left = looks
        self.released = False

    def acquire_nonblocking(self) -> bool:
        self.left -= 1
        return self.left < 0

    def release(self) -> None:
        self.released = True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "LOCK_POLL_S", 0.001)
    monkeypatch.setattr(locking, "_TELL_AFTER_S", 0.003)


async def test_a_long_wait_is_told_once_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    lock = Held(20)
    with caplog.at_level(logging.WARNING):
        async with locked(lock, 60.0):
            assert caplog.text.count("lock.waits") == 1
    assert lock.released


async def test_a_short_wait_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with locked(Held(2), 60.0):
            pass
    assert caplog.text == ""


async def test_whoever_waited_in_vain_hears_what_may_hold_it() -> None:
    with pytest.raises(Busy) as told:
        async with locked(Held(10**6), 0.01):
            pass
    assert "login --headed" in (told.value.hint or "")


async def test_a_lock_is_held_until_a_write_that_was_begun_under_it_is_over() -> None:
    lock, begun, may_end = Held(looks=0), threading.Event(), threading.Event()
    landed: list[bool] = []

    def slow_write(word: str) -> None:
        begun.set()
        may_end.wait(10)
        landed.append(lock.released)

    async def work() -> None:
        async with locked(lock, 10.0):  # type: ignore[arg-type]
            await to_the_end(slow_write, "x")

    task = asyncio.create_task(work())
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()  # whoever is impatient
    for _ in range(5):
        await asyncio.sleep(0)
    assert not lock.released and not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert landed == [False] and lock.released


async def test_what_a_write_gives_and_raises_is_given_and_raised() -> None:
    assert await to_the_end(lambda a, b: a + b, 1, 2) == 3
    with pytest.raises(ZeroDivisionError):
        await to_the_end(lambda: 1 // 0)
