"""Changing the sealing key of a store: add, promote, seal all anew; and letting an old one go.

    add       the new key may open, and seals nothing yet (a spare; or HARVESTER_KEY=NEW,OLD)
    promote   one write of ``key.closed``: from then on nobody seals with the old one
    anew      each profile's records, under its lock, one after the other
    retire    a step of its own: the old key goes when no record names it

Each step may be cut short at any instant, by a kill or a power cut: every record opens with a key
that is still there, and the same command goes on where it stopped.  It may run beside a daemon and
beside commands; of two rotations one waits.  Blocks; a command's work, never the daemon's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harvester import ledger_form
from harvester.errors import Busy, HarvesterError, KeyWrong, StoreError, Usage
from harvester.profile import KeyChoice
from harvester.vault import keys
from harvester.vault.closed import Closed
from harvester.vault.directory import prepare
from harvester.vault.durable import Disk
from harvester.vault.key_places import KEYS_LOCK, place_of
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.lock import Lock
from harvester.vault.rewriting import Rewriting, Sealed
from harvester.vault.seal import Purpose, Seal

# A sign-in holds its profile's lock for two minutes at most, a person at a window for ten.
PATIENCE_S = 180.0
# A busy daemon holds a profile for milliseconds at a time, with small gaps.
_LOOK_EVERY_S = 0.02

State = Literal["primary", "opens", "spare", "missing"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One key, by its name.  ``missing``: records name it, and it is not at hand."""

    kid: str
    state: State
    records: int
    where: str


@dataclass(frozen=True, slots=True)
class Rotated:
    """``resumed``: it was begun before and cut short.  ``opens``: the names of the keys that are
    still at hand beside ``primary``."""

    primary: str
    records: int
    resumed: bool
    opens: tuple[str, ...]


class Rotation:
    """Of one store.  ``names`` are the profiles of the settings: one may be about to write its
    first record."""

    def __init__(
        self,
        choice: KeyChoice,
        root: Path,
        *,
        names: Iterable[str] = (),
        disk: Disk | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._root = root
        self._disk = disk or Disk(private_dirs=True)
        self._place = place_of(choice, root, disk=self._disk)
        self._closed = Closed(self._disk, root)
        self._rewriting = Rewriting(root, self._disk)
        self._names = tuple(names)
        self._patience_s = patience_s

    @property
    def makes(self) -> bool:
        """Whether keys are made and kept here; else by whoever sets the setting."""
        return self._place.writable

    def where(self) -> str:
        return self._place.where()

    def primary(self) -> str | None:
        """The key that is to seal; None where it is made by the rotation itself."""
        try:
            return self._place.load(may_create=False)[0].primary.kid
        except (KeyWrong, StoreError):
            return None

    def listed(self) -> list[Listed]:
        """Every key that is at hand or named by a record.  Raises as ``Place.load``."""
        named: dict[str, int] = {}
        for one in self._all():
            if one.label is not None:
                named[one.label.kid] = named.get(one.label.kid, 0) + 1
        if not named and not self._place.has_key():
            return []
        ring = self._ring()
        banned = self._closed.read().kids
        where = self._place.where()
        told = [Listed(ring.primary.kid, "primary", named.pop(ring.primary.kid, 0), where)]
        for key in ring.others:
            count = named.pop(key.kid, 0)
            state: State = "opens" if count or key.kid in banned else "spare"
            told.append(Listed(key.kid, state, count, where))
        return told + [Listed(kid, "missing", count, "-") for kid, count in named.items()]

    def new(self) -> str:
        """Keep a spare key, which the next rotation takes; its name.  Where ``makes`` is false
        there is nothing to keep, and this is not to be called."""
        prepare(self._root, disk=self._disk)
        self._place.load(may_create=not any(self._all()))
        with self._alone():
            ring, _ = self._place.load(may_create=False)
            spare = keys.fresh()
            self._place.put(KeyRing(ring.primary, (*ring.others, spare)))
        return spare.kid

    def rotate(self, old: Sequence[MasterKey] = ()) -> Rotated:
        """Put another key in the place of the one in use; ``old`` are keys that the place of the
        keys does not hold any more, and records name.

        Raises Usage where there is no other key, Busy where somebody works on a profile for long,
        and what a record raises that cannot be sealed anew: the rest was, and nothing is lost.
        """
        prepare(self._root, disk=self._disk)
        # Before the lock is ours: the first key of a keyring is made under it.
        self._place.load(may_create=bool(old))
        with self._alone():
            ring, _ = self._place.load(may_create=False)
            ban = self._closed.read()
            resumed = ban.rotating
            if not self._place.writable:
                self._check_given(ring, old)
            elif resumed and ban.primary is not None:
                ring = _led_by(ring, ban.primary)
            elif not old:
                ring = self._with_new(ring)
            whole = ring.with_others(old)
            idle = self._spares(ring) if self._place.writable else []
            others = [key.kid for key in whole.others if key not in idle]
            # The promotion.  Whoever seals from now on looks here first.
            self._closed.write(ban.after(whole.primary.kid, others, rotating=True))
            if self._place.writable:
                self._place.put(ring)
            records = self._seal_anew(whole)
            self._closed.write(replace(self._closed.read(), rotating=False))
        return Rotated(whole.primary.kid, records, resumed, tuple(others))

    def retire(self, kid: str) -> None:
        """Let a key go that no record names.  Raises Usage for one that may not go, or that
        nobody knows, and StoreError where a record cannot be read: it may name that key."""
        prepare(self._root, disk=self._disk)
        with self._alone():
            ring = self._ring()
            if kid == ring.primary.kid:
                raise Usage(f"key {kid} is the one that seals", hint="first: harvester key rotate")
            seal = Seal(ring)
            with ExitStack() as held:
                # All at once, and held: nobody can seal with it while we look elsewhere.
                for name in self._profiles():
                    held.enter_context(self._held(name))
                naming = [one for one in self._all() if self._needs(one, kid, seal)]
                if naming:
                    raise Usage(
                        f"key {kid} is named by {len(naming)} "
                        f"{'record' if len(naming) == 1 else 'records'} "
                        f"({naming[0].name} of profile {naming[0].profile})",
                        hint="run: harvester key rotate, which seals them anew",
                    )
                ban = self._closed.read()
                if ring.find(kid) is None and kid not in ban.kids:
                    raise Usage(f"there is no key {kid[:64]!r}", hint="see: harvester key list")
                self._closed.write(ban.after(ring.primary.kid, [kid], rotating=ban.rotating))
                self._place.drop(kid)

    # how

    def _ring(self) -> KeyRing:
        """As the place has it, the key first that seals."""
        ring, _ = self._place.load(may_create=False)
        ban = self._closed.read()
        promoted = ban.primary is not None and ring.primary.kid in ban.kids
        return _led_by(ring, ban.primary or "") if promoted else ring

    def _check_given(self, ring: KeyRing, old: Sequence[MasterKey]) -> None:
        if any(key.kid == ring.primary.kid for key in old):
            raise Usage(
                "the old key and the new one are the same",
                hint="give the new one by the settings, and the old one by --old-key or "
                "--old-passphrase",
            )
        foreign = any(
            one.label is not None and one.label.kid != ring.primary.kid for one in self._all()
        )
        if not ring.others and not old and not foreign:
            raise Usage(
                f"there is one key alone ({self._place.where()}), and all is sealed with it",
                hint="give the new one before it (HARVESTER_KEY=NEW,OLD), or by the settings, and "
                "the old one with --old-key FILE or --old-passphrase FILE",
            )

    def _with_new(self, ring: KeyRing) -> KeyRing:
        """The ring led by a key that has sealed nothing yet: a spare, or one that is made now."""
        spares = self._spares(ring)
        if not spares:
            spares = [keys.fresh()]
            # There for everybody to open with, before it seals a first record.
            self._place.put(KeyRing(ring.primary, (*ring.others, spares[0])))
        # The one of before is no spare, though nothing may be sealed with it yet.
        ban = self._closed.read()
        self._closed.write(ban.after(spares[0].kid, [ring.primary.kid], rotating=True))
        return KeyRing(spares[0]).with_others(ring.all)

    def _spares(self, ring: KeyRing) -> list[MasterKey]:
        banned = self._closed.read().kids
        named = {one.label.kid for one in self._all() if one.label is not None}
        return [key for key in ring.others if key.kid not in banned and key.kid not in named]

    def _seal_anew(self, ring: KeyRing) -> int:
        seal = Seal(ring)
        count = 0
        troubles: list[HarvesterError] = []
        for name in self._profiles():
            with self._held(name):
                for one in self._rewriting.sealed(name):
                    if one.label is not None and one.label.kid == ring.primary.kid:
                        continue
                    try:
                        if one.trouble is not None:
                            raise one.trouble
                        self._rewriting.rewrite(one, seal, _reworded)
                        count += 1
                    except (StoreError, KeyWrong) as error:
                        if not one.aside:  # nobody reads that one any more
                            troubles.append(error)
        if troubles:
            first = troubles[0]
            raise type(first)(
                f"{len(troubles)} of the records could not be sealed anew, {count} were; "
                f"the first: {first.message}",
                hint=f"{first.hint}; then run again: harvester key rotate",
            )
        return count

    def _needs(self, one: Sealed, kid: str, seal: Seal) -> bool:
        if one.label is None:
            if one.aside or one.trouble is None:
                return False
            raise one.trouble
        if one.label.kid != kid:
            return False
        return not one.aside or self._rewriting.opens(one, seal)

    def _profiles(self) -> list[str]:
        return sorted({*self._names, *self._rewriting.profiles()})

    def _all(self) -> Iterator[Sealed]:
        for name in self._rewriting.profiles():
            yield from self._rewriting.sealed(name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._got(self._rewriting.lock_named(KEYS_LOCK), "the keys"):
            yield

    @contextmanager
    def _held(self, profile: str) -> Iterator[None]:
        with self._got(self._rewriting.lock(profile), f"profile {profile}"):
            yield

    @contextmanager
    def _got(self, lock: Lock, what: str) -> Iterator[None]:
        until_s = time.monotonic() + self._patience_s
        while not lock.acquire_nonblocking():
            if time.monotonic() >= until_s:
                raise Busy(
                    f"another process has been at work on {what} for a long time",
                    hint="wait for it, then run the same command: it goes on where it stopped",
                    retry_after_s=self._patience_s,
                )
            time.sleep(_LOOK_EVERY_S)
        with lock:
            yield


def _led_by(ring: KeyRing, kid: str) -> KeyRing:
    leader = ring.find(kid)
    if leader is None:
        raise KeyWrong(
            f"this store's key was rotated to {kid}, which is not at hand",
            hint="give that key; nothing was changed",
        )
    return KeyRing(leader).with_others(ring.all)


def _reworded(purpose: Purpose, plaintext: bytes, kid: str) -> bytes:
    """A ledger's fingerprints of before 0.6 do not say with which key they were made; now that
    another one follows, they must."""
    if purpose != "ledger":
        return plaintext
    try:
        told = ledger_form.with_named_fingerprints(
            json.loads(plaintext), lambda one: keys.named(one, kid)
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return plaintext  # of another version: not ours to understand, but to keep
    return json.dumps(told, separators=(",", ":")).encode()
