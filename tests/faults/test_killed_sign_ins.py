"""Killed again and again in the middle of a sign-in: the provider gets no more than the budget."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import killed_sign_in
from harvester.budgets import SUBMITS_SINCE_SUCCESS

SEED = 20261123


def test_a_thousand_restarts_by_kill_send_no_more_than_the_budget(
    tmp_path: Path, size: Callable[[int, int], int]
) -> None:
    seed = size(SEED, random.SystemRandom().randrange(2**32))
    restarts = size(25, 1000)
    print(f"seed {seed}")
    run = subprocess.run(
        [sys.executable, killed_sign_in.__file__, str(tmp_path / "w"), str(seed), str(restarts)],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert run.returncode == 0, f"seed {seed}: {run.stderr[-2000:]}"
    told: list[dict[str, Any]] = [json.loads(line) for line in run.stdout.splitlines()]
    for one in told:
        why = f"seed {seed}: {one}"
        # Nothing goes out that is not in the ledger, on the disk.
        assert one["sent"] <= one["written"], why
        assert one["since_success"] <= SUBMITS_SINCE_SUCCESS, why
        assert one["sent"] - one["accepted"] <= SUBMITS_SINCE_SUCCESS, why
        assert not one["unread"], why
        if "code" in one:
            assert one["code"] not in ("bug", "store_corrupt", "store_full"), why
        if "generation" in one:
            assert one["alive"] or one["stale"], why
        if one.get("last", 0) > 2:
            # An honest end: a session, or a stop that only a person clears.
            assert one.get("alive") or one.get("latched"), why
            assert one["mode"] == "right" or "code" in one, why
    lasts = [one for one in told if one.get("last") == 3]
    for third, fourth in zip(lasts, [one for one in told if one.get("last") == 4], strict=True):
        if "code" in third:
            assert (fourth["code"], fourth["sent"]) == (third["code"], third["sent"])
    deaths = Counter(one["mode"] for one in told if one.get("killed"))
    print(f"{len(told)} lives, killed {dict(deaths)}, ends {Counter(map(end_of, lasts))}")
    assert sum(deaths.values()) >= restarts // 3
    assert {"credentials_rejected"} <= {one.get("code") for one in lasts}


def end_of(one: dict[str, Any]) -> str:
    return str(one.get("code", "session"))
