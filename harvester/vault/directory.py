"""A directory of sealed records: the default store.

    ROOT/                         0700, ours, no symlink
      key                         the sealing key, unless one is given (keys.py)
      profiles/NAME/
        session                   the record in use; likewise identity-state, ledger, totp-step, ...
        session.previous          the one before it
        session.bad-TIME          one that was damaged, kept for a person; three at most
        evidence-NUMBER           the last failed sign-ins (shelf.py)
        journal                   what happened (journal.py); not sealed
        seen                      the last generation written of each purpose (not secret)
      paused                        nothing is handed out, of whom and since when (pause.py)
      audit.log                     to whom it was (trail.py)
      locks/                      profile.NAME.lock, daemon.lock
      run/                        for the socket, where the system has no better place

Owns which record counts and what happens to one that does not open: a damaged one is set aside
and the one before it is used; one that another key sealed, that was changed or swapped, or that
a later release wrote is an error and stays where it is.  Nothing here deletes or overwrites such
a record.  Works between processes: readers need no lock, writers are to hold the profile's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from harvester.clock import Clock, SystemClock
from harvester.errors import Bug, StoreCorrupt, StoreFull, StoreSwapped, StoreTampered
from harvester.profile import PROFILE_NAME
from harvester.vault.aside import Aside, pointed
from harvester.vault.durable import PREVIOUS, Disk
from harvester.vault.generations import Generations
from harvester.vault.journal import Journal
from harvester.vault.lock import Lock
from harvester.vault.seal import MAX_RECORD_BYTES, PURPOSES, Purpose, Seal
from harvester.vault.shelf import Shelf

__all__ = ["DirectoryStore", "Lock", "Stored", "prepare"]

# How often a reader looks again because a writer replaced what it was about to set aside.
_LOOKS_MOST = 5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored.  ``created_at`` is seconds since 1970.

    ``from_previous``: the record in use could not be used, this is the one before it;
    ``set_aside`` is the name that a damaged one was given just now.  ``rolled_back``: a later
    generation was once written, so somebody put an old file back: probe before trusting it.
    """

    plaintext: bytes = field(repr=False)
    generation: int
    created_at: float
    from_previous: bool = False
    rolled_back: bool = False
    set_aside: str | None = None


@dataclass(frozen=True, slots=True)
class _Newest(Generic[_T]):
    value: _T
    from_previous: bool
    set_aside: str | None


def prepare(root: Path, *, disk: Disk | None = None) -> None:
    """Make the store's directories, 0700, and sweep what killed writers left.

    Raises StoreUnsafe (with the chmod) for a directory that is not ours alone, StoreFull where
    nothing can be made.
    """
    disk = disk or Disk(private_dirs=True)
    for path in (root, root / "profiles", root / "locks", root / "run"):
        disk.make_dir(path)
    now_s = SystemClock().wall_s()
    for name in disk.names(root / "profiles"):
        if PROFILE_NAME.fullmatch(name):
            disk.sweep(root / "profiles" / name, now_s=now_s)
    disk.sweep(root, now_s=now_s)


class DirectoryStore:
    """Sealed records of many profiles in one directory.

    Without a ``seal`` it can say what is there and take locks, but open and write nothing.
    All calls block for the disk.  Errors beside those named: StoreUnsafe for owner, mode and
    symlinks anywhere in the store, StoreFull for what the disk refuses.
    """

    def __init__(
        self,
        root: Path,
        seal: Seal | None = None,
        *,
        disk: Disk | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.root = Path(os.path.abspath(root))
        self._seal = seal
        self._disk = disk or Disk(private_dirs=True)
        self._clock = clock or SystemClock()
        self._generations = Generations(self._disk)

    # What is there

    def has_records(self) -> bool:
        """Whether anything sealed lies here, a record set aside too: then no key may be made."""
        return bool(self.profiles())

    def profiles(self) -> list[str]:
        """The names of the profiles that have a record."""
        if not self._disk.check_dir(self.root):
            return []
        names = self._disk.names(self.root / "profiles")
        return [name for name in names if PROFILE_NAME.fullmatch(name) and self._records(name)]

    def stamp(self, profile: str, purpose: Purpose) -> object | None:
        """Changes whenever some process writes the record; None if there is none.  Cheap."""
        directory = self._directory(profile)
        return self._disk.stamp(directory, purpose) or self._disk.stamp(
            directory, purpose + PREVIOUS
        )

    def last_generation(self, profile: str, purpose: Purpose) -> int:
        """The last one that was written, though the record may be lost; 0 if none ever was."""
        return self._generations.last(self._directory(profile), purpose)

    # Reading

    def read(self, profile: str, purpose: Purpose) -> Stored | None:
        """The newest record that opens, None if none was ever written.

        Raises StoreCorrupt if all there are were damaged (they are set aside; a ledger goes on
        raising it until a new one is written, since "damaged" must not turn into "empty");
        KeyWrong, StoreTampered, StoreSwapped, StoreTooNew: nothing was touched.
        """
        seal, directory = self._opener(), self._directory(profile)
        # Asked first: a record written between the two looks would else seem rolled back.
        last = self._generations.last(directory, purpose)
        newest = self._newest(
            profile, purpose, lambda record: seal.open(record, profile=profile, purpose=purpose)
        )
        if newest is None:
            return None
        opened = newest.value
        self._generations.read(directory, purpose, opened.generation)
        return Stored(
            plaintext=opened.plaintext,
            generation=opened.generation,
            created_at=opened.created_at,
            from_previous=newest.from_previous,
            rolled_back=opened.generation < last and not newest.from_previous,
            set_aside=newest.set_aside,
        )

    def read_sealed(self, profile: str, purpose: Purpose) -> bytes | None:
        """The newest whole record as it lies there, for a process that will open it itself.

        Raises as ``read``, but a record that was tampered with may show only when it is opened.
        """
        seal = self._opener()

        def whole(record: bytes) -> bytes:
            seal.label(record, profile=profile, purpose=purpose)
            return record

        newest = self._newest(profile, purpose, whole)
        return None if newest is None else newest.value

    def is_older(self, profile: str, purpose: Purpose, record: bytes) -> bool:
        """Whether a sealed record that was just read is not the last one that was written."""
        label = self._opener().label(record, profile=profile, purpose=purpose)
        if label.generation >= self._generations.last(self._directory(profile), purpose):
            return False
        # A later one may have been written between the two looks.
        return self.read_sealed(profile, purpose) == record

    # Writing

    def write(self, profile: str, purpose: Purpose, plaintext: bytes, generation: int) -> None:
        """Seal and store, durably when this returns; the record in use becomes the previous one.

        Raises as ``read`` if the record in use is one that must not be overwritten.
        """
        record = self._opener().seal(
            plaintext,
            profile=profile,
            purpose=purpose,
            generation=generation,
            now_s=self._clock.wall_s(),
        )
        self._put(profile, purpose, record, generation)

    def write_sealed(self, profile: str, purpose: Purpose, record: bytes) -> None:
        """Store a record that another process sealed, after a look at its label.

        Raises as ``read`` for the record given and for the one in use.
        """
        label = self._opener().label(record, profile=profile, purpose=purpose)
        self._put(profile, purpose, record, label.generation)

    def delete(self, profile: str, purpose: Purpose) -> None:
        """Remove the record, the one before it and those set aside.

        The record in use goes last: cut short, this leaves it, and not an older one in its place
        (by a power cut too: names removed together come off the disk in any order).
        """
        directory = self._directory(profile)
        bad = self._aside(directory, purpose).names()
        self._disk.remove(directory, *bad, purpose + PREVIOUS)
        self._disk.remove(directory, purpose)

    def set_aside(self, profile: str, purpose: Purpose) -> list[str]:
        """Move record and previous away because a person said so; the names they now have.

        The way out of a tampered, swapped or foreign record: nothing is lost, nothing stands in
        the way of the next write.
        """
        directory = self._directory(profile)
        moved = []
        for name in (purpose + PREVIOUS, purpose):
            stamp = self._disk.stamp(directory, name)
            if stamp is not None:
                aside = self._free_name(directory, purpose)
                if self._disk.set_aside(directory, name, aside, stamp):
                    moved.append(aside)
        return moved

    # What leaves the store, or comes from another one

    def seal(self, profile: str, purpose: Purpose, plaintext: bytes, generation: int) -> bytes:
        """A record that is not kept here."""
        now_s = self._clock.wall_s()
        return self._opener().seal(
            plaintext, profile=profile, purpose=purpose, generation=generation, now_s=now_s
        )

    def open(self, profile: str, purpose: Purpose, record: bytes) -> bytes:
        """What is in a record that is not kept here.  Raises as ``read``; nothing is set aside."""
        return self._opener().open(record, profile=profile, purpose=purpose).plaintext

    def created_at(self, profile: str, purpose: Purpose, record: bytes) -> float:
        """When it was sealed, by its label.  Raises as ``read_sealed``."""
        return self._opener().label(record, profile=profile, purpose=purpose).created_at

    def evidence(self, profile: str) -> Shelf:
        """What is kept of failed sign-ins."""
        directory = self._directory(profile)
        return Shelf(self._disk, self._opener(), directory, profile=profile, purpose="evidence")

    def journal(self, profile: str) -> Journal:
        """What happened to the profile; not sealed, so it needs no key."""
        return Journal(self._disk, self._directory(profile))

    # Locks

    def lock(self, profile: str) -> Lock:
        """The lock of everybody who signs in or writes for this profile."""
        return self._lock(f"profile.{_named(profile)}.lock")

    def lock_daemon(self) -> Lock:
        """The lock that keeps a second daemon from this store."""
        return self._lock("daemon.lock")

    def _lock(self, name: str) -> Lock:
        self._disk.make_dir(self.root)
        self._disk.make_dir(self.root / "locks")
        return Lock(self.root / "locks" / name, self._disk.calls)

    def audit_key(self) -> bytes:
        """See ``keys.audit_key``."""
        return self._opener().audit_key

    # How

    def _opener(self) -> Seal:
        if self._seal is None:
            raise Bug("the store was asked for a record before it was given a key")
        return self._seal

    def _directory(self, profile: str) -> Path:
        return self.root / "profiles" / _named(profile)

    def _records(self, profile: str) -> list[str]:
        names = self._disk.names(self._directory(profile))
        return [name for name in names if name.startswith(PURPOSES)]

    def _newest(
        self, profile: str, purpose: Purpose, look: Callable[[bytes], _T]
    ) -> _Newest[_T] | None:
        self._disk.check_dir(self.root)
        directory = self._directory(profile)
        for _ in range(_LOOKS_MOST):
            aside: str | None = None
            trouble: StoreCorrupt | None = None
            raced = False
            for name in (purpose, purpose + PREVIOUS):
                found = self._disk.read_stamped(directory, name, MAX_RECORD_BYTES)
                if found is None:
                    continue
                record, stamp = found
                try:
                    return _Newest(look(record), name != purpose, aside)
                except StoreCorrupt as error:
                    trouble = trouble or error
                except (StoreTampered, StoreSwapped) as error:
                    raise pointed(error, directory / name, profile) from None
                try:
                    new_name = self._free_name(directory, purpose)
                    raced = not self._disk.set_aside(directory, name, new_name, stamp)
                except StoreFull:
                    continue  # a disk that takes nothing: it stays, the one before it still serves
                if raced:
                    break
                aside = aside or new_name
            if not raced:
                break
        if trouble is not None:
            kept = f" (kept as {directory / aside})" if aside else ""
            raise StoreCorrupt(
                f"{trouble.message}{kept}, and there is none before it", hint=trouble.hint
            )
        if purpose == "ledger" and self._aside(directory, purpose).any():
            raise StoreCorrupt(
                f"the ledger of profile {profile} was damaged and set aside in {directory}",
                hint="when you know that the account is in order, run: harvester unlock",
            )
        return None

    def _put(self, profile: str, purpose: Purpose, record: bytes, generation: int) -> None:
        directory = self._directory(profile)
        for path in (self.root, self.root / "profiles", directory):
            self._disk.make_dir(path)
        self._make_way(directory, profile, purpose)
        self._disk.write_atomic(directory, purpose, record, keep_previous=True)
        self._generations.wrote(directory, purpose, generation)

    def _make_way(self, directory: Path, profile: str, purpose: Purpose) -> None:
        """Set a damaged record aside: as the previous one it would push out a good one.

        Raises for a record that must stay where it is.
        """
        found = self._disk.read_stamped(directory, purpose, MAX_RECORD_BYTES)
        if found is None:
            return
        record, stamp = found
        try:
            self._opener().open(record, profile=profile, purpose=purpose)
        except StoreCorrupt:
            aside = self._free_name(directory, purpose)
            self._disk.set_aside(directory, purpose, aside, stamp)
        except (StoreTampered, StoreSwapped) as error:
            raise pointed(error, directory / purpose, profile) from None

    def _aside(self, directory: Path, purpose: Purpose) -> Aside:
        return Aside(self._disk, directory, purpose)

    def _free_name(self, directory: Path, purpose: Purpose) -> str:
        return self._aside(directory, purpose).free_name(self._clock.wall_s())


def _named(profile: str) -> str:
    # It becomes a part of a path; the settings have checked it, and this is the last door.
    if not PROFILE_NAME.fullmatch(profile):
        raise ValueError(f"{profile!r} is no name of a profile")
    return profile
