"""The same parts, run once: what a command does when no daemon runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harvester.assembly import House, nobody_watches
from harvester.errors import HarvesterError, SiteDown
from harvester.overseer import Step
from harvester.session import Served
from harvester.settings import Settings
from harvester.verdict import Verdict

# A session proved within this time is printed without asking the site again.
PROVED_WITHIN_S = 60.0
# A person at a terminal, or a CI job, waits for a whole sign-in; the sign-in has its own limit.
PATIENCE_S = 600.0


class OneShot:
    """Commands against one profile, without a daemon.  An async context manager."""

    def __init__(
        self,
        settings: Settings,
        *,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        self._settings = settings
        self._on_step = on_step
        self._house: House | None = None

    async def __aenter__(self) -> OneShot:
        return self

    async def __aexit__(self, *reason: object) -> None:
        if self._house is not None:
            await self._house.__aexit__(*reason)

    async def token(self, name: str, *, min_valid_s: float = 0.0, sign_in: bool = True) -> Served:
        """A live session: from the store (asked about, if old news), else by the ladder."""
        keeper = (await self._open(name)).keeper(name)
        if keeper.current is not None:
            verdict = await keeper.prove(within_s=PROVED_WITHIN_S)
            if verdict is Verdict.UNREACHABLE and keeper.current is not None:
                last = keeper.current.session
                down = SiteDown(f"{last.origin} did not answer; this is the last good session")
                return Served(last, stale=True, error=down)
        return await keeper.get(min_valid_s=min_valid_s, wait_s=PATIENCE_S, may_sign_in=sign_in)

    async def login(self, name: str) -> Served:
        """A new sign-in now.  Raises what stopped it, also while an older session still lives."""
        return await self.refresh(name, hard=True)

    async def refresh(self, name: str, *, hard: bool = False) -> Served:
        keeper = (await self._open(name)).keeper(name)
        return _fresh(await keeper.refresh(hard=hard, wait_s=PATIENCE_S))

    async def logout(self, name: str) -> dict[str, Any]:
        return await (await self._open(name)).keeper(name).logout()

    async def unlock(self, name: str, *, force: bool = False) -> dict[str, Any]:
        return await (await self._open(name)).keeper(name).unlock(force=force)

    async def status(self) -> dict[str, Any]:
        """As the daemon would tell it, read from the store; ``pid`` is None: nothing runs."""
        async with House(self._settings, only_look=True) as house:
            return {**house.status(), "pid": None, "started_at": None}

    async def _open(self, name: str) -> House:
        if self._house is None:
            step = self._on_step
            self._house = await House(
                self._settings,
                names=(self._settings.profile(name).name,),
                on_step=nobody_watches if step is None else lambda _, told: step(told),
            ).__aenter__()
        return self._house


def _fresh(served: Served) -> Served:
    """What was asked for was a refresh: the last good session in its place is a failure."""
    if served.stale and isinstance(served.error, HarvesterError):
        raise served.error
    return served
