"""Nothing is sent that was not written down first, as another process would read it."""

from pathlib import Path
from typing import Any

import pytest

from engine import Engine, FakeClock, World, profile
from harvester.budgets import SUBMITS_SINCE_SUCCESS
from harvester.errors import StoreFull
from harvester.ledger import Ledger
from harvester.overseer import LedgerOverseer
from harvester.records import Records
from harvester.staging import Staging
from harvester.steady import SteadyClock


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "store", World(FakeClock()))


def overseer(engine: Engine) -> LedgerOverseer:
    clock = SteadyClock(engine.world.clock)
    staging = Staging(profile(), engine.world, clock)
    return LedgerOverseer(
        profile(), engine.records, staging, clock, lambda _: None, Ledger(), ()
    )  # fmt: skip


def stored(engine: Engine) -> Ledger:
    return Records(engine.store, "default", SteadyClock(engine.world.clock)).ledger()


async def test_a_password_is_in_the_ledger_before_it_is_granted(engine: Engine) -> None:
    assert await overseer(engine).submit("fp") is None
    assert [(one.fingerprint, one.outcome) for one in stored(engine).submits] == [("fp", "open")]


async def test_a_codes_step_is_in_the_ledger_before_it_is_granted(engine: Engine) -> None:
    assert await overseer(engine).code(7) is None
    assert stored(engine).totp_step == 7


async def test_within_one_sign_in_too_no_more_is_granted_than_the_budget(engine: Engine) -> None:
    asked = overseer(engine)
    for _ in range(SUBMITS_SINCE_SUCCESS):
        assert await asked.submit("fp") is None
    refusal = await asked.submit("fp")
    assert refusal is not None and refusal.code == "budget_spent"
    assert len(stored(engine).submits) == SUBMITS_SINCE_SUCCESS


@pytest.mark.parametrize("ask", ["submit", "code"])
async def test_what_no_disk_takes_is_not_granted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    def full(*_: Any) -> None:
        raise StoreFull("no room", hint="make some")

    monkeypatch.setattr(engine.records, "keep_ledger", full)
    asked = overseer(engine)
    refusal = await (asked.submit("fp") if ask == "submit" else asked.code(7))
    assert refusal is not None and refusal.code == "store_full"
    assert not asked.ledger.submits and asked.ledger.totp_step is None


@pytest.mark.parametrize("rung", ["touch", "silent"])
async def test_a_rung_that_types_nothing_is_in_the_ledger_before_it_is_taken(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, rung: str
) -> None:
    world, counted = engine.world, []
    await engine.keeper.start()
    await engine.keeper.get()
    name = "get" if rung == "touch" else "run"
    real = getattr(world, name)

    async def watched(*given: Any) -> Any:
        counted.append(rung in stored(engine).buckets)
        return await real(*given)

    monkeypatch.setattr(world, name, watched)
    await engine.keeper.refresh(hard=rung == "silent")
    assert counted == [True]
    await engine.keeper.close()
