"""What is wrong with a profile, as one value: its class, since when, what comes next, what helps.

Pure.  The classes are the rows of ``docs/security.md``, "Never lose a session, never lock an
account"; an error's code says what happened, its class what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from harvester import errors
from harvester.budgets import refuses_submit
from harvester.errors import HarvesterError
from harvester.ledger import Ledger
from harvester.profile import Profile
from harvester.tripwire import Alarm

_KINDS: tuple[tuple[type[HarvesterError], str], ...] = (
    (errors.CredentialsRejected, "credentials_rejected"),
    (errors.CodeRejected, "code_rejected"),
    (errors.AccountLocked, "locked"),
    (errors.NotConfigured, "wrong_setting"),
    (errors.NeedsPerson, "person_needed"),
    (errors.WrongSetting, "wrong_setting"),
    (errors.SiteDown, "site_down"),
    (errors.RateLimited, "rate_limited"),
    (errors.BudgetSpent, "budget_spent"),
    (errors.BrowserFailed, "browser_fault"),
    (errors.BrowserMissing, "browser_fault"),
    # A sign-in that ran out of time before anything was sent: somebody there was too slow.
    (errors.TimedOut, "provider_down"),
    (errors.ProviderDown, "provider_down"),
    (errors.StoreError, "store_fault"),
)
# Nothing but time, or what a person does, changes these; nobody tries again.
_FOR_A_PERSON = frozenset(
    {"credentials_rejected", "code_rejected", "locked", "person_needed", "wrong_setting"}
)
_BY_ITSELF = "nothing to do: it is tried again by itself"
_HELPS = {
    "credentials_rejected": "correct the user name or the password, then run: harvester refresh",
    "code_rejected": "harvester unlock",
    "locked": "harvester unlock",
    "person_needed": "harvester login --headed",
    "provider_down": "harvester doctor",
    "site_down": "harvester doctor",
    "browser_fault": "harvester doctor",
    "ambiguous": _BY_ITSELF,
    "rate_limited": _BY_ITSELF,
    "site_refuses": _BY_ITSELF,
}
_UNLOCK = "harvester unlock"


@dataclass(frozen=True, slots=True)
class Trouble:
    """``kind`` is the class.  ``since`` and ``next_try_at`` are seconds since 1970; ``since`` is
    None where nobody noted it, ``next_try_at`` where nothing is tried before a person acts.
    ``helps`` is the one command, or a sentence."""

    code: str
    kind: str
    since: float | None
    message: str
    next_try_at: float | None
    helps: str


def kind_of(error: HarvesterError) -> str:
    """The class of an error that is not known to be ambiguous."""
    for cls, kind in _KINDS:
        if isinstance(error, cls):
            return kind
    return error.code


def of_error(
    error: HarvesterError,
    *,
    since: float | None,
    next_try_at: float | None,
    kind: str = "",
    waits: bool = False,
) -> Trouble:
    """``kind`` where more is known than the error tells; ``waits``: it is tried again by itself,
    though it may come to need a person."""
    kind = kind or kind_of(error)
    person = error.latched or (kind in _FOR_A_PERSON and not waits)
    return Trouble(
        error.code,
        kind,
        since,
        error.message,
        None if person else next_try_at,
        _UNLOCK if error.latched and kind == "ambiguous" else _helps(kind, error),
    )


def of_ledger(ledger: Ledger, profile: Profile, now: float, *, well: bool) -> Trouble | None:
    """What the ledger holds against another try: a stop, or a wait.

    ``well``: a fresh session is served; then a failure whose wait is over is history.
    """
    refusal = refuses_submit(ledger, now, profile)
    latch = ledger.latch
    if refusal is not None and refusal.latched:
        since = ledger.submits[-1].at if latch is None else latch.since
        if isinstance(refusal, errors.BudgetSpent):
            # What was sent got no answer, twice: whether the secret is right nobody knows.
            return of_error(refusal, since=since, next_try_at=None, kind="ambiguous")
        told = of_error(refusal, since=since, next_try_at=None)
        return _helped(told, _UNLOCK)
    if latch is not None:
        error = latch.as_error()
        told = of_error(error, since=latch.since or None, next_try_at=None)
        if ledger.lock_left_s(now) > 0:
            return _helped(told, "have the account unlocked, then run: harvester unlock --force")
        return _helped(told, _UNLOCK) if told.kind == "store_fault" else told
    waits = ledger.waits(now)
    if waits is not None:
        return of_error(
            waits,
            since=ledger.failing_since or None,
            next_try_at=now + (waits.retry_after_s or 0.0),
            kind="ambiguous" if _ambiguous(ledger) else "",
            waits=True,
        )
    if ledger.retry_error is not None and not well:
        return of_error(
            errors.from_dict(ledger.retry_error),
            since=ledger.failing_since or None,
            next_try_at=now,
            kind="ambiguous" if _ambiguous(ledger) else "",
            waits=True,
        )
    return None


def of_stranger(held: HarvesterError, alarm: Alarm | None) -> Trouble:
    """Serving is held because of an alarm: nothing before a person says so."""
    since = None if alarm is None else alarm.since
    return Trouble(held.code, "stranger", since, held.message, None, _UNLOCK)


def site_refuses(generation: int, since: float | None, now: float) -> Trouble:
    """The site refused the session at hand, and no way back has failed yet."""
    message = f"the site refused the session of generation {generation}"
    return Trouble("site_refuses", "site_refuses", since, message, now, _HELPS["site_refuses"])


def _ambiguous(ledger: Ledger) -> bool:
    """Whether what is waited for is the answer to a secret that was sent."""
    if ledger.submits and ledger.submits[-1].outcome == "open":
        return True
    return ledger.retry_error is not None and ledger.retry_error.get("kind") == "ambiguous"


def _helps(kind: str, error: HarvesterError) -> str:
    return _HELPS.get(kind) or error.hint or "harvester doctor"


def _helped(told: Trouble, helps: str) -> Trouble:
    return Trouble(told.code, told.kind, told.since, told.message, told.next_try_at, helps)
