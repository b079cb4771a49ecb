"""All that is sealed in a store's directory, by the key that it names; and each sealed anew.

Owns which files are records, and how one is put in the place of itself: same profile, purpose,
generation and date, another key.  Whoever rewrites holds the profile's lock.  Knows no rotation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.errors import KeyWrong, StoreError
from harvester.profile import PROFILE_NAME
from harvester.vault.durable import PREVIOUS, Disk
from harvester.vault.keys import Kdf
from harvester.vault.lock import Lock
from harvester.vault.seal import MAX_RECORD_BYTES, PURPOSES, Label, Purpose, Seal, label_of

_ASIDE: Final = ".bad-"
# session, session.previous, session.bad-TIME, evidence-0007
_NAME = re.compile(
    rf"({'|'.join(map(re.escape, PURPOSES))})(-[0-9]{{4,9}})?({re.escape(PREVIOUS)}|{_ASIDE}.+)?"
)

# What is sealed in a record, from what was, and the key id that it was sealed with.
Reworded = Callable[[Purpose, bytes, str], bytes]


@dataclass(frozen=True, slots=True)
class Sealed:
    """One file.  ``label`` None: it does not even say which key it needs, for ``trouble``."""

    profile: str
    name: str
    purpose: Purpose
    label: Label | None
    trouble: StoreError | None = None

    @property
    def aside(self) -> bool:
        """It was set aside: damaged, or what a person gave up.  Nobody reads it."""
        return _ASIDE in self.name


class Rewriting:
    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self._root = root
        self._disk = disk or Disk(private_dirs=True)

    def profiles(self) -> list[str]:
        """The names of those that have a directory."""
        return [
            name
            for name in self._disk.names(self._root / "profiles")
            if PROFILE_NAME.fullmatch(name)
        ]

    def lock(self, profile: str) -> Lock:
        """The lock of everybody who writes for this profile (see ``DirectoryStore.lock``)."""
        return self.lock_named(f"profile.{profile}.lock")

    def lock_named(self, name: str) -> Lock:
        for path in (self._root, self._root / "locks"):
            self._disk.make_dir(path)
        return Lock(self._root / "locks" / name, self._disk.calls)

    def sealed(self, profile: str) -> Iterator[Sealed]:
        """Every record of a profile, in use or not.  Reads no secret and needs no key."""
        directory = self._root / "profiles" / profile
        for name in self._disk.names(directory):
            found = _NAME.fullmatch(name)
            if found is None:
                continue
            purpose: Purpose = next(one for one in PURPOSES if one == found[1])
            try:
                record = self._disk.read(directory, name, MAX_RECORD_BYTES)
                if record is None:
                    continue  # gone meanwhile
                label = label_of(record, f"{name} of profile {profile}")
            except StoreError as error:
                yield Sealed(profile, name, purpose, None, error)
            else:
                yield Sealed(profile, name, purpose, label)

    def kdfs(self) -> dict[str, Kdf]:
        """How the keys of passphrases were made, by key id, as the records tell it."""
        found: dict[str, Kdf] = {}
        for profile in self.profiles():
            for one in self.sealed(profile):
                if one.label is not None and one.label.kdf is not None:
                    found[one.label.kid] = one.label.kdf
        return found

    def opens(self, one: Sealed, seal: Seal) -> bool:
        """Whether there is anything in it that a key of ours opens."""
        record = self._disk.read(self._root / "profiles" / one.profile, one.name, MAX_RECORD_BYTES)
        try:
            seal.open(record or b"", profile=one.profile, purpose=one.purpose)
        except (StoreError, KeyWrong):
            return False
        return True

    def rewrite(self, one: Sealed, seal: Seal, reworded: Reworded) -> None:
        """Seal it anew.  At every instant a reader finds the old record or the new one.

        Raises what opening it raises: then it is as it was.
        """
        directory = self._root / "profiles" / one.profile
        record = self._disk.read(directory, one.name, MAX_RECORD_BYTES)
        if record is None:
            return
        opened = seal.open(record, profile=one.profile, purpose=one.purpose)
        new = seal.seal(
            reworded(one.purpose, opened.plaintext, opened.kid),
            profile=one.profile,
            purpose=one.purpose,
            generation=opened.generation,
            now_s=opened.created_at,
        )
        self._disk.write_atomic(directory, one.name, new)
