"""What a keeper knows beside its session: the ledger as last read, what is broken, what happened.

Shared by the keeper, which answers, and its upkeep, which looks unasked; both change it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from harvester.clock import Clock
from harvester.errors import HarvesterError, KeyWrong
from harvester.ledger import Ledger
from harvester.log import event
from harvester.records import Records


class Condition:
    """One profile's.  ``broken`` is why its record cannot be used; ``signed_out``: a person did."""

    def __init__(self, profile: str, *, records: Records, clock: Clock) -> None:
        self._profile = profile
        self._records = records
        self._clock = clock
        self.ledger = Ledger()
        self.broken: HarvesterError | None = None
        self.signed_out = False
        self.last_event: dict[str, Any] | None = None

    async def read_ledger(self) -> None:
        try:
            self.ledger = await asyncio.to_thread(self._records.ledger)
        except KeyWrong as error:
            self.broken = error

    def mended(self) -> None:
        """There is a session again, or somebody saw to it that there is none."""
        self.broken, self.signed_out = None, False

    def note(self, name: str, why: str, **fields: Any) -> None:
        """Something happened that a person may ask about."""
        self.last_event = {"at": self._clock.wall_s(), "event": name, "why": why}
        event(name, profile=self._profile, why=why, **fields)
