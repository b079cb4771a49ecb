"""The last few records of one kind, numbered: what is kept for a person to look at.

    profiles/NAME/evidence-0007      one record, never written again; the oldest go

Owns their names and how many are kept.  Each is sealed as any record is; one that does not open
stays until it is the oldest.  Numbers only go up while any is left.  Whoever adds one holds the
profile's lock.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from harvester.errors import Bug, StoreCorrupt
from harvester.vault.durable import Disk
from harvester.vault.seal import MAX_RECORD_BYTES, Opened, Purpose, Seal

# Enough to see what changed since it last worked; each is at most 1 MiB.
KEPT_MOST: Final = 10


class Shelf:
    def __init__(
        self, disk: Disk, seal: Seal, directory: Path, *, profile: str, purpose: Purpose
    ) -> None:
        self._disk = disk
        self._seal = seal
        self._directory = directory
        self._profile = profile
        self._purpose: Purpose = purpose
        self._name = re.compile(rf"{re.escape(purpose)}-([0-9]{{4,9}})")

    def numbers(self) -> list[int]:
        """Those that are there, the oldest first."""
        found = (self._name.fullmatch(name) for name in self._disk.names(self._directory))
        return sorted(int(one[1]) for one in found if one is not None)

    def read(self, number: int) -> Opened | None:
        """What is in it, None if it is not there.  Raises as ``Seal.open``; touches nothing."""
        record = self._disk.read(self._directory, self._file(number), MAX_RECORD_BYTES)
        if record is None:
            return None
        return self._seal.open(record, profile=self._profile, purpose=self._purpose)

    def add(self, record: bytes) -> int:
        """Store a record that another process sealed, durably; its number.

        Raises StoreFull where the disk takes nothing; what was there is still there then.
        """
        self._seal.label(record, profile=self._profile, purpose=self._purpose)
        for path in (self._directory.parent.parent, self._directory.parent, self._directory):
            self._disk.make_dir(path)
        kept = self.numbers()
        number = kept[-1] + 1 if kept else 1
        if not self._disk.create(self._directory, self._file(number), record):
            raise StoreCorrupt(
                f"somebody else wrote {self._file(number)} of profile {self._profile} just now",
                hint="run: harvester history",
            )
        oldest = [*kept, number][:-KEPT_MOST]
        self._disk.remove(self._directory, *(self._file(one) for one in oldest))
        return number

    def _file(self, number: int) -> str:
        return f"{self._purpose}-{number:04d}"


class NoShelf:
    """Holds nothing.  Writing to it is a mistake of ours."""

    def numbers(self) -> list[int]:
        return []

    def read(self, number: int) -> Opened | None:
        return None

    def add(self, record: bytes) -> int:
        raise Bug("something was written where nothing is kept")
