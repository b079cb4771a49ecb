"""Sign-ins that must not arrive: what is said, and what was not done."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from parent import KEY, Spawned, job_for, no_budget, secret, sign_in
from standin import StandInProcess

# page of the stand-in → code of the error, words of its message
OBSTACLES: dict[str, tuple[str, str]] = {
    "captcha": ("challenge", "a person"),
    "number_match": ("challenge", "number shown"),
    "expired_password": ("needs_human", "new password"),
    "enrolment": ("needs_human", "second factor"),
    "sms_code": ("challenge", "by message"),
    "email_code": ("challenge", "by message"),
    "device_refused": ("provider_refuses_automation", "browser"),
    "policy_refusal": ("needs_human", "does not let"),
    "unknown": ("page_not_recognised", "Almost there"),
    "error_500": ("identity_provider_down", "500"),
}


@pytest.mark.parametrize("page", OBSTACLES)
def test_a_page_for_a_person_stops_with_the_words_that_help(page: str) -> None:
    code, words = OBSTACLES[page]
    with StandInProcess(idp_page=page, totp=True) as standin:
        outcome = sign_in(standin)
        state = standin.state()
    error = outcome.error
    assert error is not None
    assert (error.code, words in error.message) == (code, True), error.message
    assert error.hint
    assert state["password_submits"] == (0 if page == "captcha" else 1)
    assert state["code_submits"] == state["sign_ins"] == 0
    assert not any(state["wrong_clicks"].values())


def test_a_provider_that_refuses_automation_is_believed() -> None:
    with StandInProcess(providers="google") as standin:
        outcome = sign_in(standin)
        state = standin.state()
    assert outcome.error is not None and outcome.error.code == "provider_refuses_automation"
    assert state["password_submits"] == 0 and outcome.submits == []


@pytest.mark.parametrize("mode", ["one_page", "identifier_first"])
def test_a_wrong_password_is_sent_once(mode: str) -> None:
    with StandInProcess(idp_mode=mode) as standin:
        wrong = secret("HARVESTER_PASSWORD", "not-it-at-all")
        outcome = sign_in(standin, password=wrong)
        state = standin.state()
    error = outcome.error
    assert error is not None and error.code == "credentials_rejected"
    assert outcome.result["stage"] == "answered"
    assert outcome.result["fingerprint"] == outcome.submits[0]["fingerprint"]
    assert state["wrong_password_submits"] == state["password_submits"] == 1
    assert "not-it-at-all" not in outcome.raw.decode()


def test_an_unknown_user_is_refused_before_any_password() -> None:
    with StandInProcess(idp_mode="identifier_first", unknown_user="at_identifier") as standin:
        outcome = sign_in(standin, username="nobody@acme.example")
        assert standin.state()["password_submits"] == 0
    assert outcome.error is not None and outcome.error.code == "credentials_rejected"
    assert outcome.result["fingerprint"] is not None


def test_refused_credentials_start_no_browser(standin: StandInProcess) -> None:
    wrong = secret("HARVESTER_PASSWORD", "not-it-at-all")
    first = sign_in(standin, password=wrong)
    again = sign_in(standin, password=wrong, rejected=(first.result["fingerprint"],))
    assert again.error is not None
    assert (again.error.code, again.error.latched) == ("credentials_rejected", True)
    assert again.result["stage"] == "before_submit"
    assert again.steps == []
    right = sign_in(standin, rejected=(first.result["fingerprint"],))
    assert right.error is None
    assert standin.state()["password_submits"] == 2


def test_credentials_refused_under_an_old_key_stay_refused_under_a_new_one(
    standin: StandInProcess,
) -> None:
    wrong = secret("HARVESTER_PASSWORD", "not-it-at-all")
    first = sign_in(standin, password=wrong)
    refused = (first.result["fingerprint"],)
    new = base64.b64encode(b"n" * 32).decode()
    for ring in ((new, KEY), (new,)):
        again = sign_in(standin, password=wrong, rejected=refused, ring=ring)
        assert again.error is not None and again.error.latched
        assert (again.error.code, again.steps) == ("credentials_rejected", [])
    # The old key is gone: whether this one was refused nobody can tell.
    unsure = sign_in(standin, rejected=refused, ring=(new,))
    assert unsure.error is not None and "key that is gone" in unsure.error.message
    assert unsure.error.hint.endswith("harvester unlock")
    assert sign_in(standin, rejected=refused, ring=(new, KEY)).error is None
    assert standin.state()["password_submits"] == 2


def test_a_wrong_seed_is_tried_with_two_codes_and_no_more() -> None:
    with StandInProcess(totp=True) as standin:
        outcome = sign_in(standin, totp=secret("HARVESTER_TOTP_SECRET", "JBSWY3DPEHPK3PXP"))
        state = standin.state()
    assert outcome.error is not None and outcome.error.code == "code_rejected"
    assert state["code_submits"] == 2 and len(set(outcome.codes)) == 2
    assert state["password_submits"] == 1


@pytest.mark.parametrize("skew_s", [300.0, -86400.0])
def test_no_code_is_typed_when_a_clock_is_wrong(skew_s: float) -> None:
    with StandInProcess(totp=True, clock_skew_s=skew_s) as standin:
        outcome = sign_in(standin)
        state = standin.state()
    assert (state["password_submits"], state["code_submits"]) == (1, 0)
    assert outcome.codes == []
    error = outcome.error
    assert error is not None and error.code == "config_clock"
    assert "clock" in error.message and "set this machine's clock" in error.hint
    assert (outcome.result["stage"], outcome.result["accepted"]) == ("answered", True)
    assert outcome.result["clock_skew_s"] == pytest.approx(-skew_s, abs=5)


def test_a_wrong_clock_hinders_nobody_whom_no_code_is_asked() -> None:
    with StandInProcess(clock_skew_s=300.0) as standin:
        outcome = sign_in(standin)
    assert outcome.error is None, outcome.result


def test_a_code_is_not_typed_twice_across_sign_ins() -> None:
    with StandInProcess(totp=True) as standin:
        first = sign_in(standin)
        second = sign_in(standin, totp_last_step=first.codes[-1])
        assert second.error is None, second.result
    assert second.codes[0] > first.codes[-1]


def test_a_locked_account_says_so() -> None:
    with StandInProcess(lock_after=1) as standin:
        outcome = sign_in(standin, password=secret("HARVESTER_PASSWORD", "wrong"))
        later = sign_in(standin)
    assert outcome.error is not None
    assert outcome.error.code in ("account_locked", "credentials_rejected")
    assert later.error is not None and later.error.code == "account_locked"


def test_no_configured_origin_means_nothing_is_typed(standin: StandInProcess) -> None:
    outcome = sign_in(standin, identity_origins=())
    error = outcome.error
    assert error is not None and error.code == "origin_not_allowed"
    assert standin.identity in error.message
    assert f"HARVESTER_IDENTITY_ORIGINS={standin.identity}" in error.hint
    assert standin.state()["password_submits"] == 0
    assert outcome.submits == []


def test_a_code_without_a_seed_names_the_setting() -> None:
    with StandInProcess(totp=True) as standin:
        outcome = sign_in(standin, totp=None)
    assert outcome.error is not None and outcome.error.code == "challenge"
    assert "HARVESTER_TOTP_SECRET" in outcome.error.hint


@pytest.mark.parametrize(
    ("wanted", "code"), [("nope", "organization_not_found"), (None, "needs_human")]
)
def test_an_organisation_that_is_not_there_is_listed(wanted: str | None, code: str) -> None:
    with StandInProcess(organizations="acme,globex") as standin:
        outcome = sign_in(standin, organization=wanted)
    error = outcome.error
    assert error is not None and error.code == code
    assert "Acme" in error.message and "Globex" in error.message
    assert "HARVESTER_ORGANIZATION" in error.hint


def test_two_ways_in_and_no_setting_are_listed() -> None:
    with StandInProcess(providers="acme,sso") as standin:
        outcome = sign_in(standin)
    error = outcome.error
    assert error is not None and error.code == "needs_human"
    assert "acme" in error.message and "sso" in error.message
    assert "HARVESTER_PROVIDER" in error.hint


def test_the_parents_no_is_obeyed_before_anything_is_typed(standin: StandInProcess) -> None:
    outcome = Spawned(job_for(standin)).run(refuse=no_budget())
    assert outcome.error is not None and outcome.error.code == "budget_spent"
    assert outcome.result["stage"] == "before_submit"
    assert standin.state()["password_submits"] == 0


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ({"identity_down": True}, "identity_provider_down"),
        ({"site_down": True}, "site_down"),
    ],
)
def test_an_outage_is_told_fast_and_types_nothing(switches: dict[str, Any], code: str) -> None:
    with StandInProcess(**switches) as standin:
        outcome = sign_in(standin)
    assert outcome.error is not None and outcome.error.code == code
    assert outcome.took_s < 30
    assert outcome.result["stage"] == "before_submit" and outcome.submits == []


def test_a_provider_that_hangs_is_down_within_thirty_seconds(standin: StandInProcess) -> None:
    standin.fault("hang", server="identity")
    outcome = sign_in(standin)
    assert outcome.error is not None and outcome.error.code == "identity_provider_down"
    assert outcome.took_s < 30 and outcome.submits == []


def test_a_limit_is_honoured(standin: StandInProcess) -> None:
    standin.fault("status", server="identity", status=429, retry_after="77")
    outcome = sign_in(standin)
    assert outcome.error is not None and outcome.error.code == "rate_limited"
    assert outcome.error.retry_after_s == 77


def test_a_site_that_does_not_answer_the_proof_is_down(standin: StandInProcess) -> None:
    outcome = Spawned(job_for(standin)).run(verdict="unreachable")
    assert outcome.error is not None and outcome.error.code == "site_down"


def test_a_time_out_after_the_password_says_that_it_was_sent(standin: StandInProcess) -> None:
    standin.fault("hang", server="identity", method="POST")
    outcome = sign_in(standin, timeout_s=10.0)
    assert outcome.error is not None and outcome.error.code == "timed_out"
    assert outcome.result["stage"] == "after_submit"
    assert len(outcome.submits) == 1
