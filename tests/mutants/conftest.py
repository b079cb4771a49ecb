"""Mutants come one by one, a sample of them unless ``--full`` is given."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from mutant import Mutant

# Each takes some seconds; every so many-th is tried in a usual run.
SAMPLE_EVERY = 24


@pytest.fixture
def sampled(pytestconfig: pytest.Config) -> bool:
    return not pytestconfig.getoption("--full")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mutant" not in metafunc.fixturenames:
        return
    all_of_them: Sequence[Mutant] = tuple(metafunc.module.mutants())
    every = getattr(metafunc.module, "SAMPLE_EVERY", SAMPLE_EVERY)
    step = 1 if metafunc.config.getoption("--full") else every
    metafunc.parametrize("mutant", all_of_them[::step], ids=lambda one: one.name)
