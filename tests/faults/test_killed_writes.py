"""Killed at any step of a write: a reader finds the old record or the new, and all goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import killed_writer


def test_a_writer_killed_at_any_step_leaves_the_old_record_or_the_new(
    tmp_path: Path, size: Callable[[int, int], int]
) -> None:
    times = size(1, 50)
    run = subprocess.run(
        [sys.executable, killed_writer.__file__, str(tmp_path / "store"), str(times)],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = [json.loads(line) for line in run.stdout.splitlines()]
    for one in told:
        assert one["found"] in (("new",) if not one["died"] else (one["before"], "new")), one
        assert one["generation"] >= one["least"], one
        assert one["next"], one
        assert one["swept"], one
        assert not one["rolled_back"], one
        # At no instant is there none in its place, but where it was damaged before.
        assert one["state"] == "set aside" or not one["from_previous"], one
    for state in killed_writer.STATES:
        deaths = [one for one in told if one["state"] == state and one["died"]]
        assert len(deaths) >= 20 * times, state
        # Some die before it counts and some after: both were seen.
        assert {one["found"] for one in deaths} == {deaths[0]["before"], "new"}, state
        assert any(one["temps"] for one in deaths), state
