"""The session at hand: the last good one, whether it may be served, and its place in the store.

What is held is served until the site refused it; nothing but ``refuse`` and ``let_go`` takes it
away.  Decides nothing about refreshing: that is the keeper's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from harvester import lifetime, older, whose
from harvester.clock import STEP_S
from harvester.errors import Busy, HarvesterError, KeyWrong, StoreError, WrongSetting
from harvester.ladder import Why
from harvester.lifetime import Freshness
from harvester.lives import Learned, Life, learned
from harvester.log import event
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Served, Session, Verdict
from harvester.stamp import Stamp
from harvester.steady import SteadyClock

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
        self, profile: Profile, *, records: Records, clock: SteadyClock, publish: Publish
    ) -> None:
        self._profile = profile
        self._records = records
        self._clock = clock
        self._publish = publish
        self._rolled = False
        self._numbering = asyncio.Lock()
        self._stored_at = -STORE_PROOF_EVERY_S
        self._lives: tuple[Life, ...] = ()
        self._windows: tuple[Session, Learned, lifetime.Windows] | None = None
        self.session: Session | None = None
        """With the end that is to be expected, which may be earlier than the declared one."""
        self.learned = Learned()
        """What the lives of its like teach, and its own so far."""
        self.refused = False
        self.stamp = Stamp(records)
        """Whether other processes stored another one."""
        self.older: StoreError | None = None
        """What a person is told where this is not the last one that was written."""
        self.doubt = ""
        """Why the times of the session are not to be believed before the site was asked."""
        self.moved = False
        """The clock was set, and what is stored and published is dated by the one before."""
        self.durable = True
        self.unsaved = False
        """Its value was rolled since it was stored, and waits for its turn."""
        self.highest = 0
        """The highest generation known to have been given out."""
        self.on_older: Callable[[Session, Session], None] = lambda ours, stored: None

    def guard(self, around: Callable[[Publish], Publish]) -> None:
        self._publish = around(self._publish)

    def usable(self) -> Session | None:
        """What may be served: the session, unless the site refused it."""
        return None if self.refused else self.session

    def still(self) -> Session:
        """The session, for whoever held it and waited.  Raises Busy where a person signed out
        meanwhile: who asked before he did is not signed in again behind him."""
        if self.session is None:
            raise Busy("a person signed out meanwhile", hint="ask for a session anew")
        return self.session

    def need(self, otherwise: Why) -> Why:
        """Why to climb: there is no session, it was refused, or what the caller says."""
        if self.session is None:
            return "none"
        return "denied" if self.refused else otherwise

    # its place in time

    def windows(self, session: Session) -> lifetime.Windows:
        # Made once for a session and what is learned: asked for at every request, it would be
        # half of what the keeper does for one.
        made = self._windows
        if made is None or made[0] is not session or made[1] is not self.learned:
            when = lifetime.windows(
                session,
                refresh_every_s=self._profile.refresh_every_s,
                max_age_s=self._profile.max_age_s,
                learned=self.learned,
            )
            made = self._windows = session, self.learned, when
        return made[2]

    def learn(self, lives: tuple[Life, ...]) -> None:
        """What was seen of earlier sessions, and what it means for the one at hand."""
        self._lives = lives
        self._foresee()

    def _foresee(self) -> None:
        if self.session is None:
            self.learned = learned(self._lives)
        else:
            self.learned = learned(self._lives, lifetime.life_of(self.session))
            self.session = lifetime.foreseen(self.session, self.learned)

    def freshness(self, session: Session) -> Freshness:
        if self.doubt:
            return Freshness.UNKNOWN
        return lifetime.freshness(session, self._clock.wall_s(), self.windows(session))

    def over(self, session: Session) -> bool:
        """It must be dead by now: a learned end is one that its like have still reached."""
        if session.expires_at is None:
            return False
        reached_s = 0.0
        if session.expires_kind == "learned":
            reached_s = (self.learned.within_s or 0.0) - (self.learned.life_s or 0.0)
        return session.expires_at + reached_s <= self._clock.wall_s()

    def meets(self, session: Session, min_valid_s: float) -> bool:
        """No known end falls before the time asked for."""
        if session.expires_at is None:
            return True
        return session.expires_at - self._clock.wall_s() >= min_valid_s

    def served(
        self,
        session: Session,
        min_valid_s: float,
        error: HarvesterError | None = None,
        verdict: Verdict | None = None,
    ) -> Served:
        """As it is handed to a caller; ``error`` is why it is the last one and no newer,
        ``verdict`` answers a report."""
        met = self.meets(session, min_valid_s)
        return Served(session, error is not None, error, met, verdict)

    def good_enough(self, session: Session, min_valid_s: float) -> bool:
        """Whether to serve without a refresh: it will last, or no new one would last either."""
        fresh = self.freshness(session)
        if fresh is Freshness.SPENT or self._asked_first:
            return False
        if self.meets(session, min_valid_s):
            return True
        life_s = lifetime.known_life_s(session)
        return life_s is not None and life_s <= min_valid_s and fresh is Freshness.FRESH

    def until_due_s(self, session: Session) -> float:
        """Seconds until something should be done about it."""
        when = self.windows(session)
        due = min(
            (at for at in (when.stale_at, when.ask_at) if at is not None), default=float("inf")
        )
        return min(LOOK_AT_LEAST_EVERY_S, max(0.05, due - self._clock.wall_s()))

    # the clocks

    def notice(self) -> None:
        """Look at the clocks: a machine that slept, or whose clock was set, asks the site first.

        By the windows a session that slept through its end is over, and one that a restored
        machine holds is young; the site may see both otherwise.
        """
        jolt = self._clock.jolt()
        if jolt and self.usable() is not None:
            self._begin_doubt(jolt)

    def shift(self, by_s: float) -> None:
        """Our clock was set forward by ``by_s``: ages stay, times move."""
        if self.session is not None:
            self.session = self.session.shifted(by_s)
            self.moved = True

    def _begin_doubt(self, why: str) -> None:
        self.doubt = why
        event("session.doubted", profile=self._profile.name, why=f"{why}: the site is asked first")

    async def settle_labels(self) -> None:
        """Store and publish by the new clock."""
        self.moved = False
        if self.session is not None and not self._asked_first:
            await self.store()
            await self._publish(Served(self.session))

    # what happens to it

    @property
    def _asked_first(self) -> bool:
        """It is an older one, and the site has not said that it lives: nobody is given it yet."""
        return self.older is not None and bool(self.doubt)

    async def take(
        self, session: Session, *, durable: bool, older: StoreError | None = None
    ) -> None:
        """A new session, proved and stored by the climb, or found in the store."""
        held, self.unsaved = self.session, False
        if held is None or session.generation != held.generation:
            self._rolled = False
        elif not self.refused and held.proved_at > session.proved_at:
            # The site rolled it on while the climb wrote down what it had.
            session, self.unsaved = held, True
        self.session, self.refused = session, False
        self.older, self.doubt = older, "" if older is None else "an older one stands in the store"
        self._foresee()
        session = self.session
        self.highest = max(self.highest, session.generation)
        self.durable = durable
        await self.stamp.note()
        if not self._asked_first:
            await self._publish(Served(session))

    async def inherit(self, before: Held) -> None:
        """Take over what another one of the same profile holds: a value that the site rolled
        since it was stored, or a session that no disk took.  What is not for these settings, or
        is older than what the store had, stays behind."""
        session = before.session
        if session is None:
            return
        try:
            whose.check(self._profile, session)
        except WrongSetting:
            return
        if self.session is not None and self.session.generation > session.generation:
            return
        by_s = self._clock.wall_s() - before._clock.wall_s()
        if abs(by_s) > STEP_S:  # the clock was set since the other one began
            session = session.shifted(by_s)
        known = self.session is not None and self.session.cookies == session.cookies
        self.session, self.refused, self.durable = session, before.refused, before.durable
        self.highest = max(self.highest, before.highest)
        self._rolled, self._stored_at = before._rolled, before._stored_at
        self.unsaved = before.unsaved
        self.doubt, self.older = before.doubt, before.older
        self._foresee()
        if not known and not self._asked_first:
            await self._publish(Served(self.session))

    def refuse(self) -> None:
        """The site said no, proved twice."""
        self.refused, self.doubt = True, ""

    async def let_go(self) -> None:
        """A person signed out."""
        self.session, self.refused, self.doubt, self.older = None, False, "", None
        self.stamp.forget()
        await self._publish(None)

    async def proved(self, before: Session, after: Session) -> None:
        """A probe said alive; ``after`` holds what its answer rolled."""
        held = self.session
        if held is None or (held.generation, held.cookies) != (before.generation, before.cookies):
            return
        anew, self.doubt = self._asked_first, ""
        await self._follow(held, after, anew=anew)

    async def rolled(self, after: Session) -> None:
        """An answer to a client's request brought other cookies: of two that cross, the one that
        comes last counts, as in a browser.  That proves nothing."""
        held = self.session
        if held is not None and held.generation == after.generation and after != held:
            await self._follow(held, after)

    async def _follow(self, held: Session, after: Session, *, anew: bool = False) -> None:
        self.session = after
        self._foresee()
        if after.cookies != held.cookies:
            self._rolled = self.unsaved = anew = True
        if anew:
            await self._publish(Served(self.session))
        now = self._clock.awake_s()
        every_s = STORE_ROLLED_EVERY_S if self._rolled else STORE_PROOF_EVERY_S
        if now - self._stored_at >= every_s:
            await self.store()

    async def renumber_if_rolled(self) -> None:
        """A client was refused with a session that is alive: the site rolled the value away from
        under it.  What was rolled becomes a generation of its own, so that the client is told;
        not while somebody makes the next one, which would have the same number."""
        async with self._numbering:  # all who come at once are told one and the same
            before = self.session
            if before is None or not self._rolled:
                return
            generation = max(before.generation, self.highest) + 1
            if not await self._counted(generation):
                return
            if self.session is None or self.session.generation != before.generation:
                return
            self._rolled = False
            self.session = replace(self.session, generation=generation)
            self.highest = generation
            event(
                "session.renumbered",
                profile=self._profile.name,
                generation=generation,
                why="a client was refused with a value that the site had rolled away",
            )
            await self.store()
            if self.session is not None:
                await self._publish(Served(self.session))

    async def _counted(self, generation: int) -> bool:
        """Whether ``generation`` is ours to give, and nobody else's from now on."""
        try:
            return await asyncio.to_thread(self._records.count, generation)
        except (StoreError, KeyWrong):
            return True  # it counts in memory, and the disk's trouble is told when it is stored

    async def store(self) -> None:
        """Store it again, unless another process has a later one or is making it; a store that
        cannot is reported, the session lives on in memory."""
        session = self.session
        if session is None:
            return
        self._stored_at = self._clock.awake_s()
        try:
            if await asyncio.to_thread(self._records.keep_session_if_newest, session):
                self.unsaved = self.session is not None and self.session.cookies != session.cookies
                await self.stamp.note()
                self.durable = True
        except (StoreError, KeyWrong) as error:
            self.durable = False
            event(
                "store.not_durable",
                level=logging.ERROR,
                profile=self._profile.name,
                code=error.code,
                why=error.message,
                next="it is kept in memory and stored when the disk takes it",
            )

    async def close(self) -> None:
        if self._rolled:
            await self.store()

    async def read(self, *, refused: int = 0) -> bool:
        """Take up what the store has, if it is newer, and was not ``refused`` as all up to that
        generation were.  True if it was taken.

        Raises StoreError, KeyWrong, or a mismatch (see ``whose.check``): a session never moves to
        another origin, organisation or user because a setting was changed.
        """
        moved_s = self._clock.moved_s
        found = await asyncio.to_thread(self._records.dated_session)
        session = found.session
        if session is not None and self._clock.moved_s != moved_s:  # while it was read
            session = session.shifted(self._clock.moved_s - moved_s)
        await self.stamp.note()
        if session is None:
            return False
        whose.check(self._profile, session)
        known = refused if self.session is None else max(refused, self.session.generation)
        if session.generation <= known:
            if self.session is not None and self.durable and not self.unsaved:
                self.on_older(self.session, session)
            if found.older is not None and self.usable() is not None:
                older.tell(self._profile, found.older, then="the one in memory is stored again")
                self.unsaved = True
            return False
        await self.take(session, durable=True, older=found.older)
        if found.older is not None:
            older.tell(self._profile, found.older, then="the site is asked before it is served")
        elif not found.sure:
            self._begin_doubt("it was stored by another clock than ours")
        return True
