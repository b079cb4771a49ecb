"""Each row of the table of error classes, at a whole keeper: does it count, when is it tried again,
is it a latch, what does status call it, and which command helps.

The table is the one of ``docs/security.md``, "Never lose a session, never lock an account".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, FakeClock, World, profile
from harvester import errors
from harvester.clock import rfc3339
from harvester.errors import HarvesterError
from harvester.profile import Profile, SecretSource
from harvester.rest import LOOK_AGAIN_S
from harvester.signer import Overseer
from harvester.signin.dialogue import Job, SignedIn, Stopped
from harvester.status import profile_status
from harvester.verdict import Answer

DAY_S = 24 * 3600.0


@dataclass
class Provider(World):
    """Also stops after the password was sent: ``sent_with`` is the error, ``sent_stage`` when."""

    sent_with: HarvesterError | None = None
    sent_stage: str = "after_submit"
    leaves_state: bool = False

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        if self.sent_with is None or job.rung != "scripted":
            return await super().run(job, overseer)
        self.sign_ins.append(job.rung)
        refusal = await overseer.submit("fp-right")
        if refusal is not None:
            return Stopped(refusal)
        self.submits.append("right")
        state = self._sealed_state(job) if self.leaves_state else None
        return Stopped(
            self.sent_with, self.sent_stage, fingerprint="fp-right", identity_state=state
        )


@pytest.fixture
def world() -> Provider:
    return Provider(FakeClock())


@pytest.fixture
async def engine(tmp_path: Path, world: Provider) -> AsyncIterator[Engine]:
    made = await begun(tmp_path, world)
    yield made
    await made.keeper.close()


async def begun(tmp_path: Path, world: Provider, who: Profile | None = None) -> Engine:
    made = Engine(tmp_path / "store", world, who)
    await made.keeper.start()
    return made


async def fails(engine: Engine) -> HarvesterError:
    with pytest.raises(HarvesterError) as caught:
        await engine.keeper.get()
    return caught.value


def trouble(engine: Engine) -> dict[str, Any]:
    """What status says, after another process has read it from the store too."""
    told = profile_status(engine.keeper, engine.world.clock.wall_s())["trouble"]
    assert told is not None
    assert set(told) == {"code", "class", "since", "message", "next_try_at", "helps"}
    return dict(told)


def in_s(world: World, seconds: float) -> str | None:
    return rfc3339(world.clock.wall_s() + seconds)


def wait_s(engine: Engine) -> float:
    waits = engine.records.ledger().waits(engine.world.clock.wall_s())
    return 0.0 if waits is None else waits.retry_after_s or 0.0


def counted(engine: Engine) -> int:
    return len(engine.records.ledger().since_success())


async def test_credentials_rejected_counts_is_latched_and_another_secret_helps(
    tmp_path: Path, world: Provider
) -> None:
    wrong = profile(password=SecretSource("value", "HARVESTER_PASSWORD", value="wrong"))
    engine = await begun(tmp_path, world, wrong)
    assert (await fails(engine)).code == "credentials_rejected"
    began = rfc3339(world.clock.wall_s())
    world.clock.sleep(DAY_S)
    assert (await fails(engine)).latched
    assert (world.submits, counted(engine)) == (["wrong"], 1)
    told = trouble(engine)
    assert (told["class"], told["since"], told["next_try_at"]) == (
        "credentials_rejected", began, None,
    )  # fmt: skip
    assert "harvester refresh" in told["helps"]
    other = profile(password=SecretSource("value", "HARVESTER_PASSWORD", value="wrong too"))
    again = await begun(tmp_path, world, other)
    assert (await fails(again)).code == "credentials_rejected"
    # Two different ones: now nothing but a person's word.
    assert trouble(again)["helps"] == "harvester unlock"
    third = await begun(tmp_path, world)
    await fails(third)
    assert world.submits == ["wrong", "wrong too"]


async def test_a_rejected_code_counts_and_is_latched(engine: Engine, world: Provider) -> None:
    world.sent_with, world.sent_stage = errors.CodeRejected("no"), "answered"
    await fails(engine)
    world.clock.sleep(DAY_S)
    # The signer has tried the next step itself; the same secret is not sent again.
    assert engine.records.ledger().rejected_fingerprints() == ("fp-right",)
    assert counted(engine) == 1 and engine.records.ledger().latch is not None
    told = trouble(engine)
    assert (told["class"], told["next_try_at"], told["helps"]) == (
        "code_rejected", None, "harvester unlock",
    )  # fmt: skip


@pytest.mark.parametrize(
    "error",
    [
        errors.Challenge("captcha"),
        errors.NeedsHuman("a device must be confirmed"),
        errors.ProviderRefuses("no programs"),
    ],
)
async def test_what_a_person_must_do_is_tried_no_more_and_asks_for_a_window(
    engine: Engine, world: Provider, error: HarvesterError
) -> None:
    world.stops_with = error
    await fails(engine)
    for _ in range(5):
        world.clock.sleep(DAY_S)
        assert (await fails(engine)).latched
    assert world.sign_ins == ["scripted"] and counted(engine) == 0
    told = trouble(engine)
    assert (told["class"], told["code"]) == ("person_needed", error.code)
    assert (told["next_try_at"], told["helps"]) == (None, "harvester login --headed")


async def test_an_unknown_page_is_looked_at_twice_before_a_person_is_asked(
    engine: Engine, world: Provider
) -> None:
    world.stops_with = errors.PageNotRecognised("what is this")
    await fails(engine)
    assert engine.records.ledger().latch is None
    assert trouble(engine)["next_try_at"] is not None
    world.clock.sleep(1000)
    await fails(engine)
    world.clock.sleep(DAY_S)
    assert (await fails(engine)).latched
    assert world.sign_ins == ["scripted"] * 2
    assert trouble(engine)["helps"] == "harvester login --headed"


async def test_a_locked_account_is_left_alone_and_a_day_is_waited_unless_forced(
    engine: Engine, world: Provider
) -> None:
    world.sent_with, world.sent_stage = errors.AccountLocked("locked"), "answered"
    await fails(engine)
    assert counted(engine) == 1
    told = trouble(engine)
    assert (told["class"], told["next_try_at"]) == ("locked", None)
    assert told["helps"].endswith("harvester unlock --force")
    world.clock.sleep(DAY_S - 60)
    assert (await fails(engine)).code == "account_locked"
    with pytest.raises(errors.AccountLocked):
        await engine.keeper.unlock()
    world.clock.sleep(120)
    assert (await fails(engine)).latched, "time alone opens nothing"
    assert trouble(engine)["helps"] == "harvester unlock"
    assert world.submits == ["right"]
    await engine.keeper.unlock()
    world.sent_with = None
    assert (await engine.keeper.get()).session.generation == 1


async def test_a_locked_account_may_be_unlocked_by_force_at_once(
    engine: Engine, world: Provider
) -> None:
    world.sent_with, world.sent_stage = errors.AccountLocked("locked"), "answered"
    await fails(engine)
    await engine.keeper.unlock(force=True)
    world.sent_with = None
    assert (await engine.keeper.get()).session.generation == 1


@pytest.mark.parametrize("error", [errors.ProviderDown("down"), errors.TimedOut("slow")])
async def test_a_provider_that_is_down_counts_nothing_and_is_asked_less_and_less(
    engine: Engine, world: Provider, error: HarvesterError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.999)
    world.stops_with = error
    waits = []
    began = rfc3339(world.clock.wall_s())
    for _ in range(12):
        await fails(engine)
        waits.append(round(wait_s(engine)))
        assert trouble(engine)["next_try_at"] == in_s(world, wait_s(engine))
        await fails(engine)
        assert round(wait_s(engine)) == waits[-1], "an attempt that is refused lengthens nothing"
        world.clock.sleep(wait_s(engine) + 31)
    assert waits[:4] == [5, 10, 20, 40] and waits[-3:] == [899, 899, 899]
    assert counted(engine) == 0 and engine.records.ledger().latch is None
    told = trouble(engine)
    assert (told["class"], told["since"], told["helps"]) == (
        "provider_down", began, "harvester doctor",
    )  # fmt: skip


async def test_since_when_it_fails_is_known_after_a_restart_and_another_failure_begins_anew(
    engine: Engine, world: Provider, tmp_path: Path
) -> None:
    world.stops_with = errors.ProviderDown("down", retry_after_s=100)
    await fails(engine)
    began = rfc3339(world.clock.wall_s())
    world.clock.sleep(50)
    assert trouble(await begun(tmp_path, world))["since"] == began
    world.clock.sleep(100)
    await fails(engine)
    assert trouble(engine)["since"] == began
    world.clock.sleep(200)
    world.stops_with = errors.RateLimited("slow down", retry_after_s=100)
    await fails(engine)
    assert trouble(engine)["since"] == rfc3339(world.clock.wall_s())
    world.clock.sleep(200)
    world.stops_with = None
    await engine.keeper.get()
    assert engine.records.ledger().failing_since == 0.0
    assert profile_status(engine.keeper, world.clock.wall_s())["trouble"] is None


async def test_a_lost_answer_counts_waits_a_code_step_and_is_tried_once_more(
    engine: Engine, world: Provider
) -> None:
    world.sent_with = errors.TimedOut("no answer")
    await fails(engine)
    assert counted(engine) == 1 and wait_s(engine) == pytest.approx(30)
    told = trouble(engine)
    assert told["class"] == "ambiguous" and told["next_try_at"] == in_s(world, 30)
    world.clock.sleep(29)
    await fails(engine)
    assert world.submits == ["right"]
    world.clock.sleep(2)
    await fails(engine)
    assert world.submits == ["right"] * 2
    for _ in range(3):
        world.clock.sleep(DAY_S)
        assert (await fails(engine)).latched
    assert world.submits == ["right"] * 2
    told = trouble(engine)
    assert (told["class"], told["next_try_at"], told["helps"]) == (
        "ambiguous", None, "harvester unlock",
    )  # fmt: skip
    assert told["since"] is not None


async def test_after_a_lost_answer_the_provider_is_asked_silently_first(
    engine: Engine, world: Provider
) -> None:
    """The password may have been accepted: then nothing need be typed again."""
    await engine.keeper.get()
    world.revoke()
    world.remembers = False
    world.sent_with, world.leaves_state = errors.TimedOut("no answer"), True
    with pytest.raises(errors.TimedOut):
        await engine.keeper.report(generation=1)
    assert world.sign_ins == ["scripted", "silent", "scripted"]
    world.clock.sleep(31)
    world.remembers = True
    assert (await engine.keeper.get()).session.generation == 2
    assert world.sign_ins[3:] == ["silent"]
    assert world.submits == ["right", "right"]


@pytest.mark.parametrize(("asked_s", "waits_s"), [(120.0, 120.0), (1e9, DAY_S)])
async def test_a_provider_that_limits_is_left_alone_for_as_long_as_it_asks(
    engine: Engine, world: Provider, tmp_path: Path, asked_s: float, waits_s: float
) -> None:
    world.stops_with = errors.RateLimited("429", retry_after_s=asked_s)
    await fails(engine)
    assert counted(engine) == 0 and wait_s(engine) == waits_s
    told = trouble(engine)
    assert (told["class"], told["next_try_at"]) == ("rate_limited", in_s(world, waits_s))
    world.clock.sleep(waits_s - 1)
    await fails(engine)
    await fails(await begun(tmp_path, world))
    assert world.sign_ins == ["scripted"]
    world.clock.sleep(2)
    world.stops_with = None
    assert (await engine.keeper.get()).session.generation == 1


@pytest.mark.parametrize(
    "answer",
    [Answer(429, retry_after_s=200), Answer(503, retry_after_s=200)],
)
async def test_a_site_that_limits_is_left_alone_by_every_process(
    engine: Engine, world: Provider, tmp_path: Path, answer: Answer
) -> None:
    world.answer = answer
    assert (await fails(engine)).code == "rate_limited"
    asked = world.control_probes
    assert trouble(engine)["class"] == "rate_limited"
    world.clock.sleep(150)
    again = await begun(tmp_path, world)
    assert (await fails(again)).code == "rate_limited"
    assert trouble(again)["next_try_at"] == in_s(world, 50)
    assert (world.control_probes, world.sign_ins) == (asked, [])
    world.answer = None
    world.clock.sleep(51)
    assert (await again.keeper.get()).session.generation == 1


async def test_a_site_that_limits_a_touch_is_not_touched_again_before_its_time(
    engine: Engine, world: Provider
) -> None:
    await engine.keeper.get()
    world.clock.sleep(3500)
    world.answer = Answer(429, retry_after_s=80)
    probes = world.probes
    served = await engine.keeper.refresh()
    assert served.stale and served.error is not None and served.error.code == "rate_limited"
    world.clock.sleep(40)
    assert (await engine.keeper.refresh()).stale
    assert world.probes == probes + 1 and world.sign_ins == ["scripted"]


async def test_a_site_that_is_down_costs_no_session_and_no_sign_in(
    engine: Engine, world: Provider
) -> None:
    first = (await engine.keeper.get()).session
    world.down = True
    assert (await engine.keeper.report(generation=1)).verdict == "unreachable"
    began = rfc3339(world.clock.wall_s())
    world.clock.sleep(100)
    assert (await engine.keeper.report(generation=1)).session == first
    assert world.sign_ins == ["scripted"] and counted(engine) == 0
    told = trouble(engine)
    assert (told["class"], told["since"]) == ("site_down", began)
    assert told["next_try_at"] is not None
    world.down = False
    await engine.keeper.report(generation=1)
    assert profile_status(engine.keeper, world.clock.wall_s())["trouble"] is None


async def test_a_site_that_is_down_with_nothing_to_serve_is_asked_again_by_itself(
    engine: Engine, world: Provider
) -> None:
    world.down = True
    assert await engine.keeper.check() == LOOK_AGAIN_S
    told = trouble(engine)
    assert (told["class"], told["helps"]) == ("site_down", "harvester doctor")
    assert told["next_try_at"] == in_s(world, LOOK_AGAIN_S)
    assert world.sign_ins == []


async def test_one_witness_is_not_enough_to_climb_and_two_are(
    engine: Engine, world: Provider
) -> None:
    await engine.keeper.get()
    assert (await engine.keeper.report(generation=1)).verdict == "alive"
    assert world.sign_ins == ["scripted"]
    world.revoke()
    assert (await engine.keeper.report(generation=1)).verdict == "refreshed"
    assert world.sign_ins == ["scripted", "silent"]


async def test_a_refused_session_is_told_as_such_while_a_way_back_is_looked_for(
    engine: Engine, world: Provider
) -> None:
    await engine.keeper.get()
    world.revoke()
    engine.keeper._witness.refuse("a report and our own probe", engine.records.session())
    told = trouble(engine)
    assert (told["class"], told["since"]) == ("site_refuses", rfc3339(world.clock.wall_s()))


async def test_a_browser_that_fails_is_tried_three_times_and_then_each_quarter_of_an_hour(
    engine: Engine, world: Provider, tmp_path: Path
) -> None:
    world.stops_with = errors.BrowserFailed("it did not start")
    waits = []
    for _ in range(5):
        await fails(engine)
        waits.append(wait_s(engine))
        world.clock.sleep(max(wait_s(engine) + 1, 31))
        engine = await begun(tmp_path, world)  # a restart forgives it nothing
    assert waits[0] <= 5 and waits[1] <= 10
    assert waits[2:] == [pytest.approx(900)] * 3
    assert len(world.sign_ins) == 5
    assert counted(engine) == 0 and engine.records.ledger().latch is None
    await fails(engine)
    told = trouble(engine)
    assert (told["class"], told["helps"]) == ("browser_fault", "harvester doctor")
    assert told["next_try_at"] == in_s(world, 900)
    assert "harvester doctor" in (await fails(engine)).hint


async def test_a_browser_that_ran_in_between_has_its_three_tries_again(
    engine: Engine, world: Provider
) -> None:
    for error in (errors.BrowserFailed("x"), errors.BrowserFailed("x"), errors.ProviderDown("y"),
                  errors.BrowserFailed("x"), errors.BrowserFailed("x")):  # fmt: skip
        world.stops_with = error
        await fails(engine)
        assert wait_s(engine) < 900
        world.clock.sleep(max(wait_s(engine) + 1, 31))


async def test_a_browser_that_dies_after_the_password_was_sent_is_ambiguous(
    engine: Engine, world: Provider
) -> None:
    world.sent_with = errors.BrowserFailed("it crashed")
    await fails(engine)
    assert counted(engine) == 1 and wait_s(engine) == pytest.approx(30)
    assert trouble(engine)["class"] == "ambiguous"


async def test_an_hour_full_of_passwords_waits_and_says_until_when(
    tmp_path: Path, world: Provider
) -> None:
    engine = await begun(tmp_path, world, profile(submits_per_hour=1))
    await engine.keeper.get()
    world.remembers = False
    world.revoke()
    with pytest.raises(errors.BudgetSpent):
        await engine.keeper.report(generation=1)
    await engine.keeper.check()
    told = trouble(engine)
    assert told["class"] == "budget_spent" and "SUBMITS_PER_HOUR" in told["helps"]
    assert told["next_try_at"] is not None
    world.clock.sleep(3601)
    assert (await engine.keeper.get()).session.generation == 2


async def test_a_wrong_setting_is_told_with_what_mends_it(engine: Engine, world: Provider) -> None:
    world.stops_with = errors.OriginNotAllowed("x", hint="set HARVESTER_IDENTITY_ORIGINS")
    await fails(engine)
    told = trouble(engine)
    assert (told["class"], told["next_try_at"]) == ("wrong_setting", None)
    assert told["helps"] == "set HARVESTER_IDENTITY_ORIGINS"


async def test_a_damaged_ledger_types_nothing_until_unlock(
    engine: Engine, world: Provider, tmp_path: Path
) -> None:
    await engine.keeper.get()
    for name in ("ledger", "ledger.previous"):
        path = tmp_path / "store" / "profiles" / "default" / name
        path.write_bytes(path.read_bytes()[:100])
    world.revoke()
    world.remembers = False
    again = await begun(tmp_path, world)
    with pytest.raises(errors.StoreCorrupt):
        await again.keeper.report(generation=1)
    told = trouble(again)
    assert (told["class"], told["helps"]) == ("store_fault", "harvester unlock")
    assert told["next_try_at"] is None and world.submits == ["right"]
