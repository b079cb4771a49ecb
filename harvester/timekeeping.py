"""What sleep, and a clock that somebody sets, mean for one profile.

Ages are right whatever happens (see ``steady.py``).  Two things are left to do: labels must follow
the wall clock, and what the windows say of a session is not believed before the site was asked.
"""

from __future__ import annotations

import asyncio

from harvester.afterlife import Afterlife
from harvester.condition import Condition
from harvester.errors import HarvesterError, SiteDown
from harvester.flight import Flight, not_yet
from harvester.held import Held
from harvester.records import Records
from harvester.session import Served
from harvester.steady import SteadyClock
from harvester.verdict import Verdict
from harvester.witness import Witness


class Timekeeping:
    """Minds the clocks of one profile, whenever somebody asks for something."""

    def __init__(
        self,
        clock: SteadyClock,
        held: Held,
        flight: Flight,
        witness: Witness,
        condition: Condition,
        records: Records,
        afterlife: Afterlife,
    ) -> None:
        self._clock = clock
        self._held = held
        self._flight = flight
        self._witness = witness
        self._condition = condition
        self._records = records
        self._afterlife = afterlife

    def mind(self) -> None:
        """Notice what happened to the clocks.  Labels follow when nobody is at work with values
        that bear the old ones: until then all of them are wrong alike."""
        self._held.notice()
        if self._flight.up or self._witness.asking:
            return
        by_s = self._clock.follow()
        if by_s:
            self._held.shift(by_s)
            self._flight.shift(by_s)
            self._witness.shift(by_s)
            self._afterlife.shift(by_s)
            self._condition.shift(by_s)
            self._records.shift(by_s)

    async def after_asking(self, min_valid_s: float, wait_s: float) -> Served | None:
        """What to serve where the end has passed, by clocks that are in doubt: only the site
        knows.  None where it refuses the session, or a refresh is due all the same."""
        error: HarvesterError | None = None
        try:
            async with asyncio.timeout(wait_s):
                if await self._witness.look() is Verdict.UNREACHABLE:
                    error = SiteDown("the site did not answer; this is the last good session")
        except TimeoutError:
            error = not_yet(wait_s)
        session = self._held.usable()
        if session is None or (error is None and not self._held.good_enough(session, min_valid_s)):
            return None
        return self._held.served(session, min_valid_s, error)
