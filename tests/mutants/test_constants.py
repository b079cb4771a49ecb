"""Half and twice each number of the rules: some test must mind."""

from __future__ import annotations

from pathlib import Path

from constants import mutants, numbers
from mutant import Mutant

# Mutants that no test minds, each with the reason why none should.
SURVIVORS: dict[str, str] = {}


def test_there_are_numbers_to_halve_and_to_double() -> None:
    assert len(list(numbers())) >= 30
    names = {mutant.name for mutant in mutants()}
    assert len(names) == 2 * len(list(numbers()))
    assert set(SURVIVORS) <= names


def test_half_or_twice_a_number_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    assert mutant.noticed(tmp_path) != (mutant.name in SURVIVORS)
