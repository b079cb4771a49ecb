"""How a profile stands, at one moment: what ``status.py`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harvester import lifetime, trouble
from harvester.condition import Condition
from harvester.errors import HarvesterError, RateLimited, SiteDown, StoreFull
from harvester.flight import Flight
from harvester.held import Held
from harvester.ledger import Ledger
from harvester.lifetime import Freshness
from harvester.lives import Learned
from harvester.profile import Profile
from harvester.session import Session
from harvester.trouble import Trouble
from harvester.witness import Witness


@dataclass(frozen=True, slots=True)
class Standing:
    """``state`` is one of live, stale, refreshing, no_session, latched, signed_out, waiting."""

    state: str
    session: Session | None
    ledger: Ledger
    next_refresh_at: float | None
    last_event: dict[str, Any] | None
    durable: bool
    life_s: float | None
    sandboxed: bool | None
    learned: Learned
    """How long sessions of this profile live, as far as was seen."""
    clock_skew_s: float | None = None
    """Our clock minus the site's; None until it told its time."""
    trouble: Trouble | None = None
    """What is wrong, the gravest of it."""


def standing_of(
    profile: Profile,
    held: Held,
    condition: Condition,
    flight: Flight,
    witness: Witness,
    *,
    now: float,
    sandboxed: bool | None,
    clock_skew_s: float | None = None,
    shut: HarvesterError | None = None,
) -> Standing:
    """Put together what the keeper knows; ``shut`` is why nothing is handed out."""
    session, ledger = held.usable(), condition.ledger
    if flight.up:
        state = "refreshing"
    elif shut is not None:
        state = "latched"
    elif session is not None and condition.broken is None:
        fresh = held.freshness(session)
        state = "live" if fresh in (Freshness.FRESH, Freshness.UNKNOWN) else "stale"
    elif condition.signed_out:
        state = "signed_out"
    elif ledger.latch is not None:
        state = "latched"
    else:
        failed = condition.broken is not None or flight.error is not None
        state = "waiting" if failed or ledger.waits(now) is not None else "no_session"
    return Standing(
        state=state,
        session=session,
        ledger=ledger,
        next_refresh_at=None if session is None else held.windows(session).stale_at,
        last_event=condition.last_event,
        durable=held.durable and not condition.owes,
        life_s=None if session is None else lifetime.known_life_s(session),
        sandboxed=sandboxed,
        clock_skew_s=clock_skew_s,
        trouble=trouble.of_stranger(shut, ledger.alarm)
        if shut is not None
        else _trouble(profile, held, condition, flight, witness, now, well=state == "live"),
        learned=held.learned,
    )


def _trouble(
    profile: Profile,
    held: Held,
    condition: Condition,
    flight: Flight,
    witness: Witness,
    now: float,
    *,
    well: bool,
) -> Trouble | None:
    """What is wrong, from what stops everything to what is only a nuisance."""
    # Who looks unasked tries again then; without a daemon, whoever asks next.
    next_at = max(now, condition.next_look_at or now)
    if condition.broken is not None:
        return trouble.of_error(condition.broken, since=condition.broken_since, next_try_at=next_at)
    found = trouble.of_ledger(condition.ledger, profile, now, well=well)
    if found is not None:
        return found
    if flight.error is not None and not well:
        return trouble.of_error(flight.error, since=flight.failing_since, next_try_at=next_at)
    session = held.session
    if held.refused and session is not None and not condition.signed_out:
        return trouble.site_refuses(session.generation, witness.refused_at, now)
    silent_since = witness.silent_since
    # What a climb heard since is newer.
    if session is not None and silent_since is not None and session.proved_at <= silent_since:
        cls = RateLimited if witness.rest_s > 0 else SiteDown
        silent = cls(f"{session.origin} does not answer the probe ({witness.silence})")
        at = max(next_at, now + witness.rest_s)
        return trouble.of_error(silent, since=silent_since, next_try_at=at)
    if held.older is not None:
        return trouble.of_error(held.older, since=None, next_try_at=next_at)
    if not held.durable or condition.owes:
        full = StoreFull("the store cannot be written: nothing new survives a restart")
        return trouble.of_error(full, since=None, next_try_at=next_at)
    return None


def why_none(error: HarvesterError | None, ledger: Ledger) -> str:
    """Why there is no working session: what failed last, else what the latch repeats."""
    if error is None and ledger.latch is not None:
        error = ledger.latch.as_error()
    return "no session yet" if error is None else f"{error.code}: {error.message}"
