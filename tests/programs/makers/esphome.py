"""ESPHome's dashboard (PyPI): buttons and more are web components with shadow roots."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from running import Account, free_port, process

import installing

USERNAME, PASSWORD = "ada", "correct horse 7 battery"


@contextlib.contextmanager
def running(place: Path) -> Iterator[Account]:
    bin_ = installing.python("esphome", "esphome==2026.6.5", "esphome-dashboard")
    port = free_port()
    devices, log = place / "devices", place / "esphome.log"
    devices.mkdir()
    words = [
        str(bin_ / "esphome"), "dashboard", "--address", "127.0.0.1", "--port", str(port),
        "--username", USERNAME, "--password", PASSWORD, str(devices),
    ]  # fmt: skip
    # Where Home Assistant runs it as an add-on it reads the place of its secrets from there.
    with process(words, log=log, port=port, cwd=place):
        origin = f"http://esphome.localhost:{port}"
        yield Account(
            origin=origin,
            probe_path="/devices",
            identity_origins=(origin,),
            username=USERNAME,
            password=PASSWORD,
        )
