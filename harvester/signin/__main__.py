"""The signer's process: reads its job, and lets a child do it under watch.

    parent ── stdin/stdout ── watcher (tree.py) ── fork ── the attempt ── driver ── browser

Only the order of things stands here.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from harvester.process import harden
from harvester.signin.confine import Scratch
from harvester.signin.dialogue import Job
from harvester.signin.parent import Parent, ParentGone
from harvester.signin.tree import EXIT_ENDED, watch

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_CHUNK_BYTES = 65536
# A job holds a sealed identity state (1 MiB at most) and a jar.
_JOB_LIMIT_BYTES = 8 * 1024 * 1024
_EXIT_USAGE = 2


def _read_job() -> Job | None:
    """The first line of stdin; read by hand, so that nothing behind it is taken along."""
    data = b""
    while not data.endswith(b"\n"):
        chunk = os.read(_STDIN, _CHUNK_BYTES)
        if not chunk or len(data) > _JOB_LIMIT_BYTES:
            return None
        data += chunk
    try:
        return Job.from_line(data.decode())
    except (ValueError, KeyError, TypeError):
        return None


def _work(job: Job, answers: int, scratch: Scratch, started: float) -> None:
    """In the child.  The driver and the browser get no descriptor on which they could speak."""
    from harvester.signin.attempt import Attempt

    words = os.dup(_STDOUT)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        os.dup2(nothing, descriptor)
    parent = Parent(answers, words, started)

    async def attempt() -> None:
        try:
            result = await Attempt(job, parent, scratch.path, started).run()
            # Told first; the watcher ends the browser, which has nothing to save.
            parent.finish(result)
        except ParentGone:
            os._exit(EXIT_ENDED)
        os._exit(0)

    asyncio.run(attempt())


def main() -> int:
    started = time.monotonic()
    harden()
    job = _read_job()
    if job is None:
        print("this is the signer: harvester starts it and tells it what to do", file=sys.stderr)
        return _EXIT_USAGE
    scratch = Scratch()
    try:
        return watch(
            lambda answers: _work(job, answers, scratch, started),
            answers=_STDIN,
            deadline=started + job.timeout_s,
        )
    finally:
        scratch.remove()


if __name__ == "__main__":
    sys.exit(main())
