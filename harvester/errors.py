"""Every error that harvester shows to a person or to a program.

    HarvesterError
    ├── NeedsPerson            exit 4   a person must do something
    │   ├── NeedsHuman             needs_human
    │   ├── Challenge              challenge
    │   ├── PageNotRecognised      page_not_recognised
    │   ├── ProviderRefuses        provider_refuses_automation
    │   ├── SignInForbidden        sign_in_forbidden
    │   ├── NotConfigured          not_configured
    │   └── Paused                 paused
    ├── Refused                exit 77  the identity provider said no
    │   ├── CredentialsRejected    credentials_rejected
    │   ├── CodeRejected           code_rejected
    │   └── AccountLocked          account_locked
    ├── Unleased               exit 77  a lease does not allow it
    │   ├── LeaseUnknown           lease_unknown
    │   ├── LeaseEnded             lease_ended
    │   └── LeaseForbids           lease_forbids
    ├── WrongSetting           exit 78  a setting is wrong; trying again changes nothing
    │   ├── OriginNotAllowed       origin_not_allowed
    │   ├── OriginMismatch         origin_mismatch
    │   ├── ProbeProvesNothing     probe_proves_nothing
    │   ├── OrganizationNotFound   organization_not_found
    │   ├── OrganizationMismatch   organization_mismatch
    │   ├── IdentityMismatch       identity_mismatch
    │   ├── OrganizationPinned     organization_pinned
    │   ├── UnknownProfile         unknown_profile
    │   ├── KeyWrong               key_wrong
    │   └── ConfigInvalid          config_invalid
    │       ├── ConfigClock            config_clock
    │       ├── ConfigUnknown          config_unknown
    │       ├── ConfigUnsafe           config_unsafe
    │       └── ConfigSecret           config_secret
    ├── NotNow                 exit 75  it may work later
    │   ├── SiteDown               site_down
    │   ├── ProviderDown           identity_provider_down
    │   ├── RateLimited            rate_limited
    │   ├── BudgetSpent            budget_spent
    │   ├── BrowserFailed          browser_failed
    │   ├── TimedOut               timed_out
    │   └── Busy                   busy
    ├── Missing                exit 69  something that should run here does not
    │   ├── BrowserMissing         browser_missing
    │   └── NoDaemon               no_daemon
    ├── StoreError             exit 74  the store
    │   ├── StoreCorrupt           store_corrupt
    │   ├── StoreTampered          store_tampered
    │   ├── StoreSwapped           store_swapped
    │   ├── StoreTooNew            store_too_new
    │   ├── StoreRolledBack        store_rolled_back
    │   ├── StoreUnsafe            store_unsafe
    │   └── StoreFull              store_full
    ├── Usage                  exit 2   usage
    └── Bug                    exit 70  bug

The message says what happened, the hint what to do; neither ever holds a secret.  Codes, exits
and HTTP statuses are the contract with scripts: a code is never renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar


class HarvesterError(Exception):
    """Base of all errors shown to a caller.

    ``code`` is what programs test, ``exit_code`` what the command exits with, ``http_status``
    what the socket API answers.  ``retry_after_s`` is seconds from now, or None.  ``latched``
    is true when the error repeats an earlier one that only a person (or a changed secret)
    clears.  ``evidence`` is the name under which what was seen is kept (``harvester history``).
    """

    code: ClassVar[str] = ""
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retry_after_s: float | None = None,
        latched: bool = False,
        evidence: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after_s = retry_after_s
        self.latched = latched
        self.evidence = evidence

    def as_dict(self) -> dict[str, Any]:
        """The ``error`` object of ``--json`` and of the socket API."""
        told = {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            # What a latch repeats does not pass with time.
            "retryable": self.retryable and not self.latched,
            "retry_after_s": self.retry_after_s,
            "latched": self.latched,
        }
        return {**told, "evidence": self.evidence} if self.evidence else told


class NeedsPerson(HarvesterError):
    exit_code = 4
    http_status = 409


class NeedsHuman(NeedsPerson):
    code = "needs_human"


class Challenge(NeedsPerson):
    code = "challenge"


class PageNotRecognised(NeedsPerson):
    code = "page_not_recognised"


class ProviderRefuses(NeedsPerson):
    code = "provider_refuses_automation"


class SignInForbidden(NeedsPerson):
    code = "sign_in_forbidden"


class NotConfigured(NeedsPerson):
    code = "not_configured"


class Paused(NeedsPerson):
    code = "paused"


class Refused(HarvesterError):
    exit_code = 77
    http_status = 409


class CredentialsRejected(Refused):
    code = "credentials_rejected"


class CodeRejected(Refused):
    code = "code_rejected"


class AccountLocked(Refused):
    code = "account_locked"


class Unleased(HarvesterError):
    exit_code = 77


class LeaseUnknown(Unleased):
    code = "lease_unknown"
    http_status = 404


class LeaseEnded(Unleased):
    code = "lease_ended"
    http_status = 407


class LeaseForbids(Unleased):
    code = "lease_forbids"
    http_status = 409


class WrongSetting(HarvesterError):
    exit_code = 78
    http_status = 409


class OriginNotAllowed(WrongSetting):
    code = "origin_not_allowed"


class OriginMismatch(WrongSetting):
    code = "origin_mismatch"


class ProbeProvesNothing(WrongSetting):
    code = "probe_proves_nothing"


class OrganizationNotFound(WrongSetting):
    code = "organization_not_found"


class OrganizationMismatch(WrongSetting):
    code = "organization_mismatch"


class IdentityMismatch(WrongSetting):
    code = "identity_mismatch"


class OrganizationPinned(WrongSetting):
    code = "organization_pinned"


class UnknownProfile(WrongSetting):
    code = "unknown_profile"
    http_status = 404


class KeyWrong(WrongSetting):
    code = "key_wrong"


class ConfigInvalid(WrongSetting):
    code = "config_invalid"


class ConfigClock(ConfigInvalid):
    """This machine's clock is wrong, and what depends on it was not tried."""

    code = "config_clock"


class ConfigUnknown(ConfigInvalid):
    code = "config_unknown"


class ConfigUnsafe(ConfigInvalid):
    code = "config_unsafe"


class ConfigSecret(ConfigInvalid):
    code = "config_secret"


class NotNow(HarvesterError):
    exit_code = 75
    http_status = 503
    retryable = True


class SiteDown(NotNow):
    code = "site_down"


class ProviderDown(NotNow):
    code = "identity_provider_down"


class RateLimited(NotNow):
    code = "rate_limited"


class BudgetSpent(NotNow):
    code = "budget_spent"


class BrowserFailed(NotNow):
    code = "browser_failed"


class TimedOut(NotNow):
    code = "timed_out"


class Busy(NotNow):
    code = "busy"


class Missing(HarvesterError):
    exit_code = 69
    http_status = 503


class BrowserMissing(Missing):
    code = "browser_missing"


class NoDaemon(Missing):
    code = "no_daemon"


class StoreError(HarvesterError):
    exit_code = 74
    http_status = 500


class StoreCorrupt(StoreError):
    code = "store_corrupt"


class StoreTampered(StoreError):
    code = "store_tampered"


class StoreSwapped(StoreError):
    code = "store_swapped"


class StoreTooNew(StoreError):
    code = "store_too_new"


class StoreRolledBack(StoreError):
    """A warning, shown and never raised: the site is asked before an older record is served."""

    code = "store_rolled_back"


class StoreUnsafe(StoreError):
    code = "store_unsafe"


class StoreFull(StoreError):
    code = "store_full"


class Usage(HarvesterError):
    code = "usage"
    exit_code = 2
    http_status = 400


class Bug(HarvesterError):
    """Our own fault.  Tells the kind and the place, never the text of what was raised: it may
    hold what was typed."""

    code = "bug"
    exit_code = 70
    http_status = 500

    @classmethod
    def of(cls, surprise: BaseException | None) -> Bug:
        kind, place = type(surprise).__name__, "?"
        trace = None if surprise is None else surprise.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            place = f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
            trace = trace.tb_next
        return cls(
            f"something went wrong inside ({kind} at {place})",
            hint="please report it, with the output of: harvester doctor --json",
        )


def _concrete(cls: type[HarvesterError]) -> Iterator[type[HarvesterError]]:
    if cls.code:
        yield cls
    for below in cls.__subclasses__():
        yield from _concrete(below)


BY_CODE: Mapping[str, type[HarvesterError]] = {cls.code: cls for cls in _concrete(HarvesterError)}


def from_dict(error: Mapping[str, Any], *, latched: bool | None = None) -> HarvesterError:
    """Make the error again from its ``as_dict`` form; a code that we do not know becomes a Bug.

    Source: a latch in the ledger, the signer's reply, or a daemon's answer.
    """
    code = str(error.get("code", ""))
    cls = BY_CODE.get(code, Bug)
    message = str(error.get("message") or error.get("detail") or f"unknown error {code!r}")
    retry = error.get("retry_after_s")
    return cls(
        message,
        hint=str(error.get("hint", "")),
        retry_after_s=float(retry) if isinstance(retry, int | float) else None,
        latched=bool(error.get("latched", False)) if latched is None else latched,
        evidence=str(error.get("evidence") or ""),
    )
