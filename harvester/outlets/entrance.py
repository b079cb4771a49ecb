"""The porter at the proxy: who may use a session through it, and what the audit has of it.

The pause is looked at for each request.  A person is asked, and a line is written, once for each
connection and again when its profile, its client's name or the generation is another: a connection
is one program, and one line for each request would be the site's own log once more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from harvester.audit import GIVEN
from harvester.porter import Porter
from harvester.session import Served, Session
from harvester.visitor import Caller, Visitor

PROXY = "proxy"

# Profile, client, whether a person is asked, generation: of the last request that came in.
Entered = tuple[str, str | None, bool, int]


class End(Protocol):
    """Our end of a client's connection, as far as it is needed here."""

    entered: Entered | None

    @property
    def visitor(self) -> Visitor: ...

    def is_gone(self) -> bool: ...


class Entrance:
    """Of one request."""

    def __init__(self, porter: Porter, end: End, profile: str, client: str | None) -> None:
        self._porter = porter
        self._end = end
        self._profile = profile
        self._client = client

    async def session(self, get: Callable[[], Awaitable[Served]]) -> Served:
        """What ``get`` gives, if this request may use it.  Raises as ``Porter.hand_out``."""
        before = self._end.entered
        if before is None or before[:3] != (self._profile, self._client, self._porter.asks):
            self._end.entered = None
            caller = Caller(self._end.visitor, self._client, self._end.is_gone)
            served = await self._porter.hand_out(PROXY, self._profile, caller, get)
            self._keep(served.session)
            return served
        self.check()
        served = await get()
        self.check()
        self.uses(served.session)
        return served

    def check(self) -> None:
        """Raises Paused."""
        refusal = self._porter.pause.refusal(self._profile)
        if refusal is not None:
            self._tell(refusal.code, None)
            raise refusal

    def uses(self, session: Session) -> None:
        """This session goes to the site now."""
        before = self._end.entered
        if before is not None and before[3] != session.generation:
            self._tell(GIVEN, session)
            self._keep(session)

    def _keep(self, session: Session) -> None:
        self._end.entered = (self._profile, self._client, self._porter.asks, session.generation)

    def _tell(self, result: str, session: Session | None) -> None:
        self._porter.audit.tell(
            PROXY, self._profile, self._end.visitor, self._client, result=result, session=session
        )
