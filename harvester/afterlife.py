"""What becomes of a session that was replaced, and what its end teaches.

The one before is kept in memory for two reasons: it is there to fall back upon when the site
refuses its successor young (``climb.py``), and where its end was only *learned* it is asked, now
and then, how long it really lives; so a learned end that is too careful, or a site that lengthened
its sessions, costs no client a 401.  It is never served, and what is found out about it never
touches the session in use.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

from harvester import lifetime, lives
from harvester.clock import Clock
from harvester.errors import KeyWrong, StoreError
from harvester.ledger import Ledger
from harvester.lives import Learned, Life
from harvester.log import event
from harvester.records import Records
from harvester.session import Session
from harvester.staging import Staging
from harvester.verdict import Verdict

# From its learned end on it is asked again after each such part of its learned life.
STEP_FRACTION = 0.1
# Two probes this far apart that both say no are two independent witnesses.
SECOND_OPINION_S = 1.0


class Afterlife:
    """Of one profile's last replaced session."""

    def __init__(self, profile: str, *, staging: Staging, records: Records, clock: Clock) -> None:
        self._profile = profile
        self._staging = staging
        self._records = records
        self._clock = clock
        self._session: Session | None = None
        self._heir = 0
        self._written: Life | None = None
        self._seen_alive = False
        self._due_at: float | None = None
        self._step_s = 0.0

    def follow(self, session: Session | None, *, heir: int, written: Life | None) -> None:
        """``session`` was replaced by generation ``heir``, alive as far as anybody knows (None:
        there is none to fall back upon).  ``written`` is what the ledger holds of its life; None
        leaves its end to somebody else."""
        self._session, self._heir, self._written = session, heir, written
        self._seen_alive, self._due_at = False, None
        if session is not None and written is not None and session.expires_kind == "learned":
            self._due_at = session.expires_at
            self._step_s = (lifetime.known_life_s(session) or 0.0) * STEP_FRACTION

    def before(self, session: Session | None) -> Session | None:
        """The one that ``session`` took the place of."""
        return self._session if session is not None and session.generation == self._heir else None

    def shift(self, by_s: float) -> None:
        """Our clock was set forward by ``by_s``."""
        if self._session is not None:
            self._session = self._session.shifted(by_s)
        if self._due_at is not None:
            self._due_at += by_s

    @property
    def due_in_s(self) -> float:
        """Seconds until it is asked again; infinite where nobody wants to know."""
        if self._session is None or self._due_at is None:
            return float("inf")
        return max(0.0, self._due_at - self._clock.wall_s())

    async def look(self, known: Learned) -> None:
        """Ask the site whether it still lives, and write down what that teaches.

        By what is ``known`` the next time is told: when its like were dead, else a step later.
        """
        session = self._session
        if session is None or self._due_at is None:
            return
        verdict, after = await self._ask(session)
        now = self._clock.wall_s()
        if self._session is not session:
            return  # another one was replaced meanwhile
        event("afterlife.probe", profile=self._profile, verdict=verdict.value, why=_WHY)
        step_s = self._step_s
        until_dead_s = session.renewed_at + (known.within_s or 0.0) - now
        if known.way == "absolute" and 0 < until_dead_s < step_s:
            step_s = until_dead_s
        self._due_at = now + max(lifetime.apart_s(known), step_s)
        if after is not None:
            self._session, self._seen_alive = after, True
            await self._write(lifetime.life_of(after))
        elif verdict is Verdict.DENIED:
            # A site may end the old one when it makes the new one: that is no age to die at.
            if self._seen_alive:
                await self._write(lifetime.life_of(session, dead_at=now))
            self._session = self._due_at = None

    async def _ask(self, session: Session) -> tuple[Verdict, Session | None]:
        touched = await self._staging.verdict(session)
        if touched.verdict is Verdict.DENIED:
            await asyncio.sleep(SECOND_OPINION_S)
            touched = await self._staging.verdict(session)
        after = touched.session
        if after is not None and after.renewed_at != session.renewed_at:
            # What the site rolled for it is not followed: it would begin another life.
            after = session.proved(after.proved_at)
        return touched.verdict, after

    async def _write(self, life: Life) -> None:
        """Into the ledger, unless somebody works on the profile: then the next time."""
        if await asyncio.to_thread(self._kept, life):
            self._written = life

    def _kept(self, life: Life) -> bool:
        lock = self._records.lock()
        try:
            if not lock.acquire_nonblocking():
                return False
            try:
                ledger = self._records.ledger()
                after = taught(self._profile, ledger, life, instead_of=self._written)
                self._records.keep_ledger(after)
            finally:
                lock.release()
        except (StoreError, KeyWrong) as error:
            event(
                "life.not_kept",
                level=logging.WARNING,
                profile=self._profile,
                code=error.code,
                why=error.message,
            )
            return False
        return True


_WHY = "how long the session before really lives"


def taught(profile: str, ledger: Ledger, life: Life, *, instead_of: Life | None = None) -> Ledger:
    """The ledger with one life more, or with a later word of one; says what is new in it."""
    before = lives.learned(ledger.lives)
    kept, changed = lives.remembered(ledger.lives, life, instead_of=instead_of)
    now = lives.learned(kept)
    told: dict[str, Any] = {
        "kind": now.way,
        "life_s": None if now.span_s is None else round(now.span_s, 1),
        "confidence": round(now.confidence, 3),
        "ends": now.ends,
    }
    if changed:
        event(
            "life.changed",
            level=logging.WARNING,
            profile=profile,
            why="two sessions in a row ended early, at the same age: the site has changed its mind",
            was_s=None if before.span_s is None else round(before.span_s, 1),
            **told,
        )
    elif now.differs(before):
        event("life.learned", profile=profile, why=f"{now.ends} ends agree", **told)
    return ledger.with_lives(kept)


def ended(profile: str, session: Session, ledger: Ledger, now: float) -> Ledger:
    """The ledger after the site refused ``session``; an end that came early is reported."""
    life = lifetime.life_of(session, dead_at=now)
    if life.dead_s is None or life.dead_s < life.alive_s:
        return ledger  # a clock went back: nobody knows how old it was
    early = lives.early_end(
        life,
        lives.learned(ledger.lives),
        declared=lifetime.declared_end(session)[1],
        generation=session.generation,
        at=now,
    )
    if early is not None:
        event(
            "session.refused_early",
            level=logging.WARNING,
            profile=profile,
            generation=early.generation,
            age_s=round(early.age_s, 1),
            expected_s=round(early.expected_s, 1),
            why="it may be theft, a revocation or a change of the site's policy",
        )
        ledger = replace(ledger, refused_early=early)
    return taught(profile, ledger, life)
