"""Fixtures that tests of every kind share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from standin import StandInProcess


@pytest.fixture
def standin() -> Iterator[StandInProcess]:
    """A stand-in of this test's own, with all switches at their defaults."""
    with StandInProcess() as running:
        yield running


@pytest.fixture(scope="session")
def _one_standin() -> Iterator[StandInProcess]:
    with StandInProcess() as running:
        yield running


@pytest.fixture
def world(_one_standin: StandInProcess) -> StandInProcess:
    """A stand-in as new, but one process for all tests: for those that leave nobody behind."""
    _one_standin.reset()
    return _one_standin
