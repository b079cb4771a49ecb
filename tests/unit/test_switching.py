"""A session in the wrong organisation is switched once, within a budget, and proved before it
counts; one that cannot be switched is never served."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Engine, FakeClock, World, profile
from harvester import errors, ledger_form
from harvester.budgets import SWITCHES_PER_HOUR
from harvester.ledger import HOUR_S, Ledger
from harvester.session import Cookie
from harvester.signin.dialogue import SignedIn
from harvester.staging import Staging
from harvester.switching import Switching, body_for
from harvester.verdict import Answer
from jars import cookie, jwt


@pytest.fixture
def world() -> World:
    return World(FakeClock(), lands_in="globex")


async def started(tmp_path, world, **settings: object) -> Engine:
    engine = Engine(tmp_path / "store", world, profile(organization="acme", **settings))
    await engine.keeper.start()
    return engine


async def test_a_sign_in_that_ends_in_another_organisation_is_switched_once(tmp_path, world):
    engine = await started(tmp_path, world)
    told = (await engine.keeper.get()).session
    assert (told.organization, told.organization_proved) == ("acme", True)
    assert world.switches == [{"organizationId": "acme"}]
    assert [one.value for one in told.cookies] == [
        value for value in world.live if value.startswith("session-2-")
    ]
    assert (world.sign_ins, len(world.live)) == (["scripted"], 1)
    assert engine.records.session() == told
    ledger = engine.records.ledger()
    assert (len(ledger.switches), ledger.latch, ledger.generation) == (1, None, 1)
    assert (await engine.keeper.get()).session == told


async def test_a_silent_sign_in_and_a_brought_session_are_switched_too(tmp_path, world):
    engine = await started(tmp_path, world)
    await engine.keeper.get()
    world.lands_in = "globex"
    assert (await engine.keeper.refresh(hard=True)).session.organization == "acme"
    world.lands_in = "globex"
    assert (await engine.keeper.take_in(world.issue())).session.organization == "acme"
    assert (len(world.switches), world.sign_ins) == (3, ["scripted", "silent"])
    assert len(engine.records.ledger().switches) == 3


async def test_the_switch_is_in_the_ledger_before_it_is_asked_for(tmp_path, world, monkeypatch):
    engine = await started(tmp_path, world)
    seen = []
    real = world.post

    async def post(path: str, cookies: tuple[Cookie, ...], body: bytes) -> Answer:
        seen.append(len(engine.records.ledger().switches))
        return await real(path, cookies, body)

    world.post = post
    await engine.keeper.get()
    assert seen == [1]


async def test_what_cannot_be_written_down_is_not_asked_for(tmp_path, world, monkeypatch):
    engine = await started(tmp_path, world)
    real = engine.records.keep_ledger

    def keep(ledger: Ledger) -> None:
        if ledger.switches:
            raise errors.StoreFull("the disk is full")
        real(ledger)

    monkeypatch.setattr(engine.records, "keep_ledger", keep)
    with pytest.raises(errors.StoreFull):
        await engine.keeper.get()
    assert world.switches == []
    assert engine.records.session() is None


async def test_without_proof_of_its_organisation_nothing_is_switched(tmp_path, world):
    world.lands_in = None
    engine = await started(tmp_path, world)
    told = (await engine.keeper.get()).session
    assert (told.organization_proved, world.switches) == (False, [])


async def test_somebody_elses_session_is_refused_and_not_switched(tmp_path, world):
    engine = await started(tmp_path, world, username="eve@acme.example")
    with pytest.raises(errors.IdentityMismatch):
        await engine.keeper.get()
    assert world.switches == []
    assert engine.records.session() is None


async def test_where_no_organisation_is_configured_whichever_it_is_will_do(tmp_path, world):
    engine = Engine(tmp_path / "store", world)
    await engine.keeper.start()
    assert (await engine.keeper.get()).session.organization == "globex"
    assert world.switches == []


INTERMEDIATE = Cookie("stytch_intermediate_session_token", "half", "knoq.one")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Answer(403, words="requires its own sign-in", set_cookies=(INTERMEDIATE,)),
         errors.OrganizationMismatch, "requires its own sign-in"),
        (Answer(200, set_cookies=(INTERMEDIATE,)), errors.OrganizationMismatch, "nothing proves"),
        (Answer(200), errors.OrganizationMismatch, "nothing proves"),
        (Answer(303, location="https://knoq.one/app"), errors.OrganizationMismatch, "303"),
        (Answer(404), errors.OrganizationMismatch, "404"),
        (Answer(401), errors.OrganizationMismatch, "401"),
        (Answer(429, retry_after_s=120.0), errors.RateLimited, "limits"),
        (Answer(503, retry_after_s=9.0), errors.SiteDown, "did not say"),
        (Answer(trouble="no answer in 10 s"), errors.SiteDown, "no answer"),
    ],
)  # fmt: skip
async def test_a_switch_that_gives_no_session_stores_nothing_and_is_asked_for_once(
    tmp_path, world, answer, error, said
):
    world.switch_answer = answer
    engine = await started(tmp_path, world)
    with pytest.raises(error) as caught:
        await engine.keeper.get()
    assert said in caught.value.message and caught.value.hint
    if answer.retry_after_s is not None:
        assert caught.value.retry_after_s == pytest.approx(answer.retry_after_s)
    if error is errors.OrganizationMismatch:
        unknown = answer.status == 404
        assert ("SWITCH_ORG_BODY" if unknown else "login --headed") in caught.value.hint
    with pytest.raises(error):
        await engine.keeper.get()
    assert (len(world.switches), world.sign_ins) == (1, ["scripted"])
    assert engine.records.session() is None
    assert len(engine.records.ledger().switches) == 1


class Elsewhere(World):
    """Switches, but never to where one wants."""

    def _switch(self, cookies: tuple[Cookie, ...], body: dict[str, str]) -> Answer:
        return super()._switch(cookies, {"organizationId": "initech"})


class Deadly(World):
    """Switches to a session that it does not accept itself."""

    def _switch(self, cookies: tuple[Cookie, ...], body: dict[str, str]) -> Answer:
        answer = super()._switch(cookies, body)
        self.live.clear()
        return answer


@pytest.mark.parametrize(("kind", "said"), [(Elsewhere, "initech"), (Deadly, "refuses it")])
async def test_what_comes_back_is_looked_at_as_any_candidate(tmp_path, kind, said):
    world = kind(FakeClock(), lands_in="globex")
    engine = await started(tmp_path, world)
    with pytest.raises(errors.OrganizationMismatch, match=said):
        await engine.keeper.get()
    assert len(world.switches) == 1
    assert engine.records.session() is None


async def test_the_last_good_session_outlives_a_switch_that_failed(tmp_path, world):
    engine = await started(tmp_path, world)
    good = (await engine.keeper.get()).session
    world.lands_in, world.switch_answer = "globex", Answer(403)
    told = await engine.keeper.refresh(hard=True)
    assert (told.session, told.stale, told.error.code) == (good, True, "organization_mismatch")
    with pytest.raises(errors.OrganizationMismatch):
        await engine.keeper.take_in(world.issue())
    assert engine.records.session() == good


async def test_ten_an_hour_and_then_nobody_signs_in_for_nothing(tmp_path, world):
    engine = await started(tmp_path, world)
    ledger = Ledger()
    for turn in range(SWITCHES_PER_HOUR):
        ledger = ledger.with_switch(world.clock.wall + turn)
    engine.records.keep_ledger(ledger)
    world.clock.sleep(60)
    with pytest.raises(errors.BudgetSpent) as caught:
        await engine.keeper.get()
    assert (caught.value.exit_code, world.switches) == (75, [])
    assert caught.value.retry_after_s == HOUR_S - 60
    again = await started(tmp_path, world)
    with pytest.raises(errors.BudgetSpent):
        await again.keeper.get()
    assert world.sign_ins == ["scripted"], "a second one would end there too"
    world.clock.sleep(HOUR_S - 60)
    assert (await again.keeper.get()).session.organization == "acme"
    assert len(world.switches) == 1


async def test_a_brought_session_does_not_get_round_the_budget_and_costs_no_wait(tmp_path, world):
    engine = await started(tmp_path, world)
    ledger = Ledger()
    for _ in range(SWITCHES_PER_HOUR):
        ledger = ledger.with_switch(world.clock.wall)
    engine.records.keep_ledger(ledger)
    with pytest.raises(errors.BudgetSpent):
        await engine.keeper.take_in(world.issue())
    assert world.switches == []
    world.lands_in = "acme"
    assert (await engine.keeper.get()).session.organization == "acme"


async def test_a_renewed_session_is_never_switched(tmp_path, world):
    engine = await started(tmp_path, world)
    who = profile(organization="acme")
    staging = Staging(who, world, world.clock)
    switching = Switching(who, staging=staging, records=engine.records, clock=world.clock)
    found, ledger = await switching.stage(
        SignedIn(world.issue(), "browser"), None, Ledger(), last_generation=0, renewed=True
    )
    assert isinstance(found, errors.OrganizationMismatch)
    assert (world.switches, ledger) == ([], Ledger())


async def test_a_token_of_the_old_organisation_is_not_served_with_the_new_session(tmp_path, world):
    engine = await started(tmp_path, world)
    old = cookie("another_jwt", jwt(email="ada@acme.example", org="globex"))
    told = (await engine.keeper.take_in((*world.issue(), old))).session
    assert "another_jwt" not in {one.name for one in told.jar}
    assert "theme" in {one.name for one in told.jar}


def test_a_ledger_of_before_there_were_switches_still_opens():
    stored = ledger_form.to_dict(Ledger().with_switch(7.0))
    assert ledger_form.from_dict(stored).switches == (7.0,)
    del stored["switches"]
    assert ledger_form.from_dict(stored) == Ledger()


def test_switches_of_more_than_an_hour_ago_are_forgotten():
    ledger = Ledger()
    for hour in range(30):
        ledger = ledger.with_switch(hour * HOUR_S)
    assert ledger.switches == (29 * HOUR_S,)


@given(organization=st.text(min_size=1))
def test_whatever_the_organisation_is_called_the_body_stays_json(organization: str) -> None:
    template = '{"to": {"organizationId": "$organization"}, "why": "to \\"$organization\\""}'
    found = json.loads(body_for(template, organization))
    assert found == {"to": {"organizationId": organization}, "why": f'to "{organization}"'}
