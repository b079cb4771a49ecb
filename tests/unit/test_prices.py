"""What a rung may cost, in numbers: who changes one changes how often somebody is visited."""

import pytest

from harvester.bucket import Bucket
from harvester.ladder import Climb, Facts, Stop, next_step
from harvester.ledger import Ledger
from harvester.prices import PRICES, filled, full

NOW = 1_800_000_000.0


def test_the_rungs_stand_from_cheap_to_dear() -> None:
    assert list(PRICES) == ["touch", "renew", "silent"]
    assert [price.cost_s for price in PRICES.values()] == [0.2, 3.0, 6.0]
    assert all(price.risk for price in PRICES.values())


@pytest.mark.parametrize(
    ("rung", "at_once", "one_every_s", "a_day"),
    [("touch", 20, 60.0, 1460), ("renew", 10, 300.0, 298), ("silent", 10, 300.0, 298)],
)
def test_each_has_a_budget_of_its_own(
    rung: str, at_once: int, one_every_s: float, a_day: int
) -> None:
    price = PRICES[rung]
    assert (price.burst, price.refill_s, price.a_day()) == (at_once, one_every_s, a_day)
    assert filled(full(rung), rung, NOW, None).tokens == at_once
    empty = Bucket(0.0, NOW)
    assert filled(empty, rung, NOW + one_every_s, None).tokens == pytest.approx(1)


def test_a_short_session_is_renewable_three_times_in_each_of_its_lives() -> None:
    assert PRICES["silent"].refills_every_s(90.0) == 30.0
    assert PRICES["renew"].a_day(300.0) == 10 + 864


@pytest.mark.parametrize("rung", ["touch", "renew"])
def test_an_empty_bucket_is_a_wait_and_never_a_heavier_rung(rung: str) -> None:
    ledger = Ledger()
    for _ in range(PRICES[rung].burst):
        ledger = ledger.with_rung(rung, NOW, None)
    if rung == "renew":
        ledger = ledger.with_usefulness(NOW, "touch", helped=False)
    facts = Facts(
        "stale", ledger, "settings", renewable=True, remembers=True, username=True, password=True
    )
    step = next_step(facts, NOW)
    assert isinstance(step, Stop)
    assert step.error.code == "rate_limited" and step.error.retry_after_s == PRICES[rung].refill_s
    assert next_step(facts, NOW + PRICES[rung].refill_s) == Climb(rung)
