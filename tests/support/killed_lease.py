"""A program that kills a book of leases at each step of a write: ``killed_lease ROOT STEP``.

It has one thread, so it may fork: each story is a child's, which dies in the place of its n-th
system call, for each STEP-th n until one lives, and which says over a pipe when its caller would
have been answered.  Then another book is opened over what is left.  Prints one JSON line for each.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

from faultydisk import DeadlyCalls, disk_of, store_on
from harvester.clock import SystemClock
from harvester.errors import LeaseEnded, LeaseUnknown
from harvester.lease import Terms
from harvester.leases import Leases
from harvester.scope import Scope
from harvester.vault.calls import Calls
from harvester.vault.directory import prepare
from storekit import SEAL

STORIES = ("revoke", "revoke all", "use", "make")
TERMS = Terms("default", Scope(("GET",), ("/x",)), uses=2)


async def opened(root: Path, calls: Calls | None = None) -> Leases:
    book = Leases(store_on(root, SEAL, calls), SystemClock())
    await book.open()
    return book


async def laid_out(root: Path) -> tuple[str, str]:
    prepare(root, disk=disk_of())
    book = await opened(root)
    lease, token = await book.make(TERMS)
    await book.make(TERMS)
    return lease.id, token


async def told(root: Path, n: int, story: str, lease_id: str, token: str) -> str:
    book = await opened(root, DeadlyCalls(n))
    if story == "revoke":
        await book.revoke(lease_id)
    elif story == "revoke all":
        await book.revoke_all()
    elif story == "use":
        await book.take(book.find(token.encode()))
    else:
        return (await book.make(TERMS))[1]
    return token


async def found(root: Path, token: str) -> tuple[str, int]:
    """How another daemon sees it, and how often it was used."""
    book = await opened(root)
    if book.trouble is not None:
        return book.trouble.code, 0
    try:
        return "live", book.find(token.encode()).lease.used
    except (LeaseEnded, LeaseUnknown) as error:
        return error.code, 0


def main(root: Path, step: int) -> None:
    first = root.with_name("first")
    lease_id, token = asyncio.run(laid_out(first))
    for story in STORIES:
        n, died = 0, True
        while died:
            n += step
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(first, root)
            ours, theirs = os.pipe()
            pid = os.fork()
            if pid == 0:
                answer = asyncio.run(told(root, n, story, lease_id, token))
                os.write(theirs, answer.encode())
                os._exit(0)
            os.close(theirs)
            _, status = os.waitpid(pid, 0)
            answer = os.read(ours, 100).decode()
            os.close(ours)
            died = os.WIFSIGNALED(status)
            if not died and os.WEXITSTATUS(status) != 0:
                raise SystemExit(f"{story}, step {n}: it ended in another way")
            state, used = asyncio.run(found(root, answer or token))
            line = {"story": story, "n": n, "died": died, "answered": bool(answer)}
            print(json.dumps(line | {"state": state, "used": used}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
