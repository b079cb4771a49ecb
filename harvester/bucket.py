"""A bucket of tokens that refills with time: how politeness is counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """``tokens`` is as of ``at``, in seconds of whatever clock its owner uses."""

    tokens: float
    at: float

    def filled(self, now: float, *, capacity: float, refill_s: float) -> Bucket:
        """As it is ``now``, one token gained every ``refill_s``."""
        # A clock that went back refills nothing.
        gained = max(0.0, now - self.at) / refill_s
        return Bucket(min(capacity, self.tokens + gained), now)
