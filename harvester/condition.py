"""What a keeper knows beside its session: the ledger as last read, what is broken, what happened.

Shared by the keeper, which answers, and its upkeep, which looks unasked; both change it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from harvester import reasons
from harvester.clock import Clock
from harvester.errors import HarvesterError, KeyWrong, StoreError
from harvester.ledger import Ledger
from harvester.lives import Life
from harvester.log import event
from harvester.profile import Profile
from harvester.records import Records


class Condition:
    """One profile's.  ``broken`` is why its record cannot be used; ``signed_out``: a person did."""

    def __init__(
        self,
        profile: str,
        *,
        records: Records,
        clock: Clock,
        learn: Callable[[tuple[Life, ...]], None],
    ) -> None:
        """``learn`` is told of the lives that the ledger holds, whenever it was read."""
        self._profile = profile
        self._learn = learn
        self._records = records
        self._clock = clock
        self.ledger = Ledger()
        self.broken: HarvesterError | None = None
        self.signed_out = False
        self.broken_since: float | None = None
        self.next_look_at: float | None = None
        """When upkeep looks again; None where nobody does."""
        self.last_event: dict[str, Any] | None = None

    async def read_ledger(self) -> None:
        try:
            self.ledger = await asyncio.to_thread(self._records.ledger)
            self._learn(self.ledger.lives)
        except KeyWrong as error:
            self.broken = error

    @property
    def owes(self) -> bool:
        """The store has yet to be told what the ledger says."""
        return self._records.owes

    async def pay(self) -> None:
        """Tell it now, if it takes it."""
        if self.owes:
            with suppress(StoreError, KeyWrong):  # told when it was first refused
                await asyncio.to_thread(self._records.pay)

    def shift(self, by_s: float) -> None:
        """Our clock was set forward by ``by_s``: what is known keeps its age."""
        self.ledger = self.ledger.shifted(by_s)
        if self.last_event is not None:
            self.last_event = {**self.last_event, "at": self.last_event["at"] + by_s}
        if self.broken_since is not None:
            self.broken_since += by_s
        if self.next_look_at is not None:
            self.next_look_at += by_s

    def mended(self) -> None:
        """There is a session again, or somebody saw to it that there is none."""
        self.broken, self.broken_since, self.signed_out = None, None, False

    def note(self, name: str, why: str, *, level: int = logging.INFO, **fields: Any) -> None:
        """Something happened that a person may ask about."""
        self.last_event = {"at": self._clock.wall_s(), "event": name, "why": why}
        event(name, level=level, profile=self._profile, why=why, **fields)

    def unusable(self, error: HarvesterError) -> None:
        """Its record cannot be used, and nothing is tried before it is mended."""
        self.broken_since = self._clock.wall_s()
        self.note("session.unusable", error.message, level=logging.ERROR, code=error.code)

    def failed(self, name: str, error: HarvesterError, profile: Profile) -> None:
        """Something did not work; what comes next is in the ledger, or in the error."""
        after = reasons.after(error, self.ledger, profile, self._clock.wall_s())
        why = f"{error.code}: {error.message}"
        self.note(name, why, code=error.code, **after)
