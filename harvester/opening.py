"""Takes up what the store has of one profile, at the start and whenever it may have been mended.

What is wrong with this profile alone ends nobody else: it is told to those who ask.
"""

from __future__ import annotations

import asyncio
import logging

from harvester.condition import Condition
from harvester.errors import HarvesterError, KeyWrong, StoreCorrupt, StoreError, WrongSetting
from harvester.held import Held
from harvester.staging import Staging
from harvester.summons import Summons


class Opening:
    """One profile's."""

    def __init__(
        self, held: Held, condition: Condition, staging: Staging, summons: Summons
    ) -> None:
        self._held = held
        self._condition = condition
        self._staging = staging
        self._summons = summons
        self._one = asyncio.Lock()

    async def open(self) -> None:
        """Raises KeyWrong: nothing in the store can be read, and what was broken stays so."""
        async with self._one:
            await self._open()

    async def _open(self) -> None:
        condition = self._condition
        # It stays broken until it is known to be mended: whoever asks meanwhile is told.
        before, broken = condition.broken, await self._read()
        await condition.read_ledger()
        if condition.broken is before:
            condition.broken = broken
            # Looked at again for each call, and told once.
            if broken is not None and (before is None or before.message != broken.message):
                condition.unusable(broken)
        if before is not None and condition.broken is None:
            self._summons.mended(condition.ledger)
        session = self._held.session
        if session is not None and session.generation <= condition.ledger.refused:
            self._held.refuse()
        self._staging.recall(condition.ledger)

    async def _read(self) -> HarvesterError | None:
        try:
            await self._held.read()
        except KeyWrong:
            raise
        except StoreCorrupt as error:
            self._condition.note("store.set_aside", error.message, level=logging.WARNING)
        except (StoreError, WrongSetting) as error:
            return error
        return None

    async def raise_if_broken(self, *, but: tuple[type[HarvesterError], ...] = ()) -> None:
        """A record that could not be used may have been mended since: look again, then tell."""
        if self._condition.broken is not None:
            await self.open()
        if self._condition.broken is not None and not isinstance(self._condition.broken, but):
            raise self._condition.broken
