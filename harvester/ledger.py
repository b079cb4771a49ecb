"""The ledger: what was attempted, what that allows, and what only a person may clear.

Pure values and rules; the keeper stores the ledger, sealed and durable, *before* each attempt, so
that a crash loop cannot reset a budget.  All times are seconds since 1970.

The rules in one paragraph: a secret that was refused is never sent again by itself; after two
different refused ones, or two sends without a success, nothing is sent until a person says so; a
send whose answer was never seen counts; trouble on the provider's side does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from harvester import prices
from harvester.attempts import Latch, Outcome, Submit
from harvester.bucket import Bucket
from harvester.errors import AccountLocked, ConfigClock, HarvesterError, Refused, TimedOut
from harvester.errors import from_dict as error_from_dict
from harvester.lives import EarlyEnd, Life
from harvester.prices import Cheap
from harvester.tripwire import Alarm
from harvester.verdict import Picture

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
# After this, a refused password may be right again (somebody changed it back): one more try.
REJECTED_REMEMBERED_S = 90 * DAY_S
# A provider's lock is often lifted by time; asking within a day only lengthens it.
LOCKED_AT_LEAST_S = DAY_S
BACKOFF_FIRST_S = 5.0
BACKOFF_MOST_S = 900.0
# Retry-After of more than a day is a mistake of somebody's clock.
RETRY_AFTER_MOST_S = DAY_S
# One code step: an answer that was lost may still arrive, and a new code can be made.
AMBIGUOUS_WAIT_S = 30.0

# A week is believed at once: from one boot to the next more in one step is a clock that was set.
BELIEVED_STEP_S = 7 * DAY_S

# What a wait is for, where its error does not tell: the answer to a secret that was sent, or the
# site, which asked to be left alone.
Wait = Literal["", "ambiguous", "site"]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that was attempted for one profile.  A new value for each change.

    ``generation`` is the highest that was ever given to a session here: a logout or a damaged
    record must not make an old report look like one about the present session.  ``refused`` is
    the last generation that the site refused.  ``signed_out``: a person signed out, and nothing
    was asked for since.  ``account`` names the account without telling it.  ``aged_s`` is the
    ledger's own clock, which no step of the wall clock can push far; ``aged_at`` when it was read.
    ``buckets`` are the rungs' that were taken (``prices.py``); ``lives`` what was seen of the last
    sessions, the oldest first; ``refused_early`` the last one that ended long before its time.
    ``failing_since`` is when the failure of ``retry_error`` began; ``faults`` are the browser's, in
    a row.  ``person_told``: somebody was told that he is needed, and nothing has come of it yet.
    ``alone``: a CI job began it with nothing, so what other jobs sent is not known (budgets.py).
    ``alarm`` is a sign of a stranger's hand (tripwire.py); ``pardoned`` marks the last one that
    a person cleared.  ``unread``, never stored: it stands for one that could not be read.
    """

    generation: int = 0
    refused: int = 0
    signed_out: bool = False
    account: str = ""
    aged_s: float = 0.0
    aged_at: float = 0.0
    submits: tuple[Submit, ...] = ()
    rejected: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    latch: Latch | None = None
    failures: int = 0
    retry_at: float = 0.0
    retry_error: Mapping[str, Any] | None = None
    failing_since: float = 0.0
    faults: int = 0
    unrecognised: int = 0
    buckets: Mapping[str, Bucket] = field(default_factory=lambda: MappingProxyType({}))
    switches: tuple[float, ...] = ()
    totp_step: int | None = None
    picture: Picture | None = None
    unhelpful: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    lives: tuple[Life, ...] = ()
    refused_early: EarlyEnd | None = None
    person_told: bool = False
    alone: bool = False
    alarm: Alarm | None = None
    pardoned: str = ""
    unread: bool = False

    # what may be done

    def since_success(self) -> tuple[Submit, ...]:
        """The sends that count against an account that locks: those after the last success or
        the last ``unlock``."""
        counted: list[Submit] = []
        for submit in self.submits:
            if submit.outcome in ("accepted", "cleared"):
                counted.clear()
            else:
                counted.append(submit)
        return tuple(counted)

    def sent_since(self, since: float) -> int:
        return sum(1 for submit in self.submits if submit.at > since)

    def shifted(self, by_s: float) -> Ledger:
        """The same ledger, by a clock that was set forward by ``by_s``: all its times move.

        A latch that was closed because the clock was wrong opens: it is another one now.
        """
        latch = self.latch
        if latch is not None:
            wrong = latch.error.get("code") == ConfigClock.code
            latch = None if wrong else replace(latch, since=latch.since + by_s)
        buckets = {rung: replace(one, at=one.at + by_s) for rung, one in self.buckets.items()}
        early = self.refused_early
        return replace(
            self,
            aged_at=self.aged_at and self.aged_at + by_s,
            submits=tuple(replace(one, at=one.at + by_s) for one in self.submits),
            latch=latch,
            retry_at=self.retry_at and self.retry_at + by_s,
            failing_since=self.failing_since and self.failing_since + by_s,
            buckets=MappingProxyType(buckets),
            switches=tuple(at + by_s for at in self.switches),
            refused_early=early and replace(early, at=early.at + by_s),
            alarm=self.alarm and replace(self.alarm, since=self.alarm.since + by_s),
            unhelpful=MappingProxyType({rung: at + by_s for rung, at in self.unhelpful.items()}),
        )

    def aged(self, now: float) -> Ledger:
        """The ledger's own clock, moved on to ``now``."""
        step_s = min(max(0.0, now - self.aged_at), BELIEVED_STEP_S) if self.aged_at else 0.0
        return replace(self, aged_s=self.aged_s + step_s, aged_at=now)

    def rejected_fingerprints(self) -> tuple[str, ...]:
        """Secrets that were refused and are not sent again by themselves."""
        return tuple(
            name for name, at in self.rejected.items() if self.aged_s - at < REJECTED_REMEMBERED_S
        )

    def refusal(self) -> HarvesterError | None:
        """The refusal that the latch repeats, if a refusal closed it."""
        error = None if self.latch is None else self.latch.as_error()
        return error if isinstance(error, Refused) else None

    def lock_left_s(self, now: float) -> float:
        """Seconds for which a locked account is left alone; 0 where there is no lock any more."""
        latch = self.latch
        if latch is None or latch.error.get("code") != AccountLocked.code:
            return 0.0
        return max(0.0, LOCKED_AT_LEAST_S - (now - latch.since))

    def stops(self, rung: str, settings: str) -> HarvesterError | None:
        """The latch's error, if it is closed for this rung under these settings."""
        latch = self.latch
        if latch is None or rung not in latch.blocks:
            return None
        if not latch.firm and latch.settings != settings:
            return None
        return latch.as_error()

    def waits(self, now: float) -> HarvesterError | None:
        """The error to repeat while a back-off runs, or None."""
        last = self.submits[-1] if self.submits else None
        if last is not None and last.outcome == "open":
            left_s = last.at + AMBIGUOUS_WAIT_S - now
            if 0 < left_s <= AMBIGUOUS_WAIT_S:
                return TimedOut(
                    "a password was sent moments ago, and its answer was never seen",
                    hint="wait; it is tried once more by itself",
                    retry_after_s=left_s,
                )
        # A clock set back must not turn seconds into years: no wait is longer than a day.
        left_s = self.retry_at - now
        if left_s <= 0 or left_s > RETRY_AFTER_MOST_S or self.retry_error is None:
            return None
        error = error_from_dict(self.retry_error)
        error.retry_after_s = left_s
        return error

    def left(self, rung: Cheap, now: float, life_s: float | None) -> int:
        """How often a rung that types nothing may be taken now."""
        return int(self._bucket(rung, now, life_s).tokens)

    def wait_s(self, rung: Cheap, now: float, life_s: float | None) -> float:
        """Seconds until it may be taken again; 0 when it may be taken now."""
        missing = 1 - self._bucket(rung, now, life_s).tokens
        return max(0.0, missing) * prices.PRICES[rung].refills_every_s(life_s)

    # what was done

    def with_submit(self, now: float, fingerprint: str) -> Ledger:
        """A secret is about to be sent.  Store this before sending."""
        recent = tuple(s for s in self.submits if now - s.at < DAY_S or s in self.since_success())
        return replace(self, submits=(*recent, Submit(now, fingerprint)))

    def with_rung(self, rung: Cheap, now: float, life_s: float | None) -> Ledger:
        """A rung that types nothing is about to be taken."""
        bucket = self._bucket(rung, now, life_s)
        taken = Bucket(bucket.tokens - 1, now)
        return replace(self, buckets=MappingProxyType({**self.buckets, rung: taken}))

    def switched_since(self, since: float) -> tuple[float, ...]:
        """When the organisation was switched after ``since``."""
        return tuple(at for at in self.switches if at > since)

    def with_switch(self, now: float) -> Ledger:
        """The organisation is about to be switched.  Store this before it is."""
        return replace(self, switches=(*self.switched_since(now - HOUR_S), now))

    def with_totp_step(self, step: int) -> Ledger:
        return replace(self, totp_step=max(step, self.totp_step or 0))

    def with_generation(self, generation: int) -> Ledger:
        """A session was given this generation; whoever had signed out is in again."""
        highest = max(generation, self.generation)
        return replace(self, generation=highest, signed_out=False, person_told=False)

    def with_refused(self, generation: int) -> Ledger:
        return replace(self, refused=max(generation, self.refused))

    def with_signed_out(self, generation: int) -> Ledger:
        return replace(self.with_generation(generation), signed_out=True)

    def with_account(self, account: str) -> Ledger:
        return replace(self, account=account)

    def with_success(self, fingerprint: str | None) -> Ledger:
        """A sign-in was proved by the probe; ``fingerprint`` is the secret that did it, if any.

        A silent success says nothing about a password, so it reopens nothing that stops one.
        """
        rejected = dict(self.rejected)
        unhelpful = dict(self.unhelpful)
        submits = self.submits
        latch = self.latch if self.latch is not None and "silent" not in self.latch.blocks else None
        alone = self.alone and fingerprint is None
        if fingerprint is not None:
            rejected.pop(fingerprint, None)
            submits = self._settled("accepted")
            latch = None
            unhelpful.pop("silent", None)
        # The last session was at its end and could not be renewed; a new one can.
        unhelpful.pop("renew", None)
        return replace(
            self,
            submits=submits,
            rejected=MappingProxyType(rejected),
            unhelpful=MappingProxyType(unhelpful),
            latch=latch,
            alone=alone,
            failures=0,
            retry_at=0.0,
            retry_error=None,
            failing_since=0.0,
            faults=0,
            unrecognised=0,
        )

    def with_renewal(self) -> Ledger:
        """A cheap rung brought a session: what failed before it no longer lengthens a back-off.

        One that runs is not cut short: a provider that asked to be left alone was not asked.
        """
        return replace(self, failures=0, failing_since=0.0, faults=0)

    def with_rejected(self, fingerprint: str | None) -> Ledger:
        """The provider refused what was sent last."""
        kept = {name: self.rejected[name] for name in self.rejected_fingerprints()}
        if fingerprint is not None:
            kept[fingerprint] = self.aged_s
        return replace(self, submits=self._settled("rejected"), rejected=MappingProxyType(kept))

    def with_lost(self) -> Ledger:
        """What was sent last got no answer: it counts."""
        return replace(self, submits=self._settled("lost"))

    def with_latch(
        self,
        now: float,
        error: HarvesterError,
        *,
        blocks: Iterable[str],
        settings: str,
        firm: bool = False,
    ) -> Ledger:
        told = {**error.as_dict(), "latched": True}
        return replace(self, latch=Latch(told, now, tuple(blocks), settings, firm))

    def with_backoff(
        self, now: float, error: HarvesterError, *, fraction: float, kind: Wait = ""
    ) -> Ledger:
        """Wait before the next try: exponential with full jitter, ``fraction`` in [0, 1).

        A ``retry_after_s`` of the error is honoured as it is (capped) and lengthens nothing.
        """
        if error.retry_after_s:  # "0" names no time, and is no leave to ask without end
            wait_s = min(error.retry_after_s, RETRY_AFTER_MOST_S)
            return self.with_wait(now, error, wait_s, kind=kind)
        span_s = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** min(self.failures, 20))
        waiting = self.with_wait(now, error, span_s * fraction, kind=kind)
        return replace(waiting, failures=self.failures + 1)

    def with_wait(
        self, now: float, error: HarvesterError, wait_s: float, *, kind: Wait = ""
    ) -> Ledger:
        told = error.as_dict()
        same = self.retry_error is not None and self.retry_error.get("code") == error.code
        return replace(
            self,
            retry_at=now + wait_s,
            retry_error={**told, "kind": kind} if kind else told,
            failing_since=self.failing_since if same and self.failing_since else now,
        )

    def with_picture(self, picture: Picture) -> Ledger:
        return replace(self, picture=picture)

    def with_lives(self, lives: tuple[Life, ...]) -> Ledger:
        """A session has ended, or was replaced while it lived (``lives.remembered``)."""
        return replace(self, lives=lives)

    def with_alarm(self, alarm: Alarm | None) -> Ledger:
        """The first sign stands; one that a person has pardoned is none."""
        if alarm is None or self.alarm is not None or alarm.mark == self.pardoned:
            return self
        return replace(self, alarm=alarm)

    def with_unrecognised(self) -> Ledger:
        return replace(self, unrecognised=self.unrecognised + 1)

    def with_usefulness(self, now: float, rung: str, *, helped: bool) -> Ledger:
        """Whether a cheap rung lengthened the session: one that does not is given up for a day."""
        unhelpful = dict(self.unhelpful)
        if helped:
            unhelpful.pop(rung, None)
        else:
            unhelpful[rung] = now
        return replace(self, unhelpful=MappingProxyType(unhelpful))

    def worth(self, rung: str, now: float) -> bool:
        at = self.unhelpful.get(rung)
        if at is None:
            return True
        last = self.submits[-1] if self.submits else None
        if rung == "silent" and last is not None and last.outcome in ("open", "lost"):
            # The answer was never seen, and it may have been yes: then the provider remembers.
            return last.at >= at
        return not 0 <= now - at < DAY_S

    def _bucket(self, rung: Cheap, now: float, life_s: float | None) -> Bucket:
        return prices.filled(self.buckets.get(rung) or prices.full(rung), rung, now, life_s)

    def _settled(self, outcome: Outcome) -> tuple[Submit, ...]:
        if not self.submits or self.submits[-1].outcome != "open":
            return self.submits
        return (*self.submits[:-1], replace(self.submits[-1], outcome=outcome))
