"""Which facts are a sign of a stranger's hand, and which are not: one table for each sign."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harvester import ledger_form, lives, tripwire
from harvester.errors import NeedsHuman
from harvester.ledger import Ledger
from harvester.lives import Life, learned
from harvester.pardon import unlocked
from harvester.session import Cookie, Session
from harvester.tripwire import Alarm
from harvester.union import union
from harvester.whose import Evidence

HOUR = 3600.0
NOW = 1_800_000_000.0
# Two ends of an age, tight enough to be believed, whose sessions were left alone for 15 minutes.
FOUR = Life(13800.0, 14400.0, 900.0)
KNOWN = (FOUR, FOUR)
UNWATCHED = replace(FOUR, longest_gap_s=0.0)
# Nobody saw them end: they were replaced while they lived.
OUTLIVED = (Life(7000.0, None, 900.0), Life(7200.0, None, 900.0))


def session(**changes: Any) -> Session:
    cookie = Cookie("sid", "one", "app.example")
    made = Session(
        "default", "https://app.example", 7, (cookie,), (cookie,), NOW - HOUR, NOW - 60, NOW - HOUR
    )
    return replace(made, **changes)


def alarm_of_end(
    life: Life, before: tuple[Life, ...] = KNOWN, *, declared: float = 0.0, **facts: Any
) -> Alarm | None:
    """What the rules make of this end, as ``succession.py`` asks them."""
    known = learned(before)
    early = lives.early_end(life, known, declared=declared, generation=7, at=NOW)
    told: dict[str, Any] = {
        "session": session(),
        "learned": known.confidence >= lives.SURE,
        "signed_out": False,
        "clocks_agree": True,
    }
    return tripwire.early_end(early, life, before, **{**told, **facts})


STOLEN = Life(3000.0, 3300.0, 900.0)


def test_an_end_long_before_a_learned_age_is_a_sign() -> None:
    found = alarm_of_end(STOLEN)
    assert found is not None
    assert (found.sign, found.generation, found.since) == ("early_end", 7, NOW)
    assert "generation 7" in found.evidence and "55 min" in found.evidence
    assert "4 h" in found.evidence and "harvester unlock" in found.hint


@pytest.mark.parametrize(
    ("story", "life", "before", "facts"),
    [
        ("its age", Life(13500.0, 13900.0, 900.0), KNOWN, {}),
        ("nearly its age", Life(11500.0, 11700.0, 900.0), KNOWN, {}),
        ("nobody knows an age", STOLEN, (), {}),
        ("one end proves little", STOLEN, (FOUR,), {}),
        ("two ends of which nobody saw the age", STOLEN, (Life(100.0, 14400.0, 900.0),) * 2, {}),
        ("left alone for longer than any has borne", Life(300.0, 3300.0, 300.0), KNOWN, {}),
        ("nobody ever saw what disuse they bear", Life(300.0, 3300.0), (UNWATCHED,) * 2, {}),
        ("we signed out", STOLEN, KNOWN, {"signed_out": True}),
        ("the clocks were set", STOLEN, KNOWN, {"clocks_agree": False}),
        ("a person has it in his browser too", STOLEN, KNOWN, {"session": session(brought=True)}),
        ("the one before ended at this age", STOLEN, (*KNOWN, Life(2900.0, 3200.0, 900.0)), {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_an_end_with_an_innocent_reading_is_no_sign(
    story: str, life: Life, before: tuple[Life, ...], facts: dict[str, Any]
) -> None:
    assert alarm_of_end(life, before, **facts) is None


DECLARED = Life(3000.0, 3300.0, 900.0, declared_s=4 * HOUR)


@pytest.mark.parametrize(
    ("before", "alarmed"),
    [
        ((), False),
        (OUTLIVED[:1], False),
        (OUTLIVED, True),
        ((*OUTLIVED[:1], Life(4000.0, None, 900.0)), False),  # hardly older: that is no life more
    ],
)
def test_a_declared_end_counts_where_others_lived_on_past_this_age(
    before: tuple[Life, ...], alarmed: bool
) -> None:
    assert (alarm_of_end(DECLARED, before, declared=0.7) is not None) is alarmed


def test_a_session_that_dies_in_use_is_a_sign_where_sessions_end_by_disuse() -> None:
    idle = (Life(20000.0, 25000.0, 4500.0), Life(9000.0, 14000.0, 4400.0))
    assert learned(idle).way == "sliding" and learned(idle).confidence >= lives.SURE
    assert alarm_of_end(Life(9000.0, 9300.0, 4000.0), idle) is not None
    assert alarm_of_end(Life(9000.0, 14500.0, 4000.0), idle) is None


def test_the_second_end_of_one_early_age_is_told_as_a_change_of_the_sites_rules() -> None:
    first = alarm_of_end(STOLEN)
    assert first is not None and "stranger" in first.message
    again = tripwire.after_ends(first)
    assert again is not None and again.policy
    assert "2 in a row" in again.message and "stranger" not in again.message
    other = tripwire.put_back("session", 5, 7, now=NOW)
    assert tripwire.after_ends(other) == other, "what it says nothing of stands"


ADA = Evidence("ada@acme.example", ("acme", "org-1"))


@pytest.mark.parametrize(
    ("before", "after", "alarmed"),
    [
        (ADA, Evidence("mallory@acme.example", ("acme",)), True),
        (ADA, Evidence("ada@acme.example", ("globex", "org-2")), True),
        (ADA, Evidence(None, ("globex",)), True),
        (ADA, ADA, False),
        (ADA, Evidence("ADA@acme.example", ("ACME",)), False),
        (ADA, Evidence("ada@acme.example", ("renamed", "org-1")), False),
        (ADA, Evidence(), False),
        (Evidence(), Evidence("mallory@acme.example", ("globex",)), False),
        (Evidence("ada@acme.example"), Evidence("ada@acme.example", ("globex",)), False),
    ],
)
def test_a_proved_session_that_speaks_of_somebody_else_is_a_sign(
    before: Evidence, after: Evidence, alarmed: bool
) -> None:
    found = tripwire.other_owner(session(), before, after, now=NOW)
    assert (found is not None) is alarmed
    assert tripwire.other_owner(session(brought=True), before, after, now=NOW) is None


def other(**changes: Any) -> Session:
    theirs = Cookie("sid", "two", "app.example")
    return session(**{"cookies": (theirs,), "obtained_at": NOW - 600, **changes})


@pytest.mark.parametrize(
    ("stored", "alarmed"),
    [
        (other(), True),
        (session(), False),
        (session(proved_at=NOW), False),
        (other(generation=6), False),
        (other(generation=8), False),
        (other(obtained_at=NOW - HOUR + 20), False),  # ours, whose value the site rolled
        (other(cookies=session().cookies), False),  # ours, by a clock that was set
    ],
)
def test_another_session_of_our_number_is_a_sign(stored: Session, alarmed: bool) -> None:
    assert (tripwire.conflict(session(), stored, now=NOW) is not None) is alarmed


ALARM = tripwire.put_back("session", 5, 7, now=NOW)


def test_only_hold_shuts_the_door_and_who_shut_it_shut_it_for_all() -> None:
    assert tripwire.closed(None, "hold") is None
    assert tripwire.closed(ALARM, "alert") is None
    for error in (
        tripwire.closed(ALARM, "hold"),
        tripwire.closed(replace(ALARM, held=True), "alert"),
    ):
        assert isinstance(error, NeedsHuman)
        assert error.latched and error.exit_code == 4 and error.http_status == 409
        assert "number 7" in error.message and "harvester unlock" in error.hint
        assert tripwire.repeats(ALARM, error)
    assert not tripwire.repeats(None, NeedsHuman("x"))
    assert not tripwire.repeats(ALARM, NeedsHuman("a captcha"))


def test_the_first_sign_stands_and_a_pardoned_one_is_no_news() -> None:
    early = replace(ALARM, sign="early_end", mark="early_end:7")
    ledger = Ledger().with_alarm(ALARM)
    assert ledger.with_alarm(early) is ledger
    after = unlocked(ledger, NOW + 5, asked_at=NOW + 4, force=False)
    assert after.alarm is None and after.pardoned == ALARM.mark
    assert after.with_alarm(ALARM) is after
    assert after.with_alarm(early).alarm == early


def test_an_unlock_does_not_clear_what_the_person_has_not_seen() -> None:
    ledger = replace(Ledger().with_alarm(ALARM), pardoned="before")
    after = unlocked(ledger, NOW + 5, asked_at=NOW - 1, force=False)
    assert after.alarm == ALARM and after.pardoned == "before"


def test_an_alarm_is_kept_carried_and_moved_with_the_clock() -> None:
    ledger = replace(Ledger(), alarm=replace(ALARM, held=True, told=True), pardoned="x")
    assert ledger_form.from_dict(ledger_form.to_dict(ledger)) == ledger
    told = ledger_form.to_dict(ledger)
    del told["alarm"], told["pardoned"]
    assert ledger_form.from_dict(told).alarm is None, "ledgers of before have none"
    assert ledger.shifted(60).alarm == replace(ALARM, held=True, told=True, since=NOW + 60)
    assert union(Ledger(generation=3), ledger, NOW).alarm == ledger.alarm
    assert union(ledger, Ledger(generation=3), NOW).alarm == ledger.alarm
