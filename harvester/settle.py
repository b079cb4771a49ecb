"""What one ended sign-in does to the ledger: the table of error classes, as code.

Pure.  Source: ``docs/security.md``, "Never lose a session, never lock an account".  Each row
answers three questions: does it count, may it be tried again by itself, and when.
"""

from __future__ import annotations

from dataclasses import replace

from harvester.errors import (
    AccountLocked,
    BrowserFailed,
    BrowserMissing,
    BudgetSpent,
    Challenge,
    CodeRejected,
    ConfigClock,
    ConfigInvalid,
    CredentialsRejected,
    KeyWrong,
    NeedsHuman,
    NotConfigured,
    PageNotRecognised,
    ProviderRefuses,
    StoreError,
    TimedOut,
    WrongSetting,
)
from harvester.ledger import AMBIGUOUS_WAIT_S, BACKOFF_MOST_S, Ledger
from harvester.signin.dialogue import Stopped

# A page may look odd once because it was caught half drawn; twice, and a person must look.
UNRECOGNISED_TRIES = 2
# A browser that does not run may have met a full memory once, or twice; three times, and something
# is broken here.  It may mend itself all the same (a disk, a memory): it is tried on, but seldom.
BROWSER_TRIES = 3
_SIGN_INS = ("silent", "scripted")


def settle(
    ledger: Ledger, stopped: Stopped, *, settings: str, now: float, fraction: float
) -> Ledger:
    """The ledger after a sign-in that ended without a session.

    ``settings`` is the digest in force, ``fraction`` a random number in [0, 1) for the jitter.
    """
    if stopped.asked:
        return replace(ledger, faults=0)
    error = stopped.error
    if not isinstance(error, BrowserFailed | BrowserMissing | TimedOut):
        ledger = replace(ledger, faults=0)  # the browser did its part
    if isinstance(error, CredentialsRejected | CodeRejected):
        if stopped.stage == "before_submit":
            return ledger  # the same secret as before: the signer typed nothing
        ledger = ledger.with_rejected(stopped.fingerprint)
        # It blocks no rung: whether the secret has changed only the signer can tell.
        return ledger.with_latch(now, error, blocks=(), settings=settings, firm=True)
    if isinstance(error, AccountLocked):
        ledger = ledger.with_rejected(stopped.fingerprint)
        return ledger.with_latch(now, error, blocks=("scripted",), settings=settings, firm=True)
    sent = stopped.stage != "before_submit" and not stopped.accepted
    if stopped.accepted:
        ledger = ledger.with_success(stopped.fingerprint)
    elif sent:
        ledger = ledger.with_lost()
    if isinstance(error, ConfigClock):
        # Opened by a person, or when the clock is set (``Ledger.shifted``): till then each try
        # would send a password for nothing.
        return ledger.with_latch(now, error, blocks=("scripted",), settings=settings)
    if isinstance(error, BudgetSpent | NotConfigured | ConfigInvalid | KeyWrong | BrowserMissing):
        return ledger  # nothing was tried, and mending it must help at once
    if isinstance(error, PageNotRecognised):
        ledger = ledger.with_unrecognised()
        if ledger.unrecognised < UNRECOGNISED_TRIES:
            return ledger.with_backoff(now, error, fraction=fraction)
    if isinstance(
        error, Challenge | ProviderRefuses | NeedsHuman | PageNotRecognised | WrongSetting
    ):
        return ledger.with_latch(now, error, blocks=_SIGN_INS, settings=settings)
    if isinstance(error, StoreError):
        return ledger
    if sent and (error.retry_after_s or 0.0) < AMBIGUOUS_WAIT_S:
        return ledger.with_wait(now, error, AMBIGUOUS_WAIT_S, kind="ambiguous")
    if isinstance(error, BrowserFailed):
        return _browser_fault(ledger, error, now, fraction)
    return ledger.with_backoff(now, error, fraction=fraction)


def _browser_fault(ledger: Ledger, error: BrowserFailed, now: float, fraction: float) -> Ledger:
    faults = ledger.faults + 1
    if faults < BROWSER_TRIES:
        return replace(ledger.with_backoff(now, error, fraction=fraction), faults=faults)
    told = BrowserFailed(
        error.message,
        hint="see what is wrong with the browser: harvester doctor",
        evidence=error.evidence,
    )
    return replace(ledger.with_wait(now, told, BACKOFF_MOST_S), faults=faults)
