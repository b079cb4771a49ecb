"""What a person's ``unlock`` clears in the ledger, and what it leaves.

He speaks of what he has seen.  Where an ``unlock`` waits for a sign-in under way, what that one
sends and meets is not among it: it stays, or an account would get a third wrong password from
somebody who typed the second one into his settings and the word ``unlock`` behind it.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from harvester.errors import AccountLocked
from harvester.ledger import Ledger


def unlocked(ledger: Ledger, now: float, *, asked_at: float, force: bool) -> Ledger:
    """The ledger after a person mended the cause; ``asked_at`` is when he said so, in seconds
    since 1970.  Raises AccountLocked within a day of a lock unless forced."""
    left_s = ledger.lock_left_s(now)
    if left_s > 0 and not force:
        raise AccountLocked(
            "the provider locked the account less than a day ago; another try now would lengthen "
            "the lock",
            hint="wait, or have it unlocked by its administrator and run: harvester unlock --force",
            retry_after_s=left_s,
            latched=True,
        )
    latch, alarm = ledger.latch, ledger.alarm
    unseen_alarm = alarm is not None and asked_at < alarm.since <= now
    # A clock that was set back since makes nothing new.
    unseen = {id(one) for one in ledger.submits if asked_at < one.at <= now}
    refused = {one.fingerprint for one in ledger.submits if id(one) in unseen}
    # What the site or the provider asked for itself is not a person's to cut short.
    kept = ledger
    if not (ledger.retry_error or {}).get("retry_after_s"):
        kept = replace(ledger, retry_at=0.0, retry_error=None, failing_since=0.0)
    return replace(
        kept,
        latch=latch if latch is not None and asked_at < latch.since <= now else None,
        rejected=MappingProxyType(
            {name: at for name, at in ledger.rejected.items() if name in refused}
        ),
        submits=tuple(
            one
            if one.outcome == "accepted" or id(one) in unseen
            else replace(one, outcome="cleared")
            for one in ledger.submits
        ),
        unhelpful=MappingProxyType({}),
        failures=0,
        faults=0,
        unrecognised=0,
        person_told=False,
        alone=False,
        alarm=alarm if unseen_alarm else None,
        pardoned=alarm.mark if alarm is not None and not unseen_alarm else ledger.pardoned,
    )
