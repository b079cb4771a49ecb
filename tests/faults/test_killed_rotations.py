"""A change of the sealing key, killed at any step: all stays readable, and goes on to its end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import killed_rotation


def test_a_change_of_the_key_killed_at_any_step_loses_nothing_and_is_gone_on_with(
    tmp_path: Path, size: Callable[[int, int], int]
) -> None:
    stride = size(37, 1)
    run = subprocess.run(
        [sys.executable, killed_rotation.__file__, str(tmp_path / "store"), str(stride)],
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = [json.loads(line) for line in run.stdout.splitlines()]
    for one in told:
        assert one["unreadable"] == [], one
        assert one["refused"], one
        # Whoever is started now, as it was or as it is to be, seals with no key that is closed.
        assert not one["seals_closed"], one
        assert one["left"] == 6, one
        if one["died"]:
            assert one["done"] and one["after"] == [], one
            assert one["refused_after"] and one["gone"], one
        else:
            assert one["anew"] == 6, one
    for story in killed_rotation.STORIES:
        deaths = [one for one in told if one["story"] == story and one["died"]]
        assert len(deaths) >= 240 // stride, story
        # Some died before the first record was sealed anew, some between, some after the last.
        seen = {one["anew"] for one in deaths}
        assert {0, 6} <= seen and len(seen) >= size(4, 7), (story, seen)
