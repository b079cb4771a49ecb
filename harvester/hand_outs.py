"""What one house hands out, and when it stops: the porter's parts over its store.

Owns where the pause and the audit are kept, whether there is an audit at all, and how a pause shows
in what status tells.  Who asks, and what he is given, is for the outlets.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

from harvester.audit import Audit, NoAudit
from harvester.clock import Clock, rfc3339
from harvester.confirm import Confirm
from harvester.errors import StoreFull
from harvester.outlets.files import Files
from harvester.pause import Pause
from harvester.porter import Porter
from harvester.settings import Process
from harvester.vault.durable import Disk
from harvester.vault.trail import Trail
from harvester.visitor import ourselves


class Store(Protocol):
    """As far as it is needed here."""

    def audit_key(self) -> bytes: ...


class HandOuts:
    """Of one house.  ``only_look``: nothing is handed out, and nothing written."""

    def __init__(self, process: Process, store: Store, clock: Clock, *, only_look: bool) -> None:
        self.pause = Pause(process.store, clock)
        self._confirm = Confirm(process.confirm, environ=os.environ)
        audit = NoAudit()
        if process.audit and not only_look:
            trail = Trail(Disk(private_dirs=True), process.store)
            with suppress(StoreFull):
                trail.check()  # what may not be written to stops a start; what is full does not
            audit = Audit(trail, store.audit_key(), path=str(trail.path), now=clock.wall_s)
        self.porter = Porter(pause=self.pause, confirm=self._confirm, audit=audit)

    def change(self, process: Process) -> None:
        """Settings that hold from now on."""
        self._confirm.words = process.confirm

    def files_allowed(self, profile: str) -> Callable[[], bool]:
        """Whether this profile's session may lie in kept files now."""
        return lambda: self.pause.since(profile) is None

    def filed(self, profile: str) -> Callable[[Any], None]:
        """What is told of each kept file that was written."""
        audit = self.porter.audit
        return lambda session: audit.tell("file", profile, ourselves(), session=session)

    async def set_pause(self, name: str | None, files: Iterable[Files]) -> dict[str, Any]:
        """Pause one profile or all; what is kept in files goes.  Raises StoreError where the pause
        holds, and could not be written down."""
        try:
            changed = await asyncio.to_thread(self.pause.set, name)
        finally:
            await _settle(files)
        return {"changed": changed, **self.pause.shown()}

    async def lift_pause(self, name: str | None, files: Iterable[Files]) -> dict[str, Any]:
        """Raises StoreError and Usage, and then nothing has changed."""
        changed = await asyncio.to_thread(self.pause.lift, name)
        await _settle(files)
        return {"changed": changed, **self.pause.shown()}

    async def follow(self, files: Iterable[Files]) -> None:
        """Take up a pause that another process made."""
        if await asyncio.to_thread(self.pause.follow):
            await _settle(files)

    def shown(self) -> dict[str, Any]:
        """For status: of the whole process."""
        return {
            "paused": self.pause.shown(),
            "confirms": self.porter.asks,
            "audit": self.porter.audit.shown(),
        }

    def in_status(self, entry: dict[str, Any]) -> dict[str, Any]:
        """A profile's entry of status: what is paused is not ready, whatever it has."""
        since = self.pause.since(entry["profile"])
        refusal = self.pause.refusal(entry["profile"])
        marked = {**entry, "paused_since": rfc3339(since)}
        return marked if refusal is None else {
            **marked, "ready": False, "why_not": refusal.message
        }  # fmt: skip

    def in_glance(self, told: dict[str, Any]) -> dict[str, Any]:
        refusal = self.pause.refusal(told["profile"])
        return told if refusal is None else {**told, "ready": False, "code": refusal.code}


async def _settle(files: Iterable[Files]) -> None:
    for one in tuple(files):
        await asyncio.to_thread(one.settle)
