"""A profile's state in one sealed piece, for a CI cache to carry from job to job.

It holds the session, the identity state (a sealed record within, which the signer alone opens) and
the ledger.  One record seals them together, for one profile and with the store's key: a part of
one bundle does not fit into another, and nobody without the key reads or changes any.

Taking one in forgets nothing: the ledgers are united (``union.py``), a session is taken only if it
is later than ours and the site says that it lives, and of two identity states the later one stays.
An old bundle put in the place of a new one cannot be told by itself; against a store that has
history it can do nothing, and an empty store believes what it is given.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harvester import ledger_form, tripwire, whose
from harvester.clock import Clock, Moment, reckon
from harvester.errors import (
    NotConfigured,
    OriginMismatch,
    StoreCorrupt,
    StoreSwapped,
    StoreTooNew,
)
from harvester.kept_ledger import dated_text, parsed
from harvester.ledger import Ledger
from harvester.locking import locked, to_the_end
from harvester.log import event
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Session
from harvester.sign_ins import LOCK_PATIENCE_S
from harvester.staging import Staging
from harvester.union import union
from harvester.vault import keys
from harvester.vault.seal import label_of
from harvester.verdict import Verdict

VERSION = 1

# What became of the session in a bundle: ``ours`` is as late or later, ``unproved`` is kept since
# there is no other and the site did not answer.
Fate = Literal["none", "ours", "taken", "unproved", "denied", "unreachable"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was in one, its times by our clock."""

    origin: str
    ledger: Ledger
    session: Session | None
    identity_state: str | None = field(repr=False)


class Bundles:
    """Makes and takes in the bundles of one profile."""

    def __init__(
        self, profile: Profile, *, records: Records, staging: Staging, clock: Clock
    ) -> None:
        self._profile = profile
        self._records = records
        self._staging = staging
        self._clock = clock

    async def pack(self) -> bytes:
        """The profile's state, sealed.  Raises NotConfigured where there is none, and StoreError
        or KeyWrong where it cannot be read."""
        async with locked(self._records.lock(), self._patience_s()):
            return await asyncio.to_thread(self._packed)

    async def unpack(self, record: bytes) -> dict[str, Any]:
        """Take one in; what became of it.

        Raises KeyWrong, StoreCorrupt, StoreTampered, StoreSwapped (of another profile),
        StoreTooNew, OriginMismatch, IdentityMismatch or OrganizationMismatch: nothing has changed.
        """
        bundle = await asyncio.to_thread(self._opened, record)
        async with locked(self._records.lock(), self._patience_s()):
            ours = await asyncio.to_thread(self._ledger)
            held = await asyncio.to_thread(self._session, ours)
            later = bundle.identity_state is not None and await asyncio.to_thread(
                self._records.newer_identity_state, bundle.identity_state
            )
            merged = union(ours, bundle.ledger, self._clock.wall_s())
            self._staging.recall(merged)
            session, fate = await self._judge(bundle.session, held)
            if session is not None:
                session = replace(session, brought=True)
                if ours.generation >= session.generation:
                    # Numbers of another store's: one that was given out here is given once.
                    session = replace(session, generation=merged.generation + 1)
                merged = merged.with_generation(session.generation)
            # First what was sent and refused; the rest is worth less than that.
            await to_the_end(self._records.keep_ledger, merged)
            if later and bundle.identity_state is not None:
                await to_the_end(self._records.keep_identity_state, bundle.identity_state)
            if session is not None:
                await to_the_end(self._records.keep_session, session)
        told: dict[str, Any] = {
            "session": fate,
            "generation": merged.generation,
            "identity_state": later,
        }
        event(
            "bundle.taken_in", profile=self._profile.name, why="a person or a CI job asked", **told
        )
        return told

    def _patience_s(self) -> float:
        return self._profile.sign_in_limit_s + LOCK_PATIENCE_S

    # what is packed

    def _packed(self) -> bytes:
        ledger = self._ledger()
        held = tripwire.closed(ledger.alarm, self._profile.tripwire)
        if held is not None:
            raise held
        session = self._session(ledger)
        if session is not None and session.origin != self._profile.site.origin:
            session = None  # the bundle names the settings' origin, and this is another's
        state = self._records.identity_state()
        if (
            session is None
            and state is None
            and ledger == Ledger(alone=ledger.alone).aged(ledger.aged_at)
        ):
            raise NotConfigured(
                f"nothing is stored for the profile {self._profile.name} yet",
                hint="run: harvester login",
            )
        told = {
            "version": VERSION,
            "origin": self._profile.site.origin,
            "ledger": ledger_form.to_dict(ledger),
            "session": None if session is None else session.as_dict(),
            "identity_state": state,
        }
        return self._records.seal_bundle(dated_text(told, self._clock), ledger.generation)

    def _ledger(self) -> Ledger:
        ledger = self._records.ledger()
        if ledger.unread and ledger.latch is not None:
            raise ledger.latch.as_error()  # nobody knows what it holds: it stays as it is
        return ledger

    def _session(self, ledger: Ledger) -> Session | None:
        """The stored one, unless the site refused it or it is lost."""
        try:
            session = self._records.session()
        except StoreCorrupt:
            return None
        return None if session is None or session.generation <= ledger.refused else session

    # what is taken in

    def _opened(self, record: bytes) -> Bundle:
        try:
            plaintext = self._records.open_bundle(record)
        except StoreCorrupt as error:
            error.message = f"this is no whole bundle: {error.message.rpartition(': ')[2]}"
            error.hint = "nothing was changed; carry it anew: harvester export --sealed"
            raise
        except StoreSwapped as error:
            mine = self._profile.name
            error.message = (
                f"this is {error.message.rpartition(' lies ')[2]}, not the bundle of {mine}"
            )
            error.hint = "nothing was changed; name the profile that it belongs to: --profile"
            raise
        kid = label_of(record, "the bundle").kid
        bundle = parsed(plaintext, lambda data: self._read(data, kid), "bundle")
        held = self._profile.site.origin
        if bundle.origin != held:
            raise OriginMismatch(
                f"the bundle belongs to {bundle.origin}, not to {held}",
                hint="a session never moves to another origin: use the profile of that one",
            )
        if bundle.session is not None:
            whose.check(self._profile, bundle.session)
        return bundle

    def _read(self, data: dict[str, Any], kid: str) -> Bundle:
        if int(data["version"]) > VERSION:
            raise StoreTooNew(
                "the bundle was made by a later release",
                hint="upgrade knoq-harvester on this machine; nothing was changed",
            )
        now = Moment.of(self._clock)
        by_s = reckon(Moment.from_dict(data["clock"]), now).by_s
        # Bundles of before 0.6 do not say with which key their fingerprints were made: their own.
        ledger = ledger_form.with_named_fingerprints(
            data["ledger"], lambda one: keys.named(one, kid)
        )
        session = None if data["session"] is None else Session.from_dict(data["session"])
        state = data["identity_state"]
        return Bundle(
            origin=str(data["origin"]),
            ledger=ledger_form.from_dict(ledger).shifted(by_s).aged(now.wall_s),
            session=None if session is None else session.shifted(by_s),
            identity_state=None if state is None else str(state),
        )

    async def _judge(
        self, theirs: Session | None, held: Session | None
    ) -> tuple[Session | None, Fate]:
        """The session to take, if it is one to take."""
        if theirs is None:
            return None, "none"
        if held is not None and held.generation >= theirs.generation:
            return None, "ours"
        asked = await self._staging.verdict(theirs)
        if asked.session is not None:
            return asked.session, "taken"
        if asked.verdict is Verdict.DENIED:
            return None, "denied"
        # The last good session there is, until the site itself refuses it.
        return (theirs, "unproved") if held is None else (None, "unreachable")
