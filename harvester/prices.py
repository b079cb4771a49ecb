"""What each rung costs, what it risks, and how often it may be taken: the ladder's order.

Pure.  The rungs stand here from cheapest to dearest.  Those that type nothing come from a bucket
each: ``burst`` at once, then one every ``refill_s``, or every third of the session's life if that
is shorter, for a session of five minutes must be renewable for ever.  What a password may cost is
counted by ``budgets.py``, because an account locks and a bucket does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from harvester.bucket import Bucket

# The rungs that type nothing.
Cheap = Literal["touch", "renew", "silent"]

# Three tries in each life of the session: one that fails, one that fails again, one that works.
TRIES_PER_LIFE = 3
_DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Price:
    """``cost_s`` is what a usual one takes; ``risk`` what it may bring upon the account, in words
    for a person; ``burst`` and ``refill_s`` are its bucket, of tokens and of seconds."""

    cost_s: float
    risk: str
    burst: int
    refill_s: float

    def refills_every_s(self, life_s: float | None) -> float:
        """Seconds for one more token; ``life_s`` is the session's known life."""
        return min(self.refill_s, life_s / TRIES_PER_LIFE) if life_s else self.refill_s

    def a_day(self, life_s: float | None = None) -> int:
        """The budget of one day: what the bucket holds, and what runs into it meanwhile."""
        return self.burst + int(_DAY_S / self.refills_every_s(life_s))


# A silent sign-in spends no password attempt, but each is a visit to somebody's identity provider,
# and a renewal is a page of the site, with all that it loads.
PRICES: Mapping[Cheap, Price] = MappingProxyType(
    {
        "touch": Price(0.2, "two plain requests of the site", 20, 60.0),
        "renew": Price(3.0, "a page of the site, in a browser", 10, 300.0),
        "silent": Price(6.0, "a visit to the identity provider", 10, 300.0),
    }
)


def full(rung: Cheap) -> Bucket:
    """The bucket of a rung that was never taken."""
    return Bucket(float(PRICES[rung].burst), 0.0)


def filled(bucket: Bucket, rung: Cheap, now: float, life_s: float | None) -> Bucket:
    """The rung's bucket as it is now."""
    price = PRICES[rung]
    return bucket.filled(now, capacity=float(price.burst), refill_s=price.refills_every_s(life_s))
