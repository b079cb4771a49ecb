"""A sign-in that ends in another organisation: switched once, or refused, never served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harvester.budgets import SWITCHES_PER_HOUR
from runs import Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess) -> Home:
    standin.set(organizations="acme,globex", lands_in="globex")
    return Home(tmp_path, standin, HARVESTER_ORGANIZATION="acme")


def organization(home: Home, session: dict[str, object]) -> str:
    """What the site itself says of the session that was served."""
    live = home.world.state()["sessions"]
    assert len(live) == 1, "the switched one is the only one left"
    assert home.ask_site(session["headers"]["Cookie"]) == 200  # type: ignore[index]
    return str(live[0]["organization"])


def test_token_serves_the_right_one_after_one_switch(home: Home) -> None:
    told = home.run("--json", "token")
    assert told.returncode == 0, told.stderr
    session = json.loads(told.stdout)
    assert (session["organization"], session["organization_proved"]) == ("acme", True)
    assert organization(home, session) == "acme"
    state = home.world.state()
    assert (state["organization_switches"], state["password_submits"]) == (1, 1)
    again = home.run("--json", "token")
    assert json.loads(again.stdout)["headers"] == session["headers"]
    # The next sign-in, in which nothing is typed, ends in the wrong one too.
    home.world.revoke("sessions")
    renewed = home.run("--json", "refresh", "--hard")
    assert renewed.returncode == 0, renewed.stderr
    assert json.loads(renewed.stdout)["organization"] == "acme"
    state = home.world.state()
    assert (state["organization_switches"], state["password_submits"]) == (2, 1)
    status = json.loads(home.run("--json", "status").stdout)
    assert status["profiles"][0]["budgets"]["switches_left_hour"] == SWITCHES_PER_HOUR - 2


def test_an_organisation_that_demands_its_own_sign_in_is_told_and_nothing_is_stored(
    home: Home,
) -> None:
    home.world.set(strict_organizations="acme")
    for _ in range(2):
        code, error = home.error("token")
        assert (code, error["code"]) == (78, "organization_mismatch")
        assert "its own sign-in" in error["message"] and "login --headed" in error["hint"]
    state = home.world.state()
    assert (state["sign_ins"], state["organization_switches"]) == (1, 0)
    asked = [one for one in home.world.log() if one["path"] == "/api/auth/switch-org"]
    assert len(asked) == 1
    assert not list(home.store.rglob("session*"))


def test_a_limit_of_the_site_is_waited_for(home: Home) -> None:
    where = "/api/auth/switch-org"
    home.world.fault("status", prefix=where, status=429, retry_after="90")
    code, error = home.error("token")
    assert (code, error["code"]) == (75, "rate_limited")
    assert 80 <= error["retry_after_s"] <= 90
    code, error = home.error("token")
    assert (code, error["code"]) == (75, "rate_limited")
    assert home.world.state()["sign_ins"] == 1


def test_a_spent_budget_is_told_and_the_site_is_not_asked(home: Home) -> None:
    pasted = home.place / "pasted"
    for _ in range(SWITCHES_PER_HOUR):
        person = Walker()
        sign_in(person, home.world)
        pasted.write_text(json.dumps(person.jars["knoq.localhost"]))
        ended = home.run("--json", "import", str(pasted))
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["organization"] == "acme"
    home.world.revoke("sessions")
    code, error = home.error("refresh", "--hard")
    assert (code, error["code"]) == (75, "budget_spent")
    assert error["retry_after_s"] > 3000
    state = home.world.state()
    assert state["organization_switches"] == SWITCHES_PER_HOUR
    assert home.error("refresh", "--hard")[1]["code"] == "budget_spent"
    assert home.world.state()["sign_ins"] == state["sign_ins"], "no sign-in for the same answer"
