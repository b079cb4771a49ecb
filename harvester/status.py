"""How everything stands, for a person and for a program: the answer of ``GET /v1/status``.

Shows no secret and, on purpose, no value of any cookie: only which names matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from harvester import budgets, tripwire
from harvester.clock import rfc3339
from harvester.keeper import Keeper
from harvester.ledger import Ledger
from harvester.lives import EarlyEnd
from harvester.profile import Profile
from harvester.standing import Standing
from harvester.tripwire import Alarm
from harvester.trouble import Trouble


def profile_status(
    keeper: Keeper, now: float, step: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One profile's entry.  Times RFC 3339.  ``step`` is the last one of a sign-in."""
    standing = keeper.standing()
    session = standing.session
    ledger = standing.ledger
    last = standing.last_event
    stopped = _stopped(ledger, keeper.profile, now)
    wait = ledger.waits(now)
    return {
        "profile": keeper.profile.name,
        "origin": keeper.profile.site.origin,
        "state": standing.state,
        "signing_in": _shown(step) if step and standing.state == "refreshing" else None,
        "ready": keeper.ready,
        "why_not": keeper.why_not or None,
        "generation": None if session is None else session.generation,
        "identity": None if session is None else session.identity,
        "organization": None if session is None else session.organization,
        "organization_proved": session is not None and session.organization_proved,
        "cookies": [] if session is None else [cookie.name for cookie in session.cookies],
        "identity_origins": list(keeper.profile.identity_origins),
        "obtained_at": None if session is None else rfc3339(session.obtained_at),
        "age_s": None if session is None else round(max(0.0, now - session.obtained_at), 1),
        "proved_at": None if session is None else rfc3339(session.proved_at),
        "expires_at": None if session is None else rfc3339(session.expires_at),
        "expires_kind": "unknown" if session is None else session.expires_kind,
        "confidence": 0.0 if session is None else round(session.confidence, 3),
        "life": _life(standing),
        "refused_early": _early(ledger.refused_early),
        "alarm": _alarm(ledger.alarm, keeper),
        "next_refresh_at": rfc3339(standing.next_refresh_at),
        "durable": standing.durable,
        "sandboxed": standing.sandboxed,
        "clock_skew_s": None if standing.clock_skew_s is None else round(standing.clock_skew_s, 1),
        "trouble": _trouble(standing.trouble),
        "latch": stopped,
        "backoff_until": None if wait is None else rfc3339(now + (wait.retry_after_s or 0.0)),
        "backoff_code": None if wait is None else wait.code,
        "budgets": budgets.left(ledger, keeper.profile, now, standing.life_s),
        "last_event": None if last is None else {**last, "at": rfc3339(last["at"])},
    }


def glance(keeper: Keeper, now: float) -> dict[str, Any]:
    """What a watcher is told: ``code`` is what is wrong.  Cheap enough for every second."""
    standing = keeper.standing()
    session = standing.session
    return {
        "at": rfc3339(now),
        "profile": keeper.profile.name,
        "generation": None if session is None else session.generation,
        "state": standing.state,
        "ready": keeper.ready,
        "expires_at": None if session is None else rfc3339(session.expires_at),
        "code": None if standing.trouble is None else standing.trouble.code,
    }


def whole_status(
    keepers: Iterable[Keeper],
    now: float,
    *,
    steps: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    **about: Any,
) -> dict[str, Any]:
    """All profiles, and ``about`` the process that answers.  ``steps`` are by profile."""
    profiles = [profile_status(one, now, steps.get(one.profile.name)) for one in keepers]
    return {
        "version": 1,
        **about,
        "durable": all(one["durable"] for one in profiles),
        "profiles": profiles,
    }


def _shown(step: Mapping[str, Any]) -> dict[str, Any]:
    """Where a sign-in is: ``number`` is one that a person must compare on a telephone."""
    return {name: step.get(name) for name in ("state", "host", "number", "elapsed_s")}


def _life(standing: Standing) -> dict[str, Any]:
    """How long such sessions live: ``kind`` is absolute, sliding (then ``life_s`` is the disuse
    that one survives), declared (nothing was seen that ends it sooner) or unknown."""
    session, learned = standing.session, standing.learned
    kind, life_s, confidence = str(learned.way), learned.span_s, learned.confidence
    if session is not None and session.expires_kind == "declared":
        kind, life_s, confidence = "declared", standing.life_s, session.confidence
    elif learned.way == "unknown":
        life_s = None
    return {
        "kind": kind,
        "life_s": None if life_s is None else round(life_s, 1),
        "confidence": round(confidence, 3),
        "ends_seen": learned.ends,
    }


def _early(end: EarlyEnd | None) -> dict[str, Any] | None:
    """The last session that was refused long before its time."""
    if end is None:
        return None
    return {
        "at": rfc3339(end.at),
        "generation": end.generation,
        "age_s": round(end.age_s, 1),
        "expected_s": round(end.expected_s, 1),
    }


def _alarm(alarm: Alarm | None, keeper: Keeper) -> dict[str, Any] | None:
    """A sign of a stranger's hand that no person has looked into yet."""
    if alarm is None:
        return None
    return {
        "sign": alarm.sign,
        "since": rfc3339(alarm.since),
        "generation": alarm.generation,
        "message": alarm.message,
        "hint": alarm.hint,
        "helps": tripwire.UNLOCK,
        "held": tripwire.closed(alarm, keeper.profile.tripwire) is not None,
    }


def _trouble(found: Trouble | None) -> dict[str, Any] | None:
    """What is wrong; ``class`` is a row of the table in docs/security.md."""
    if found is None:
        return None
    return {
        "code": found.code,
        "class": found.kind,
        "since": rfc3339(found.since),
        "message": found.message,
        "next_try_at": rfc3339(found.next_try_at),
        "helps": found.helps,
    }


def _stopped(ledger: Ledger, profile: Profile, now: float) -> dict[str, Any] | None:
    """What only a person clears: secrets that may not be sent any more, or the latch."""
    refusal = budgets.refuses_submit(ledger, now, profile)
    latch = ledger.latch
    error = refusal if refusal is not None and refusal.latched else None
    if error is None and latch is not None:
        error = latch.as_error()
    if error is None:
        return None
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "evidence": error.evidence or None,
        "since": None if latch is None else rfc3339(latch.since),
    }
