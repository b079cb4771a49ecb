"""Whoever reads the record or a kept file while sessions change finds a whole one, every time."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engine import Engine, FakeClock, World, profile
from faultydisk import Unsynced, disk_of
from harvester.outlets.files import Files
from harvester.profile import KeptFile
from harvester.vault.durable import Disk
from simulated import simulate
from tight_reader import FORMS

SUPPORT = Path(__file__).parent.parent / "support"
# Silent sign-ins refill one every 300 s.
APART_S = 400.0
Sized = Callable[[int, int], int]


def begun(root: Path, folder: Path) -> subprocess.Popen[str]:
    """A reader that has begun to read."""
    reader = subprocess.Popen(
        [sys.executable, str(SUPPORT / "tight_reader.py"), root, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(SUPPORT), *sys.path))},
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    return reader


def test_a_reader_in_a_tight_loop_finds_a_whole_valid_session_every_time(
    tmp_path: Path, size: Sized
) -> None:
    refreshes = size(200, 10_000)
    # Readers see no difference between what is synced and what is not; the full size does both.
    synced = refreshes > 200
    disk = Disk(private_dirs=True) if synced else disk_of()
    plain = Disk() if synced else Disk(Unsynced())
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    clock = FakeClock()
    world = World(clock, life_s=None)
    who = profile(files=tuple(KeptFile(form, os.fspath(folder / form)) for form in FORMS))

    async def live() -> subprocess.Popen[str]:
        engine = Engine(tmp_path / "store", world, who, disk=disk, files=Files(who, disk=plain))
        await engine.keeper.start()
        await engine.keeper.get()
        reader = begun(tmp_path / "store", folder)
        for _ in range(refreshes):
            await asyncio.sleep(APART_S)
            await engine.keeper.refresh(hard=True)
        await engine.keeper.close()
        return reader

    reader = simulate(live(), clock)
    with reader:
        told = json.loads(reader.communicate(timeout=60)[0])
    print(json.dumps(told))
    assert told["wrong"] == []
    assert world.issued == refreshes + 1
    # The reader was there all the time: it saw many of them, and saw them change.
    assert min(told["seen"].values()) > refreshes / 10, told
    assert min(told["times"].values()) > refreshes / 5, told
    left = [path.name for path in (tmp_path / "store/profiles/default").iterdir()]
    assert not [name for name in left if ".bad-" in name or name.endswith(".tmp")]
    assert sorted(path.name for path in folder.iterdir()) == sorted(FORMS)
