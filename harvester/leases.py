"""All leases of this daemon: made, looked up by their token, used, ended, and kept.

What is in memory counts, and all of it is one sealed record, so that a lease outlives a restart.
One that is revoked ends at once, here and in what runs under it, and is answered for when the disk
has it.  Where the record cannot be read, or is an older one than was written, no lease is honoured:
a revoked one might stand in it alive.  Only ``revoke_all`` opens the book again.

A token is 256 random bits and stored nowhere: a digest under a key of the record is.  How that
record is kept, and when it is believed, is ``kept_leases.py``'s.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from harvester.bucket import Bucket
from harvester.clock import Clock, rfc3339
from harvester.errors import (
    Busy,
    HarvesterError,
    KeyWrong,
    LeaseEnded,
    LeaseUnknown,
    RateLimited,
    StoreError,
)
from harvester.kept_leases import KEY_BYTES, KeptLeases, Store
from harvester.lease import DAY_S, ID, Lease, Terms
from harvester.log import event

TOKEN_PREFIX = "hvl_"  # noqa: S105  it tells ours from other tokens, and is none
# So long, and so many, an ended one is remembered, so that its holder hears what became of it.
REMEMBERED_S = 7 * DAY_S
ENDED_MOST = 100
# A record holds them all; nobody who has more of them knows what each is for.
LIVE_MOST = 200


@dataclass(slots=True, eq=False)
class Held:
    """A lease in memory.  ``over_at_s`` is its end by the clock that nobody sets; ``stops`` end
    what runs under it."""

    lease: Lease
    over_at_s: float
    bucket: Bucket
    stops: set[Callable[[], None]] = field(default_factory=set)

    def stop(self) -> None:
        for stop in tuple(self.stops):
            stop()


class Leases:
    """One for each daemon.  ``open`` it first; everything happens in one loop."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._kept = KeptLeases(store, clock)
        self._clock = clock
        self._key = secrets.token_bytes(KEY_BYTES)
        self._by_digest: dict[bytes, Held] = {}
        self._by_id: dict[str, Held] = {}
        self.trouble: HarvesterError | None = None
        """Why no lease is honoured, None where nothing is wrong."""
        # How often something changed that the store should know, and how much of that it knows.
        self._changes = self._stored = 0
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Read what is kept.  Raises nothing: what is wrong is told, and closes the book."""
        try:
            kept = await self._kept.read()
        except (StoreError, KeyWrong) as error:
            self.trouble = error
            event(
                "leases.closed", level=logging.ERROR, code=error.code, why=error.message,
                next="no lease is honoured; begin anew with: harvester lease revoke --all",
            )  # fmt: skip
            return
        self._key = kept.key
        for lease, left_s in kept.leases:
            self._hold(lease, left_s=left_s)

    # Whoever owns the account

    async def make(self, terms: Terms) -> tuple[Lease, str]:
        """A new lease and its token, which is in nobody's hands but the caller's.

        Raises Busy where there are too many; a StoreError or KeyWrong, and then there is none."""
        self._raise_trouble()
        self._forget_old()
        if sum(held.lease.state == "live" for held in self._by_id.values()) >= LIVE_MOST:
            raise Busy(
                f"there are {LIVE_MOST} live leases, and no more are given",
                hint="see `harvester lease list`, and revoke what nobody needs",
            )
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        now_s = self._clock.wall_s()
        lease = Lease(
            id=self._new_id(),
            terms=terms,
            digest=self._digest(token.encode("ascii")),
            made_at=now_s,
            ends_at=now_s + terms.for_s,
        )
        held = self._hold(lease, left_s=terms.for_s)
        try:
            await self._keep()
        except BaseException:
            self._drop(held)
            raise
        shown = lease.shown()
        event(
            "lease.made", lease=lease.id, profile=terms.profile, name=terms.name,
            methods=shown["methods"], paths=shown["paths"], ends_at=shown["ends_at"],
        )  # fmt: skip
        return lease, token

    async def revoke(self, lease_id: str) -> bool:
        """End it; False if it had ended.  Raises LeaseUnknown; a StoreError where it has ended
        here, and the disk does not know it yet."""
        self._raise_trouble()
        held = self._by_id.get(lease_id)
        if held is None:
            raise LeaseUnknown(
                "there is no lease of this id", hint="harvester lease list shows them"
            )
        before = self._seen(held).state
        self._end(held)
        await self._keep_revoked()
        return before == "live"

    async def revoke_all(self) -> list[str]:
        """End all; the ids of those that were live.  Where no lease was honoured because of the
        record, it is set aside, and the book is open again.  Raises as ``revoke``."""
        live = [one.id for one in self.listed() if one.state == "live"]
        for held in tuple(self._by_id.values()):
            self._end(held)
        if self.trouble is not None:
            await self._kept.set_aside()
            self._changes += 1
        await self._keep_revoked()
        self.trouble = None
        return live

    def listed(self) -> list[Lease]:
        """Those that are live, and those that ended lately; the newest last."""
        self._forget_old()
        return [self._seen(held) for held in self._by_id.values()]

    # Whoever has a token

    def find(self, token: bytes) -> Held:
        """The live lease of this token.  Raises LeaseUnknown, LeaseEnded; why none is honoured."""
        self._raise_trouble()
        digest = self._digest(token)
        held = self._by_digest.get(digest)
        if held is None or not hmac.compare_digest(held.lease.digest, digest):
            raise LeaseUnknown(
                "this is no lease's token, or the lease ended long ago",
                hint="ask whoever gave it to you for another one",
            )
        self.check(held)
        return held

    def check(self, held: Held) -> None:
        """Raises LeaseEnded."""
        lease = self._seen(held)
        if lease.state == "live":
            return
        how = {
            "revoked": f"was revoked at {rfc3339(lease.ended_at)}",
            "expired": f"ended at {rfc3339(min(lease.ends_at, lease.ended_at or lease.ends_at))}",
            "spent": f"was for {lease.terms.uses} requests, and they have been made",
        }[lease.state]
        raise LeaseEnded(
            f"the lease {lease.id} {how}", hint="ask whoever gave it to you for another one"
        )

    async def take(self, held: Held) -> None:
        """One request is let through.  Raises LeaseEnded, RateLimited; a StoreError where the
        uses are counted and the disk does not take the count: it is written before it is used."""
        self.check(held)
        terms = held.lease.terms
        if terms.rate is not None:
            now_s = self._clock.awake_s()
            refill_s = terms.rate.refill_s
            bucket = held.bucket.filled(now_s, capacity=terms.rate.times, refill_s=refill_s)
            if bucket.tokens < 1:
                raise RateLimited(
                    f"the lease {held.lease.id} is for {terms.rate}",
                    hint="come again after the time told",
                    retry_after_s=(1 - bucket.tokens) * refill_s,
                )
            held.bucket = Bucket(bucket.tokens - 1, now_s)
        held.lease = replace(
            held.lease, used=held.lease.used + 1, last_used_at=self._clock.wall_s()
        )
        if terms.uses is not None:
            await self._keep()
            if held.lease.revoked_at is not None:
                self.check(held)  # while the disk wrote

    def left_s(self, held: Held) -> float:
        """How long it still lasts."""
        by_wall_s = held.lease.ends_at - self._clock.wall_s()
        return max(0.0, min(by_wall_s, held.over_at_s - self._clock.awake_s()))

    @contextmanager
    def running(self, held: Held, stop: Callable[[], None]) -> Iterator[None]:
        """Something runs under it: ``stop`` is called when the lease is revoked meanwhile."""
        held.stops.add(stop)
        try:
            yield
        finally:
            held.stops.discard(stop)

    # As time goes by

    async def tick(self) -> None:
        """End what is over, though no timer of ours ran while the machine slept; write what the
        disk does not know yet."""
        for held in tuple(self._by_id.values()):
            if self._seen(held).state in ("expired", "revoked"):
                held.stop()
        self._forget_old()
        if self._changes > self._stored and self.trouble is None:
            try:
                await self._keep(new=False)
            except (StoreError, KeyWrong, Busy) as error:
                event("leases.not_kept", level=logging.WARNING, code=error.code, why=error.message)

    async def close(self) -> None:
        """The daemon ends: keep how often each was used."""
        self._changes += any(held.lease.used for held in self._by_id.values())
        await self.tick()

    # How

    def _raise_trouble(self) -> None:
        if self.trouble is not None:
            raise type(self.trouble)(
                f"no lease is honoured: {self.trouble.message}",
                hint="harvester lease revoke --all begins anew; then make the leases again",
            )

    def _seen(self, held: Held) -> Lease:
        """The lease as it is now.  Once seen to be over it stays so, whatever a clock says then."""
        if held.lease.state in ("live", "spent") and self.left_s(held) <= 0:
            held.lease = replace(held.lease, expired_at=self._clock.wall_s())
            self._changes += 1
        return held.lease

    def _end(self, held: Held) -> None:
        if self._seen(held).state in ("live", "spent"):
            held.lease = replace(held.lease, revoked_at=self._clock.wall_s())
            self._changes += 1
            event("lease.revoked", lease=held.lease.id, profile=held.lease.terms.profile)
        held.stop()

    def _digest(self, token: bytes) -> bytes:
        return hmac.digest(self._key, token, "sha256")

    def _new_id(self) -> str:
        while True:
            made = base64.b32encode(secrets.token_bytes(5)).decode("ascii").lower()
            if ID.fullmatch(made) and made not in self._by_id:
                return made

    def _hold(self, lease: Lease, *, left_s: float) -> Held:
        now_s = self._clock.awake_s()
        full = 0 if lease.terms.rate is None else lease.terms.rate.times
        held = Held(lease, now_s + left_s, Bucket(full, now_s))
        self._by_id[lease.id] = self._by_digest[lease.digest] = held
        return held

    def _drop(self, held: Held) -> None:
        self._by_id.pop(held.lease.id, None)
        self._by_digest.pop(held.lease.digest, None)

    def _forget_old(self) -> None:
        now_s = self._clock.wall_s()
        ended = [held for held in self._by_id.values() if self._seen(held).ended_at is not None]
        ended.sort(key=lambda held: held.lease.ended_at or 0.0)
        for place, held in enumerate(reversed(ended)):
            if place >= ENDED_MOST or now_s - (held.lease.ended_at or now_s) > REMEMBERED_S:
                self._drop(held)

    async def _keep(self, *, new: bool = True) -> None:
        """Durable when this returns: all that changed before it was called.  Many callers share
        one write.  Raises a StoreError, KeyWrong, or Busy."""
        self._changes += new
        wanted = self._changes
        async with self._writing:
            if self._stored >= wanted:
                return
            wanted = self._changes
            await self._kept.write(self._key, [held.lease for held in self._by_id.values()])
            self._stored = wanted

    async def _keep_revoked(self) -> None:
        try:
            await self._keep(new=False)
        except (StoreError, KeyWrong, Busy) as error:
            raise type(error)(
                error.message,
                hint="revoked in this daemon, and not on the disk yet: after a restart it might "
                f"live again; it is tried again, or run the command again. {error.hint}",
                retry_after_s=error.retry_after_s,
            ) from None
