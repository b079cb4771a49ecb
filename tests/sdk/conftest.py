"""Fixtures for the SDK: names that resolve, and a daemon that needs no browser."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester.sdk import Credentials
from plaindaemon import PlainDaemon, StandInSite
from sdkclients import CLIENTS, Client
from standin import StandInProcess
from tinysite import TinySite


@pytest.fixture(autouse=True)
def _loopback_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below ``.localhost`` are this machine; not every resolver knows that."""
    ask = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return ask("127.0.0.1" if str(name).endswith(".localhost") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("HARVESTER_ORIGIN", "HARVESTER_SOCKET", "HARVESTER_STORE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


@pytest.fixture
def tiny() -> Iterator[TinySite]:
    with TinySite() as site:
        yield site


@pytest.fixture
def daemon(tmp_path: Path, tiny: TinySite) -> Iterator[PlainDaemon]:
    """Signs in to the tiny site."""
    with PlainDaemon(tmp_path / "run" / "h.sock", tiny) as running:
        yield running


@pytest.fixture
def credentials(daemon: PlainDaemon) -> Credentials:
    return Credentials(socket=str(daemon.path))


@pytest.fixture
def real(tmp_path: Path, world: StandInProcess) -> Iterator[PlainDaemon]:
    """Signs in to the stand-in."""
    with PlainDaemon(tmp_path / "real" / "h.sock", StandInSite(world)) as running:
        yield running
