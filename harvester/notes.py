"""What is written down on the side: a disk that refuses it stops nothing, and is told.

Never for what must be written before it is done (a secret that is sent): that is ``overseer.py``'s
and ``sign_ins.py``'s, and there a disk that refuses stops it.
"""

from __future__ import annotations

import asyncio
import logging
import random

from harvester.clock import Clock
from harvester.errors import RateLimited, StoreError
from harvester.ledger import Ledger
from harvester.locking import to_the_end
from harvester.log import event
from harvester.records import Records


async def note_down(records: Records, ledger: Ledger) -> None:
    """Store what happened; a disk that refuses it stops nothing, and is told later."""
    try:
        await to_the_end(records.note_ledger, ledger)
    except StoreError as error:
        not_durable(records.profile, error)


async def heed(records: Records, error: RateLimited, clock: Clock) -> None:
    """The site asked to be left alone: the other commands and a restart hold to it too."""
    ledger = await asyncio.to_thread(records.ledger)
    fraction = random.random()  # noqa: S311  jitter, no secret
    told = ledger.with_backoff(clock.wall_s(), error, fraction=fraction, kind="site")
    await note_down(records, told)


def not_durable(profile: str, error: StoreError) -> None:
    """The disk takes nothing: it lives on in memory, and is tried again."""
    event(
        "store.not_durable",
        level=logging.ERROR,
        profile=profile,
        why=error.message,
        code=error.code,
        next="it is kept in memory and stored when the disk takes it",
    )
