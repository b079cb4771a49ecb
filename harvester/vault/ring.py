"""The keys of a store as they are at this moment, for a process that lives long.

A rotation may run beside a daemon.  So before each seal the daemon looks whether the place of the
keys or the list of those that seal no more (``closed.py``) has changed: two system calls.  Nobody
who holds a profile's lock seals with a key that was retired under it.

Owns that look, and which key of a ring seals.  Threads may use it at the same time.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from harvester.errors import HarvesterError, KeyWrong
from harvester.profile import KeyChoice
from harvester.vault.closed import Ban, Closed
from harvester.vault.durable import Disk
from harvester.vault.key_places import Place, place_of
from harvester.vault.keys import Kdf, KeyRing, MasterKey

# Records of other stores, which a passphrase opens by a salt of their own (bundles): each costs a
# derivation, so a planted heap of them must not cost hundreds.
_FOREIGN_MOST: Final = 8


class LiveRing:
    def __init__(self, place: Place, closed: Closed) -> None:
        self._place = place
        self._closed = closed
        self._one = threading.RLock()
        self._ring: KeyRing | None = None
        self._ban = Ban()
        self._trouble: HarvesterError | None = None
        self._stamp: object = None
        self._foreign: dict[Kdf, MasterKey] = {}
        # Who read a record before it was sealed anew still opens it.
        self._past: dict[str, MasterKey] = {}

    def open(self, *, may_create: bool) -> list[str]:
        """Get the keys; warnings for a person.  Raises as ``Place.load``."""
        with self._one:
            stamp = self._look()
            self._ring, warnings = self._place.load(may_create=may_create)
            # One that was made just now has another stamp: the next look loads it once more.
            self._stamp = stamp
            self._heed()
        return warnings

    def has_key(self) -> bool:
        """See ``Place.has_key``."""
        return self._place.has_key()

    def where(self) -> str:
        return self._place.where()

    def current(self) -> KeyRing:
        """The keys, the one that seals first.

        Raises KeyWrong where none may seal: the store's key was rotated to one that this process
        does not have; StoreError where nobody can tell.
        """
        with self._one:
            self._follow()
            if self._trouble is not None:
                raise self._trouble
            ring = self._held().with_others(self._foreign.values())
            seals = _sealing(ring, self._ban)
            if seals is None:
                raise KeyWrong(
                    f"key {ring.primary.kid} seals no more: this store's key was rotated to "
                    f"{self._ban.primary}, which this process was not given",
                    hint="give it the new key and start it again; nothing stored is lost",
                )
            return KeyRing(seals).with_others(ring.all)

    def find(self, kid: str, kdf: Kdf | None = None) -> MasterKey | None:
        with self._one:
            found = self._held().find(kid)
            if found is None:
                self._follow()
                found = self._held().find(kid) or self._past.get(kid)
            if found is None and kdf is not None:
                found = self._derived(kdf)
            return found if found is not None and found.kid == kid else None

    def look(self) -> None:
        """Take up what has changed, for ``shown``; may wait for a keyring."""
        with self._one:
            self._follow()

    def shown(self) -> dict[str, Any]:
        """For status and doctor, as it was last seen: names and places, no key.  ``kid`` None:
        none may seal.  Waits for nothing: the daemon's loop asks."""
        ring, ban = self._held(), self._ban
        seals = None if self._trouble is not None else _sealing(ring, ban)
        kid = None if seals is None else seals.kid
        return {
            "kid": kid,
            "where": self._place.where(),
            "opens": [key.kid for key in ring.all if key.kid != kid],
            "rotating": ban.rotating,
        }

    def lines(self) -> tuple[str, ...]:
        """For the signer (see ``KeyRing.lines``).  Raises as ``current``."""
        return self.current().lines()

    def _held(self) -> KeyRing:
        assert self._ring is not None  # noqa: S101  open() comes first
        return self._ring

    def _follow(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        # A place that does not give its keys just now takes none away: what we hold opens what
        # it sealed, and what must not seal any more is in the list.
        with suppress(HarvesterError):
            before = self._held()
            self._ring, _ = self._place.load(may_create=False)
            self._past.update((key.kid, key) for key in before.all)
        self._heed()

    def _heed(self) -> None:
        self._trouble = None
        try:
            self._ban = self._closed.read()
        except HarvesterError as error:
            self._trouble = error
            self._stamp = None  # asked again each time

    def _look(self) -> object:
        stamps: list[object] = []
        for look in (self._place.stamp, self._closed.stamp):
            try:
                stamps.append(look())
            except HarvesterError:
                stamps.append("unseen")
        return tuple(stamps)

    def _derived(self, kdf: Kdf) -> MasterKey | None:
        if kdf not in self._foreign and len(self._foreign) < _FOREIGN_MOST:
            with suppress(HarvesterError):
                made = self._place.made_with(kdf)
                if made is not None:
                    self._foreign[kdf] = made
        return self._foreign.get(kdf)


def _sealing(ring: KeyRing, ban: Ban) -> MasterKey | None:
    """The first one; or, where that is closed, the one that took its place."""
    if ring.primary.kid not in ban.kids:
        return ring.primary
    return None if ban.primary is None else ring.find(ban.primary)


def ring_of(choice: KeyChoice, root: Path, *, disk: Disk | None = None) -> LiveRing:
    """The live ring of a store, not opened yet."""
    disk = disk or Disk(private_dirs=True)
    return LiveRing(place_of(choice, root, disk=disk), Closed(disk, root))
