"""Whether another process stored a session, or removed it, since we last looked.

Owns the one thing that is remembered of the file: what changes when it is replaced.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from harvester.errors import StoreError
from harvester.records import Records


class Stamp:
    """Of one profile's stored session."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._seen: object | None = None

    async def note(self) -> None:
        """What stands there now is known."""
        # A disk that does not even tell this leaves the old one: then the session is read again.
        with suppress(StoreError):
            self._seen = await asyncio.to_thread(self._records.session_stamp)

    def forget(self) -> None:
        """There is nothing that we know of."""
        self._seen = None

    async def changed(self) -> bool:
        """Another one stands there, or none."""
        try:
            return await asyncio.to_thread(self._records.session_stamp) != self._seen
        except StoreError:
            return False  # looked at again; what is held is served meanwhile

    async def gone(self) -> bool:
        """Removed by another process (a logout there), though we had stored it."""
        if self._seen is None:
            return False
        try:
            return await asyncio.to_thread(self._records.session_stamp) is None
        except StoreError:
            return False
