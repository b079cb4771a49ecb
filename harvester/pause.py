"""The pause: nothing is handed out, of one profile or of all, until a person says resume.

Owns the file ``paused`` in the store's directory, so that a pause outlives every process, and what
one that cannot be read means: paused, since nobody can say that it is not.  Whoever hands out asks
here each time; what is refreshed meanwhile, and what becomes of kept files, is for others.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester.clock import Clock, rfc3339
from harvester.errors import Paused, StoreError, Usage
from harvester.log import event
from harvester.profile import PROFILE_NAME
from harvester.vault.durable import Disk, Stamp

NAME = "paused"
_LIMIT_BYTES = 64 * 1024
_VERSION = 1


class NoPause:
    """Nothing is ever paused: where there is no store, and in tests."""

    def since(self, profile: str) -> float | None:
        """When this profile was paused, None where it is not."""
        return None

    def refusal(self, profile: str) -> Paused | None:
        """The error for who asks, None where he may have what he asks for."""
        return None

    def follow(self) -> bool:
        """Take up what another process did; whether that changed anything."""
        return False

    def shown(self) -> dict[str, Any]:
        return {"all_since": None, "profiles": {}}


class Pause(NoPause):
    """Of one store.  ``set`` and ``lift`` block for the disk; the rest is memory."""

    def __init__(self, directory: Path, clock: Clock, *, disk: Disk | None = None) -> None:
        self._directory = directory
        self._clock = clock
        self._disk = Disk(private_dirs=True) if disk is None else disk
        self._all: float | None = None
        self._profiles: dict[str, float] = {}
        self._stamp: Stamp | None = None
        # Why the file says nothing, if it does not.
        self._broken = ""
        # It holds in this process and is not on the disk: a full one stops no pause.
        self._owed = False
        self._read()

    def since(self, profile: str) -> float | None:
        return self._all if self._all is not None else self._profiles.get(profile)

    def refusal(self, profile: str) -> Paused | None:
        if self._all is None and not self._profiles:
            return None  # nearly always, and asked for each request
        since = self.since(profile)
        if since is None:
            return None
        what, words = "everything", "harvester resume"
        if self._all is None:
            what, words = f"the profile {profile}", f"harvester resume --profile {profile}"
        why = f": {self._broken}" if self._broken else ""
        return Paused(
            f"{what} is paused since {rfc3339(since)}, nothing is handed out{why}",
            hint=f"a person ends that with: {words}",
        )

    def shown(self) -> dict[str, Any]:
        return {
            "all_since": rfc3339(self._all),
            "profiles": {name: rfc3339(at) for name, at in sorted(self._profiles.items())},
        }

    def set(self, profile: str | None) -> bool:
        """Pause one profile, or all (None); whether it was not paused before.

        Holds in this process at once.  Raises StoreError where it could not be kept."""
        now = self._clock.wall_s()
        if profile is None:
            changed, self._all = self._all is None, self._all or now
        else:
            changed = profile not in self._profiles
            self._profiles.setdefault(profile, now)
        if not self._owed:
            self._beside_others(profile, now)
        if changed:
            event("handing_out.paused", level=logging.WARNING, profile=profile)
        self._owed = True
        self._write()
        return changed

    def lift(self, profile: str | None) -> bool:
        """Resume one profile, or all and each; whether anything was paused.

        Raises StoreError where it cannot be kept, and Usage for one profile where all are paused:
        then it stays as it was."""
        if not self._owed:
            self.follow()  # one that another process made is not written over unseen
        if profile is not None and self._all is not None:
            raise Usage(
                f"everything is paused, so {profile} alone cannot be resumed",
                hint="resume everything: harvester resume",
            )
        before = self._all, dict(self._profiles), self._broken
        changed = self._all is not None or bool(self._profiles)
        if profile is None:
            self._all, self._profiles, self._broken = None, {}, ""
        else:
            changed = self._profiles.pop(profile, None) is not None
        try:
            self._write()
        except StoreError:
            self._all, self._profiles, self._broken = before
            raise
        if changed:
            event("handing_out.resumed", level=logging.WARNING, profile=profile)
        return changed

    def follow(self) -> bool:
        if self._owed:
            try:
                self._write()
            except StoreError:
                return False
        try:
            if self._disk.stamp(self._directory, NAME) == self._stamp and not self._broken:
                return False
        except StoreError:
            pass  # and reading tells why
        before = self._all, dict(self._profiles)
        self._read()
        return before != (self._all, self._profiles)

    def _beside_others(self, profile: str | None, now: float) -> None:
        """What another process paused or resumed since it was read, and ours with it: else it
        would be written over.  What cannot be read now leaves us with what we know."""
        try:
            found = self._disk.read_stamped(self._directory, NAME, _LIMIT_BYTES)
            if (None if found is None else found[1]) == self._stamp:
                return
            every, profiles = (None, {}) if found is None else _parsed(found[0])
        except (StoreError, ValueError, RecursionError):
            return
        if profile is None:
            every = every or now
        else:
            profiles.setdefault(profile, now)
        self._all, self._profiles = every, profiles

    def _read(self) -> None:
        try:
            found = self._disk.read_stamped(self._directory, NAME, _LIMIT_BYTES)
            told = None if found is None else _parsed(found[0])
            self._stamp = None if found is None else found[1]
        except (StoreError, ValueError, RecursionError) as error:
            why = error.message if isinstance(error, StoreError) else "it is no file of ours"
            if not self._broken:
                event("pause.unreadable", level=logging.ERROR, why=why)
            self._broken = f"{self._directory / NAME} cannot be read, {why}"
            self._all = self._all or self._clock.wall_s()
            return
        self._broken = ""
        self._all, self._profiles = (None, {}) if told is None else told

    def _write(self) -> None:
        if self._all is None and not self._profiles:
            self._disk.remove(self._directory, NAME)
            self._stamp, self._owed = None, False
            return
        said: Mapping[str, Any] = {
            "version": _VERSION, "all": self._all, "profiles": self._profiles
        }  # fmt: skip
        try:
            self._disk.write_atomic(self._directory, NAME, json.dumps(said).encode() + b"\n")
            self._stamp = self._disk.stamp(self._directory, NAME)
        except StoreError as error:
            error.hint += "; until this process ends it holds, and it is written when it can be"
            raise
        self._owed = False


def _parsed(data: bytes) -> tuple[float | None, dict[str, float]]:
    """Raises ValueError for what we would not have written."""
    told = json.loads(data)
    if not isinstance(told, dict) or told.get("version") != _VERSION:
        raise ValueError
    every, profiles = told.get("all"), told.get("profiles")
    if not isinstance(profiles, dict) or not (every is None or _is_time(every)):
        raise ValueError
    if not all(_is_name(name) and _is_time(at) for name, at in profiles.items()):
        raise ValueError
    if every is None and not profiles:
        raise ValueError
    return every, profiles


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(PROFILE_NAME, value) is not None
