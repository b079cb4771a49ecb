"""Whether somebody can sit at a screen, and what a browser must know to find it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harvester.errors import NeedsHuman
from harvester.signin.screen import screen_of


@pytest.fixture(autouse=True)
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")


def test_nothing_of_the_environment_goes_along_but_the_way_to_the_screen() -> None:
    environ = {"DISPLAY": ":0", "LD_PRELOAD": "/x", "SSLKEYLOGFILE": "/y", "HOME": "/nowhere"}
    assert screen_of(environ) == {"DISPLAY": ":0"}


def test_the_key_to_the_screen_is_found_where_ssh_leaves_it(tmp_path: Path) -> None:
    (tmp_path / ".Xauthority").touch()
    environ = {"DISPLAY": "localhost:10.0", "HOME": str(tmp_path)}
    assert screen_of(environ)["XAUTHORITY"] == str(tmp_path / ".Xauthority")
    assert screen_of({**environ, "XAUTHORITY": "/mine"})["XAUTHORITY"] == "/mine"


def test_wayland_is_a_screen_and_needs_its_directory() -> None:
    environ = {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": "/run/user/1000"}
    assert screen_of(environ) == environ


@pytest.mark.parametrize("environ", [{}, {"DISPLAY": ""}, {"XDG_RUNTIME_DIR": "/run/user/1"}])
def test_no_screen_is_said_with_the_ways_around_it(environ: dict[str, str]) -> None:
    with pytest.raises(NeedsHuman) as told:
        screen_of(environ)
    assert "ssh -X" in told.value.hint and "harvester import" in told.value.hint


def test_a_mac_needs_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert screen_of({}) == {}
