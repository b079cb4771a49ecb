"""How a ledger is written down, and read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from harvester.attempts import Latch, Submit
from harvester.bucket import Bucket
from harvester.ledger import Ledger
from harvester.lives import EarlyEnd, Life
from harvester.tripwire import Alarm
from harvester.verdict import Picture


def to_dict(ledger: Ledger) -> dict[str, Any]:
    """The stored form (it is sealed before it touches a disk)."""
    latch = ledger.latch
    return {
        "generation": ledger.generation,
        "refused": ledger.refused,
        "signed_out": ledger.signed_out,
        "account": ledger.account,
        "aged": [ledger.aged_s, ledger.aged_at],
        "submits": [[s.at, s.fingerprint, s.outcome] for s in ledger.submits],
        "rejected": dict(ledger.rejected),
        "latch": None
        if latch is None
        else {item.name: getattr(latch, item.name) for item in fields(latch)},
        "failures": ledger.failures,
        "retry_at": ledger.retry_at,
        "retry_error": ledger.retry_error,
        "failing_since": ledger.failing_since,
        "faults": ledger.faults,
        "unrecognised": ledger.unrecognised,
        "buckets": {rung: [one.tokens, one.at] for rung, one in ledger.buckets.items()},
        "switches": list(ledger.switches),
        "totp_step": ledger.totp_step,
        "picture": None if ledger.picture is None else ledger.picture.as_dict(),
        "unhelpful": dict(ledger.unhelpful),
        "lives": [[getattr(life, item.name) for item in fields(Life)] for life in ledger.lives],
        "refused_early": None
        if ledger.refused_early is None
        else [getattr(ledger.refused_early, item.name) for item in fields(EarlyEnd)],
        "person_told": ledger.person_told,
        "alone": ledger.alone,
        "alarm": None
        if ledger.alarm is None
        else {item.name: getattr(ledger.alarm, item.name) for item in fields(Alarm)},
        "pardoned": ledger.pardoned,
    }


def from_dict(data: dict[str, Any]) -> Ledger:
    """Raises ValueError, KeyError or TypeError when the data is no ledger."""
    latch = data["latch"]
    # Ledgers of before 0.3 know one bucket.
    buckets = data["buckets"] if "buckets" in data else {"silent": data["silent"]}
    picture = data["picture"]
    return Ledger(
        generation=int(data["generation"]),
        refused=int(data["refused"]),
        signed_out=bool(data["signed_out"]),
        account=str(data["account"]),
        aged_s=float(data["aged"][0]),
        aged_at=float(data["aged"][1]),
        submits=tuple(Submit(float(at), str(name), out) for at, name, out in data["submits"]),
        rejected=MappingProxyType({str(k): float(v) for k, v in data["rejected"].items()}),
        latch=None if latch is None else Latch(**{**latch, "blocks": tuple(latch["blocks"])}),
        failures=int(data["failures"]),
        retry_at=float(data["retry_at"]),
        retry_error=data["retry_error"],
        # Ledgers of before 0.4 have neither.
        failing_since=float(data.get("failing_since", 0.0)),
        faults=int(data.get("faults", 0)),
        unrecognised=int(data["unrecognised"]),
        buckets=MappingProxyType(
            {str(rung): Bucket(float(one[0]), float(one[1])) for rung, one in buckets.items()}
        ),
        # Ledgers of before 0.2 have none.
        switches=tuple(float(at) for at in data.get("switches", ())),
        totp_step=data["totp_step"],
        picture=None if picture is None else Picture.from_dict(picture),
        unhelpful=MappingProxyType({str(k): float(v) for k, v in data["unhelpful"].items()}),
        lives=tuple(_life(one) for one in data.get("lives", ())),
        refused_early=_early(data.get("refused_early")),
        person_told=bool(data.get("person_told", False)),
        # Ledgers of before 0.5 were begun where somebody saw them.
        alone=bool(data.get("alone", False)),
        # Ledgers of before 0.6 have neither.
        alarm=None if data.get("alarm") is None else Alarm(**data["alarm"]),
        pardoned=str(data.get("pardoned", "")),
    )


def with_named_fingerprints(data: dict[str, Any], named: Callable[[str], str]) -> dict[str, Any]:
    """The stored form with each fingerprint as ``named`` has it.  Raises as ``from_dict``."""
    return {
        **data,
        "submits": [[at, named(str(name)), out] for at, name, out in data["submits"]],
        "rejected": {named(str(name)): at for name, at in data["rejected"].items()},
    }


def _early(data: list[Any] | None) -> EarlyEnd | None:
    if data is None:
        return None
    at, generation, age_s, expected_s = data
    return EarlyEnd(float(at), int(generation), float(age_s), float(expected_s))


def _life(data: list[Any]) -> Life:
    alive_s, dead_s, longest_gap_s, declared_s = data
    return Life(
        float(alive_s),
        None if dead_s is None else float(dead_s),
        float(longest_gap_s),
        None if declared_s is None else float(declared_s),
    )
