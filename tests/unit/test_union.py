"""Two ledgers become one, and neither's story is forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harvester import ledger_form
from harvester.budgets import left, refuses_submit
from harvester.errors import AccountLocked, NeedsHuman, ProviderDown
from harvester.ledger import DAY_S, Ledger
from harvester.pardon import unlocked
from harvester.profile import Profile, Site
from harvester.union import union

SITE = Site("https://knoq.one", "https://knoq.one", "/api")
PROFILE = Profile("default", SITE, username="ada")
NOW = 1_000_000.0
EMPTY = Ledger().aged(NOW)
BEGUN = EMPTY.with_generation(1)


def sent(secret: str, at: float = NOW, ledger: Ledger = BEGUN) -> Ledger:
    return ledger.with_submit(at, secret)


def test_a_store_with_no_story_takes_over_the_whole_one() -> None:
    theirs = sent("old", NOW - 100).with_rejected("old")
    theirs = sent("new", NOW - 50, theirs).with_success("new").with_generation(9)
    assert union(EMPTY, theirs, NOW) == theirs
    alone = replace(EMPTY, alone=True)
    assert union(alone, theirs, NOW) == theirs, "a ledger came with it"
    assert union(alone, replace(theirs, alone=True), NOW).alone


def test_what_was_refused_in_either_counts_against_a_third() -> None:
    ours = sent("a", NOW - 20).with_rejected("a")
    theirs = sent("b", NOW - 30).with_rejected("b")
    both = union(ours, theirs, NOW)
    assert set(both.rejected_fingerprints()) == {"a", "b"}
    refusal = refuses_submit(both, NOW, PROFILE)
    assert refusal is not None and refusal.code == "credentials_rejected" and refusal.latched


@pytest.mark.parametrize("older_first", [True, False])
def test_a_success_of_either_is_a_success(older_first: bool) -> None:
    refused = sent("a", NOW - 30).with_rejected("a")
    good = sent("b", NOW - 10).with_success("b")
    both = union(refused, good, NOW) if older_first else union(good, refused, NOW)
    assert both.since_success() == () and both.rejected_fingerprints() == ("a",)
    early = sent("b", NOW - 90).with_success("b")
    assert len(union(refused, early, NOW).since_success()) == 1, "it came before"


def test_a_secret_that_was_accepted_last_is_no_refused_one() -> None:
    old = sent("a", NOW - 100).with_rejected("a")
    mended = sent("a", NOW - 10, old).with_success("a")
    assert union(mended, old, NOW).rejected_fingerprints() == ()
    assert union(old, mended, NOW).rejected_fingerprints() == ()
    again = sent("a", NOW - 5, mended).with_rejected("a")
    assert union(mended, again, NOW).rejected_fingerprints() == ("a",)


def test_one_send_in_both_is_one_and_its_answer_is_the_one_that_was_seen() -> None:
    crashed = sent("a")
    seen = crashed.with_rejected("a")
    for both in (union(crashed, seen, NOW), union(seen, crashed, NOW), union(seen, seen, NOW)):
        assert [one.outcome for one in both.submits] == ["rejected"]


def test_somebody_elses_unlock_clears_nothing_here_but_its_sends_still_count_in_the_day() -> None:
    ours = sent("a", NOW - 30).with_rejected("a")
    theirs = unlocked(
        sent("b", NOW - 10).with_rejected("b"), NOW - 5, asked_at=NOW - 5, force=False
    )
    both = union(ours, theirs, NOW)
    assert [one.fingerprint for one in both.since_success()] == ["a"]
    assert both.sent_since(NOW - DAY_S) == 2
    here = unlocked(ours, NOW, asked_at=NOW, force=False)
    assert union(here, ours, NOW).since_success() == (), "ours was cleared by a person, here"


def test_a_latch_of_either_stays_the_firmest_first() -> None:
    locked = BEGUN.with_latch(
        NOW - 9, AccountLocked("locked"), blocks=("scripted",), settings="s", firm=True
    )
    person = BEGUN.with_latch(NOW, NeedsHuman("go"), blocks=("silent", "scripted"), settings="s")
    for both in (union(locked, person, NOW), union(person, locked, NOW)):
        assert both.latch == locked.latch
    good = sent("b").with_success("b")
    assert union(good, locked, NOW).latch == locked.latch, "a lock is a person's to open"
    before = replace(person.latch, since=NOW - 60) if person.latch else None
    assert union(good, replace(person, latch=before), NOW).latch is None


def test_waits_and_budgets_are_the_harder_of_both() -> None:
    waits = BEGUN.with_wait(NOW, ProviderDown("down"), 300)
    assert union(BEGUN, waits, NOW).waits(NOW) is not None
    assert union(waits, BEGUN, NOW).waits(NOW) is not None
    ours = theirs = BEGUN
    for _ in range(4):
        ours = ours.with_rung("silent", NOW, None)
    # Emptier long ago, and full again by now.
    for _ in range(9):
        theirs = theirs.with_rung("silent", NOW - DAY_S, None)
    assert union(ours, theirs, NOW).left("silent", NOW, None) == 6
    assert union(theirs, ours, NOW).left("silent", NOW, None) == 6
    steps = [union(BEGUN.with_totp_step(7), BEGUN.with_totp_step(9), NOW).totp_step]
    assert [*steps, union(BEGUN.with_totp_step(7), BEGUN, NOW).totp_step] == [9, 7]
    assert union(BEGUN.with_switch(NOW), BEGUN.with_switch(NOW - 1), NOW).switches == (NOW - 1, NOW)


def test_what_was_refused_is_remembered_as_long_as_the_younger_refusal_is() -> None:
    # Clocks of their own: one has counted 80 days, the other has just begun.
    old = BEGUN.with_rejected("a")
    for day in range(0, 81, 5):
        old = old.aged(NOW + day * DAY_S)
    fresh = Ledger().aged(NOW + 80 * DAY_S).with_generation(1).with_rejected("a")
    both = union(old, fresh, NOW + 80 * DAY_S)
    for day in range(80, 166, 5):
        both = both.aged(NOW + day * DAY_S)
    assert both.rejected_fingerprints() == ("a",)
    assert both.aged(NOW + 171 * DAY_S).rejected_fingerprints() == ()


def test_in_ci_with_no_ledger_one_secret_is_sent_and_no_second() -> None:
    ledger = replace(EMPTY, alone=True)
    assert refuses_submit(ledger, NOW, PROFILE) is None
    assert left(ledger, PROFILE, NOW, None)["submits_left_since_success"] == 1
    unseen = refuses_submit(sent("a", ledger=ledger), NOW, PROFILE)
    assert unseen is not None and (unseen.code, unseen.latched) == ("budget_spent", True)
    wrong = sent("a", ledger=ledger).with_rejected("a")
    wrong = ledger_form.from_dict(ledger_form.to_dict(wrong))
    refusal = refuses_submit(wrong, NOW + 80 * DAY_S, PROFILE)
    assert refusal is not None and (refusal.code, refusal.latched) == ("credentials_rejected", True)
    good = sent("a", ledger=ledger).with_success("a")
    assert not good.alone, "what is known to be right may be sent again"
    assert not unlocked(wrong, NOW, asked_at=NOW, force=False).alone
    assert ledger.with_success(None).alone, "a silent success says nothing of a password"
