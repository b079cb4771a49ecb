"""The tripwire: what is a sign of a stranger's hand, and what is not.

Pure: facts in, an alarm or nothing out.  Three signs:

    early_end    the site refused a session long before its like end
    other_owner  a session that was proved to be ours speaks of somebody else
    put_back     the store holds an older record than it once did, or another's of the same number

An alarm stands in the ledger until a person says ``unlock``.  A false one teaches people to say
it without looking, so what has an innocent reading is no sign: an end that nobody had learned, one
that disuse explains, a session that a person shares with his own browser, a sign-out of our own, a
setting that never fitted.  Serving may be held meanwhile (``HARVESTER_TRIPWIRE``); whether, and
what becomes of callers, is ``handout.py``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harvester.errors import HarvesterError, NeedsHuman
from harvester.lives import AGREE_WITHIN, EARLY_FRACTION, LONGER_BY, EarlyEnd, Life
from harvester.session import Session
from harvester.whose import Evidence

Sign = Literal["early_end", "other_owner", "put_back"]

# A declared end proves little: many sites drop a session long before its cookie's date.  It
# counts where so many sessions were seen to live on past the age at which this one died.
OUTLIVED_BY = 2
# Two sessions that die at one early age are no thief's doing: the site has another rule now.
POLICY_ENDS = 2
# Clocks that were set move both records by the same; what is left is rounding.
SAME_TIME_S = 60.0

UNLOCK = "harvester unlock"
_LOOK = "look through the account's sessions at the site and end those that you do not know"
_HINTS = {
    "early_end": f"{_LOOK}; then run: {UNLOCK}",
    "other_owner": f"{_LOOK}, and see who is signed in; then run: {UNLOCK}",
    "put_back": f"if you restored a backup, run: {UNLOCK}; if nobody did, {_LOOK} before that",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One sign, as the ledger keeps it.  ``since`` is seconds since 1970.

    ``mark`` tells it from others of its kind: what a person pardoned is no news.  ``held``:
    serving was held by whoever saw it, and is for every process, whatever its own setting.
    ``told``: somebody was called.  ``policy``: a second session ended like it since.
    """

    sign: Sign
    since: float
    generation: int
    evidence: str
    mark: str
    held: bool = False
    told: bool = False
    policy: bool = False

    @property
    def message(self) -> str:
        if self.policy:
            return (
                f"{self.evidence}; {POLICY_ENDS} in a row ended like that, so the site has "
                "probably changed its rules"
            )
        return f"{self.evidence}: a stranger may have had a hand in it"

    @property
    def hint(self) -> str:
        if self.policy:
            return f"nothing points to theft any more; run: {UNLOCK}"
        return _HINTS[self.sign]


def early_end(
    end: EarlyEnd | None,
    life: Life,
    lives: Sequence[Life],
    *,
    session: Session,
    learned: bool,
    signed_out: bool,
    clocks_agree: bool,
) -> Alarm | None:
    """The alarm of a refusal that ``lives.early_end`` reports, where nothing innocent explains it.

    ``lives`` are those before ``life``.  ``learned``: the expected end was learned, and surely.
    ``signed_out``: a person ended it by us.  ``clocks_agree``: its age can be relied on.
    """
    if end is None or life.dead_s is None or signed_out or not clocks_agree or session.brought:
        return None
    if has_changed(lives, life):
        return None
    if not learned:
        older = [one for one in lives if one.alive_s * EARLY_FRACTION > life.dead_s]
        if len(older) < OUTLIVED_BY:
            return None
    # A session that nobody used for longer than any is known to bear may have died of that.
    borne_s = max((one.longest_gap_s for one in (*lives, life)), default=0.0)
    if life.last_gap_s > borne_s * LONGER_BY:
        return None
    evidence = (
        f"the site refused the session of generation {end.generation} at the age of "
        f"{_long(end.age_s)}, and {_long(end.expected_s)} were to be expected"
    )
    return Alarm("early_end", end.at, end.generation, evidence, f"early_end:{end.generation}")


def has_changed(lives: Sequence[Life], life: Life) -> bool:
    """Whether the last end that was seen is one like this: two early ends of one age."""
    ends = [one.dead_s for one in lives if one.dead_s is not None]
    if not ends or life.dead_s is None:
        return False
    return abs(ends[-1] - life.dead_s) <= AGREE_WITHIN * max(ends[-1], life.dead_s)


def other_owner(session: Session, before: Evidence, after: Evidence, *, now: float) -> Alarm | None:
    """The alarm of a session whose own claims spoke of one owner ``before`` and of another
    ``after``.  Settings have no part in it: one that never fitted is a mistake, no theft."""
    if session.brought:
        return None
    what = None
    if differ(before.identity, after.identity):
        what = f"{before.identity} before, and {after.identity} now"
    elif before.organizations and after.organizations:
        known = {name.casefold() for name in before.organizations}
        if known.isdisjoint(name.casefold() for name in after.organizations):
            what = f"organisation {before.organizations[0]} before, {after.organizations[0]} now"
    if what is None:
        return None
    number = session.generation
    evidence = f"the session of generation {number} speaks of another owner: {what}"
    return Alarm("other_owner", now, number, evidence, f"other_owner:{number}")


def differ(one: str | None, other: str | None) -> bool:
    """Whether two identities that were told are two, without case."""
    return bool(one and other) and (one or "").casefold() != (other or "").casefold()


def put_back(what: str, generation: int, last: int, *, now: float) -> Alarm:
    """The alarm of a stored record of ``generation``, where ``last`` was once written."""
    evidence = (
        f"the store's {what} is number {generation}, though number {last} was written: "
        "an older one was put back"
    )
    return Alarm("put_back", now, generation, evidence, f"put_back:{what}:{generation}<{last}")


def conflict(ours: Session, stored: Session, *, now: float) -> Alarm | None:
    """The alarm of a stored session that bears the number of ours, which we stored, and is
    another one.  Whoever gives a number writes it down first, so none of us gives it twice."""
    if stored.generation != ours.generation:
        return None
    mine = {cookie.value for cookie in ours.cookies}
    same = abs(stored.obtained_at - ours.obtained_at) <= SAME_TIME_S
    if same or any(cookie.value in mine for cookie in stored.cookies):
        return None
    number = ours.generation
    evidence = f"the store holds another session of generation {number} than the one we made"
    return Alarm("put_back", now, number, evidence, f"put_back:session:{number}={number}")


def after_ends(alarm: Alarm | None) -> Alarm | None:
    """A standing alarm after another end like its own: two speak for a change of the site's."""
    if alarm is None or alarm.sign != "early_end":
        return alarm
    return replace(alarm, policy=True)


def closed(alarm: Alarm | None, setting: str) -> HarvesterError | None:
    """Why nothing may be handed out; None where it may."""
    if alarm is None or not (alarm.held or setting == "hold"):
        return None
    return NeedsHuman(f"serving is held: {alarm.message}", hint=alarm.hint, latched=True)


def repeats(alarm: Alarm | None, error: HarvesterError) -> bool:
    """Whether ``error`` only says that serving is held."""
    held = closed(alarm, "hold")
    return held is not None and (held.code, held.message) == (error.code, error.message)


def as_error(alarm: Alarm) -> HarvesterError:
    """The alarm as an error, for whoever calls a person."""
    return NeedsHuman(alarm.message, hint=alarm.hint, latched=True)


def _long(seconds: float) -> str:
    """For a sentence: two figures are enough."""
    for unit, size_s in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size_s:
            return f"{round(seconds / size_s)} {unit}"
    return f"{round(seconds)} s"
