"""A seat at a screen: an X server without a monitor, and a person who types and presses keys.

Installs what is missing with apt-get, which needs root.  A plain browser can be driven by nothing
else than a keyboard: there is no automation in it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator

from harvester.errors import BrowserMissing
from harvester.signin.find import find_browser

_TOOLS = {"Xvfb": "xvfb", "xdotool": "xdotool"}
WINDOW_S = 30.0


def browser_with_windows() -> str:
    """The path of one; installs Debian's Chromium where there is none."""
    with contextlib.suppress(BrowserMissing):
        return find_browser(None, windows=True).path
    _install("chromium")
    return find_browser(None, windows=True).path


def _install(*packages: str) -> None:
    words = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{' '.join(words)}: {ended.stderr[-500:]}"


class Person:
    def __init__(self, display: str) -> None:
        self.display = display

    def sees(self, title: str) -> str:
        """Wait for a window whose title holds this; its number, and it has the keyboard."""
        until = time.monotonic() + WINDOW_S
        while time.monotonic() < until:
            found = self._do("search", "--onlyvisible", "--name", title).split()
            if found:
                self._do("windowfocus", "--sync", found[-1])
                return found[-1]
            time.sleep(0.1)
        raise AssertionError(f"no window with {title!r} was shown")

    def types(self, text: str) -> None:
        self._do("type", "--delay", "15", text)

    def presses(self, *keys: str) -> None:
        for key in keys:
            self._do("key", key)

    def _do(self, *words: str) -> str:
        environ = {**os.environ, "DISPLAY": self.display}
        return subprocess.run(
            ["xdotool", *words], env=environ, capture_output=True, text=True, check=False
        ).stdout


@contextlib.contextmanager
def seat() -> Iterator[Person]:
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if missing:
        _install(*missing)
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, "Xvfb did not start"
        yield Person(f":{number}")
    finally:
        server.terminate()
        server.wait()
