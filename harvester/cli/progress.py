"""Shows a person what is going on, on standard error: a spinner, or plain lines, or nothing.

Owns how a step looks.  Knows nothing of sign-ins beyond the names that they report.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harvester.redact import clean

if TYPE_CHECKING:
    import rich.progress

_STEP_LIMIT = 120
# Where the name of a state says little to somebody who did not choose it.
_SAID = {
    "ask_both": "ask user name and password",
    "ask_identifier": "ask user name",
    "candidate": "prove the session",
    "host_blocked": "kept from a host that HARVESTER_BROWSER_HOSTS does not name",
    "number_match": "ask for approval",
    "sent_code": "ask for a sent code",
    "taught": "taught page",
    "unknown": "unknown page",
}


def can_spin() -> bool:
    """A terminal that moves its cursor, and nobody who asked for plain output."""
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    return sys.stderr.isatty() and not dumb and not os.environ.get("NO_COLOR")


def in_words(step: Mapping[str, Any]) -> str:
    """A step of a sign-in: ``state``, ``host``, ``number``, all of them optional."""
    state = str(step.get("state") or "working")
    words = _SAID.get(state, state.replace("_", " "))
    if step.get("host"):
        words += f" at {step['host']}"
    if step.get("number"):
        words += f": the number is {step['number']}"
    return clean(words, _STEP_LIMIT)


class Progress:
    """A context manager.  ``what`` is shown from the start; steps replace it as they come."""

    def __init__(self, *, quiet: bool, what: str = "") -> None:
        self._quiet = quiet
        self._what = what
        self._started_s = time.monotonic()
        self._spinner: rich.progress.Progress | None = None
        self._last = ""

    def __enter__(self) -> Progress:
        if self._what and not self._quiet and can_spin():
            self._spin(self._what)
        return self

    def __exit__(self, *_: object) -> None:
        if self._spinner is not None:
            self._spinner.stop()

    def step(self, told: Mapping[str, Any]) -> None:
        """One step of a sign-in: see ``in_words``; ``elapsed_s`` where it is known."""
        text = in_words(told)
        if self._quiet or text == self._last:
            return
        self._last = text
        if can_spin():
            self._spin(text)
            return
        elapsed_s = told.get("elapsed_s")
        if not isinstance(elapsed_s, int | float):
            elapsed_s = time.monotonic() - self._started_s
        sys.stderr.write(f"harvester: {elapsed_s:5.1f} s  {text}\n")
        sys.stderr.flush()

    def _spin(self, text: str) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress as Spinner
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        if self._spinner is None:
            self._spinner = Spinner(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._spinner.add_task(escape(text), total=None)
            self._spinner.start()
        else:
            self._spinner.update(self._spinner.task_ids[0], description=escape(text))
