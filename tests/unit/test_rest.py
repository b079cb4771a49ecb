"""How long a profile is left alone, in numbers."""

import pytest

from harvester.budgets import refuses_switch
from harvester.errors import (
    BudgetSpent,
    CredentialsRejected,
    HarvesterError,
    NeedsHuman,
    OriginNotAllowed,
    ProviderDown,
    SiteDown,
)
from harvester.ledger import HOUR_S, Ledger
from harvester.rest import AFTER_CLIMB_S, after_failure

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("error", "serving", "rest_s"),
    [
        (CredentialsRejected("x"), True, 3600.0),
        (NeedsHuman("x"), False, 300.0),
        (OriginNotAllowed("x"), False, 300.0),
        (SiteDown("x"), True, 60.0),
        (SiteDown("x"), False, 30.0),
        (SiteDown("x", retry_after_s=500.0), True, 500.0),
    ],
)
def test_each_kind_of_trouble_has_its_rest(
    error: HarvesterError, serving: bool, rest_s: float
) -> None:
    assert after_failure(error, Ledger(), NOW, serving=serving) == rest_s


def test_a_back_off_is_waited_for_and_a_climb_that_succeeded_is_not_a_storm() -> None:
    ledger = Ledger().with_wait(NOW, ProviderDown("x"), 123.0)
    assert after_failure(ProviderDown("x"), ledger, NOW, serving=True) == 123.0
    assert AFTER_CLIMB_S == 1.0


def test_ten_switches_of_the_organisation_in_an_hour_and_no_more() -> None:
    ledger = Ledger()
    for _ in range(10):
        assert refuses_switch(ledger, NOW) is None
        ledger = ledger.with_switch(NOW)
    assert isinstance(refuses_switch(ledger, NOW), BudgetSpent)
    assert refuses_switch(ledger, NOW + HOUR_S + 1) is None
