"""The porter: whether a session may be handed out now, asked by every outlet each time.

    paused? → a person's yes, where one is wanted → the session → paused meanwhile? → told in the
    audit, whatever came of it

Owns that order.  Knows nothing of sockets and of how a session is got: whoever hands out says what
he is about to do, does it inside, and is told no by an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from harvester.audit import GIVEN, NoAudit
from harvester.errors import HarvesterError
from harvester.pause import NoPause
from harvester.session import Served
from harvester.visitor import Caller

# What went over the socket was that nothing is new.
UNCHANGED = "unchanged"
# Whoever asked did not wait for a person's answer.
_LEFT = "left"


class Confirms(Protocol):
    """``confirm.Confirm``."""

    words: tuple[str, ...]

    async def ask(
        self, profile: str, operation: str, caller: Caller, *, check: Callable[[], None]
    ) -> None: ...


class Porter:
    """Of one process.  Without parts of it everybody is let through and nothing is kept."""

    def __init__(
        self, *, pause: NoPause | None = None, confirm: Confirms | None = None,
        audit: NoAudit | None = None,
    ) -> None:  # fmt: skip
        self.pause = NoPause() if pause is None else pause
        self.confirm = confirm
        self.audit = NoAudit() if audit is None else audit

    @property
    def asks(self) -> bool:
        """A person is asked about each hand-out."""
        return self.confirm is not None and bool(self.confirm.words)

    def lets_at_once(self, profile: str) -> bool:
        """What was handed out before may be handed out again without asking anybody."""
        confirm = self.confirm
        return (confirm is None or not confirm.words) and self.pause.refusal(profile) is None

    def check(self, profile: str) -> None:
        """Raises Paused."""
        refusal = self.pause.refusal(profile)
        if refusal is not None:
            raise refusal

    async def admit(self, profile: str, operation: str, caller: Caller) -> None:
        """May this caller have this profile's session, now?  A refusal is in the audit.

        Raises Paused, NeedsHuman, Busy; ConnectionError for a caller who has gone away."""
        try:
            self.check(profile)
            if self.confirm is not None and self.asks:
                await self.confirm.ask(
                    profile, operation, caller, check=lambda: self.check(profile)
                )
                self.check(profile)
        except (HarvesterError, ConnectionError) as error:
            result = error.code if isinstance(error, HarvesterError) else _LEFT
            self.audit.tell(operation, profile, caller.visitor, caller.client, result=result)
            raise

    async def hand_out(
        self,
        operation: str,
        profile: str,
        caller: Caller,
        work: Callable[[], Awaitable[Served]],
        *,
        result: Callable[[Served], str] = lambda served: GIVEN,
    ) -> Served:
        """What ``work`` gives, if it may be given; in the audit as ``result`` says, or with the
        code of what it raised.

        ``work`` may wait for a sign-in: who paused meanwhile meant its session too."""
        await self.admit(profile, operation, caller)
        try:
            served = await work()
            self.check(profile)
        except HarvesterError as error:
            self.audit.tell(operation, profile, caller.visitor, caller.client, result=error.code)
            raise
        self.audit.tell(
            operation, profile, caller.visitor, caller.client,
            result=result(served), session=served.session,
        )  # fmt: skip
        return served
