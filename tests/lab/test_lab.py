"""The page lab: kinds of sign-in pages, and the engine that has never seen one of them.

What a visit may cost is counted by the house: passwords and codes that arrived, and every control
that leads elsewhere.
"""

from __future__ import annotations

import pytest
from ambiguous import UNCLEAR
from barred import BARRED
from kind import Kind
from kinds import KINDS
from visit import actions, house_of, said, visit

from parent import Outcome, secret

WRONG = secret("HARVESTER_PASSWORD", "n0t-the-Passw0rd")
OTHER_SEED = "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"
# Our clock is told to be this far off: then no code would be right, and none is typed.
FAR_OFF_S = 60.0
# What the issue allows between reaching a page that stops a sign-in and saying so.
PATIENCE_S = 15.0

WITH_CODE = [one for one in KINDS if one.wants_code]


def held(kind: Kind, outcome: Outcome, *, passwords: int) -> None:
    """What is true of every visit, however it ends."""
    house = kind.house
    assert not house.wrong, (dict(house.wrong), said(outcome))
    assert (len(house.passwords), len(outcome.submits)) == (passwords, passwords), said(outcome)
    assert house.password not in outcome.raw.decode()


def named(kind: type[Kind]) -> str:
    return kind.name()


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_a_person_is_signed_in(kind: type[Kind]) -> None:
    with house_of(kind) as house:
        outcome = visit(house)
        assert outcome.error is None, said(outcome)
        held(house.kind, outcome, passwords=1)
    assert outcome.result["identity"] == house.username
    assert any(one.value in house.sessions for one in outcome.jar)
    assert len(house.codes) == len(outcome.codes) == kind.wants_code
    assert len(actions(outcome)) == kind.fewest, said(outcome)


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_a_wrong_password_is_sent_once_and_told(kind: type[Kind]) -> None:
    with house_of(kind) as house:
        outcome = visit(house, password=WRONG)
        held(house.kind, outcome, passwords=1)
    assert outcome.error is not None, said(outcome)
    assert outcome.error.code == "credentials_rejected", said(outcome)
    assert outcome.result["stage"] == "answered"
    assert not house.codes and not house.sessions


@pytest.mark.parametrize("kind", WITH_CODE, ids=named)
def test_no_code_is_typed_with_a_clock_that_is_off(kind: type[Kind]) -> None:
    with house_of(kind, skew_s=FAR_OFF_S) as house:
        outcome = visit(house)
        held(house.kind, outcome, passwords=1)
    assert outcome.error is not None, said(outcome)
    assert outcome.error.code == "config_clock", said(outcome)
    assert not house.codes and not house.sessions


@pytest.mark.parametrize("kind", WITH_CODE, ids=named)
def test_a_wrong_code_is_told_and_the_next_one_tried_once(kind: type[Kind]) -> None:
    with house_of(kind, period_s=15) as house:
        outcome = visit(house, totp=secret("HARVESTER_TOTP_SECRET", house.seed(OTHER_SEED)))
        held(house.kind, outcome, passwords=1)
    assert outcome.error is not None and outcome.error.code == "code_rejected", said(outcome)
    assert len(house.codes) == len(set(house.codes)) == 2


@pytest.mark.parametrize("kind", UNCLEAR, ids=named)
def test_where_two_answers_look_alike_none_is_given(kind: type[Kind]) -> None:
    with house_of(kind) as house:
        outcome = visit(house)
        held(house.kind, outcome, passwords=kind.submits)
    assert outcome.error is not None, said(outcome)
    assert outcome.error.code == "page_not_recognised", said(outcome)
    assert outcome.took_s < PATIENCE_S
    assert not house.codes


@pytest.mark.parametrize("kind", BARRED, ids=named)
def test_a_page_for_a_person_is_told_soon_and_left_alone(kind: type[Kind]) -> None:
    with house_of(kind) as house:
        outcome = visit(house, **kind.settings)
        held(house.kind, outcome, passwords=kind.submits)
    error = outcome.error
    assert error is not None, said(outcome)
    assert error.code == kind.code, said(outcome)
    assert kind.words in error.message and error.hint
    assert outcome.took_s < PATIENCE_S
    assert not house.codes


def test_the_lab_has_pages_of_more_kinds_than_were_asked_for() -> None:
    assert len({one.name() for one in KINDS}) == len(KINDS) >= 25
