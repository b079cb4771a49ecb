"""Each control against hostile pages and other users, switched off: a test fails."""

from __future__ import annotations

from pathlib import Path

import controls
from controls import mutants
from mutant import ROOT, Mutant

__all__ = ["mutants"]

# Each starts a browser or two.
SAMPLE_EVERY = 18
PATIENCE_S = 300.0


def test_every_control_can_still_be_switched_off() -> None:
    found = list(controls.mutants())
    assert len({mutant.name for mutant in found}) == len(found) >= 28
    for mutant in found:
        for file, old, _ in mutant.changes():
            text = (ROOT / "harvester" / file).read_text("utf-8")
            assert text.count(old) == 1, f"{mutant.name}: {file} says it no longer so"


def test_with_all_of_them_on_nothing_is_missed(tmp_path: Path, sampled: bool) -> None:
    # Tests that fail by themselves would miss everything, and prove nothing.
    named = {test for mutant in controls.mutants() for test in mutant.tests}
    tests = ("tests/unit/test_signin_guard.py",) if sampled else tuple(sorted(named))
    whole = Mutant("nothing", "keeper.py", "class Keeper:\n", "class Keeper:\n", tests)
    assert not whole.noticed(tmp_path, patience_s=10 * PATIENCE_S)


def test_a_control_that_is_switched_off_is_missed(mutant: Mutant, tmp_path: Path) -> None:
    assert mutant.noticed(tmp_path, patience_s=PATIENCE_S)
