"""Every command line here runs in an empty home, with no settings but those the test gives."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakedaemon import FakeDaemon
from fakeonce import FakeOnce, Run
from harvester.cli import call as call_module
from harvester.cli.app import run
from harvester.cli.call import Call
from harvester.settings import sources


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in list(os.environ):
        if name.startswith(("HARVESTER_", "XDG_")) or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    monkeypatch.setattr(sources, "SECRETS_DIRECTORY", tmp_path / "run-secrets")
    # What a command does to its own process would be done to the whole test run.
    monkeypatch.setattr("harvester.process.harden", lambda: None)
    before = logging.getLogger().handlers[:]
    yield tmp_path
    logging.getLogger().handlers[:] = before


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    """Listens where the command looks first."""
    with FakeDaemon(home / "r/harvester/harvester.sock") as running:
        yield running


@pytest.fixture
def cli() -> Run:
    """Run a command line in this process; ``once`` stands in for the work without a daemon."""

    def call(*args: str, once: FakeOnce | None = None) -> int:
        maker = once if once is not None else call_module._real_once
        return run(args, Call(once_maker=maker))

    return call
