"""Puts the parts together: settings in, a house full of keepers out.

The same parts run for ever (``daemon.py``) or once (``oneshot.py``); nothing here knows which.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harvester import __version__, memory
from harvester.asking import Asking
from harvester.bundle import Bundles
from harvester.climb import Climber
from harvester.clock import Clock, SystemClock, rfc3339
from harvester.errors import HarvesterError, KeyWrong, UnknownProfile
from harvester.hand_outs import HandOuts
from harvester.held import LOOK_AT_LEAST_EVERY_S, Held
from harvester.keeper import Keeper
from harvester.log import event
from harvester.outlets.files import Files
from harvester.overseer import Step
from harvester.porter import Porter
from harvester.profile import Profile
from harvester.records import Records, Store
from harvester.session import Served
from harvester.settings import Settings
from harvester.sign_ins import SignIns
from harvester.signer import Signer
from harvester.staging import Staging
from harvester.status import glance, whole_status
from harvester.steady import SteadyClock
from harvester.storeroom import open_store
from harvester.summons import Call, Summons
from harvester.timeline import Timeline
from harvester.vault.nothing import NoStore
from harvester.vault.ring import LiveRing

if TYPE_CHECKING:
    from harvester.probe import SiteClient


# A profile changes hands between two callers; where they leave no gap in so many rounds, among
# them: settings that mend what they all complain of must not wait for the last complaint.
_ROUNDS_MOST = 3


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
        on_person: Call | None = None,
    ) -> None:
        """``names`` are the profiles to open, all by default; with ``only_look`` a store that is
        not there is not made; ``plain_window`` and ``passkey_name``: see ``SignIns``;
        ``on_person`` is called when only a person can help a profile (see ``Summons``)."""
        self._settings = settings
        self._clock = SystemClock() if clock is None else clock
        self._on_step = on_step
        self._started_s = self._clock.awake_s()
        self._signer = Signer()
        self._rooms: dict[str, _Room] = {}
        self._store: Store = NoStore()
        self._ring: LiveRing | None = None
        self._steps: dict[str, Step] = {}
        self._timeline: Timeline | None = None
        self._names = tuple(settings.profiles if names is None else names)
        self._only_look = only_look
        self._plain_window = plain_window
        self._passkey_name = passkey_name
        self._on_person = on_person
        self.hand_outs: HandOuts
        """Whether, and to whom; from ``__aenter__`` on."""
        self.socket: str | None = None
        self.proxy: Mapping[str, str | None] | None = None
        self.on_change: Callable[[str], None] = lambda profile: None
        """Told when a profile should be looked at before its time."""

    async def __aenter__(self) -> House:
        process = self._settings.process
        self._store, self._ring = open_store(process, only_look=self._only_look)
        self.hand_outs = HandOuts(process, self._store, self._clock, only_look=self._only_look)
        timeline = self._timeline = Timeline(self._store, self._clock)
        if not self._only_look:
            timeline.listen()
        try:
            for name in self._names:
                room = self._room(self._settings.profile(name))
                await room.keeper.start()
                self._rooms[name] = room
        except BaseException:
            await asyncio.to_thread(timeline.close)
            await asyncio.to_thread(self.porter.audit.close)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(room.keeper.close() for room in self._rooms.values()))
        await self._signer.close()
        for room in self._rooms.values():
            await room.client.close()
        if self._timeline is not None:
            await asyncio.to_thread(self._timeline.close)
        await asyncio.to_thread(self.porter.audit.close)

    @property
    def porter(self) -> Porter:
        """Whom every outlet asks."""
        return self.hand_outs.porter

    async def pause(self, name: str | None) -> dict[str, Any]:
        """Hand out nothing of one profile, or of all.  Raises UnknownProfile, StoreError."""
        return await self.hand_outs.set_pause(name, self._files(name))

    async def resume(self, name: str | None) -> dict[str, Any]:
        """End that.  Raises UnknownProfile, StoreError, Usage."""
        return await self.hand_outs.lift_pause(name, self._files(name))

    def _files(self, name: str | None = None) -> list[Files]:
        if name is not None:
            self.keeper(name)
        return [room.files for one, room in self._rooms.items() if name in (None, one)]

    @property
    def store(self) -> Store:
        """What all of it is kept in, once opened."""
        return self._store

    def keeper(self, name: str) -> Keeper:
        """Raises UnknownProfile."""
        try:
            return self._rooms[name].keeper
        except KeyError:
            raise UnknownProfile(
                f"there is no profile {name!r}",
                hint="profiles: " + ", ".join(sorted(self._rooms)),
            ) from None

    def bundles(self, name: str) -> Bundles:
        """What makes and takes in a profile's bundles.  The profile is one that was opened."""
        return self._rooms[name].bundles

    def keepers(self) -> Sequence[Keeper]:
        return tuple(room.keeper for room in self._rooms.values())

    def look(self, name: str) -> Callable[[], Awaitable[float]]:
        """What the timer calls for a profile: whoever keeps it then does what is due."""

        async def check() -> float:
            room = self._rooms.get(name)
            return LOOK_AT_LEAST_EVERY_S if room is None else await room.keeper.check()

        return check

    async def reload(self, settings: Settings) -> Changes:
        """Take up other settings; what belongs to the process (store, key) stays as it is.

        A changed profile lets its sign-in under way finish, and its session is served without a
        gap where it is for the new settings too.  One that did not change notices nothing.
        """
        before, self._settings = self._settings.process, settings
        self.hand_outs.change(settings.process)
        ways = ("browser", "https_proxy", "ca_file")
        all_change = any(getattr(before, way) != getattr(settings.process, way) for way in ways)
        gone = tuple(name for name in self._rooms if name not in settings.profiles)
        added = tuple(name for name in settings.profiles if name not in self._rooms)
        changed = tuple(
            name
            for name, room in self._rooms.items()
            if name not in gone and (all_change or room.keeper.profile != settings.profile(name))
        )
        closed = [self._rooms.pop(name) for name in gone]
        await asyncio.gather(
            *(room.close() for room in closed),
            *(self._add(name) for name in added),
            *(self._exchange(name) for name in changed),
        )
        return Changes(added, gone, changed)

    async def _add(self, name: str) -> None:
        room = self._room(self._settings.profile(name))
        try:
            await room.keeper.start()
        except KeyWrong as error:
            self._reject(name, error)
        else:
            self._rooms[name] = room

    async def _exchange(self, name: str) -> None:
        """Another keeper for the same records, in one step for whoever asks."""
        old = self._rooms[name]
        new = self._room(self._settings.profile(name))
        try:
            for _ in range(_ROUNDS_MOST):
                await old.keeper.landed()
                await new.keeper.take_over(old.keeper)
                if not old.keeper.busy:
                    break
        except KeyWrong as error:
            self._reject(name, error)
            return
        self._rooms[name] = new
        self.on_change(name)
        try:
            await old.keeper.landed()  # who was inside is answered first
            await new.keeper.follow_store()  # and what was made for him is taken up
        finally:
            await old.close()

    def _reject(self, name: str, error: HarvesterError) -> None:
        event(
            "settings.rejected",
            level=logging.ERROR,
            profile=name,
            code=error.code,
            why=error.message,
            next=error.hint or None,
        )

    async def history(self, name: str, *, limit: int) -> list[dict[str, Any]]:
        """The last things that happened to a profile (see ``Timeline.entries``).

        Raises UnknownProfile, StoreError."""
        self.keeper(name)
        assert self._timeline is not None  # noqa: S101  there is a keeper, so it was opened
        return await asyncio.to_thread(self._timeline.entries, name, limit)

    async def tick(self) -> None:
        """Notice what other processes did, and try again what the disk refused."""
        await self.hand_outs.follow(self._files())
        if self._ring is not None:
            await asyncio.to_thread(self._ring.look)
        for room in tuple(self._rooms.values()):
            await room.keeper.follow_store()
            await asyncio.to_thread(room.files.retry)

    def _note_step(self, profile: str, step: Step) -> None:
        self._steps[profile] = step
        self._on_step(profile, step)

    def glance(self, name: str) -> dict[str, Any]:
        """How one profile stands, in a few words.  Raises UnknownProfile."""
        return self.hand_outs.in_glance(glance(self.keeper(name), self._clock.wall_s()))

    def status(self) -> dict[str, Any]:
        told = whole_status(
            self.keepers(),
            self._clock.wall_s(),
            harvester=__version__,
            pid=os.getpid(),
            started_at=rfc3339(self._clock.wall_s() - self._clock.awake_s() + self._started_s),
            socket=self.socket,
            proxy=self.proxy,
            memory=memory.kept(),
            key=None if self._ring is None else self._ring.shown(),
            steps=self._steps,
            file_troubles={
                path: why
                for room in self._rooms.values()
                for path, why in room.files.troubles.items()
            },
            **self.hand_outs.shown(),
        )
        told["profiles"] = [self.hand_outs.in_status(one) for one in told["profiles"]]
        return told

    def _way_to(self, profile: Profile, clock: Clock) -> SiteClient:
        from harvester.probe import SiteClient  # late: see asking.py

        process = self._settings.process
        return SiteClient(
            profile.site,
            clock=clock,
            https_proxy=process.https_proxy,
            ca_file=process.ca_file,
        )

    def _lines(self) -> tuple[str, ...]:
        assert self._ring is not None  # noqa: S101  who only looks signs in nowhere
        return self._ring.lines()

    def _room(self, profile: Profile) -> _Room:
        """Everything of one profile.  The store is open."""
        assert self._timeline is not None  # noqa: S101  see __aenter__
        process = self._settings.process
        clock = SteadyClock(self._clock)
        client = Asking(lambda: self._way_to(profile, clock))
        records = Records(self._store, profile.name, clock, alone=process.ci)
        staging = Staging(profile, client, clock)
        files = Files(
            profile,
            allowed=self.hand_outs.files_allowed(profile.name),
            filed=self.hand_outs.filed(profile.name),
        )
        self._timeline.follow(profile.name)

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
            clock=clock,
            ring=self._lines,
            browser=process.browser,
            on_step=lambda step: self._note_step(profile.name, step),
            plain_window=self._plain_window,
            passkey_name=self._passkey_name,
        )
        keeper = Keeper(
            profile,
            held=Held(profile, records=records, clock=clock, publish=publish),
            climber=Climber(
                profile, records=records, staging=staging, sign_ins=sign_ins, clock=clock
            ),
            staging=staging,
            records=records,
            clock=clock,
            on_change=lambda: self.on_change(profile.name),
            summons=Summons(profile.name, records=records, call=self._on_person),
        )
        keeper.handout.only_looks = self._only_look
        bundles = Bundles(profile, records=records, staging=staging, clock=clock)
        return _Room(keeper, files, client, bundles)


@dataclass(frozen=True, slots=True)
class Changes:
    """What other settings came to: names of profiles."""

    added: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Room:
    """One profile's parts that the house itself has to do with."""

    keeper: Keeper
    files: Files
    client: Asking
    bundles: Bundles

    async def close(self) -> None:
        await self.keeper.close()
        await self.client.close()
