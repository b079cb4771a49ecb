"""Looks at every file of a store as its readers would, and touches none: for ``doctor``.

A reader sets a damaged record aside and goes on; whoever only looks must leave everything as it
is.  Owns what is looked at and which command helps; what a record is worth is ``seal.py``'s word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harvester.errors import (
    HarvesterError,
    KeyWrong,
    StoreCorrupt,
    StoreError,
    StoreRolledBack,
    StoreSwapped,
    StoreTampered,
)
from harvester.profile import PROFILE_NAME
from harvester.vault.aside import Aside, pointed
from harvester.vault.calls import check_file, check_one_name, told
from harvester.vault.durable import PREVIOUS, Disk
from harvester.vault.generations import SEEN_NAME, Generations
from harvester.vault.journal import NAME as JOURNAL
from harvester.vault.journal import OLDER as OLDER_JOURNAL
from harvester.vault.seal import MAX_RECORD_BYTES, PURPOSES, Purpose, Seal

_EVIDENCE = re.compile(r"evidence-[0-9]{4,9}")
# What brings a new one in the place of a damaged one.
_RENEWS = {"ledger": "unlock", "passkey": "passkey enroll"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One file that is not as it should be.  ``grave``: something does not work because of it;
    else it is a fallback that is lost, or something to know."""

    path: Path
    error: HarvesterError
    grave: bool = True


class Inspection:
    """Of the store at ``root``."""

    def __init__(self, root: Path, seal: Seal, *, disk: Disk | None = None) -> None:
        self._root = root
        self._seal = seal
        self._disk = disk or Disk(private_dirs=True)

    def faults(self) -> Iterator[Fault]:
        """Everything that is wrong, the profiles in order.  Never raises a StoreError."""
        for name in self._names(self._root / "profiles"):
            if PROFILE_NAME.fullmatch(name):
                yield from self._profile(name)
        for name in self._names(self._root / "locks"):
            path = self._root / "locks" / name
            try:
                with suppress(FileNotFoundError), told(path):
                    seen = self._disk.calls.lstat(path)
                    check_file(seen, path)
                    check_one_name(seen, path)
            except StoreError as error:
                yield Fault(path, error)

    def _names(self, directory: Path) -> list[str]:
        try:
            return self._disk.names(directory)
        except StoreError:
            return []  # told by whoever looks at the directories' modes

    def _profile(self, profile: str) -> Iterator[Fault]:
        directory = self._root / "profiles" / profile
        for name in self._names(directory):
            purpose = _purpose_of(name)
            try:
                if purpose is not None:
                    self._record(directory, name, profile, purpose)
                elif name in (SEEN_NAME, JOURNAL, OLDER_JOURNAL):
                    self._plain(directory / name)
            except (StoreError, KeyWrong) as error:
                lost = name in PURPOSES and not isinstance(error, StoreRolledBack)
                yield Fault(directory / name, error, grave=lost or name == SEEN_NAME)
        for purpose in PURPOSES:
            bad = Aside(self._disk, directory, purpose).names()
            if bad:
                yield Fault(directory / bad[-1], _set_aside(bad, directory), grave=False)

    def _record(self, directory: Path, name: str, profile: str, purpose: Purpose) -> None:
        path = directory / name
        found = self._disk.read(directory, name, MAX_RECORD_BYTES)
        if found is None:
            return  # gone meanwhile
        try:
            opened = self._seal.open(found, profile=profile, purpose=purpose)
        except (StoreTampered, StoreSwapped) as error:
            raise pointed(error, path, profile) from None
        except StoreCorrupt as error:
            command = _RENEWS.get(purpose, "refresh --hard")
            error.hint = f"run: harvester --profile {profile} {command}   (the damaged one is kept)"
            raise
        if name == purpose:
            last = 0
            with suppress(StoreError):  # the note of them is told of by itself
                last = Generations(self._disk).last(directory, purpose)
            if opened.generation < last:
                raise StoreRolledBack(
                    f"{path} is of generation {opened.generation}, and {last} was written: "
                    "somebody put it back",
                    hint="if nobody restored a backup, find out who can write to the store; then "
                    f"run: harvester --profile {profile} {_RENEWS.get(purpose, 'refresh --hard')}",
                )

    def _plain(self, path: Path) -> None:
        found = self._disk.read_stamped(path.parent, path.name, MAX_RECORD_BYTES)
        if path.name == JOURNAL and found is not None:
            with suppress(FileNotFoundError), told(path):
                check_one_name(self._disk.calls.lstat(path), path)


def _purpose_of(name: str) -> Purpose | None:
    """What a file of a profile's directory holds, None where it is no record in use."""
    if _EVIDENCE.fullmatch(name):
        return "evidence"
    return next((one for one in PURPOSES if name in (one, one + PREVIOUS)), None)


def _set_aside(bad: list[str], directory: Path) -> StoreCorrupt:
    # No word of removing them: without them a ledger that was lost would be one that is new.
    return StoreCorrupt(
        f"damaged once and set aside in {directory}: {', '.join(bad)}",
        hint="look whether the disk is in order: dmesg | tail",
    )
