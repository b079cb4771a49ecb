"""Puts the parts together: settings in, a house full of keepers out.

The same parts run for ever (``daemon.py``) or once (``oneshot.py``); nothing here knows which.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from harvester import __version__
from harvester.asking import Asking
from harvester.climb import Climber
from harvester.clock import Clock, SystemClock, rfc3339
from harvester.errors import UnknownProfile
from harvester.held import Held
from harvester.keeper import Keeper
from harvester.log import event
from harvester.outlets.files import Files
from harvester.overseer import Step
from harvester.profile import Profile, SecretSource
from harvester.records import Records, Store
from harvester.session import Served
from harvester.settings import Process, Settings
from harvester.sign_ins import SignIns
from harvester.signer import Signer
from harvester.staging import Staging
from harvester.status import whole_status
from harvester.vault import keys
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.nothing import NoStore
from harvester.vault.seal import Seal

if TYPE_CHECKING:
    from harvester.probe import SiteClient


def nobody_watches(profile: str, step: Step) -> None:
    """Takes no notice of a sign-in's steps."""


class House:
    """All keepers of one process, over one store.  Use as an async context manager."""

    def __init__(
        self,
        settings: Settings,
        *,
        names: Iterable[str] | None = None,
        on_step: Callable[[str, Step], None] = nobody_watches,
        clock: Clock | None = None,
        only_look: bool = False,
        plain_window: bool = False,
        passkey_name: str | None = None,
    ) -> None:
        """``names`` are the profiles to open, all by default; with ``only_look`` a store that is
        not there is not made; ``plain_window`` and ``passkey_name``: see ``SignIns``."""
        self._settings = settings
        self._clock = SystemClock() if clock is None else clock
        self._on_step = on_step
        self._started_at = self._clock.wall_s()
        self._signer = Signer()
        self._clients: list[Asking] = []
        self._keepers: dict[str, Keeper] = {}
        self._files: list[Files] = []
        self._steps: dict[str, Step] = {}
        self._names = tuple(settings.profiles if names is None else names)
        self._only_look = only_look
        self._plain_window = plain_window
        self._passkey_name = passkey_name
        self.socket: str | None = None
        self.on_change: Callable[[str], None] = lambda profile: None
        """Told when a profile should be looked at before its time."""

    async def __aenter__(self) -> House:
        store, key = open_store(self._settings.process, only_look=self._only_look)
        for name in self._names:
            keeper = self._build(self._settings.profile(name), store, key)
            await keeper.start()
            self._keepers[name] = keeper
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(keeper.close() for keeper in self._keepers.values()))
        await self._signer.close()
        for client in self._clients:
            await client.close()

    def keeper(self, name: str) -> Keeper:
        """Raises UnknownProfile."""
        try:
            return self._keepers[name]
        except KeyError:
            raise UnknownProfile(
                f"there is no profile {name!r}",
                hint="profiles: " + ", ".join(sorted(self._keepers)),
            ) from None

    def keepers(self) -> Sequence[Keeper]:
        return tuple(self._keepers.values())

    async def tick(self) -> None:
        """Notice what other processes did, and try again what the disk refused."""
        for keeper in self._keepers.values():
            await keeper.follow_store()
        for files in self._files:
            await asyncio.to_thread(files.retry)

    def _note_step(self, profile: str, step: Step) -> None:
        self._steps[profile] = step
        self._on_step(profile, step)

    def status(self) -> dict[str, Any]:
        return whole_status(
            self._keepers.values(),
            self._clock.wall_s(),
            harvester=__version__,
            pid=os.getpid(),
            started_at=rfc3339(self._started_at),
            socket=self.socket,
            steps=self._steps,
            file_troubles={
                path: why for files in self._files for path, why in files.troubles.items()
            },
        )

    def _way_to(self, profile: Profile) -> SiteClient:
        from harvester.probe import SiteClient  # late: see asking.py

        process = self._settings.process
        return SiteClient(
            profile.site,
            clock=self._clock,
            https_proxy=process.https_proxy,
            ca_file=process.ca_file,
        )

    def _build(self, profile: Profile, store: Store, key: SecretSource) -> Keeper:
        process = self._settings.process
        client = Asking(lambda: self._way_to(profile))
        self._clients.append(client)
        records = Records(store, profile.name, self._clock)
        staging = Staging(profile, client, self._clock)
        files = Files(profile)
        self._files.append(files)

        async def publish(served: Served | None) -> None:
            if served is None:
                await asyncio.to_thread(files.withdraw)
            else:
                await asyncio.to_thread(files.publish, served)

        sign_ins = SignIns(
            profile,
            records=records,
            staging=staging,
            signer=self._signer,
            clock=self._clock,
            key=key,
            browser=process.browser,
            on_step=lambda step: self._note_step(profile.name, step),
            plain_window=self._plain_window,
            passkey_name=self._passkey_name,
        )
        return Keeper(
            profile,
            held=Held(profile, records=records, clock=self._clock, publish=publish),
            climber=Climber(
                profile, records=records, staging=staging, sign_ins=sign_ins, clock=self._clock
            ),
            staging=staging,
            records=records,
            clock=self._clock,
            on_change=lambda: self.on_change(profile.name),
        )


def open_store(process: Process, *, only_look: bool) -> tuple[Store, SecretSource]:
    """The store, and where its key comes from (for the signer).  Raises StoreError, KeyWrong."""
    key = process.key or SecretSource(
        "file", "HARVESTER_KEY", path=str(process.store.absolute() / "key")
    )
    if only_look and not os.path.lexists(process.store):
        return NoStore(), key
    prepare(process.store)
    store = DirectoryStore(process.store)
    ring, warnings = keys.load(process.key, process.store, may_create=not store.has_records())
    for warning in warnings:
        event("key.warning", level=logging.WARNING, why=warning)
    return DirectoryStore(process.store, Seal(ring)), key
