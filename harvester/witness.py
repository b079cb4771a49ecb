"""What the site itself says of the session at hand.  Two witnesses make a refusal.

A word about cookies that were rolled away, or a session that was replaced, meanwhile is no word
about the ones at hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harvester.afterlife import SECOND_OPINION_S
from harvester.clock import Clock
from harvester.errors import Busy, RateLimited
from harvester.held import Held
from harvester.ledger import RETRY_AFTER_MOST_S
from harvester.log import event
from harvester.session import Session
from harvester.staging import Staging
from harvester.verdict import Verdict

# A site that gave no verdict gives none a moment later: callers in doubt must not become a storm.
SILENT_FOR_S = 5.0
# How often a probe is made anew because the cookies that it bore were rolled away under it.
_ROLLED_MOST = 3


class Witness:
    """Probes one profile's session.  ``note`` is told of what a person may want to know."""

    def __init__(
        self, profile: str, *, held: Held, staging: Staging, clock: Clock,
        on_silence: Callable[[], None], note: Callable[..., None],
    ) -> None:  # fmt: skip
        self._profile = profile
        self._held = held
        self._staging = staging
        self._clock = clock
        self._note = note
        self._on_silence = on_silence
        self._alone_until = 0.0
        self._silent_at = float("-inf")
        self.silent_since: float | None = None
        """Since when, by the wall clock, the site gives no verdict."""
        self.silence = ""
        self.refused_at: float | None = None
        self._looking: asyncio.Task[Verdict] | None = None
        self._asking = 0

    @property
    def rest_s(self) -> float:
        """For how long the site still wants to be left alone (429, or 503 with Retry-After)."""
        return max(0.0, self._alone_until - self._clock.awake_s())

    def leave_alone(self, for_s: float) -> None:
        """The site asked for it, by an answer to somebody else."""
        until = self._clock.awake_s() + min(for_s, RETRY_AFTER_MOST_S)
        self._alone_until = max(self._alone_until, until)

    def raise_if_resting(self) -> None:
        """Raises RateLimited while it does: then nothing of it is asked, by no rung."""
        if self.rest_s > 0:
            raise RateLimited(
                "the site asked to be left alone for a while",
                hint="wait; it is tried again by itself",
                retry_after_s=self.rest_s,
            )

    @property
    def asking(self) -> bool:
        """A probe is under way: whoever waits for it holds the session as it was."""
        return self._asking > 0

    async def probe(self) -> Verdict:
        """One probe of the current session; takes in what the answer rolled."""
        for _ in range(_ROLLED_MOST):
            session = self._held.session
            if session is None:
                return Verdict.DENIED
            verdict = await self._probe(session)
            if verdict is not Verdict.DENIED or not self._outdated(session):
                return verdict
        return Verdict.UNREACHABLE

    def _outdated(self, asked: Session) -> bool:
        """What was asked about is not at hand any more: its cookies were rolled away, or there is
        another session by now."""
        held = self._held.session
        if held is None:
            return False
        return (held.generation, held.cookies) != (asked.generation, asked.cookies)

    async def _probe(self, session: Session) -> Verdict:
        if self.rest_s > 0:
            return Verdict.UNREACHABLE
        self._asking += 1
        try:
            touched = await self._staging.verdict(session)
            if touched.verdict is Verdict.UNREACHABLE:
                asked_s = min(touched.retry_after_s or 0.0, RETRY_AFTER_MOST_S)
                self._alone_until = self._clock.awake_s() + asked_s
                if self.silent_since is None:
                    self.silent_since = self._clock.wall_s()
                    self._on_silence()
                self._silent_at = self._clock.awake_s()
                self.silence = touched.trouble
            else:
                self.silent_since = None
            if touched.session is not None:
                await self._held.proved(session, touched.session)
        finally:
            self._asking -= 1
        why = touched.trouble or None
        event("probe", profile=self._profile, verdict=touched.verdict.value, why=why)
        return touched.verdict

    async def look(self) -> Verdict:
        """A probe of our own accord; a DENIED is believed when a second one, a second later,
        agrees.  All who ask meanwhile share it, and none who leaves ends it."""
        if self._clock.awake_s() - self._silent_at < SILENT_FOR_S:
            return Verdict.UNREACHABLE
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        looking = self._looking
        await asyncio.wait({looking})
        if looking.cancelled():
            raise Busy("the site was asked, and all was ended meanwhile", hint="ask again")
        return looking.result()

    @property
    def looking(self) -> bool:
        """A look is under way."""
        return self._looking is not None and not self._looking.done()

    async def landed(self) -> None:
        """Wait until none is."""
        while (looking := self._looking) is not None and not looking.done():
            await asyncio.wait({looking})
            # Whoever waited for it goes on behind us.
            await asyncio.sleep(0)

    async def close(self) -> None:
        if self._looking is not None and not self._looking.done():
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> Verdict:
        verdict = await self.probe()
        while verdict is Verdict.DENIED and (session := self._held.session) is not None:
            await asyncio.sleep(SECOND_OPINION_S)
            verdict = await self.probe()
            # One no about this session and one about another are no two about either.
            if verdict is Verdict.DENIED and self._is_at_hand(session):
                self.refuse("two probes of ours", session)
                break
        return verdict

    async def prove(self, *, within_s: float) -> Verdict:
        """Is the session alive?  Asks the site unless it was proved less than ``within_s`` ago."""
        session = self._held.usable()
        if session is None:
            return Verdict.DENIED
        young = 0 <= self._clock.wall_s() - session.proved_at < within_s
        if young and not self._held.doubt:
            return Verdict.ALIVE
        return await self.look()

    async def touched(self, before: Session, after: Session | None) -> bool:
        """A climb touched the session: what came of it, None where the site said no twice.
        Whether that is the end of the session at hand."""
        if after is not None:
            await self._held.proved(before, after)
            return False
        if self._outdated(before):
            return False
        self.refuse("two touches of ours", before)
        return True

    def refuse(self, witnesses: str, session: Session) -> None:
        """``session`` is not served any more, if it still is the one at hand."""
        if self._is_at_hand(session) and not self._held.refused:
            self._held.refuse()
            self.refused_at = self._clock.wall_s()
            self._note("session.refused", f"the site said no to {witnesses}", next="a new session")

    def _is_at_hand(self, session: Session) -> bool:
        held = self._held.session
        return held is not None and held.generation == session.generation

    def shift(self, by_s: float) -> None:
        """Our clock was set forward by ``by_s``."""
        if self.silent_since is not None:
            self.silent_since += by_s
        if self.refused_at is not None:
            self.refused_at += by_s
