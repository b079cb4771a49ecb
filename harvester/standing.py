"""How a profile stands, at one moment: what ``status.py`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harvester import lifetime
from harvester.errors import HarvesterError
from harvester.held import Held
from harvester.ledger import Ledger
from harvester.lifetime import Freshness
from harvester.session import Session


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


def standing_of(
    held: Held,
    ledger: Ledger,
    *,
    flying: bool,
    signed_out: bool,
    failed: bool,
    last_event: dict[str, Any] | None,
    sandboxed: bool | None,
) -> Standing:
    """Put together what the keeper knows."""
    session = held.usable()
    if flying:
        state = "refreshing"
    elif session is not None:
        fresh = held.freshness(session)
        state = "live" if fresh in (Freshness.FRESH, Freshness.UNKNOWN) else "stale"
    elif signed_out:
        state = "signed_out"
    elif ledger.latch is not None:
        state = "latched"
    else:
        state = "waiting" if failed else "no_session"
    return Standing(
        state=state,
        session=session,
        ledger=ledger,
        next_refresh_at=None if session is None else held.windows(session).stale_at,
        last_event=last_event,
        durable=held.durable,
        life_s=None if session is None else lifetime.known_life_s(session),
        sandboxed=sandboxed,
    )


def why_none(error: HarvesterError | None, ledger: Ledger) -> str:
    """Why there is no working session: what failed last, else what the latch repeats."""
    if error is None and ledger.latch is not None:
        error = ledger.latch.as_error()
    return "no session yet" if error is None else f"{error.code}: {error.message}"
