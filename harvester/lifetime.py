"""How long a session lives, and so when to act: observations in, times out.

Pure: no clock is read here, ``now_s`` is always given.  A declared expiry (a cookie's own, or the
``exp`` of a JWT inside it) is evidence and not truth: the site may refuse earlier, which the
probe finds out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from harvester.discovery import jwt_claims
from harvester.session import Cookie, ExpiresKind, Session

# Refresh quietly from two thirds of the life on: a failure then leaves a third of it for retries.
STALE_FRACTION = 2 / 3
# ... but with a long life a third of it is hours of needless sign-ins: five minutes are enough.
STALE_AT_MOST_BEFORE_END_S = 300.0
# Callers wait in the last tenth, at most a minute: a request under way must not outlive its cookie.
SPENT_FRACTION = 0.1
SPENT_AT_MOST_BEFORE_END_S = 60.0
# Many daemons started by one deployment must not come back to the site in the same second.
JITTER_FRACTION = 0.05
JITTER_AT_MOST_S = 60.0
# A session that tells no end is asked after this often.  The first life is unknown, so start
# careful; a probe is one read-only request that no documented limit counts.
ASK_UNKNOWN_EVERY_S = 300.0
# Browsers cut a cookie's life to 400 days; the longest session of the identity layer is 366.
LONGEST_LIFE_S = 400 * 24 * 3600.0
# How sure we are of a cookie that says when it ends, and of a JWT that says so itself: a server
# cannot accept a JWT after its exp without a bug, but may well drop a session before its cookie.
CONFIDENCE_COOKIE = 0.7
CONFIDENCE_JWT = 0.95


class Freshness(Enum):
    """FRESH: serve.  STALE: serve, refresh quietly.  SPENT: callers wait.  UNKNOWN: probe."""

    FRESH = "fresh"
    STALE = "stale"
    SPENT = "spent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a session ends (seconds since 1970, None: not known), how we know, how surely (0..1)."""

    expires_at: float | None
    kind: ExpiresKind
    confidence: float


def estimate(needed: Iterable[Cookie], now_s: float) -> Estimate:
    """The earliest end that any needed cookie declares.

    An end that is over already, though the site has just accepted the cookie, tells of a clock
    that is wrong; one that is years away tells of a unit that is.  Neither says anything.
    """
    best = Estimate(None, "unknown", 0.0)
    for cookie in needed:
        claims = jwt_claims(cookie.value) or {}
        exp = claims.get("exp")
        if isinstance(exp, int | float) and not isinstance(exp, bool):
            found = Estimate(float(exp), "declared", CONFIDENCE_JWT)
        elif cookie.expires_at is not None:
            found = Estimate(cookie.expires_at, "declared", CONFIDENCE_COOKIE)
        else:
            continue
        if not now_s < (found.expires_at or 0.0) <= now_s + LONGEST_LIFE_S:
            continue
        if best.expires_at is None or (found.expires_at or 0.0) < best.expires_at:
            best = found
    return best


@dataclass(frozen=True, slots=True)
class Windows:
    """When the session becomes STALE and SPENT; None where the end is not known."""

    stale_at: float | None
    spent_at: float | None


def windows(
    session: Session, *, refresh_every_s: float | None = None, max_age_s: float | None = None
) -> Windows:
    """The times at which to act, jittered by profile and generation (the same on every call)."""
    stale_at: float | None = None
    spent_at: float | None = None
    if session.expires_at is not None:
        life_s = max(0.0, session.expires_at - session.renewed_at)
        jitter_s = _jitter(session) * min(life_s * JITTER_FRACTION, JITTER_AT_MOST_S)
        stale_at = max(
            session.renewed_at + life_s * STALE_FRACTION,
            session.expires_at - STALE_AT_MOST_BEFORE_END_S,
        )
        stale_at -= jitter_s
        spent_at = session.expires_at - min(life_s * SPENT_FRACTION, SPENT_AT_MOST_BEFORE_END_S)
        spent_at -= jitter_s / 2
    if refresh_every_s is not None:
        stale_at = _sooner(stale_at, session.renewed_at + refresh_every_s)
    if max_age_s is not None:
        stale_at = _sooner(stale_at, session.obtained_at + max_age_s * STALE_FRACTION)
        spent_at = _sooner(spent_at, session.obtained_at + max_age_s)
    return Windows(stale_at, spent_at)


def freshness(session: Session, now_s: float, when: Windows) -> Freshness:
    """Where the session stands now, in the ``windows`` made for it."""
    if when.spent_at is not None and now_s >= when.spent_at:
        return Freshness.SPENT
    if when.stale_at is not None and now_s >= when.stale_at:
        return Freshness.STALE
    if session.expires_at is None and now_s >= session.proved_at + ASK_UNKNOWN_EVERY_S:
        return Freshness.UNKNOWN
    return Freshness.FRESH


def known_life_s(session: Session) -> float | None:
    """The whole life that this session is believed to have, in seconds."""
    if session.expires_at is None:
        return None
    return max(0.0, session.expires_at - session.renewed_at)


def renewable(session: Session) -> bool:
    """Whether a page load may mint something anew: a JWT is needed, and something stands beside
    it from which the page's script can ask for the next one."""
    jwts = [cookie for cookie in session.cookies if jwt_claims(cookie.value) is not None]
    return bool(jwts) and len(session.jar) > len(jwts)


def _sooner(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)


def _jitter(session: Session) -> float:
    """A number in [0, 1) that belongs to this profile and generation."""
    seed = hashlib.sha256(f"{session.profile}|{session.generation}".encode()).digest()
    return int.from_bytes(seed[:4]) / 2**32
