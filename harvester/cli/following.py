"""Shows the steps of a sign-in that a daemon makes, while its answer is waited for.

A thread of its own asks for the status: the answer itself comes in one piece, at the end.  What it
cannot learn it does not show.
"""

from __future__ import annotations

import threading
from typing import Self

from harvester.cli.progress import Progress
from harvester.client import Client
from harvester.errors import HarvesterError

# A step of a sign-in takes about this long; a number to compare must be seen soon.
_LOOK_EVERY_S = 0.5


class Following:
    """A context manager around one request to the daemon."""

    def __init__(self, client: Client, profile: str, progress: Progress) -> None:
        self._client = client
        self._profile = profile
        self._progress = progress
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._progress.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._over.set()
        self._thread.join()
        self._progress.__exit__(*reason)

    def _follow(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            try:
                told = self._client.status()
            except HarvesterError:
                return  # the request itself will tell what is wrong
            for one in told.get("profiles", []):
                step = one.get("signing_in")
                if one.get("profile") == self._profile and step and not self._over.is_set():
                    self._progress.step(step)
