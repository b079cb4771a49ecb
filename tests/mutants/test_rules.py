"""Each rule switched off: some test must fail.  And every one of them still fits the program."""

from __future__ import annotations

from pathlib import Path

import rules
from mutant import NOTICING, PATIENCE_S, ROOT, Mutant
from rules import mutants

__all__ = ["mutants"]

_WHOLE = "class Keeper:\n"


def test_every_rule_can_still_be_switched_off() -> None:
    found = list(rules.mutants())
    assert len({mutant.name for mutant in found}) == len(found) >= 30
    for mutant in found:
        text = (ROOT / "harvester" / mutant.file).read_text("utf-8")
        assert text.count(mutant.old) == 1, f"{mutant.name}: {mutant.file} says it no longer so"


def test_a_program_with_nothing_wrong_is_not_noticed(tmp_path: Path, sampled: bool) -> None:
    # Tests that fail by themselves would notice every mutant, and prove nothing.
    named = {test for mutant in rules.mutants() for test in mutant.tests}
    tests = NOTICING if sampled else tuple(sorted(named))
    whole = Mutant("nothing", "keeper.py", _WHOLE, _WHOLE, tests)
    assert not whole.noticed(tmp_path, patience_s=5 * PATIENCE_S)


def test_a_rule_that_is_switched_off_is_missed(mutant: Mutant, tmp_path: Path) -> None:
    assert mutant.noticed(tmp_path)
