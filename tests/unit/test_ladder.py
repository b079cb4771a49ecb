"""The ladder: the cheapest rung that may help, and never a heavier one because of an error."""

from dataclasses import replace

import pytest

from harvester.errors import BudgetSpent, CredentialsRejected, NeedsHuman, ProviderDown
from harvester.ladder import Climb, Enough, Facts, Stop, next_step
from harvester.ledger import Ledger

NOW = 1_000_000.0
FULL = Facts(
    why="stale", ledger=Ledger(), settings="s", renewable=True, remembers=True,
    username=True, password=True,
)  # fmt: skip


def path(facts: Facts) -> list[str]:
    """The rungs, each of which does not help, and how it ends."""
    taken: list[str] = []
    while True:
        step = next_step(facts, NOW)
        if isinstance(step, Enough):
            return [*taken, "enough"]
        if isinstance(step, Stop):
            return [*taken, step.error.code]
        taken.append(step.rung)
        facts = replace(facts, tried=(*facts.tried, step.rung))


@pytest.mark.parametrize(
    ("facts", "rungs"),
    [
        (FULL, ["touch", "renew", "silent", "scripted", "needs_human"]),
        (replace(FULL, renewable=False), ["touch", "silent", "scripted", "needs_human"]),
        (replace(FULL, why="denied"), ["renew", "silent", "scripted", "needs_human"]),
        (replace(FULL, why="denied", renewable=False), ["silent", "scripted", "needs_human"]),
        (replace(FULL, why="none"), ["silent", "scripted", "needs_human"]),
        (replace(FULL, why="hard"), ["silent", "scripted", "needs_human"]),
        (replace(FULL, why="none", remembers=False), ["scripted", "needs_human"]),
        (replace(FULL, why="none", password=False), ["silent", "not_configured"]),
        (
            replace(FULL, why="none", remembers=False, username=False, password=False),
            ["not_configured"],
        ),
        (replace(FULL, why="asked"), ["touch", "renew", "silent", "enough"]),
        (replace(FULL, why="asked", remembers=False), ["touch", "renew", "enough"]),
        (replace(FULL, why="none", username=False), ["silent", "needs_human"]),
        (
            replace(FULL, why="none", remembers=False, passkey=True, password=False),
            ["silent", "needs_human"],
        ),
        (
            Facts(why="none", ledger=Ledger(), settings="s", passkey=True),
            ["silent", "needs_human"],
        ),
        (replace(FULL, why="none", passkey=True), ["silent", "scripted", "needs_human"]),
    ],
)
def test_rungs_are_taken_in_order_and_skipped_where_they_cannot_work(facts, rungs):
    assert path(facts) == rungs


def test_a_cheap_rung_that_did_not_help_lately_is_skipped():
    ledger = Ledger().with_usefulness(NOW, "touch", helped=False)
    assert next_step(replace(FULL, ledger=ledger), NOW) == Climb("renew")


def test_a_backoff_stops_every_sign_in_but_not_a_touch():
    ledger = Ledger().with_backoff(NOW, ProviderDown("down"), fraction=0.9)
    assert next_step(replace(FULL, ledger=ledger), NOW) == Climb("touch")
    stopped = next_step(replace(FULL, ledger=ledger, why="none"), NOW)
    assert isinstance(stopped, Stop)
    assert stopped.error.code == "identity_provider_down"
    assert stopped.error.retry_after_s == pytest.approx(4.5)


def test_a_latch_on_the_secrets_leaves_silent_sign_ins_alone():
    latch = Ledger().with_latch(NOW, NeedsHuman("x"), blocks=("scripted",), settings="s")
    assert path(replace(FULL, ledger=latch, why="none")) == ["silent", "needs_human"]
    both = Ledger().with_latch(NOW, NeedsHuman("x"), blocks=("silent", "scripted"), settings="s")
    stopped = next_step(replace(FULL, ledger=both, why="none"), NOW)
    assert isinstance(stopped, Stop) and stopped.error.latched


def test_a_refusal_stays_a_refusal_when_the_silent_bucket_is_empty():
    ledger = Ledger().with_latch(NOW, CredentialsRejected("no"), blocks=(), settings="s", firm=True)
    for _ in range(10):
        ledger = ledger.with_rung("silent", NOW, None)
    assert path(replace(FULL, why="none", ledger=ledger)) == ["credentials_rejected"]


def test_a_provider_that_has_forgotten_us_is_not_asked_silently_again():
    ledger = Ledger().with_usefulness(NOW, "silent", helped=False)
    assert path(replace(FULL, why="none", ledger=ledger)) == ["scripted", "needs_human"]
    again = ledger.with_submit(NOW, "fp").with_success("fp")
    assert next_step(replace(FULL, why="none", ledger=again), NOW) == Climb("silent")


def test_a_spent_budget_is_told_before_a_browser_starts():
    facts = replace(FULL, why="none", remembers=False, submit_refusal=BudgetSpent("two"))
    assert path(facts) == ["budget_spent"]


def test_an_empty_silent_bucket_waits_instead_of_typing_the_password():
    ledger = Ledger()
    for _ in range(10):
        ledger = ledger.with_rung("silent", NOW, None)
    stopped = next_step(replace(FULL, why="none", ledger=ledger), NOW)
    assert isinstance(stopped, Stop)
    assert stopped.error.code == "rate_limited"
    assert stopped.error.retry_after_s == pytest.approx(300)
