"""Why something was decided, and what comes of it, in words for a person.

Pure.  Owns the sentences of the why-lines (the log, ``harvester history``) that more than one place
needs; decides nothing: each only puts into words what ``ladder.py``, ``lifetime.py`` and
``settle.py`` decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harvester.clock import rfc3339
from harvester.errors import HarvesterError
from harvester.ladder import Facts, Rung, Why
from harvester.ledger import Ledger
from harvester.lifetime import Windows
from harvester.prices import PRICES
from harvester.profile import Profile
from harvester.session import Session
from harvester.trouble import of_error, of_ledger

BECAUSE: Mapping[Why, str] = {
    "none": "there is no session",
    "stale": "the session nears its end",
    "spent": "the session is about to end",
    "denied": "the site refused the session",
    "asked": "somebody asked for a refresh",
    "hard": "somebody asked for a new sign-in",
    "headed": "a person is there to sign in",
}
# What each rung may bring upon the account.
RISK: Mapping[Rung, str] = {
    **{rung: price.risk for rung, price in PRICES.items()},
    "scripted": "a password that counts where accounts are locked",
    "headed": "none: a person signs in",
}
_ORDER: tuple[Rung, ...] = ("touch", "renew", "silent", "scripted")
_LIVES: tuple[Why, ...] = ("stale", "spent", "asked")


def skipped(facts: Facts, now: float, taken: str | None = None) -> list[str]:
    """Why each cheaper rung than the one ``taken`` is not; of all, where none is."""
    rungs = _ORDER[: _ORDER.index(taken)] if taken in _ORDER else _ORDER
    return [] if taken == "headed" else [f"{rung}: {_not(rung, facts, now)}" for rung in rungs]


def _not(rung: Rung, facts: Facts, now: float) -> str:
    return next(_reasons(rung, facts, now), "it was not its turn")


def _reasons(rung: Rung, facts: Facts, now: float) -> Iterator[str]:
    ledger = facts.ledger
    if rung in facts.tried:
        yield "it did not help"
    if facts.why == "hard" and rung in ("touch", "renew"):
        yield "a new sign-in was asked for"
    if rung == "touch" and facts.why not in _LIVES:
        yield "there is no live session"
    if rung == "renew" and (facts.why == "none" or not facts.renewable):
        yield "no page could mint the session anew"
    if rung == "silent" and not (facts.remembers or facts.passkey):
        yield "nothing is remembered of the identity provider"
    if rung == "scripted" and not (facts.username and facts.password):
        yield "no user name or no password is configured"
    stopped = ledger.stops(rung, facts.settings)
    if stopped is not None:
        yield f"stopped ({stopped.code})"
    if rung == "scripted" and facts.submit_refusal is not None:
        yield f"no secret may be sent ({facts.submit_refusal.code})"
    if rung != "scripted" and not ledger.worth(rung, now):
        yield "it did not help when it was tried last"
    if rung in ("touch", "renew", "silent") and ledger.wait_s(rung, now, facts.life_s) > 0:
        yield "its budget is empty"
    if ledger.waits(now) is not None:
        yield "a back-off runs"


def after(error: HarvesterError, ledger: Ledger, profile: Profile, now: float) -> dict[str, Any]:
    """``next`` and ``next_at`` of a failure, after the ledger was told."""
    trouble = of_ledger(ledger, profile, now, well=False)
    if trouble is None or (trouble.code != error.code and not error.latched):
        at = None if error.retry_after_s is None else now + error.retry_after_s
        trouble = of_error(error, since=now, next_try_at=at)
    if trouble.next_try_at is not None:
        return {"next": "another try", "next_at": rfc3339(trouble.next_try_at)}
    return {"next": trouble.helps, "next_at": None}


def of_schedule(session: Session, when: Windows) -> dict[str, Any]:
    """``why``, ``next`` and ``next_at`` of a session that is left alone until then."""
    at = when.stale_at
    if at is None:
        why = "its end is not known, so it is asked after again and again"
        return {"why": why, "next": "probe", "next_at": rfc3339(when.ask_at)}
    if session.expires_at is None:
        return {"why": "the settings ask for it", "next": "refresh", "next_at": rfc3339(at)}
    life_s = max(1.0, session.expires_at - session.renewed_at)
    part = (at - session.renewed_at) / life_s
    why = f"at {part:.0%} of its {session.expires_kind} life of {span(life_s)}"
    return {"why": why, "next": "refresh", "next_at": rfc3339(at)}


def span(seconds: float) -> str:
    """``8 h``, ``90 d``, ``1 h 30 min``, ``45 s``: the two largest units that say something."""
    parts = []
    left = round(seconds)
    for unit, size_s in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size_s)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
