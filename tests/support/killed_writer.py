"""A program that kills writers of a store at each step of a write: ``killed_writer ROOT TIMES``.

It has one thread, so it may fork: each write is a child's, which dies in the place of its n-th
system call, for n = 1, 2, 3 ... until one lives.  After each death another process's reader and
writer look at what is left.  Prints one JSON line for each death.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

from faultydisk import DeadlyCalls, disk_of, store_on, temp_files
from harvester.errors import StoreCorrupt
from harvester.vault.directory import prepare
from storekit import SEAL

STATES = ("empty", "one", "two", "set aside")


def laid_out(root: Path, state: str) -> tuple[str | None, int]:
    """A store in this state; what is in it, and its generation."""
    shutil.rmtree(root, ignore_errors=True)
    prepare(root, disk=disk_of())
    store = store_on(root, SEAL)
    session = root / "profiles" / "default" / "session"
    if state == "empty":
        return None, 0
    store.write("default", "session", b"first", 1)
    if state == "one":
        return "first", 1
    store.write("default", "session", b"second", 2)
    if state == "two":
        return "second", 2
    session.write_bytes(session.read_bytes()[:-30])
    return "first", 2


def killed(root: Path, n: int, generation: int) -> bool:
    pid = os.fork()
    if pid == 0:
        store_on(root, SEAL, DeadlyCalls(n)).write("default", "session", b"new", generation)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit("the writer failed in another way")
    return os.WIFSIGNALED(status)


def main(root: Path, times: int) -> None:
    for state in STATES:
        for _ in range(times):
            n, died = 0, True
            while died:
                n += 1
                before, generation = laid_out(root, state)
                died = killed(root, n, generation + 1)
                store = store_on(root, SEAL)
                try:
                    found = store.read("default", "session")
                except StoreCorrupt as error:
                    raise SystemExit(f"{state}, step {n}: {error}") from None
                told = {
                    "state": state,
                    "n": n,
                    "died": died,
                    "before": before,
                    "found": None if found is None else found.plaintext.decode(),
                    "generation": 0 if found is None else found.generation,
                    "least": 1 if state == "set aside" else generation,
                    "from_previous": found is not None and found.from_previous,
                    "rolled_back": found is not None and found.rolled_back,
                }
                store.write("default", "session", b"next", generation + 2)
                after = store_on(root, SEAL).read("default", "session")
                told["next"] = after is not None and (after.plaintext, after.rolled_back) == (
                    b"next",
                    False,
                )
                told["temps"] = len(temp_files(root))
                # The next start, a minute and more later.
                for path in (root / "profiles").iterdir():
                    disk_of().sweep(path, now_s=time.time() + 3600)
                told["swept"] = not temp_files(root)
                print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
