"""Kolibri (PyPI): a single-page application that asks for the name first and then, in place, for
the password.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from running import Account, free_port, process

import installing

USERNAME, PASSWORD = "ada", "correct horse 7 battery"


@contextlib.contextmanager
def running(place: Path) -> Iterator[Account]:
    bin_ = installing.python("kolibri", "kolibri==0.19.5", "setuptools<80")
    port = free_port()
    folder, log = place / "kolibri", place / "kolibri.log"
    env = {"KOLIBRI_HOME": str(folder), "KOLIBRI_LISTEN_ADDRESS": "127.0.0.1"}
    subprocess.run(
        [
            str(bin_ / "kolibri"), "manage", "provisiondevice", "--facility", "School",
            "--superusername", USERNAME, "--superuserpassword", PASSWORD, "--preset", "formal",
            "--language_id", "en", "--verbosity", "0", "--noinput",
        ],
        env={**os.environ, **env}, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    words = [str(bin_ / "kolibri"), "start", "--foreground", "--port", str(port)]
    words += ["--zip-port", str(free_port())]
    with process(words, log=log, port=port, cwd=place, env=env):
        origin = f"http://kolibri.localhost:{port}"
        yield Account(
            origin=origin,
            probe_path="/api/device/deviceinfo/",
            identity_origins=(origin,),
            username=USERNAME,
            password=PASSWORD,
        )
