"""Reloading: settings read anew while the daemon runs (SIGHUP).

Owns what a mistake in them does (nothing: the old ones go on, and the log says why) and which of
them need a restart.  One reload at a time; a signal during one is answered by another one after.
How a profile changes hands is the house's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from harvester.assembly import House
from harvester.bell import Bell
from harvester.errors import Bug, HarvesterError
from harvester.log import configure, event
from harvester.outlets.proxy import Proxy
from harvester.settings import Settings
from harvester.timer import Timer

# What a socket, a store or a key is bound to lives as long as the process.
_FOR_LIFE = (
    "store", "socket", "key", "passphrase", "key_source", "allow_uids", "proxy", "proxy_governor",
    "audit",
)  # fmt: skip
_VARIABLE = "HARVESTER_"

Reread = Callable[[], Settings]


class Reload:
    """Of one daemon.  ``reread`` reads all sources again; it raises HarvesterError."""

    def __init__(
        self, settings: Settings, reread: Reread, *, house: House, bell: Bell, timer: Timer,
        proxy: Proxy,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._reread = reread
        self._house = house
        self._bell = bell
        self._timer = timer
        self._proxy = proxy
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def ask(self) -> None:
        """The signal came."""
        self._asked.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._once()
            except HarvesterError as error:
                wrong = error
            except Exception as surprise:
                wrong = Bug.of(surprise)  # or nobody would hear the next signal
            else:
                continue
            event(
                "settings.rejected",
                level=logging.ERROR,
                code=wrong.code,
                why=wrong.message,
                next=wrong.hint or "mend it and send HUP again; the old settings go on",
            )

    async def _once(self) -> None:
        """Raises HarvesterError for a mistake in the settings; then nothing has changed."""
        read = await asyncio.to_thread(self._reread)
        old, new = self._settings.process, read.process
        kept = {name: getattr(old, name) for name in _FOR_LIFE}
        late = [name for name in _FOR_LIFE if getattr(new, name) != kept[name]]
        settings = self._settings = replace(read, process=replace(new, **kept))
        if late:
            event(
                "settings.need_restart",
                level=logging.WARNING,
                settings=[_VARIABLE + name.upper() for name in late],
                why="these hold as long as the process lives",
                next="restart the daemon to change them",
            )
        configure(new.log_level, new.log_format)
        self._bell.change(new.on_person_needed, notify=new.notify)
        self._proxy.change(https_proxy=new.https_proxy, ca_file=new.ca_file)
        before = {keeper.profile.name for keeper in self._house.keepers()}
        changes = await self._house.reload(settings)
        for name in changes.gone:
            self._timer.forget(name)
        for keeper in self._house.keepers():
            if keeper.profile.name not in before:
                self._timer.watch(keeper.profile.name, self._house.look(keeper.profile.name))
        event(
            "settings.reloaded",
            added=changes.added or None,
            gone=changes.gone or None,
            changed=changes.changed or None,
        )
