"""A person signs in, in a window of ours: we look on, type nothing, and notice when it is done.

Success is the site's own word, as everywhere (``arrival.py``).  Knows windows and pages; the
ordinary browser that a provider may insist on is ``plain.py``'s.
"""

from __future__ import annotations

import asyncio
import time

from harvester.errors import BrowserFailed, NeedsHuman, SiteDown
from harvester.profile import origin_of
from harvester.signin.arrival import Arrival, Arrived
from harvester.signin.browser import Browser, Moved
from harvester.signin.carried import Carried
from harvester.signin.decide import host_of
from harvester.signin.dialogue import Job
from harvester.signin.fields import find_fields
from harvester.signin.observe import View
from harvester.signin.obstacles import REFUSED, find_obstacle
from harvester.signin.parent import Parent

# A person's page changes are slower than this, and it keeps the window light.
_LOOK_EVERY_S = 0.1
# A person may read the site's front page for minutes while it counts its visitors in cookies: each
# new jar is a question to the site, and they are asked at a walking pace.
_ASK_EVERY_S = 2.0
# A site that is only restarting must not cost a person what he has just done.
_SILENT_ASKS = 5


class AutomationRefused(Exception):
    """The provider lets no window in that a program holds.  ``host`` says so."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class Onlooker:
    """Looks on while a person signs in."""

    def __init__(self, job: Job, browser: Browser, parent: Parent, carried: Carried) -> None:
        self._job = job
        self._browser = browser
        self._parent = parent
        self._carried = carried
        self._arrival = Arrival(job, browser, parent)
        self._asked_at = 0.0
        self._asked_of: tuple[float, ...] = ()
        self._silent = 0
        self._told = ""
        self._made = 0
        self.host = self._arrival.host

    async def sign_in(self) -> Arrived:
        """Until the site accepts the cookies at hand.

        Raises AutomationRefused, NeedsHuman where the person closed the window before that, and
        SiteDown.
        """
        await self._browser.go(self._job.sign_in_url, self._job.origin)
        last: Arrived | None = None
        while True:
            view = None
            try:
                view = await self._browser.look()
                jar, everything = await self._arrival.jar()
                last = Arrived(jar, everything)
                closed = self._browser.closed
            except (Moved, BrowserFailed):
                closed = True  # nothing answers any more: what was seen last must do
            await self._keep_passkey()
            if view is not None:
                self._notice(view)
            if (
                last is not None
                and self._due(view, last, closed=closed)
                and await self._lives(last)
            ):
                return last
            if closed:
                raise closed_too_soon(self._arrival.host)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def until_closed(self) -> None:
        """Look on until the person closes the window; a passkey that he makes is kept at once."""
        while not self._browser.closed:
            await self._keep_passkey()
            await asyncio.sleep(_LOOK_EVERY_S)
        await self._keep_passkey()

    async def _keep_passkey(self) -> None:
        """Raises what the parent says against storing it: the provider then has one too many."""
        refusal = await self._carried.keep()
        if refusal is not None:
            raise refusal
        if len(self._carried.made) > self._made:
            self._made = len(self._carried.made)
            self._parent.step("passkey_made", self._carried.made[-1].rp_id)

    def _notice(self, view: View) -> None:
        for frame in view.frames:
            if origin_of(frame.url) == self._job.origin:
                continue
            fields = find_fields(frame, username=None, after_password=False)
            obstacle = find_obstacle(frame, fields)
            if obstacle is not None and obstacle.state == REFUSED:
                raise AutomationRefused(host_of(frame))
        host = host_of(view.main)
        if host != self._told:
            self._told = host
            self._parent.step("your_turn", host)

    def _due(self, view: View | None, seen: Arrived, *, closed: bool) -> bool:
        """Whether to ask the site: its cookies are others than last time, and we are back on it."""
        new = self._arrival.is_new(seen.jar)
        if view is None or closed:
            return closed and new
        # Some sites name a visitor before they know him: the same cookies are then a session.
        new = new or (bool(seen.jar) and view.documents != self._asked_of)
        back = origin_of(view.main.url) == self._job.origin
        quiet = time.monotonic() - self._asked_at >= _ASK_EVERY_S
        if not (new and back and quiet) or self._browser.traffic.navigating:
            return False
        self._asked_of = view.documents
        return True

    async def _lives(self, seen: Arrived) -> bool:
        self._asked_at = time.monotonic()
        try:
            alive = await self._arrival.alive(seen.jar)
        except SiteDown:
            self._silent += 1
            if self._silent >= _SILENT_ASKS:
                raise
            self._arrival.know(())
            return False
        self._silent = 0
        return alive


def closed_too_soon(host: str) -> NeedsHuman:
    return NeedsHuman(
        f"the window was closed before {host} had a session",
        hint="run it again: harvester login --headed",
    )
