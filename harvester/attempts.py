"""What the ledger is made of: the secrets that were sent, and the stops that were set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harvester.errors import HarvesterError, from_dict

# ``cleared``: it no longer counts against the account, because a person said so.
Outcome = Literal["open", "rejected", "lost", "accepted", "cleared"]


@dataclass(frozen=True, slots=True)
class Submit:
    """One password that was sent.  ``open`` until its answer is known; a crash leaves it so."""

    at: float
    fingerprint: str
    outcome: Outcome = "open"


@dataclass(frozen=True, slots=True)
class Latch:
    """A stop.  ``settings`` is the digest of the settings it was closed under: when a person
    changes them the latch opens by itself, unless ``firm``.  ``blocks`` are the rungs it stops.
    """

    error: Mapping[str, Any]
    since: float
    blocks: tuple[str, ...]
    settings: str
    firm: bool = False

    def as_error(self) -> HarvesterError:
        return from_dict(self.error, latched=True)
