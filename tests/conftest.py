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
