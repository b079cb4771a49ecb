"""Damaged records that were set aside: what they are called, and how many are kept; and which
command puts one aside that only a person may.

    session.bad-20251123T121320.500Z        one; the newest three of a purpose stay

Only files of this very name that are regular and ours count and are ever removed: whatever else
lies beside them was put there by somebody else, and is his.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from harvester.errors import StoreSwapped, StoreTampered
from harvester.vault.calls import told
from harvester.vault.durable import Disk

# Enough to see whether damage comes again and again; more would only fill a failing disk.
SET_ASIDE_MOST = 3
_BAD = ".bad-"
_MOMENT = r"\d{8}T\d{6}\.\d{3}Z(-\d+)?"


class Aside:
    """Those of one purpose in one directory."""

    def __init__(self, disk: Disk, directory: Path, purpose: str) -> None:
        self._disk = disk
        self._directory = directory
        self._begins = purpose + _BAD
        self._name = re.compile(re.escape(self._begins) + _MOMENT)

    def any(self) -> bool:
        """Whether anything bears such a name, whatever it is: then something was damaged once."""
        return any(name.startswith(self._begins) for name in self._disk.names(self._directory))

    def names(self) -> list[str]:
        """The files that were set aside, the oldest first."""
        names = self._disk.names(self._directory)
        return [name for name in names if self._name.fullmatch(name) and self._is_ours(name)]

    def free_name(self, now_s: float) -> str:
        """A name of its own for one more, after making room for it."""
        bad = self.names()
        too_many = bad[: max(0, len(bad) - SET_ASIDE_MOST + 1)]
        if too_many:
            self._disk.remove(self._directory, *too_many)
        moment = datetime.fromtimestamp(now_s, UTC)
        stem = f"{self._begins}{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"
        taken = set(self._disk.names(self._directory))
        name, count = stem, 1
        while name in taken:
            count += 1
            name = f"{stem}-{count}"
        return name

    def _is_ours(self, name: str) -> bool:
        path = self._directory / name
        with suppress(FileNotFoundError), told(path):
            seen = self._disk.calls.lstat(path)
            return stat.S_ISREG(seen.st_mode) and seen.st_uid == os.geteuid()
        return False


def pointed(
    error: StoreTampered | StoreSwapped, path: Path, profile: str
) -> StoreTampered | StoreSwapped:
    """The error with the one command that mends it, now that the file is known."""
    if path.name.startswith("ledger"):
        # Without its ledger a profile would have sent nothing yet: only a person may say so.
        name = f"harvester --profile {profile} unlock"
        mend = f"when you know that the account is in order, run: {name}"
    else:
        mend = f"run: mv -i {shlex.quote(str(path))} {shlex.quote(str(path))}.kept"
    error.hint = f"find out who can write to the store; then {mend}"
    return error
