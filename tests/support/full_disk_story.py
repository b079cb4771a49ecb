"""A program that tells a keeper's story on a disk that is really full: ``full_disk_story MOUNT``.

MOUNT is a small file system of its own, to be filled.  Prints one JSON line for each level to which
it was filled, and ends with a status that is not 0 when something was not as it must be.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine import KEY, Engine, FakeClock, World
from faultydisk import open_fds, temp_files
from harvester.errors import HarvesterError
from harvester.records import Records
from harvester.steady import SteadyClock
from harvester.vault.directory import DirectoryStore
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import Seal
from simulated import simulate

PAGE_BYTES = 4096
TICK_S = 30.0


class Filler:
    """Takes what is left of a file system but some pages, and gives it back."""

    def __init__(self, mount: Path) -> None:
        self._path = mount / "filler"

    def fill(self, pages_left: int) -> None:
        with self._path.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * PAGE_BYTES)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            size = file.tell() // PAGE_BYTES * PAGE_BYTES
            file.truncate(max(0, size - pages_left * PAGE_BYTES))

    def free(self) -> None:
        self._path.unlink(missing_ok=True)

    def lock(self) -> None:
        """Nothing may be written at all, and nothing removed."""
        self._mounted("ro")

    def unlock(self) -> None:
        self._mounted("rw")

    def _mounted(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self._path.parent)], check=True)


class Told:
    """What happened on one disk, at one level, to one who is remembered or is not."""

    def __init__(self, mount: Path, name: str, *, remembers: bool) -> None:
        self.root = mount / name
        self.clock = FakeClock()
        self.world = World(self.clock)
        self.world.remembers = remembers
        self.filler = Filler(mount)
        self.codes: list[str] = []
        self.degraded = False

    def stored(self) -> Records:
        store = DirectoryStore(self.root, Seal(KeyRing(MasterKey(KEY))))
        return Records(store, "default", SteadyClock(self.clock))

    async def attempt(self, engine: Engine, work: Any) -> None:
        sent = len(self.world.submits)
        try:
            served = await work
        except HarvesterError as error:
            self.codes.append(error.code)
            assert error.code == "store_full", error.message
            assert error.hint
        else:
            if served.error is not None:
                self.codes.append(served.error.code)
        standing = engine.keeper.standing()
        session, current = self.stored().session(), engine.keeper.current
        if current is not None and standing.durable:
            assert session is not None
            assert session.generation == current.session.generation
        self.degraded = self.degraded or not standing.durable
        ledger = self.stored().ledger()
        assert not ledger.unread
        # Whatever was sent is written, on this very disk.
        assert len(ledger.submits) >= len(self.world.submits)
        assert len(self.world.submits) - sent <= 1

    async def tell(self, *, before: int | None, after: int | None, locked: bool = False) -> None:
        """``before``, ``after`` the first session: to how many pages the disk is filled;
        ``locked`` after it: it is made read-only."""
        engine = Engine(self.root, self.world)
        keeper = engine.keeper
        if before is not None:
            self.filler.fill(before)
        await keeper.start()
        await self.attempt(engine, keeper.get())
        if after is not None:
            self.filler.fill(after)
        if locked:
            self.filler.lock()
        held = keeper.current
        if held is not None:
            # Nobody refused it: it is served, however full the disk is.
            await self.attempt(engine, keeper.refresh(hard=True))
            assert keeper.current is not None
            self.world.revoke()
            work = keeper.report(generation=keeper.current.session.generation)
            await self.attempt(engine, work)
        assert len(temp_files(self.root)) == 0
        if locked:
            self.filler.unlock()
        self.filler.free()
        until = self.clock.awake + 1800
        while not (keeper.ready and keeper.standing().durable):
            assert self.clock.awake < until, keeper.why_not
            wait_s = await keeper.check()
            await asyncio.sleep(min(TICK_S, wait_s))
            await keeper.follow_store()
        served = keeper.current
        session = self.stored().session()
        assert served is not None
        assert session is not None
        assert session.generation == served.session.generation
        assert session.cookies == served.session.cookies
        await keeper.close()


def main(mount: Path) -> None:
    number = 0
    for remembers in (True, False):
        for when in ("before", "after", "locked"):
            for pages in (0, 1, 2, 3, 4, 6, 8, 12) if when != "locked" else (0,):
                number += 1
                told = Told(mount, f"store-{number}", remembers=remembers)
                levels = {"before": None, "after": None, when: pages}
                levels = levels if when != "locked" else {**levels, "locked": True}
                fds = open_fds()
                simulate(told.tell(**levels), told.clock)
                assert open_fds() == fds
                line = {
                    "remembers": remembers,
                    "when": when,
                    "pages": pages,
                    "codes": told.codes,
                    "degraded": told.degraded,
                    "sign_ins": told.world.sign_ins,
                }
                print(json.dumps(line), flush=True)
                for path in sorted(told.root.rglob("*"), reverse=True):
                    path.rmdir() if path.is_dir() else path.unlink()
                os.sync()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
