"""The last generation written of each record, kept beside the records, to notice a rollback.

A record that is older than the last one written was put back by somebody, from a backup or in
malice.  Owns the file ``seen`` of a profile's directory.  It is not secret and not sealed: who can
write all our files can roll them all back, and no file of ours could tell.
"""

from __future__ import annotations

import json
from pathlib import Path

from harvester.errors import StoreFull
from harvester.vault.durable import Disk

SEEN_NAME = "seen"
_LIMIT_BYTES = 4096


class Generations:
    """What was last written, by this process's memory and by the file."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._remembered: dict[tuple[Path, str], int] = {}

    def last(self, directory: Path, purpose: str) -> int:
        """The last generation known to have been written, 0 if none is."""
        noted = self._noted(directory).get(purpose, 0)
        return max(noted, self._remembered.get((directory, purpose), 0))

    def read(self, directory: Path, purpose: str, generation: int) -> None:
        """Remember, in this process only, that this generation was there."""
        known = self._remembered.get((directory, purpose), 0)
        self._remembered[directory, purpose] = max(generation, known)

    def wrote(self, directory: Path, purpose: str, generation: int) -> None:
        """Note the generation just written: the last, not the highest, because who holds the key
        may begin again at 1.  Call it after the write: a crash before it must not look like a
        rollback.
        """
        self._remembered[directory, purpose] = generation
        try:
            noted = self._noted(directory)
            if noted.get(purpose) != generation:
                noted[purpose] = generation
                self._disk.write_atomic(directory, SEEN_NAME, json.dumps(noted).encode("ascii"))
        except StoreFull:
            # The record itself is safe, which is what was promised; until the next write a
            # rollback of it would be noticed by this process only.
            return

    def _noted(self, directory: Path) -> dict[str, int]:
        """A file that makes no sense notes nothing, and is written anew."""
        data = self._disk.read(directory, SEEN_NAME, _LIMIT_BYTES)
        try:
            noted = json.loads(data or b"{}")
        except (ValueError, RecursionError):
            return {}
        if not isinstance(noted, dict):
            return {}
        return {name: value for name, value in noted.items() if type(value) is int}
