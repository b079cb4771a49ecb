"""What was seen of one session's life: how old it was when the site last said yes, and first no.

Pure.  The last few stand in the ledger; ``lifetime.py`` reads from them how long the next one
will live.
"""

from __future__ import annotations

from dataclasses import dataclass

# A site changes its mind every few months; the last eight lives are what it thinks now.
KEPT = 8


@dataclass(frozen=True, slots=True)
class Life:
    """One session.  All ages are seconds since it began, or since it was last renewed.

    ``alive_s`` is the greatest age at which the site accepted it.  ``dead_s`` is the age at which
    it was first refused, None where nobody saw that: it was replaced, or it still lives.
    ``longest_gap_s`` is the longest time between two acceptances that it survived (0: not known).
    ``declared_s`` is the life that it declared itself.
    """

    alive_s: float
    dead_s: float | None = None
    longest_gap_s: float = 0.0
    declared_s: float | None = None
