"""The bell: rings for a person, with the program of ON_PERSON_NEEDED and the desktop's own.

    HARVESTER_PROFILE, _CODE, _MESSAGE, _HINT ──► program.py

Owns what the program and the desktop are told.  How a program is run is ``program.py``'s; whether
there is a reason to ring, and that it is rung once, is ``summons.py``'s.  Nobody waits for it.
"""

from __future__ import annotations

import asyncio
import html
import logging
import shutil
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Literal

from harvester.errors import HarvesterError
from harvester.log import event
from harvester.program import LIMIT_S, failure, inherited
from harvester.redact import clean

# Many profiles of one provider come to need a person in the same moment.
AT_ONCE = 4
# Where one of these is set there is a desktop that can show something.
_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS")
# The texts are arguments, not part of the script: no quote in them ends a string.
_OSASCRIPT = (
    "-e", "on run argv",
    "-e", "display notification (item 2 of argv) with title (item 1 of argv)",
    "-e", "end run",
)  # fmt: skip


class Bell:
    """Of one process.  ``words`` is the program to run, if any; ``notify`` the desktop's."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        notify: Literal["auto", "off"],
        environ: Mapping[str, str],
        platform: str = sys.platform,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._environ = inherited(environ)
        self._platform = platform
        self._limit_s = limit_s
        self._few = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.change(words, notify=notify)

    def change(self, words: Sequence[str], *, notify: Literal["auto", "off"]) -> None:
        """Settings that hold from now on."""
        self._words = tuple(words)
        self._notify = notify

    def ring(self, profile: str, error: HarvesterError) -> None:
        """Tell a person, beside everything else."""
        if self._words:
            self._start(self._hook(profile, error))
        if self._notify == "auto":
            self._start(self._notification(profile, error))

    async def close(self) -> None:
        """End what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hook(self, profile: str, error: HarvesterError) -> None:
        told = {
            "HARVESTER_PROFILE": profile,
            "HARVESTER_CODE": error.code,
            "HARVESTER_MESSAGE": clean(error.message),
            "HARVESTER_HINT": clean(error.hint),
        }
        await self._run("hook", profile, self._words, {**self._environ, **told})

    async def _notification(self, profile: str, error: HarvesterError) -> None:
        title = f"harvester needs you: {profile}"
        text = clean(f"{error.message}. {error.hint}" if error.hint else error.message)
        words = self._desktop(title, text)
        if words:
            await self._run("notification", profile, words, self._environ)

    def _desktop(self, title: str, text: str) -> Sequence[str]:
        """The words that show it; none where nobody would see it."""
        path = self._environ.get("PATH")
        if self._platform == "darwin":
            program = shutil.which("osascript", path=path)
            return (program, *_OSASCRIPT, title, text) if program else ()
        if not any(self._environ.get(name) for name in _DESKTOP):
            return ()
        program = shutil.which("notify-send", path=path)
        # The text is read as markup.
        said = html.escape(text, quote=False)
        return (program, "--app-name=harvester", "--", title, said) if program else ()

    async def _run(
        self, what: str, profile: str, words: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        """Run it and say how that went: ``hook.ran``, ``hook.failed`` and the like."""
        async with self._few:
            began = time.monotonic()
            failed = await failure(words, environ, limit_s=self._limit_s)
            took_s = round(time.monotonic() - began, 3)
        if failed is None:
            event(f"{what}.ran", profile=profile, took_s=took_s)
        else:
            event(
                f"{what}.failed", level=logging.WARNING, profile=profile, why=failed, took_s=took_s
            )
