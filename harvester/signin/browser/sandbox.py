"""Whether a browser that runs is in its sandbox: asked of the kernel, not of what was ordered.

Playwright adds ``--no-sandbox`` unless told otherwise, a launcher script may add it, and a kernel
without user namespaces may leave out half of it.  What counts is what the processes that read
pages may do: each renderer's system calls are filtered, and no process was told to do without.
"""

from __future__ import annotations

import asyncio
import os
import time

from harvester.descent import descendants, filters_calls, words_of

# Words that take the sandbox away, wholly or in part.
WITHOUT = (
    "--no-sandbox", "--disable-seccomp-filter-sandbox", "--disable-namespace-sandbox",
    "--single-process", "--no-zygote",
)  # fmt: skip
# A renderer that has only just been forked puts its filter on before it reads anything.
_PUT_ON_S = 1.0
_LOOK_AGAIN_S = 0.02


async def sandboxed(root: int | None = None) -> bool | None:
    """Whether every browser below ``root`` (by default: us) is in its sandbox; None where nobody
    can tell, as on macOS, or where no page is open yet."""
    root = os.getpid() if root is None else root
    until = time.monotonic() + _PUT_ON_S
    while True:
        found = _look(root)
        if found is not False or time.monotonic() > until or _told_without(root):
            return found
        await asyncio.sleep(_LOOK_AGAIN_S)


def _told_without(root: int) -> bool:
    lines = words_of(descendants(root)).values()
    return any(word in WITHOUT for words in lines for word in words)


def _look(root: int) -> bool | None:
    if _told_without(root):
        return False
    lines = words_of(descendants(root))
    seen = [filters_calls(pid) for pid, words in lines.items() if "--type=renderer" in words]
    told = [one for one in seen if one is not None]
    return all(told) if told else None
