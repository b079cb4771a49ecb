"""Watches one sign-in on behalf of the ledger: nothing is sent that was not written down first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from harvester.budgets import refuses_submit
from harvester.clock import Clock
from harvester.errors import HarvesterError, KeyWrong, StoreError
from harvester.ledger import Ledger
from harvester.locking import to_the_end
from harvester.log import event
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Cookie
from harvester.staging import Staging
from harvester.verdict import Verdict

Step = Mapping[str, Any]


class LedgerOverseer:
    """Answers the signer's questions (see ``signer.Overseer``).  ``ledger`` is the stored one."""

    def __init__(
        self,
        profile: Profile,
        records: Records,
        staging: Staging,
        clock: Clock,
        on_step: Callable[[Step], None],
        ledger: Ledger,
        others: tuple[Ledger, ...],
    ) -> None:
        self._profile = profile
        self._records = records
        self._staging = staging
        self._clock = clock
        self._on_step = on_step
        self._others = others
        self.ledger = ledger
        self.host: str | None = None
        """Where the sign-in was last."""

    def step(self, event: Step) -> None:
        host = event.get("host")
        self.host = str(host) if host else self.host
        self._on_step(event)

    async def submit(self, fingerprint: str) -> HarvesterError | None:
        now = self._clock.wall_s()
        if self.ledger.unread and self.ledger.latch is not None:
            return self.ledger.latch.as_error()  # nobody knows what was sent before
        refusal = refuses_submit(self.ledger, now, self._profile, others=self._others)
        if refusal is not None:
            return refusal
        return await self._write_down(self.ledger.with_submit(now, fingerprint))

    async def code(self, step: int) -> HarvesterError | None:
        return await self._write_down(self.ledger.with_totp_step(step))

    async def passkeys(self, sealed: str) -> HarvesterError | None:
        try:
            await to_the_end(self._records.keep_passkeys, sealed)
        except (StoreError, KeyWrong) as error:
            event(
                "store.not_durable",
                level=logging.ERROR,
                profile=self._profile.name,
                why=error.message,
                code=error.code,
            )
            return error
        return None

    async def candidate(self, cookies: tuple[Cookie, ...], user_agent: str) -> Verdict:
        return await self._staging.candidate(cookies)

    async def _write_down(self, ledger: Ledger) -> HarvesterError | None:
        try:
            await to_the_end(self._records.keep_ledger, ledger)
        except StoreError as error:
            # What cannot be written down is not done; and if it is there all the same (the disk
            # failed late), it must not count for ever.
            with suppress(StoreError):
                await to_the_end(self._records.note_ledger, self.ledger)
            return error
        self.ledger = ledger
        return None
