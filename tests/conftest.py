"""Fixtures that tests of every kind share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from canary import plugin as canary
from standin import StandInProcess

_T = TypeVar("_T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="run what comes in two sizes in its full one, as `scripts/test faults` does",
    )


def pytest_configure(config: pytest.Config) -> None:
    canary.register(config)


@pytest.fixture(scope="session")
def size(pytestconfig: pytest.Config) -> Callable[[_T, _T], _T]:
    """``size(reduced, full)``: how much of a long story this run tells."""
    full = bool(pytestconfig.getoption("--full"))
    return lambda reduced, whole: whole if full else reduced


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
