"""One session taking the place of another: what is written down of the one that goes, and the way
back to it where its successor dies young.

Every method is called with the profile's lock held.  Knows no rung and no caller.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from harvester import lifetime, lives, tripwire, whose
from harvester.afterlife import ended, taught
from harvester.clock import Clock
from harvester.handout import announce
from harvester.ledger import Ledger
from harvester.lives import Life
from harvester.log import event
from harvester.notes import note_down
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Session
from harvester.staging import Staging

# A new session that is refused within this time was never right: is the one before still good?
YOUNG_S = 300.0
# ... or within this part of a life that is known.
YOUNG_FRACTION = 0.1


class Succession:
    """One profile's."""

    def __init__(
        self, profile: Profile, *, records: Records, staging: Staging, clock: Clock
    ) -> None:
        self._profile = profile
        self._records = records
        self._staging = staging
        self._clock = clock

    async def refused(self, current: Session) -> None:
        """Remembered, so that a restart does not serve again what the site refused, and for what
        its end teaches."""
        ledger = await asyncio.to_thread(self._records.ledger)
        if ledger.refused < current.generation:
            refused = ledger.with_refused(current.generation)
            now = self._clock.wall_s()
            after = ended(self._profile.name, current, refused, now)
            after = self._alarmed(ledger, after, current, now)
            await note_down(self._records, after)
            if after.alarm is not None and after.alarm != ledger.alarm:
                announce(self._profile, after.alarm)

    def _alarmed(self, ledger: Ledger, after: Ledger, session: Session, now: float) -> Ledger:
        """With the alarm, where its end is a sign of a stranger's hand (``tripwire.py``)."""
        if after.refused_early is ledger.refused_early:
            return after
        life, known = lifetime.life_of(session, dead_at=now), lives.learned(ledger.lives)
        if tripwire.has_changed(ledger.lives, life):
            return replace(after, alarm=tripwire.after_ends(after.alarm))
        alarm = tripwire.early_end(
            after.refused_early,
            life,
            ledger.lives,
            session=session,
            learned=known.confidence >= lives.SURE,
            signed_out=ledger.signed_out,
            clocks_agree=not self._records.foreign,
        )
        held = self._profile.tripwire == "hold"
        return after.with_alarm(alarm and replace(alarm, held=held))

    async def replaced(self, current: Session) -> Life | None:
        """What was seen of a session that a new one takes the place of, if it lives."""
        ledger = await asyncio.to_thread(self._records.ledger)
        if ledger.refused >= current.generation:
            return None
        life = lifetime.life_of(current)
        await note_down(self._records, taught(self._profile.name, ledger, life))
        return life

    async def fall_back(self, current: Session, before: Session | None) -> Session | None:
        """The session before the one at hand, if the site refused this one young and still
        accepts that one: a sign-in that went wrong in a way that showed only later.

        It gets a generation of its own, and there is none before it: nothing goes back and forth.
        """
        ledger = await asyncio.to_thread(self._records.ledger)
        if tripwire.closed(ledger.alarm, self._profile.tripwire) is not None:
            return None
        life_s = lifetime.known_life_s(current) or 0.0
        young_s = max(YOUNG_S, life_s * YOUNG_FRACTION)
        if before is None or self._clock.wall_s() - current.renewed_at > young_s:
            return None
        whose.check(self._profile, before)
        touched = await self._staging.verdict(before)
        if touched.session is None:
            return None
        ledger = await asyncio.to_thread(self._records.ledger)
        generation = max(ledger.generation, current.generation) + 1
        await note_down(self._records, ledger.with_generation(generation))
        event(
            "session.rolled_back",
            level=logging.WARNING,
            profile=self._profile.name,
            generation=generation,
            refused=current.generation,
            back_to=before.generation,
            why="the new session was refused young, and the site still accepts the one before",
        )
        return replace(touched.session, generation=generation)
