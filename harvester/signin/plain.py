"""An ordinary browser for a person: no automation in it, its own profile, read when it is gone.

Some providers let no window in that a program holds.  That is respected: the person signs in with
nobody attached, and closes the browser; only then its cookies are taken over.  The profile lies in
the private directory of the sign-in and is removed with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from harvester.errors import BrowserFailed
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import Found
from harvester.signin.launch import own_arguments, wants_sandbox

# A browser that is gone this soon showed nobody anything.
_NOT_SHOWN_S = 1.0
_PREFERENCES = {
    # Cookies without an end are dropped when the browser closes, unless it is to go on where it
    # left off (measured); most session cookies are of that kind.
    "session": {"restore_on_startup": 1},
    # It must not offer to keep the password in a profile that is about to be removed, nor sign
    # the browser itself in to anybody's account.
    "credentials_enable_service": False,
    "signin": {"allowed": False, "allowed_on_next_startup": False},
}


class PlainWindow:
    """``place`` is the profile's directory; it must not exist yet."""

    def __init__(self, found: Found, choice: BrowserChoice, place: Path) -> None:
        self.found = found
        self.place = place
        self._choice = choice

    async def until_closed(self, url: str, screen: Mapping[str, str]) -> None:
        """Open it at ``url`` and wait until the person has closed it.  Raises BrowserFailed."""
        self._furnish()
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            self.found.path,
            *self._words(screen),
            url,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **screen},
        )
        code = await process.wait()
        if code != 0 and time.monotonic() - began < _NOT_SHOWN_S:
            raise BrowserFailed(
                f"the browser {self.found.path} did not open a window",
                hint="start it yourself to see why; is the screen that DISPLAY names there?",
            )

    def _furnish(self) -> None:
        folder = self.place / "Default"
        folder.mkdir(parents=True, mode=0o700)
        (folder / "Preferences").write_text(json.dumps(_PREFERENCES), "utf-8")

    def _words(self, screen: Mapping[str, str]) -> list[str]:
        words = [
            f"--user-data-dir={self.place}",
            "--no-first-run",
            "--no-default-browser-check",
            # Models and lists of some hundred megabytes, for a window that lives for minutes.
            "--disable-component-update",
            # A key that the take-over knows too; a keyring would ask for its own password.
            "--password-store=basic",
            *own_arguments(self._choice),
        ]
        if sys.platform == "darwin":
            words.append("--use-mock-keychain")
        if not wants_sandbox(self._choice):
            words.append("--no-sandbox")
        if self._choice.https_proxy:
            words.append(f"--proxy-server={self._choice.https_proxy}")
        if "WAYLAND_DISPLAY" in screen and "DISPLAY" not in screen:
            words.append("--ozone-platform=wayland")
        return words
