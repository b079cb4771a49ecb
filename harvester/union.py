"""Two ledgers of one account made one: nothing that either holds against a try is forgotten.

Pure.  Ours is the store's, theirs came in a bundle.  What was sent or refused in either counts;
what stops or waits in either stops and waits; of a bucket the emptier counts.  A person's
``unlock`` counts where he said it: theirs clears nothing of ours.  A success that either saw is
one, since the provider saw it too.  Both are to have been moved on to the same ``now`` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from harvester import prices
from harvester.attempts import Latch, Submit
from harvester.bucket import Bucket
from harvester.ledger import Ledger
from harvester.lives import KEPT, Life


def union(ours: Ledger, theirs: Ledger, now: float) -> Ledger:
    """What both hold.  Generations are ours and theirs alike: the higher one is in use."""
    if _never_used(ours):
        # Nothing to weigh against: theirs is the whole story, a person's word in it included.
        return replace(theirs, generation=max(ours.generation, theirs.generation))
    submits = _submits(ours, theirs)
    # Each has a clock of its own, by which it forgets; what is youngest in either stays so long.
    aged_s = max(ours.aged_s, theirs.aged_s)
    waits = max((ours, theirs), key=lambda one: one.retry_at)
    early = [one.refused_early for one in (theirs, ours) if one.refused_early is not None]
    steps = [one.totp_step for one in (ours, theirs) if one.totp_step is not None]
    return replace(
        ours,
        generation=max(ours.generation, theirs.generation),
        account=ours.account or theirs.account,
        aged_s=aged_s,
        submits=submits,
        rejected=_rejected(ours, theirs, aged_s, submits),
        latch=_latch(ours, theirs, submits),
        failures=max(ours.failures, theirs.failures),
        retry_at=waits.retry_at,
        retry_error=waits.retry_error,
        failing_since=waits.failing_since,
        faults=max(ours.faults, theirs.faults),
        unrecognised=max(ours.unrecognised, theirs.unrecognised),
        buckets=_buckets(ours.buckets, theirs.buckets, now),
        switches=tuple(sorted({*ours.switches, *theirs.switches})),
        totp_step=max(steps, default=None),
        picture=ours.picture or theirs.picture,
        unhelpful=_later(ours.unhelpful, theirs.unhelpful),
        lives=_lives(theirs.lives, ours.lives),
        refused_early=max(early, key=lambda one: one.at, default=None),
        person_told=ours.person_told or theirs.person_told,
        alone=ours.alone and theirs.alone,
        alarm=ours.alarm or theirs.alarm,
    )


def _never_used(ledger: Ledger) -> bool:
    used = ledger.submits or ledger.rejected or ledger.latch or ledger.buckets or ledger.switches
    return not (used or ledger.retry_error or ledger.generation or ledger.alarm)


def _submits(ours: Ledger, theirs: Ledger) -> tuple[Submit, ...]:
    mine = {(one.at, one.fingerprint): one for one in ours.submits}
    cleared: list[Submit] = []
    merged = dict(mine)
    for one in theirs.submits:
        key = (one.at, one.fingerprint)
        if key not in mine and one.outcome == "cleared":
            # It still was a send of that hour and that day.  In front of ours it clears none.
            cleared.append(one)
        elif key not in mine or (mine[key].outcome == "open" and one.outcome != "cleared"):
            merged[key] = one
    return (*cleared, *sorted(merged.values(), key=lambda one: one.at))


def _rejected(
    ours: Ledger, theirs: Ledger, aged_s: float, submits: Iterable[Submit]
) -> Mapping[str, float]:
    youngest: dict[str, float] = {}
    for ledger in (ours, theirs):
        for name, at in ledger.rejected.items():
            at += aged_s - ledger.aged_s
            youngest[name] = max(at, youngest.get(name, at))
    # The last answer that was seen to a secret is what is known of it.
    last = {one.fingerprint: one.outcome for one in submits if one.outcome not in ("open", "lost")}
    kept = {name: at for name, at in youngest.items() if last.get(name) != "accepted"}
    return MappingProxyType(kept)


def _latch(ours: Ledger, theirs: Ledger, submits: Iterable[Submit]) -> Latch | None:
    accepted_at = max((one.at for one in submits if one.outcome == "accepted"), default=0.0)
    latches = [
        one
        for one in (ours.latch, theirs.latch)
        if one is not None and (one.firm or one.since >= accepted_at)
    ]
    # The firmest, then the widest; of two alike the later, which tells what is the matter now.
    return max(latches, key=lambda one: (one.firm, len(one.blocks), one.since), default=None)


def _buckets(
    ours: Mapping[str, Bucket], theirs: Mapping[str, Bucket], now: float
) -> Mapping[str, Bucket]:
    merged: dict[str, Bucket] = {}
    for rung in prices.PRICES:
        found = [
            prices.filled(side[rung], rung, now, None) for side in (ours, theirs) if rung in side
        ]
        if found:
            merged[rung] = min(found, key=lambda one: one.tokens)
    return MappingProxyType(merged)


def _later(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType(
        {name: max(ours.get(name, 0.0), theirs.get(name, 0.0)) for name in {*ours, *theirs}}
    )


def _lives(older: tuple[Life, ...], newer: tuple[Life, ...]) -> tuple[Life, ...]:
    return (*(one for one in older if one not in newer), *newer)[-KEPT:]
