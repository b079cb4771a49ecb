"""All leases as the store has them: one sealed record, and when it may be believed.

An older record than was written last is believed in nothing, though it opens: a lease that was
revoked since may stand in it alive.  It lies in a place of its own, as if it were a profile's,
since its lock is held for milliseconds where a real profile's is held for as long as a person sits
at a window.  The lock is there so that nobody who rewrites records (with another key, say) brings a
revoked lease back.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from harvester.clock import Clock, Moment, reckon
from harvester.errors import HarvesterError, StoreCorrupt
from harvester.lease import Lease
from harvester.locking import locked, to_the_end
from harvester.vault.directory import Lock, Stored
from harvester.vault.seal import Purpose

PLACE = "leases"
PURPOSE: Purpose = "leases"
KEY_BYTES = 32
_PATIENCE_S = 10.0
_VERSION = 1


class Store(Protocol):
    """What is needed of a store; ``vault/directory.py`` is one."""

    def read(self, profile: str, purpose: Purpose) -> Stored | None: ...
    def write(self, profile: str, purpose: Purpose, plaintext: bytes, generation: int) -> None: ...
    def set_aside(self, profile: str, purpose: Purpose) -> list[str]: ...
    def last_generation(self, profile: str, purpose: Purpose) -> int: ...
    def lock(self, profile: str) -> Lock: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """``key`` is what tokens are digested with; each lease comes with the seconds it has left."""

    key: bytes = field(repr=False)
    leases: tuple[tuple[Lease, float], ...] = ()


class KeptLeases:
    """Of one daemon.  All calls raise a StoreError or KeyWrong; those that write raise Busy too."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._generation = 0

    async def read(self) -> Kept:
        """What is kept; with a new key where nothing is."""
        # First: a record that does not open must not lead to a number that was given before.
        last = await asyncio.to_thread(self._store.last_generation, PLACE, PURPOSE)
        self._generation = max(self._generation, last)
        stored = await asyncio.to_thread(self._store.read, PLACE, PURPOSE)
        if stored is None:
            return Kept(secrets.token_bytes(KEY_BYTES))
        self._generation = max(self._generation, stored.generation)
        if stored.from_previous or stored.rolled_back:
            raise StoreCorrupt(
                "the record of the leases is an older one than was written, and a revoked lease "
                "may stand in it alive",
                hint="run: harvester lease revoke --all",
            )
        return self._parsed(stored.plaintext)

    async def write(self, key: bytes, leases: Iterable[Lease]) -> None:
        """Durable when this returns."""
        record = self._text(key, leases)
        # A number of its own for each try: one that failed may have left its record all the same.
        self._generation += 1
        async with locked(self._store.lock(PLACE), _PATIENCE_S):
            await to_the_end(self._store.write, PLACE, PURPOSE, record, self._generation)

    async def set_aside(self) -> None:
        """A person gives up what cannot be believed."""
        async with locked(self._store.lock(PLACE), _PATIENCE_S):
            await to_the_end(self._store.set_aside, PLACE, PURPOSE)

    def _parsed(self, plaintext: bytes) -> Kept:
        now = Moment.of(self._clock)
        try:
            data = json.loads(plaintext)
            key = bytes.fromhex(data["key"])
            leases = [Lease.from_dict(one) for one in data["leases"]]
            by_s = reckon(Moment.from_dict(data["clock"]), now).by_s
            if data["version"] != _VERSION or len(key) != KEY_BYTES:
                raise ValueError("no record of ours")
        except (ValueError, KeyError, TypeError, AttributeError, HarvesterError):
            raise StoreCorrupt(
                "the record of the leases cannot be understood",
                hint="it was written by another version of harvester; use that one",
            ) from None
        return Kept(key, tuple((one, one.ends_at + by_s - now.wall_s) for one in leases))

    def _text(self, key: bytes, leases: Iterable[Lease]) -> bytes:
        data: dict[str, Any] = {
            "version": _VERSION,
            "key": key.hex(),
            "clock": Moment.of(self._clock).as_dict(),
            "leases": [one.as_dict() for one in leases],
        }
        return json.dumps(data, separators=(",", ":")).encode("ascii")
