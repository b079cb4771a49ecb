"""Killed at any step: a lease that was told to be revoked is revoked, and the rest is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import killed_lease


def test_what_was_answered_is_so_after_a_kill_at_any_step(
    tmp_path: Path, size: Callable[[int, int], int]
) -> None:
    step = size(3, 1)
    run = subprocess.run(
        [sys.executable, killed_lease.__file__, str(tmp_path / "store"), str(step)],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    told = [json.loads(line) for line in run.stdout.splitlines()]
    after = {"revoke": "lease_ended", "revoke all": "lease_ended", "make": "live", "use": "live"}
    for story in killed_lease.STORIES:
        mine = [one for one in told if one["story"] == story]
        deaths = [one for one in mine if one["died"]]
        assert len(deaths) >= 36 // step and not mine[-1]["died"] and mine[-1]["answered"], story
        for one in mine:
            # Never in doubt: the book can be read at any time, and honours it or does not.
            assert one["state"] in ("live", after[story]), one
            if one["answered"]:
                assert one["state"] == after[story], one
                assert one["used"] == (story == "use"), one
        if story.startswith("revoke"):
            assert {one["state"] for one in deaths} == {"live", "lease_ended"}, "before and after"
        if story == "use":
            assert {one["used"] for one in deaths} == {0, 1}
