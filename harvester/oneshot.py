"""The same parts, run once: what a command does when no daemon runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harvester.assembly import House, nobody_watches
from harvester.clock import SystemClock
from harvester.errors import (
    HarvesterError,
    KeyWrong,
    NeedsHuman,
    NotConfigured,
    SiteDown,
    Usage,
)
from harvester.keeper import Keeper
from harvester.outlets.files import Files
from harvester.overseer import Step
from harvester.passkeys import Passkey
from harvester.pause import Pause
from harvester.profile import KeyChoice
from harvester.records import Records
from harvester.session import Cookie, Served
from harvester.settings import Settings
from harvester.sign_ins import HEADED_LIMIT_S
from harvester.storeroom import open_store
from harvester.vault.directory import prepare
from harvester.vault.keys import KEY_NAME
from harvester.verdict import Verdict
from harvester.visitor import Caller, ourselves
from harvester.wallet import Enrolled, Wallet

# What the audit calls a bundle: session, identity state and ledger, as sealed records.
_SEALED = "export-sealed"
# A session proved within this time is printed without asking the site again.
PROVED_WITHIN_S = 60.0
# A person at a terminal, or a CI job, waits for a whole sign-in; the sign-in has its own limit.
PATIENCE_S = 600.0
# And for the person himself, and whoever held the profile's lock before him.
IN_PERSON_S = HEADED_LIMIT_S + PATIENCE_S


class OneShot:
    """Commands against one profile, without a daemon.  An async context manager."""

    def __init__(
        self,
        settings: Settings,
        *,
        on_step: Callable[[Step], None] | None = None,
        operation: str = "token",
    ) -> None:
        """``operation`` is what the audit calls it where ``token`` gives a session."""
        self.operation = operation
        self._settings = settings
        self._on_step = on_step
        self._house: House | None = None

    async def __aenter__(self) -> OneShot:
        return self

    async def __aexit__(self, *reason: object) -> None:
        if self._house is not None:
            await self._house.__aexit__(*reason)

    async def token(self, name: str, *, min_valid_s: float = 0.0, sign_in: bool = True) -> Served:
        """A live session: from the store (asked about, if old news), else by the ladder.  Raises
        Paused."""
        house = await self._open(name)
        return await house.porter.hand_out(
            self.operation, name, Caller(ourselves()),
            lambda: self._token(house.keeper(name), min_valid_s, sign_in=sign_in),
        )  # fmt: skip

    async def _token(self, keeper: Keeper, min_valid_s: float, *, sign_in: bool) -> Served:
        if keeper.current is not None:
            verdict = await keeper.prove(within_s=PROVED_WITHIN_S)
            if verdict is Verdict.UNREACHABLE and keeper.current is not None:
                last = keeper.current.session
                down = SiteDown(f"{last.origin} did not answer; this is the last good session")
                return Served(last, stale=True, error=down)
        return await keeper.get(min_valid_s=min_valid_s, wait_s=PATIENCE_S, may_sign_in=sign_in)

    async def report(self, name: str, generation: int, *, sign_in: bool = True) -> Served:
        """This generation got a 401: answered as the daemon answers it.  Where ``sign_in`` is
        false nothing is refreshed, and a session that is dead is SignInForbidden."""
        house = await self._open(name)
        return await house.porter.hand_out(
            "report", name, Caller(ourselves()),
            lambda: self._report(house.keeper(name), generation, sign_in=sign_in),
        )  # fmt: skip

    async def _report(self, keeper: Keeper, generation: int, *, sign_in: bool) -> Served:
        current = keeper.current
        if sign_in or (current is not None and current.session.generation != generation):
            return await keeper.report(generation=generation, wait_s=PATIENCE_S)
        verdict = Verdict.DENIED if current is None else await keeper.prove(within_s=0.0)
        if verdict is Verdict.DENIED or keeper.current is None:
            return await keeper.get(may_sign_in=False)  # and says why there is none
        if verdict is Verdict.ALIVE:
            return replace(keeper.current, verdict="alive")
        return replace(keeper.current, stale=True, verdict="unreachable")

    async def login(self, name: str) -> Served:
        """A new sign-in now.  Raises what stopped it, also while an older session still lives."""
        return await self.refresh(name, hard=True)

    async def login_in_person(self, name: str, *, plain: bool) -> Served:
        """A person signs in, in a window of this machine; ``plain``: in an ordinary browser."""
        keeper = self._working(await self._open(name, plain_window=plain), name)
        return _fresh(await keeper.refresh(headed=True, wait_s=IN_PERSON_S))

    async def refresh(self, name: str, *, hard: bool = False) -> Served:
        keeper = self._working(await self._open(name), name)
        return _fresh(await keeper.refresh(hard=hard, wait_s=PATIENCE_S))

    async def bring(self, name: str, cookies: tuple[Cookie, ...], *, user_agent: str) -> Served:
        """Prove and store a session that a person has in a browser."""
        keeper = self._working(await self._open(name), name)
        return await keeper.take_in(cookies, user_agent=user_agent, wait_s=PATIENCE_S)

    async def logout(self, name: str) -> dict[str, Any]:
        return await (await self._open(name)).keeper(name).logout()

    async def unlock(self, name: str, *, force: bool = False) -> dict[str, Any]:
        return await (await self._open(name)).keeper(name).unlock(force=force)

    def _working(self, house: House, name: str) -> Keeper:
        """Whoever keeps a profile that is not paused: as a daemon, whose answer to these is the
        session.  Raises Paused."""
        house.porter.check(name)
        return house.keeper(name)

    async def pause(self, name: str | None) -> dict[str, Any]:
        """Hand out nothing of a profile, or of all; for a daemon that starts later, too."""
        prepare(self._settings.process.store)
        pause = self._pause()
        try:
            changed = pause.set(name)
        finally:
            # What a daemon left there when it ended.
            for one in self._settings.profiles.values():
                if name in (None, one.name):
                    Files(one, allowed=lambda: False).settle()
        return {"done": True, "changed": changed, **pause.shown()}

    async def resume(self, name: str | None) -> dict[str, Any]:
        """End that.  Raises Usage for one profile where all are paused."""
        pause = self._pause()
        return {"done": True, "changed": pause.lift(name), **pause.shown()}

    def _pause(self) -> Pause:
        return Pause(self._settings.process.store, SystemClock())

    async def pack(self, name: str) -> bytes:
        """A profile's state as a sealed bundle.  Raises NotConfigured where there is none."""
        profile = self._settings.profile(name).name
        if not _there(self._settings.process.store):
            raise NotConfigured(
                f"nothing is stored for the profile {profile} yet", hint="run: harvester login"
            )
        house = await self._open(name)
        await house.porter.admit(profile, _SEALED, Caller(ourselves()))
        packed = await house.bundles(profile).pack()
        current = house.keeper(profile).current
        session = None if current is None else current.session
        house.porter.audit.tell(_SEALED, profile, ourselves(), session=session)
        return packed

    async def unpack(self, name: str, record: bytes) -> dict[str, Any]:
        """Take in a sealed bundle (see ``Bundles.unpack``)."""
        process = self._settings.process
        if process.sealing == KeyChoice() and not _there(process.store / KEY_NAME):
            # Looked at before the store is opened: a key made now would open nothing.
            raise KeyWrong(
                "this store has no key, and a bundle opens with the key that sealed it",
                hint="give that key: HARVESTER_KEY, HARVESTER_KEY_FILE or HARVESTER_KEY_COMMAND",
            )
        profile = self._settings.profile(name).name
        return await (await self._open(name)).bundles(profile).unpack(record)

    async def status(self) -> dict[str, Any]:
        """As the daemon would tell it, read from the store; ``pid`` is None: nothing runs."""
        async with House(self._settings, only_look=True) as house:
            return {**house.status(), "pid": None, "started_at": None, "memory": None}

    async def passkeys(self, name: str) -> tuple[Passkey, ...]:
        return await self._wallet(name).listed()

    async def remove_passkey(self, name: str, passkey_name: str) -> Passkey:
        """Raises Usage for a name that is none."""
        return await self._wallet(name).remove(passkey_name)

    async def enroll(self, name: str, passkey_name: str) -> Enrolled:
        """A person makes a passkey for this machine, in a window.  Raises Usage for a name that is
        taken, NeedsHuman where none was made, and what stops a sign-in in person."""
        before = await self.passkeys(name)
        if any(one.name == passkey_name for one in before):
            raise Usage(
                f"there is a passkey {passkey_name!r} already",
                hint=f"choose another --name, or run: harvester passkey remove {passkey_name}",
            )
        trouble: HarvesterError | None = None
        keeper = (await self._open(name, passkey_name=passkey_name)).keeper(name)
        try:
            _fresh(await keeper.refresh(headed=True, wait_s=IN_PERSON_S))
        except HarvesterError as error:
            trouble = error
        made = [one for one in await self.passkeys(name) if one.name == passkey_name]
        if made:
            return Enrolled(made[0], trouble)
        raise trouble or NeedsHuman(
            "the window was closed, and no passkey was made in it",
            hint="run it again, and add a passkey on the security page of your account",
        )

    def _wallet(self, name: str) -> Wallet:
        store, _ = open_store(self._settings.process, only_look=True)
        return Wallet(Records(store, self._settings.profile(name).name, SystemClock()))

    async def _open(
        self, name: str, *, plain_window: bool = False, passkey_name: str | None = None
    ) -> House:
        if self._house is None:
            step = self._on_step
            self._house = await House(
                self._settings,
                names=(self._settings.profile(name).name,),
                plain_window=plain_window,
                passkey_name=passkey_name,
                on_step=nobody_watches if step is None else lambda _, told: step(told),
            ).__aenter__()
        return self._house


def _there(path: Path) -> bool:
    return os.path.lexists(path)


def _fresh(served: Served) -> Served:
    """What was asked for was a refresh: the last good session in its place is a failure."""
    if served.stale and isinstance(served.error, HarvesterError):
        raise served.error
    return served
