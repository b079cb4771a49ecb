"""What one flight does: a climb, or a session that a person brings; and what follows on a new one.

Owns the order of things at the end of it: the ledger is read again whatever happened, a failure is
told with its class, and a new session is noted, followed in its afterlife, held and published.
Must not know: who waits for the flight, or what a caller is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from harvester import ladder, reasons
from harvester.afterlife import Afterlife
from harvester.by_hand import ByHand
from harvester.climb import Climber
from harvester.condition import Condition
from harvester.errors import HarvesterError, KeyWrong, RateLimited, SiteDown, StoreError
from harvester.held import Held
from harvester.lives import Life
from harvester.profile import Profile
from harvester.session import Cookie, Session
from harvester.summons import Summons
from harvester.witness import Witness


class Ascent:
    """One profile's.  ``on_change`` is called when the next look may be due earlier than was said,
    ``on_failure`` when a climb failed."""

    def __init__(
        self,
        profile: Profile,
        *,
        held: Held,
        climber: Climber,
        by_hand: ByHand,
        witness: Witness,
        afterlife: Afterlife,
        condition: Condition,
        summons: Summons,
        on_change: Callable[[], None],
        on_failure: Callable[[], None],
    ) -> None:
        self._profile = profile
        self._held = held
        self._climber = climber
        self._by_hand = by_hand
        self._witness = witness
        self._afterlife = afterlife
        self._condition = condition
        self._summons = summons
        self._on_change = on_change
        self._on_failure = on_failure

    async def climb(self, why: ladder.Why) -> Session:
        """A new session by the ladder.  Raises what stopped it."""
        try:
            if why != "headed":
                self._witness.raise_if_resting()
            last = self._held.session
            climbed = await self._climber.climb(
                why, last, self._witness.touched, before=self._afterlife.before(last)
            )
        except HarvesterError as error:
            await self._condition.read_ledger()
            self._condition.failed("refresh.failed", error, self._profile)
            if why != "headed":  # there a person sits before it
                self._summons.needed(error, self._condition.ledger)
            self._on_failure()
            raise
        finally:
            await self._condition.read_ledger()
        why_new = f"{climbed.rung}: {reasons.BECAUSE[why]}"
        return await self._take(climbed.session, why_new, climbed.durable, climbed.replaced)

    async def remember(self) -> None:
        """What the site refused is written down even where nobody may climb now: a restart would
        serve it again."""
        last = self._held.session
        if last is None or not self._held.refused:
            return
        if self._condition.ledger.refused < last.generation:
            # What kept the climb off is told; the next failure tries to write this again.
            with suppress(StoreError, KeyWrong):
                await self._climber.remember(last)
            await self._condition.read_ledger()

    async def bring(self, cookies: tuple[Cookie, ...], user_agent: str) -> Session:
        """A session that a person has in a browser.  Raises HarvesterError: nothing has changed."""
        self._witness.raise_if_resting()
        self._by_hand.admit()
        try:
            session = await self._by_hand.bring(cookies, user_agent)
        except HarvesterError as error:
            if isinstance(error, SiteDown | RateLimited):
                self._witness.leave_alone(error.retry_after_s or 0.0)
            self._condition.failed("import.failed", error, self._profile)
            raise
        finally:
            await self._condition.read_ledger()
        return await self._take(session, "a person brought it", durable=True)

    async def _take(
        self, session: Session, why: str, durable: bool, replaced: Life | None = None
    ) -> Session:
        self._condition.mended()
        self._summons.over()
        self._condition.note("session.new", why, generation=session.generation)
        last = self._held.usable()
        if last is not None and last.generation <= self._condition.ledger.refused:
            last = None
        if last is None or last.generation != session.generation:
            self._afterlife.follow(last, heir=session.generation, written=replaced)
        await self._held.take(session, durable=durable)
        self._on_change()
        return self._held.session or session
