"""The session at hand: the last good one, whether it may be served, and its place in the store.

What is held is served until the site refused it; nothing but ``refuse`` and ``let_go`` takes it
away.  Decides nothing about refreshing: that is the keeper's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from harvester import lifetime, whose
from harvester.clock import Clock
from harvester.errors import StoreError
from harvester.ladder import Why
from harvester.lifetime import Freshness
from harvester.log import event
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Served, Session

# Values that a site rolls on every request are stored at most this often.
STORE_ROLLED_EVERY_S = 5.0
# When it was last proved is stored so often: a command without a daemon believes it for a minute.
STORE_PROOF_EVERY_S = 60.0
# Never sleep longer than this: a store that another process changed is noticed by then.
LOOK_AT_LEAST_EVERY_S = 3600.0

# Tells the outlets of a new session, or with None that there is none any more.
Publish = Callable[[Served | None], Awaitable[None]]


class Held:
    """One profile's last good session, in memory and in the store."""

    def __init__(
        self, profile: Profile, *, records: Records, clock: Clock, publish: Publish
    ) -> None:
        self._profile = profile
        self._records = records
        self._clock = clock
        self._publish = publish
        self._stamp: object | None = None
        self._rolled = False
        self._stored_at = -STORE_PROOF_EVERY_S
        self.session: Session | None = None
        self.refused = False
        self.durable = True
        self.highest = 0
        """The highest generation known to have been given out."""

    def usable(self) -> Session | None:
        """What may be served: the session, unless the site refused it."""
        return None if self.refused else self.session

    def need(self, otherwise: Why) -> Why:
        """Why to climb: there is no session, it was refused, or what the caller says."""
        if self.session is None:
            return "none"
        return "denied" if self.refused else otherwise

    # its place in time

    def windows(self, session: Session) -> lifetime.Windows:
        return lifetime.windows(
            session,
            refresh_every_s=self._profile.refresh_every_s,
            max_age_s=self._profile.max_age_s,
        )

    def freshness(self, session: Session) -> Freshness:
        return lifetime.freshness(session, self._clock.wall_s(), self.windows(session))

    def over(self, session: Session) -> bool:
        return session.expires_at is not None and session.expires_at <= self._clock.wall_s()

    def meets(self, session: Session, min_valid_s: float) -> bool:
        """No known end falls before the time asked for."""
        if session.expires_at is None:
            return True
        return session.expires_at - self._clock.wall_s() >= min_valid_s

    def good_enough(self, session: Session, min_valid_s: float) -> bool:
        """Whether to serve without a refresh: it will last, or no new one would last either."""
        fresh = self.freshness(session)
        if fresh is Freshness.SPENT:
            return False
        if self.meets(session, min_valid_s):
            return True
        life_s = lifetime.known_life_s(session)
        return life_s is not None and life_s <= min_valid_s and fresh is Freshness.FRESH

    def until_due_s(self, session: Session) -> float:
        """Seconds until something should be done about it."""
        due = self.windows(session).stale_at
        if session.expires_at is None:
            ask_at = session.proved_at + lifetime.ASK_UNKNOWN_EVERY_S
            due = ask_at if due is None else min(due, ask_at)
        if due is None:
            return LOOK_AT_LEAST_EVERY_S
        return min(LOOK_AT_LEAST_EVERY_S, max(0.05, due - self._clock.wall_s()))

    # what happens to it

    async def take(self, session: Session, *, durable: bool) -> None:
        """A new session, proved and stored by the climb, or found in the store."""
        if self.session is None or session.generation != self.session.generation:
            self._rolled = False
        self.session, self.refused = session, False
        self.highest = max(self.highest, session.generation)
        self.durable = durable
        self._stamp = await asyncio.to_thread(self._records.session_stamp)
        await self._publish(Served(session))

    def refuse(self) -> None:
        """The site said no, proved twice."""
        self.refused = True

    async def let_go(self) -> None:
        """A person signed out."""
        self.session, self.refused, self._stamp = None, False, None
        await self._publish(None)

    async def proved(self, before: Session, after: Session) -> None:
        """A probe said alive; ``after`` holds what its answer rolled."""
        if self.session is not before:
            return
        self.session = after
        if after.cookies != before.cookies:
            self._rolled = True
            await self._publish(Served(after))
        now = self._clock.awake_s()
        every_s = STORE_ROLLED_EVERY_S if self._rolled else STORE_PROOF_EVERY_S
        if now - self._stored_at >= every_s:
            await self.store()

    async def renumber_if_rolled(self) -> None:
        """A client was refused with a session that is alive: the site rolled the value away from
        under it.  What was rolled becomes a generation of its own, so that the client is told."""
        if self._rolled and self.session is not None:
            self._rolled = False
            generation = max(self.session.generation, self.highest) + 1
            self.session = replace(self.session, generation=generation)
            self.highest = generation
            await self.store()
            await self._publish(Served(self.session))

    async def store(self) -> None:
        """Store it again, unless another process has a later one or is making it; a store that
        cannot is reported, the session lives on in memory."""
        if self.session is None:
            return
        self._stored_at = self._clock.awake_s()
        try:
            if await asyncio.to_thread(self._records.keep_session_if_newest, self.session):
                self._stamp = await asyncio.to_thread(self._records.session_stamp)
                self.durable = True
        except StoreError as error:
            self.durable = False
            event("store.not_durable", level=logging.ERROR, code=error.code, why=error.message)

    async def close(self) -> None:
        if self._rolled:
            await self.store()

    async def read(self) -> bool:
        """Take up what the store has, if it is newer.  True if it was.

        Raises StoreError, KeyWrong, or a mismatch (see ``whose.check``): a session never moves to
        another origin, organisation or user because a setting was changed.
        """
        session = await asyncio.to_thread(self._records.session)
        self._stamp = await asyncio.to_thread(self._records.session_stamp)
        if session is None:
            return False
        whose.check(self._profile, session)
        if self.session is not None and session.generation <= self.session.generation:
            return False
        await self.take(session, durable=True)
        return True

    async def changed_in_store(self) -> bool:
        """Whether another process stored a session, or removed it, since we last looked."""
        return await asyncio.to_thread(self._records.session_stamp) != self._stamp

    @property
    def gone_from_store(self) -> bool:
        """Removed by another process (a logout there), though we had stored it."""
        return self._stamp is not None and self._records.session_stamp() is None
