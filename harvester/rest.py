"""How long to leave a profile alone: between looks, and after what went wrong.  Pure."""

from __future__ import annotations

from harvester.errors import (
    HarvesterError,
    NeedsPerson,
    RateLimited,
    Refused,
    SiteDown,
    WrongSetting,
)
from harvester.ledger import BACKOFF_MOST_S, RETRY_AFTER_MOST_S, Ledger

# Scheduled looks after a failure that nothing else times: a silent site is asked again so often.
LOOK_AGAIN_S = 30.0
# At most one scheduled probe a minute, whatever the windows say.
SCHEDULED_PROBE_EVERY_S = 60.0
# Where only a person can help, looking costs a process and finds the same for hours; who has
# mended something and asks for a session is answered at once all the same.
PERSON_LOOK_S = 300.0
# A refused secret is read again from its source, which may ask a person to open a safe.
REFUSED_LOOK_S = 3600.0
# A climb that succeeded is looked at again after this, not at once: a session that is over the
# moment it is made must not become a storm.
AFTER_CLIMB_S = 1.0


def after_failure(error: HarvesterError, ledger: Ledger, now: float, *, serving: bool) -> float:
    """Seconds until the schedule tries again.  ``serving``: there is a session to serve."""
    if isinstance(error, Refused):
        return REFUSED_LOOK_S
    if isinstance(error, NeedsPerson | WrongSetting):
        return PERSON_LOOK_S
    # With a session in hand nothing presses; without one, sooner.
    least_s = SCHEDULED_PROBE_EVERY_S if serving else LOOK_AGAIN_S
    backoff_s = ledger.retry_at - now
    if isinstance(error, SiteDown | RateLimited) or backoff_s <= 0:
        return max(least_s, min(error.retry_after_s or 0.0, RETRY_AFTER_MOST_S))
    return max(1.0, min(backoff_s, BACKOFF_MOST_S))
