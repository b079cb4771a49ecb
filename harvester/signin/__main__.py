"""The signer's process: hears its orders, and lets a child carry them out under watch.

    parent ── stdin/stdout ── watcher (tree.py) ── fork ── the attempt ── driver ── browser

Only the order of things stands here.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

from harvester.process import harden
from harvester.signin.confine import Scratch
from harvester.signin.dialogue import BrowserChoice, order_of
from harvester.signin.parent import Parent, ParentGone
from harvester.signin.tree import EXIT_ENDED, EXIT_USAGE, watch

if TYPE_CHECKING:
    from harvester.signin.attempt import Attempt

_STDIN, _STDOUT, _STDERR = 0, 1, 2
# How long a signer that was made ready waits for its job: for a lock that another one holds.
_IDLE_S = 600.0
_LINE_LIMIT_BYTES = 8 * 1024 * 1024


def _work(answers: int, scratch: Scratch) -> None:
    """In the child.  The driver and the browser get no descriptor on which they could speak."""
    words = os.dup(_STDOUT)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        os.dup2(nothing, descriptor)
    parent = Parent(answers, words)

    async def attempt() -> None:
        try:
            await parent.connect()
            from harvester.signin.start import Start

            start = Start(scratch.path)
            # The driver takes 0.3 s to start: the rest of the program is loaded meanwhile.
            attempts = await asyncio.to_thread(_load)
            order = await parent.orders()
            while isinstance(order, BrowserChoice):
                start.launch(order)
                order = await parent.orders()
            result = await attempts(order, parent, start).run()
            # Told first; the watcher ends the browser, which has nothing to save.
            parent.finish(result)
        except ParentGone:
            os._exit(EXIT_ENDED)
        os._exit(0)

    asyncio.run(attempt())


def _load() -> type[Attempt]:
    from harvester.signin.attempt import Attempt

    return Attempt


def _deadline(line: bytes) -> float | None:
    """When the sign-in must be over; None while no job is told.  Raises ValueError."""
    try:
        order = order_of(line.decode())
    except (KeyError, TypeError) as error:
        raise ValueError("no order") from error
    return None if isinstance(order, BrowserChoice) else time.monotonic() + order.timeout_s


def main() -> int:
    harden()
    scratch = Scratch()
    try:
        code = watch(
            lambda answers: _work(answers, scratch),
            answers=_STDIN,
            deadline=time.monotonic() + _IDLE_S,
            on_line=_deadline,
        )
    finally:
        scratch.remove()
    if code == EXIT_USAGE:
        print("this is the signer: harvester starts it and tells it what to do", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
