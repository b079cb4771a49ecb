"""Each rule switched off: some test must fail.  And every one of them still fits the program."""

from __future__ import annotations

from pathlib import Path

import rules
from mutant import ROOT, Mutant
from rules import mutants

__all__ = ["mutants"]


def test_every_rule_can_still_be_switched_off() -> None:
    found = list(rules.mutants())
    assert len({mutant.name for mutant in found}) == len(found) >= 30
    for mutant in found:
        text = (ROOT / "harvester" / mutant.file).read_text("utf-8")
        assert text.count(mutant.old) == 1, f"{mutant.name}: {mutant.file} says it no longer so"


def test_a_rule_that_is_switched_off_is_missed(mutant: Mutant, tmp_path: Path) -> None:
    assert mutant.noticed(tmp_path)
