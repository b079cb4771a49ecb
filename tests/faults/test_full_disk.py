"""A disk that is really full: a small file system is mounted, filled, and freed again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import full_disk_story

# Of the programs that give a process mounts of its own, the first that may.
WAYS = (
    ("unshare", "--mount"),
    ("unshare", "--user", "--map-root-user", "--mount"),
    ("sudo", "-n", "-E", "unshare", "--mount"),
)
# Room for two or three records beside each other, and little more.
MOUNTED = 'mount -t tmpfs -o mode=700,size=256k,nr_inodes=1k tmpfs "$1" && exec "$2" "$3" "$1"'


def told_on_a_small_disk(mount: Path) -> subprocess.CompletedProcess[str]:
    python = [sys.executable, full_disk_story.__file__]
    mount.mkdir()
    refused = []
    for way in WAYS:
        try:
            run = subprocess.run(
                [*way, "sh", "-c", MOUNTED, "sh", str(mount), *python],
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        except FileNotFoundError as error:
            refused.append(str(error))
            continue
        if run.stdout or run.returncode == 0 or "Traceback" in run.stderr:
            return run
        refused.append(run.stderr.strip())
    pytest.fail(f"nothing here may mount a file system: {refused}")


def test_on_a_full_disk_sessions_are_served_and_stored_when_there_is_room_again(
    tmp_path: Path,
) -> None:
    run = told_on_a_small_disk(tmp_path / "small")
    assert run.returncode == 0, run.stderr[-3000:]
    told = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(told) == 34
    for one in told:
        assert set(one["codes"]) <= {"store_full"}, one
        if one["when"] == "locked":
            # Silent needs no disk, and a password is not sent without one.
            assert one["degraded"], one
            assert one["codes"] == ([] if one["remembers"] else ["store_full"] * 2), one
        elif one["pages"] == 0:
            assert one["degraded"] or one["codes"], one
        if not one["remembers"] and one["when"] == "before" and one["pages"] == 0:
            # No password without its entry in the ledger: there was no room for one.
            assert one["codes"] == ["store_full"], one
    # At some level nothing was wrong any more, and at some only a part of it could be stored.
    assert any(not one["codes"] and not one["degraded"] for one in told)
    assert any(not one["codes"] and one["degraded"] for one in told)
