"""Whether we have arrived: the site's cookies at hand, and the site's own word on them.

Success is never an address or a cookie's name: whenever the site's jar has changed, the parent asks
the site with it, and its verdict ends the way.  Presses nothing and types nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from harvester.errors import HarvesterError, SiteDown
from harvester.session import Cookie
from harvester.signin.browser import Browser
from harvester.signin.dialogue import Job
from harvester.signin.jar import site_jar
from harvester.signin.parent import Parent

# A site whose cookies change with every look would have us ask for ever.
_MAX_CANDIDATES = 10


class Asked(Exception):
    """This rung may type nothing, and the page wants something typed."""

    def __init__(self, error: HarvesterError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a way came back with: the site's cookies, proved, and all others."""

    jar: tuple[Cookie, ...] = field(repr=False)
    everything: list[dict[str, Any]] = field(repr=False)
    organization: str | None = None
    identity: str | None = None


class Arrival:
    """``candidates`` counts the jars that the site was asked about."""

    def __init__(self, job: Job, browser: Browser, parent: Parent) -> None:
        self.host = urlsplit(job.origin).hostname or ""
        self.candidates = 0
        self._browser = browser
        self._parent = parent
        self._asked: frozenset[tuple[str, str, str, str]] = frozenset()

    def know(self, jar: tuple[Cookie, ...]) -> None:
        """A jar that needs no asking: the one that the way began with."""
        self._asked = _values(jar)

    async def jar(self) -> tuple[tuple[Cookie, ...], list[dict[str, Any]]]:
        """The site's cookies, and all cookies as the browser tells them."""
        everything = await self._browser.cookies()
        return site_jar(everything, self.host), everything

    def is_new(self, jar: tuple[Cookie, ...]) -> bool:
        return bool(jar) and _values(jar) != self._asked

    async def proved(self, tell: Callable[[], None], *, anew: bool) -> Arrived | None:
        """The session, if the site's cookies are others than last time and are one.

        ``anew``: ask even if they are the same, because what they stand for may have changed: many
        sites keep one cookie from the first page on, and make it a session where nobody sees it.
        """
        jar, everything = await self.jar()
        if not jar or not (anew or self.is_new(jar)):
            return None
        self.candidates += 1
        if self.candidates > _MAX_CANDIDATES:
            return None
        tell()
        return Arrived(jar, everything) if await self.alive(jar) else None

    async def alive(self, jar: tuple[Cookie, ...]) -> bool:
        """What the site says of these cookies.  Raises SiteDown where it says nothing."""
        self.know(jar)
        verdict = await self._parent.verdict(jar, self._browser.traffic.user_agent)
        if verdict == "unreachable":
            raise SiteDown(
                f"{self.host} did not answer the request that proves a session",
                hint="it is tried again later by itself; see: harvester doctor",
            )
        return verdict == "alive"


def _values(jar: tuple[Cookie, ...]) -> frozenset[tuple[str, str, str, str]]:
    return frozenset((one.name, one.domain, one.path, one.value) for one in jar)
