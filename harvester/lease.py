"""A lease: who may use the proxy for what, how often, and until when.

A frozen value, its record in the store, and how its parts are written by people.  Holds of its
token only a keyed digest.  Pure: reads no clock and makes no token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from harvester.clock import rfc3339
from harvester.errors import Usage
from harvester.scope import METHODS, PATTERN, PATTERN_CHARS, PATTERNS_MOST, Scope

DAY_S = 24 * 3600.0
# A handle that is forgotten in some file should be dead before the next quarter's audit finds it.
LONGEST_S = 30 * DAY_S
SHORTEST_S = 1.0
DEFAULT_S = 3600.0
USES_MOST = 1_000_000

ID = re.compile(r"[a-z2-7]{8}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RATE = re.compile(r"([1-9][0-9]{0,4})/([smhd])")
_WITHIN_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_S}

State = Literal["live", "expired", "revoked", "spent"]


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and as many again in the course of ``within_s``."""

    times: int
    within_s: float

    @classmethod
    def read(cls, text: str) -> Rate:
        """``60/m``, ``5/s``, ``1000/h`` or ``10/d``.  Raises Usage."""
        found = _RATE.fullmatch(text)
        if found is None:
            raise Usage(
                "the rate is not written as NUMBER/UNIT", hint="such as 60/m; units: s, m, h, d"
            )
        return cls(int(found[1]), _WITHIN_S[found[2]])

    @property
    def refill_s(self) -> float:
        """How long one more takes to come."""
        return self.within_s / self.times

    def __str__(self) -> str:
        unit = next(unit for unit, within_s in _WITHIN_S.items() if within_s == self.within_s)
        return f"{self.times}/{unit}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What somebody asks a lease for, checked."""

    profile: str
    scope: Scope
    for_s: float = DEFAULT_S
    rate: Rate | None = None
    uses: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """``ends_at`` and the others are seconds since 1970, by the clock of whoever made it.
    ``revoked_at`` and ``expired_at``: it has ended, and then."""

    id: str
    terms: Terms
    digest: bytes = field(repr=False)
    made_at: float
    ends_at: float
    used: int = 0
    last_used_at: float | None = None
    revoked_at: float | None = None
    expired_at: float | None = None

    @property
    def state(self) -> State:
        if self.revoked_at is not None:
            return "revoked"
        if self.expired_at is not None:
            return "expired"
        spent = self.terms.uses is not None and self.used >= self.terms.uses
        return "spent" if spent else "live"

    @property
    def ended_at(self) -> float | None:
        """Of one that is spent: when it was used last."""
        if self.state == "spent":
            return self.last_used_at
        return self.expired_at if self.revoked_at is None else self.revoked_at

    def shown(self) -> dict[str, Any]:
        """For its owner; nothing in it lets anybody use it."""
        terms = self.terms
        return {
            "id": self.id,
            "name": terms.name,
            "profile": terms.profile,
            "methods": list(terms.scope.methods),
            "paths": list(terms.scope.paths),
            "rate": None if terms.rate is None else str(terms.rate),
            "uses": terms.uses,
            "used": self.used,
            "state": self.state,
            "made_at": rfc3339(self.made_at),
            "ends_at": rfc3339(self.ends_at),
            "ended_at": rfc3339(self.ended_at),
            "last_used_at": rfc3339(self.last_used_at),
        }

    def as_dict(self) -> dict[str, Any]:
        """For the store."""
        terms = self.terms
        return {
            "id": self.id,
            "name": terms.name,
            "profile": terms.profile,
            "methods": list(terms.scope.methods),
            "paths": list(terms.scope.paths),
            "rate": None if terms.rate is None else str(terms.rate),
            "uses": terms.uses,
            "for_s": terms.for_s,
            "digest": self.digest.hex(),
            "made_at": self.made_at,
            "ends_at": self.ends_at,
            "used": self.used,
            "last_used_at": self.last_used_at,
            "revoked_at": self.revoked_at,
            "expired_at": self.expired_at,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Lease:
        """Raises KeyError, TypeError, ValueError or Usage: of a lease no half is believed."""
        rate = data["rate"]
        terms = Terms(
            profile=str(data["profile"]),
            scope=scope_of(data["methods"], data["paths"]),
            for_s=float(data["for_s"]),
            rate=None if rate is None else Rate.read(rate),
            uses=None if data["uses"] is None else int(data["uses"]),
            name=None if data["name"] is None else str(data["name"]),
        )
        digest = bytes.fromhex(data["digest"])
        if not ID.fullmatch(data["id"]) or len(digest) != 32:
            raise ValueError("no lease of ours")
        return cls(
            id=data["id"],
            terms=terms,
            digest=digest,
            made_at=float(data["made_at"]),
            ends_at=float(data["ends_at"]),
            used=int(data["used"]),
            last_used_at=_time(data["last_used_at"]),
            revoked_at=_time(data["revoked_at"]),
            expired_at=_time(data["expired_at"]),
        )


def scope_of(methods: object, paths: object) -> Scope:
    """Raises Usage, with what is wrong and how it is written."""
    if not isinstance(methods, list | tuple) or not methods or not all_of(METHODS, methods):
        raise Usage(
            "`methods` is no list of methods that a lease may have",
            hint="one or more of " + ", ".join(METHODS) + "; GET has HEAD in it",
        )
    if not isinstance(paths, list | tuple) or not 0 < len(paths) <= PATTERNS_MOST:
        raise Usage(
            f"`paths` is no list of 1 to {PATTERNS_MOST} path patterns",
            hint="such as /api/managed-agents/*",
        )
    for path in paths:
        if not isinstance(path, str) or len(path) > PATTERN_CHARS or not PATTERN.fullmatch(path):
            raise Usage(
                "a path pattern is no plain path with stars",
                hint="a path from / on, at most one * in each segment, a last segment * for all "
                "below; no dots alone, no //, no ;, ?, # or %",
            )
    # In one order, whatever order they came in.
    return Scope(tuple(one for one in METHODS if one in methods), tuple(dict.fromkeys(paths)))


def all_of(known: tuple[str, ...], given: list[Any] | tuple[Any, ...]) -> bool:
    return all(isinstance(one, str) and one in known for one in given)


def _time(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no time")
    return float(value)
