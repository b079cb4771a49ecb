"""How long a session lives, and so when to act: observations in, times out.

Pure: no clock is read here, ``now_s`` is always given.  A declared expiry (a cookie's own, or the
``exp`` of a JWT inside it) is evidence and not truth: the site may refuse earlier, which the
probe finds out and ``lives.py`` learns.  The end is the earlier of the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from harvester.discovery import jwt_claims
from harvester.lives import Learned, Life
from harvester.rest import SCHEDULED_PROBE_EVERY_S
from harvester.session import ENDS_WITHIN_S, Cookie, ExpiresKind, Session

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
# A session that declares no end is asked after this often, also when its end is learned: whoever
# asks learns of a revocation before a client does, and keeps alive what disuse would end.  A probe
# is one read-only request that no documented limit counts.
ASK_EVERY_S = 300.0
# ... a young one more often, so that the age at which it dies is known to a quarter of it.
ASK_AGE_FRACTION = 1 / 4
# Four scheduled probes in a known life, where that is more than one a minute.
PROBES_A_LIFE = 4
# ... but no session lives for less than a minute; what ends sooner ends for another reason.
ASK_LEAST_S = 15.0
# Browsers cut a cookie's life to 400 days; the longest session of the identity layer is 366.
LONGEST_LIFE_S = 400 * 24 * 3600.0
# How sure we are of a cookie that says when it ends, and of a JWT that says so itself: a server
# cannot accept a JWT after its exp without a bug, but may well drop a session before its cookie.
CONFIDENCE_COOKIE = 0.7
CONFIDENCE_JWT = 0.95


# Nothing was learned yet.
_NOTHING = Learned()


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


def estimate(needed: Iterable[Cookie], now_s: float, *, ahead_s: float = 0.0) -> Estimate:
    """The earliest end that any needed cookie declares.

    ``ahead_s`` is how far our clock is ahead of the site's, which a JWT means; a cookie's own
    expiry is by ours, whoever read it from the answer saw to that.

    An end that is over already, though the site has just accepted the cookie, tells of a clock
    that is wrong; one that is years away tells of a unit that is.  Neither says anything.
    """
    best = Estimate(None, "unknown", 0.0)
    for cookie in needed:
        claims = jwt_claims(cookie.value) or {}
        exp = claims.get("exp")
        if isinstance(exp, int | float) and not isinstance(exp, bool):
            found = Estimate(float(exp) + ahead_s, "declared", CONFIDENCE_JWT)
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
    """When the session becomes STALE and SPENT (None where the end is not known), and UNKNOWN
    (None where what it declares is believed)."""

    stale_at: float | None
    spent_at: float | None
    ask_at: float | None = None


def windows(
    session: Session,
    *,
    refresh_every_s: float | None = None,
    max_age_s: float | None = None,
    learned: Learned = _NOTHING,
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
    every_s = ask_every_s(session, learned)
    return Windows(stale_at, spent_at, None if every_s is None else session.proved_at + every_s)


def freshness(session: Session, now_s: float, when: Windows) -> Freshness:
    """Where the session stands now, in the ``windows`` made for it."""
    if when.spent_at is not None and now_s >= when.spent_at:
        return Freshness.SPENT
    if when.stale_at is not None and now_s >= when.stale_at:
        return Freshness.STALE
    if when.ask_at is not None and now_s >= when.ask_at:
        return Freshness.UNKNOWN
    return Freshness.FRESH


def ask_every_s(session: Session, learned: Learned) -> float | None:
    """How long after its last proof to ask after it; None: not before its end."""
    if session.expires_kind == "declared" and not (
        learned.doubted or _ends_within(session, learned)
    ):
        return None
    age_s = max(0.0, session.proved_at - session.renewed_at)
    every_s = min(ASK_EVERY_S, max(SCHEDULED_PROBE_EVERY_S, age_s * ASK_AGE_FRACTION))
    if learned.within_s is not None:
        every_s = min(every_s, learned.within_s / PROBES_A_LIFE)
    if learned.idle_s:
        every_s = min(every_s, learned.idle_s * STALE_FRACTION)
    return max(every_s, apart_s(learned))


def _ends_within(session: Session, learned: Learned) -> bool:
    """Its like were found dead before their declared end, and nobody saw when they died."""
    return (
        learned.way == "unknown"
        and learned.within_s is not None
        and session.expires_at is not None
        and session.renewed_at + learned.within_s < session.expires_at
    )


def apart_s(learned: Learned) -> float:
    """The least time between two scheduled probes: a minute, or a quarter of a life or of a
    disuse that ends sooner."""
    if learned.within_s is None:
        return SCHEDULED_PROBE_EVERY_S
    return max(ASK_LEAST_S, min(SCHEDULED_PROBE_EVERY_S, learned.within_s / PROBES_A_LIFE))


def foreseen(session: Session, learned: Learned) -> Session:
    """The session with the end that is to be expected: the earlier of what it declares and what
    was learned.  An end that it has outlived is none."""
    declared_at, sure = declared_end(session)
    if declared_at is not None and session.proved_at > declared_at + ENDS_WITHIN_S:
        declared_at, sure = None, 0.0
    learned_at = None if learned.life_s is None else session.renewed_at + learned.life_s
    if learned_at is not None and session.proved_at > learned_at + ENDS_WITHIN_S:
        learned_at = None
    ends: tuple[float | None, ExpiresKind, float] = (None, "unknown", 0.0)
    if learned_at is not None and (declared_at is None or learned_at < declared_at):
        ends = (learned_at, "learned", learned.confidence)
    elif declared_at is not None:
        ends = (declared_at, "declared", sure)
    kept = (declared_at, sure) if ends[1] == "learned" else (None, 0.0)
    made = replace(
        session,
        expires_at=ends[0],
        expires_kind=ends[1],
        confidence=ends[2],
        declared_at=kept[0],
        declared_confidence=kept[1],
    )
    return session if made == session else made


def declared_end(session: Session) -> tuple[float | None, float]:
    """When it says that it ends, also where it is expected to end sooner; and how surely."""
    if session.expires_kind == "declared":
        return session.expires_at, session.confidence
    return session.declared_at, session.declared_confidence


def life_of(session: Session, *, dead_at: float | None = None) -> Life:
    """What was seen of this session's life so far, or until it was refused at ``dead_at``."""
    declared_at, _ = declared_end(session)
    return Life(
        max(0.0, session.proved_at - session.renewed_at),
        None if dead_at is None else max(0.0, dead_at - session.renewed_at),
        session.longest_gap_s,
        None if declared_at is None else declared_at - session.renewed_at,
    )


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
