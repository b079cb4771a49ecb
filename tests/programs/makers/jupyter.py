"""A Jupyter server (PyPI): one password, and nobody's name."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from running import Account, free_port, process

import installing

PASSWORD = "correct horse 7 battery"


@contextlib.contextmanager
def running(place: Path) -> Iterator[Account]:
    bin_ = installing.python("jupyter", "jupyter-server==2.17.0")
    port = free_port()
    folder, log = place / "files", place / "jupyter.log"
    folder.mkdir()
    say = f"from jupyter_server.auth import passwd; print(passwd({PASSWORD!r}))"
    made = subprocess.run(
        [str(bin_ / "python"), "-c", say], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()
    words = [
        str(bin_ / "jupyter-server"), "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.allow_remote_access=True", f"--ServerApp.root_dir={folder}",
        f"--PasswordIdentityProvider.hashed_password={made}", "--IdentityProvider.token=",
    ]  # fmt: skip
    env = {"JUPYTER_CONFIG_DIR": str(place / "config"), "JUPYTER_RUNTIME_DIR": str(place / "run")}
    with process(words, log=log, port=port, cwd=folder, path="/login", env=env):
        origin = f"http://jupyter.localhost:{port}"
        yield Account(
            origin=origin,
            sign_in_url=f"{origin}/login",
            probe_path="/api/contents",
            identity_origins=(origin,),
            # harvester wants one; the page never asks for it.
            username="nobody",
            password=PASSWORD,
            log=log,
            posts=re.compile(r"POST /login"),
        )
