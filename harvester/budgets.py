"""How often a secret may be sent, and the organisation be switched: what the ledger allows now.

Pure.  A provider that counts wrong passwords knows nothing of profiles: what was sent for an
account counts in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from harvester.errors import AccountLocked, BudgetSpent, CredentialsRejected, HarvesterError
from harvester.ledger import DAY_S, HOUR_S, Ledger
from harvester.profile import Profile

# Lock-out thresholds in the wild start at 3, and the person needs one try of his own.
SUBMITS_SINCE_SUCCESS = 2
# A CI job that begins with nothing does not know what the jobs before it sent, and there may be
# many of them at this moment: each sends one secret, and none a second one.
SUBMITS_ALONE = 1
# The site allows its user 30 an hour, who switches in his browser too, and in other profiles.
SWITCHES_PER_HOUR = 10


def refuses_submit(
    ledger: Ledger, now: float, profile: Profile, *, others: Iterable[Ledger] = ()
) -> HarvesterError | None:
    """Why no secret may be sent now, or None.  ``others`` are the ledgers of other profiles for
    the same account."""
    others = tuple(others)
    for other in others:
        if other.unread and other.latch is not None:
            return other.latch.as_error()
        left_s = other.lock_left_s(now)
        if left_s > 0:
            return AccountLocked(
                "the provider locked the account when another profile of it signed in, less than "
                "a day ago",
                hint="have it unlocked by its administrator and run `harvester unlock --force` "
                "for that profile",
                retry_after_s=left_s,
            )
    counted = [one for each in (ledger, *others) for one in each.since_success()]
    # What another profile sent is in that one's ledger, and is cleared there.
    unlock = "run: harvester unlock"
    if len(counted) > len(ledger.since_success()):
        unlock += ", for each profile of this account"
    refused = {submit.fingerprint for submit in counted if submit.outcome == "rejected"}
    if ledger.alone and len(counted) >= SUBMITS_ALONE:
        return _alone(refused=bool(refused))
    if len(refused) >= SUBMITS_SINCE_SUCCESS:
        return CredentialsRejected(
            "two different secrets were refused one after the other; a third could lock "
            "the account",
            hint=f"check them by signing in yourself, then {unlock}",
            latched=True,
        )
    if len(counted) >= SUBMITS_SINCE_SUCCESS:
        return BudgetSpent(
            f"{len(counted)} passwords were sent since the last success",
            hint=f"sign in yourself to see what is wrong, then {unlock}",
            latched=True,
        )
    for limit, span_s, word in (
        (profile.submits_per_hour, HOUR_S, "hour"),
        (profile.submits_per_day, DAY_S, "day"),
    ):
        recent = sorted(submit.at for submit in ledger.submits if submit.at > now - span_s)
        if len(recent) >= limit:
            frees_s = recent[-limit] + span_s - now if limit else span_s
            return BudgetSpent(
                f"{len(recent)} passwords were sent in the last {word}, the limit is {limit}",
                hint=f"wait, or raise HARVESTER_SUBMITS_PER_{word.upper()}",
                retry_after_s=max(1.0, frees_s),
            )
    return None


def _alone(*, refused: bool) -> HarvesterError:
    what = "was refused" if refused else "was sent, and no success was seen"
    cls = CredentialsRejected if refused else BudgetSpent
    return cls(
        f"a secret {what}, and in a CI job that began with an empty store it is the only one: what "
        "other jobs sent is not known",
        hint="mend what is wrong; let one job sign in for all, and carry its bundle along: "
        "harvester export --sealed",
        latched=True,
    )


def refuses_switch(ledger: Ledger, now: float) -> HarvesterError | None:
    """Why the organisation may not be switched now, or None."""
    recent = sorted(ledger.switched_since(now - HOUR_S))
    if len(recent) < SWITCHES_PER_HOUR:
        return None
    return BudgetSpent(
        f"the organisation was switched {len(recent)} times in the last hour, the limit is "
        f"{SWITCHES_PER_HOUR}",
        hint="wait; and see why each sign-in ends in another organisation",
        retry_after_s=min(HOUR_S, max(1.0, recent[-SWITCHES_PER_HOUR] + HOUR_S - now)),
    )


def left(ledger: Ledger, profile: Profile, now: float, life_s: float | None) -> dict[str, int]:
    """What may still be done now, by the names that ``status`` shows."""
    hour, day = ledger.sent_since(now - HOUR_S), ledger.sent_since(now - DAY_S)
    switched = len(ledger.switched_since(now - HOUR_S))
    most = SUBMITS_ALONE if ledger.alone else SUBMITS_SINCE_SUCCESS
    return {
        "submits_left_hour": max(0, profile.submits_per_hour - hour),
        "submits_left_day": max(0, profile.submits_per_day - day),
        "submits_left_since_success": max(0, most - len(ledger.since_success())),
        "touches_left": ledger.left("touch", now, life_s),
        "renewals_left": ledger.left("renew", now, life_s),
        "silent_left": ledger.left("silent", now, life_s),
        "switches_left_hour": max(0, SWITCHES_PER_HOUR - switched),
    }
