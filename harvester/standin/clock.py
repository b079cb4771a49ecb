"""The stand-in's own time.

Two different things are called time here.  ``now`` is what lives are measured in; ``advance``
moves it, so that a test need not wait an hour for a session to end.  ``wall`` is what the servers
believe the time of day to be and tell others (``Date``, ``Expires``, one-time codes): it is the
machine's clock plus a skew, and ``advance`` leaves it alone.  Otherwise each advance would also
make every authenticator code wrong, which no real passing of time does.
"""

from __future__ import annotations

import time
from email.utils import formatdate


class StandInClock:
    """``advanced_s`` is how far lives are ahead; ``skew_s`` how wrong the time of day is."""

    def __init__(self) -> None:
        self.advanced_s = 0.0
        self.skew_s = 0.0

    def now(self) -> float:
        return time.time() + self.advanced_s

    def wall(self) -> float:
        return time.time() + self.skew_s

    def shown(self, at: float) -> float:
        """A moment of ``now`` as the servers tell it to others."""
        return at - self.advanced_s + self.skew_s

    def advance(self, seconds: float) -> None:
        self.advanced_s += seconds

    def http_date(self, at: float | None = None) -> str:
        """The ``Date`` form of a moment of ``now``; without one, of this moment."""
        return formatdate(self.wall() if at is None else self.shown(at), usegmt=True)
