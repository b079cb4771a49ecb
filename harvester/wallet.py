"""The passkeys of one profile, as a person sees them: listed, and removed by name.

For commands that run once: the private keys are opened on the way, and the process ends.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from harvester.errors import HarvesterError, Usage
from harvester.locking import locked, to_the_end
from harvester.passkeys import Passkey
from harvester.records import Records
from harvester.sign_ins import LOCK_PATIENCE_S


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A passkey that was made and is kept; ``trouble`` is why there is no new session beside it."""

    passkey: Passkey
    trouble: HarvesterError | None = None


class Wallet:
    """What it gives out holds no private key."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def listed(self) -> tuple[Passkey, ...]:
        """All of them, oldest first.  Raises StoreError or KeyWrong."""
        held = await asyncio.to_thread(self._records.passkeys)
        shown = (replace(one, private_key="", user_handle="") for one in held)
        return tuple(sorted(shown, key=lambda one: one.created_at))

    async def remove(self, name: str) -> Passkey:
        """Forget one.  Raises Usage for a name that is none, Busy while somebody signs in."""
        # Asked first without the lock: where there is no store, there is none.
        _named(name, await asyncio.to_thread(self._records.passkeys))
        async with locked(self._records.lock(), LOCK_PATIENCE_S):
            held = await asyncio.to_thread(self._records.passkeys)
            gone = _named(name, held)
            kept = tuple(one for one in held if one is not gone)
            await to_the_end(self._records.keep_fewer_passkeys, kept)
        return replace(gone, private_key="", user_handle="")


def _named(name: str, held: tuple[Passkey, ...]) -> Passkey:
    for one in held:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in held)
    raise Usage(
        f"there is no passkey {name!r}",
        hint=f"there is: {names}" if names else "make one with: harvester passkey enroll",
    )
