"""One visit of the engine to a house of the lab, and what is to be said of it."""

from __future__ import annotations

from typing import Any

from house import House
from kind import Kind

from parent import Outcome, Spawned, job_for

# Steps in which nothing is pressed and nothing typed.
_PASSIVE = {"candidate", "passing_on", "unknown", "wait_for_code", "refused"}


def visit(house: House, **changes: Any) -> Outcome:
    kind = house.kind
    hosts = kind.hosts or (kind.host,)
    job = job_for(
        house,  # type: ignore[arg-type]  # it has what a stand-in is asked for
        **{
            "identity_origins": tuple(house.at(one) for one in hosts),
            "organization": kind.organization,
            "provider": kind.provider,
            **changes,
        },
    )
    return Spawned(job).run()


def actions(outcome: Outcome) -> list[str]:
    """The answers that were given, by the state that each answered."""
    return [one for one in outcome.steps if one not in _PASSIVE]


def house_of(kind: type[Kind], **changes: Any) -> House:
    return House(kind(), **changes)


def said(outcome: Outcome) -> str:
    """What to show of an outcome that was not the expected one."""
    told = {name: value for name, value in outcome.result.items() if name != "evidence"}
    return f"{' '.join(outcome.steps)} -> {told}"
