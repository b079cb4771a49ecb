"""Whether what is shown stands still: since when nothing has changed, and what is on its way.

Owns the patience with pages.  No fixed waits: a page is acted on as soon as it is sure what it is;
only what would stop a sign-in, or latch it, must have stood still for a moment.
"""

from __future__ import annotations

import time

from harvester.signin.observe import View
from harvester.signin.traffic import Traffic

# What stops a sign-in, or latches it, must have stood still this long.
_QUIET_S = 0.3
# Trackers that hang, endless polls and progress bars never end: what can be seen counts then.
_STILL_S = 5.0
# What was not looked at for this long was not seen to stand still: a page that hangs while it
# sends would look as if it had not heard us.
_BLIND_S = 1.0


class Stillness:
    """Fed with every look; times are of ``time.monotonic``."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._look = ""
        self._changed_at = self._looked_at = time.monotonic()

    def notice(self, view: View | None) -> None:
        now = time.monotonic()
        look = "" if view is None else view.look
        if look != self._look or now - self._looked_at > _BLIND_S:
            self._look = look
            self._changed_at = now
        self._looked_at = now

    @property
    def quiet_s(self) -> float:
        """How long nothing that can be seen has changed."""
        return time.monotonic() - self._changed_at

    def still(self, view: View) -> bool:
        """Nothing moves, and nothing is on its way or it never comes."""
        quiet_s = self.quiet_s
        if quiet_s >= _STILL_S:
            return not self._traffic.navigating
        return view.settled and quiet_s >= _QUIET_S and not self._traffic.in_flight
