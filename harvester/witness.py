"""What the site itself says of the session at hand.  Two witnesses make a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harvester.climb import SECOND_OPINION_S
from harvester.clock import Clock
from harvester.held import Held
from harvester.log import event
from harvester.staging import Staging
from harvester.verdict import Verdict


class Witness:
    """Probes one profile's session.  ``note`` is told of what a person may want to know."""

    def __init__(
        self, profile: str, *, held: Held, staging: Staging, clock: Clock,
        note: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._profile = profile
        self._held = held
        self._staging = staging
        self._clock = clock
        self._note = note

    async def probe(self) -> Verdict:
        """One probe of the current session; takes in what the answer rolled."""
        session = self._held.session
        if session is None:
            return Verdict.DENIED
        touched = await self._staging.verdict(session)
        if touched.session is not None:
            await self._held.proved(session, touched.session)
        event("probe", profile=self._profile, verdict=touched.verdict.value)
        return touched.verdict

    async def look(self) -> Verdict:
        """A probe of our own accord; a DENIED is believed when a second one, a second later,
        agrees."""
        verdict = await self.probe()
        if verdict is Verdict.DENIED:
            await asyncio.sleep(SECOND_OPINION_S)
            verdict = await self.probe()
            if verdict is Verdict.DENIED:
                self.refuse("two probes of ours")
        return verdict

    async def prove(self, *, within_s: float) -> Verdict:
        """Is the session alive?  Asks the site unless it was proved less than ``within_s`` ago."""
        session = self._held.usable()
        if session is None:
            return Verdict.DENIED
        if 0 <= self._clock.wall_s() - session.proved_at < within_s:
            return Verdict.ALIVE
        return await self.look()

    def refuse(self, witnesses: str) -> None:
        """The session is not served any more."""
        if not self._held.refused:
            self._held.refuse()
            self._note("session.refused", f"the site said no to {witnesses}")
