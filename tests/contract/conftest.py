"""A house of fakes behind the real API, and a client that talks to it over its socket."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from fakehouse import FakeHouse, serving


@pytest.fixture
def house() -> FakeHouse:
    return FakeHouse()


@pytest.fixture
async def path(tmp_path: Path, house: FakeHouse) -> AsyncIterator[Path]:
    where = tmp_path / "run" / "h.sock"
    async with serving(where, house):
        yield where


@pytest.fixture
async def client(path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.UnixConnector(os.fspath(path), limit=0)
    async with aiohttp.ClientSession("http://harvester", connector=connector) as session:
        yield session
