"""What was seen of sessions' lives, and what it teaches of the next one.

Pure.  A life is how old a session was when the site last said yes, and when it first said no.
The last few stand in the ledger; ``learned`` reads from them whether this site's sessions end at
an age (absolute), after a time of disuse (sliding), or whether nobody can tell yet.

What is learned is careful: an age that was seen to be survived, never one that was guessed.  One
end proves little, for a session may be revoked; so an end that comes far too soon changes nothing
until the next one agrees with it, and an end that some session has outlived is no end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Way = Literal["absolute", "sliding", "unknown"]

# A site changes its mind every few months; the last eight lives are what it thinks now.
KEPT = 8
# Sites sweep out old sessions now and then, so ends of one kind differ: an end that another
# session outlived by less than this part of it is an end all the same.
SWEPT_WITHIN = 0.1
# Two early ends this near to each other are no accident: the site has changed its mind.
AGREE_WITHIN = 0.2
# An end before this part of the expected life is early: theft, a revocation, a change of policy.
EARLY_FRACTION = 0.8
# ... but who is less sure than this of what to expect has nothing to report.
SURE = 0.5
# A session died of disuse only if it was left alone for longer than any that survived it, by more
# than what two looks of one schedule differ.
LONGER_BY = 1.1
# Last seen alive before this part of the age at which it was found dead: the end may be anywhere.
TIGHT = 0.6
# So many ends at one age are no chance, however long nobody had looked before each.
NO_CHANCE = 2


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

    @property
    def last_gap_s(self) -> float:
        """From the last yes to the first no; 0 where there was none."""
        return 0.0 if self.dead_s is None else self.dead_s - self.alive_s


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """A session that was refused long before its time: ``at`` in seconds since 1970."""

    at: float
    generation: int
    age_s: float
    expected_s: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What the lives teach.

    ``life_s``: an age that such sessions reach (absolute).  ``idle_s``: a time of disuse that they
    survive (sliding; also where it is not decided between the two).  ``within_s``: the shortest
    life, or disuse, that one did not survive.  ``ends``: how many ends say so.  ``doubted``: the
    last end came far too soon, once.
    """

    way: Way = "unknown"
    life_s: float | None = None
    idle_s: float | None = None
    within_s: float | None = None
    confidence: float = 0.0
    ends: int = 0
    doubted: bool = False

    @property
    def span_s(self) -> float | None:
        """The learned length, of the life or of the disuse."""
        return self.life_s if self.way == "absolute" else self.idle_s

    def expects_s(self, life: Life) -> float | None:
        """How old the session should have grown, by what was learned and what it declared."""
        told = [each for each in (self.life_s, life.declared_s) if each is not None]
        return min(told) if told else None

    def is_early(self, life: Life) -> bool:
        """Whether it ended long before its time."""
        if life.dead_s is None:
            return False
        if self.way == "sliding" and self.idle_s is not None and life.last_gap_s <= self.idle_s:
            return True  # it died in use
        expected_s = self.expects_s(life)
        return expected_s is not None and life.dead_s < expected_s * EARLY_FRACTION

    def differs(self, other: Learned) -> bool:
        """Notably: another kind, or another length."""
        mine, its = self.span_s, other.span_s
        if self.way != other.way or mine is None or its is None:
            return self.way != other.way
        return abs(mine - its) > SWEPT_WITHIN * max(mine, its)


def early_end(
    life: Life, known: Learned, *, declared: float, generation: int, at: float
) -> EarlyEnd | None:
    """The report of an end that came long before its time, where that time was known.

    ``declared`` is how surely a declared end is one (0 to 1).
    """
    if life.dead_s is None or not known.is_early(life):
        return None
    if known.way == "sliding" and known.idle_s is not None and known.confidence >= SURE:
        return EarlyEnd(at, generation, life.last_gap_s, known.idle_s)
    told = ((known.life_s, known.confidence), (life.declared_s, declared))
    sure = [each_s for each_s, confidence in told if each_s is not None and confidence >= SURE]
    if not sure or life.dead_s >= min(sure) * EARLY_FRACTION:
        return None
    return EarlyEnd(at, generation, life.dead_s, min(sure))


def learned(lives: Sequence[Life], now: Life | None = None) -> Learned:
    """What the lives teach, the oldest first; ``now`` is the one of the session at hand."""
    return _read_all(lives if now is None else (*lives, now))[0]


def remembered(
    lives: tuple[Life, ...], life: Life, *, instead_of: Life | None = None
) -> tuple[tuple[Life, ...], bool]:
    """The lives with one more, or with a later word of one; and whether the site changed its
    mind: then what it contradicts is forgotten."""
    if instead_of is not None and instead_of in lives:
        at = len(lives) - 1 - lives[::-1].index(instead_of)
        all_lives = (*lives[:at], life, *lives[at + 1 :])
    else:
        all_lives = (*lives, life)
    kept = _read_all(all_lives)[1]
    changed = len(kept) < len(all_lives)
    while len(kept) > KEPT:
        # Those whose end nobody saw say least; the newest stays whatever it is.
        open_ones = [at for at, one in enumerate(kept[:-1]) if one.dead_s is None]
        del kept[open_ones[0] if open_ones else 0]
    return tuple(kept), changed


def _read_all(lives: Sequence[Life]) -> tuple[Learned, list[Life]]:
    """What they teach; and those that count, since the site changed its mind."""
    believed: list[Life] = []
    kept: list[Life] = []
    early: Life | None = None
    for life in lives:
        kept.append(life)
        if _read(believed).is_early(life):
            if early is not None and _agree(early, life):
                believed, kept, early = [early, life], [early, life], None
            else:
                early = life
            continue
        if early is not None and (life.dead_s is not None or life.alive_s > (early.dead_s or 0.0)):
            early = None  # it was an accident
        believed.append(life)
    return _read(believed, doubted=early is not None), kept


def _read(lives: Sequence[Life], *, doubted: bool = False) -> Learned:
    ends = [life for life in lives if life.dead_s is not None]
    oldest_s = max((life.alive_s for life in lives), default=0.0)
    survived_s = max((life.longest_gap_s for life in lives), default=0.0)
    lasting = [
        life.dead_s
        for life in ends
        if life.dead_s is not None and life.dead_s >= oldest_s * (1 - SWEPT_WITHIN)
    ]
    first_s = min(lasting, default=0.0)
    life_s = max((life.alive_s for life in lives if life.alive_s < first_s), default=0.0)
    tight = 0 < first_s * TIGHT <= life_s
    aged = len(lasting) == len(ends)
    if (
        ends
        and all(end.last_gap_s > survived_s * LONGER_BY for end in ends)
        and not (aged and tight and len(ends) >= NO_CHANCE)
    ):
        within_s = min(end.last_gap_s for end in ends)
        if aged:
            # Of age, or of disuse?  Watched more closely, the next one will tell.
            return Learned(idle_s=survived_s, within_s=within_s, doubted=doubted)
        confidence = _confidence(survived_s, within_s, len(ends))
        return Learned(
            "sliding", None, survived_s, within_s, confidence, len(ends), doubted=doubted
        )
    if not lasting:
        return Learned(doubted=doubted)
    if not tight:
        return Learned(within_s=first_s, doubted=doubted)
    confidence = _confidence(life_s, first_s, len(lasting))
    return Learned("absolute", life_s, None, first_s, confidence, len(lasting), doubted=doubted)


def _confidence(least_s: float, most_s: float, ends: int) -> float:
    """0 to 1: how tight it is known, and how often that was seen.  One end is never enough to be
    sure (half, at most), for it may be a revocation; two that are tight are."""
    return (least_s / most_s) * ends / (ends + 1)


def _agree(one: Life, other: Life) -> bool:
    first, second = one.dead_s or 0.0, other.dead_s or 0.0
    return abs(first - second) <= AGREE_WITHIN * max(first, second)
