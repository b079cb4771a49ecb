"""OctoPrint (PyPI): a page whose script sends name and password and says what came of it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from running import Account, free_port, process

import installing

USERNAME, PASSWORD = "ada", "correct horse 7 battery"


@contextlib.contextmanager
def running(place: Path) -> Iterator[Account]:
    bin_ = installing.python("octoprint", "octoprint==1.11.8", "setuptools<80")
    port = free_port()
    folder, log = place / "octoprint", place / "octoprint.log"
    folder.mkdir()
    (folder / "config.yaml").write_text(
        "server:\n  firstRun: false\n  seenWizards:\n    corewizard: 4\n"
        "    classicwebcam: 1\n    tracking: null\n    backup: null\n"
        "  onlineCheck:\n    enabled: false\n"
        "accessControl:\n  salt: a-salt-of-the-tests\n"
        "plugins:\n  _disabled: [tracking, softwareupdate, announcements, discovery]\n"
    )
    base = [str(bin_ / "octoprint"), "--basedir", str(folder)]
    subprocess.run(
        [*base, "user", "add", USERNAME, "--password", PASSWORD, "--admin"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    words = [*base, "serve", "--iknowwhatimdoing", "--host", "127.0.0.1", "--port", str(port)]
    with process(words, log=log, port=port, cwd=folder, path="/login/"):
        origin = f"http://octoprint.localhost:{port}"
        yield Account(
            origin=origin,
            probe_path="/api/settings",
            identity_origins=(origin,),
            username=USERNAME,
            password=PASSWORD,
        )
