"""Sign-ins that arrive: every way in that the stand-in can show."""

from __future__ import annotations

from typing import Any

import pytest

from parent import Outcome, job_for, probe, sign_in
from standin import StandInProcess

WAYS: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "one page": ({}, {}, ["ask_both"]),
    "identifier first": (
        {"idp_mode": "identifier_first", "honeypot": True},
        {},
        ["ask_identifier", "ask_password"],
    ),
    "a bare user name": ({"idp_user_field": "username"}, {}, ["ask_both"]),
    "a code": ({"totp": True}, {}, ["ask_code"]),
    "a code in six boxes that submit themselves": (
        {"totp": True, "code_boxes": "six", "code_autosubmit": True},
        {},
        ["ask_code"],
    ),
    "a code behind a choice and a passkey offer": (
        {"totp": True, "idp_page": "choose_method"},
        {},
        ["choose_method", "ask_code"],
    ),
    "a passkey offer": ({"idp_page": "passkey_offer"}, {}, ["passkey_offer"]),
    "questions on the way": (
        {"stay_signed_in": True, "consent": True},
        {},
        ["stay_signed_in", "consent"],
    ),
    "an organisation by slug": (
        {"organizations": "acme,globex"},
        {"organization": "globex"},
        ["choose_organization"],
    ),
    "buttons in a shadow root": ({"landing_buttons": True, "widget": "shadow"}, {}, []),
    "a named provider": ({"providers": "acme,sso"}, {"provider": "Acme"}, ["choose_provider"]),
    "single sign-on by address": ({"sso_asks": "email"}, {}, ["ask_identifier", "ask_both"]),
    "single sign-on by slug": (
        {"sso_asks": "slug"},
        {"organization": "acme"},
        ["ask_organization", "ask_both"],
    ),
    "a banner over the form": ({"idp_cookie_banner": True}, {}, ["cookie_banner", "ask_both"]),
    "an answer by form": ({"response_mode": "form_post"}, {}, []),
    "a cookie that means nothing": ({"cookie_before_sign_in": True}, {}, []),
    "cookies for https only": ({"host_prefix": True, "http_only": True, "needed": "both"}, {}, []),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_arrives_with_one_password_and_no_wrong_press(way: str) -> None:
    switches, changes, expected = WAYS[way]
    with StandInProcess(**switches) as standin:
        outcome = sign_in(standin, **changes)
        state = standin.state()
        assert outcome.error is None, outcome.result
        assert probe(job_for(standin), outcome.jar) == "alive"
    assert outcome.result["identity"] == standin.username
    assert outcome.result["secrets_sent"] is True
    assert [one for one in outcome.steps if one in expected] == expected
    assert len(outcome.submits) == state["password_submits"] == 1
    assert state["sign_ins"] == 1
    assert not state["newsletter_posts"] and not state["signup_clicks"]
    assert not any(state["wrong_clicks"].values())
    assert not secrets_in(outcome, standin)


def secrets_in(outcome: Outcome, standin: StandInProcess) -> list[str]:
    said = outcome.raw.decode() + outcome.stderr.decode()
    return [one for one in (standin.password, standin.totp_secret) if one in said]


def test_the_chosen_organisation_is_told() -> None:
    with StandInProcess(organizations="acme,globex") as standin:
        outcome = sign_in(standin, organization="globex")
    assert outcome.result["organization"] == "Globex Inc"


def test_a_silent_sign_in_types_nothing(standin: StandInProcess) -> None:
    first = sign_in(standin)
    standin.revoke("sessions")
    second = sign_in(
        standin, rung="silent", identity_state=first.result["identity_state"], password=None
    )
    assert second.error is None, second.result
    assert second.submits == [] and second.result["secrets_sent"] is False
    assert standin.state()["password_submits"] == 1
    assert second.jar != first.jar


def test_a_silent_sign_in_takes_the_tile_of_our_account() -> None:
    with StandInProcess(account_chooser=True) as standin:
        first = sign_in(standin)
        standin.revoke("sessions")
        second = sign_in(standin, rung="silent", identity_state=first.result["identity_state"])
        assert second.error is None, second.result
        assert "choose_account" in second.steps
        assert standin.state()["password_submits"] == 1


def test_a_silent_sign_in_that_is_asked_hands_over_to_the_next_rung(
    standin: StandInProcess,
) -> None:
    first = sign_in(standin)
    standin.revoke("all")
    second = sign_in(standin, rung="silent", identity_state=first.result["identity_state"])
    assert second.result["asked"] is True
    assert second.result["stage"] == "before_submit"
    assert standin.state()["password_submits"] == 1


def test_a_consent_is_given_once_and_a_wider_one_is_a_persons() -> None:
    with StandInProcess(consent=True) as standin:
        first = sign_in(standin)
        standin.revoke("sessions")
        state = first.result["identity_state"]
        again = sign_in(standin, rung="silent", identity_state=state)
        assert again.error is None, again.result
        standin.set(scopes="openid email profile offline_access")
        standin.revoke("sessions")
        wider = sign_in(standin, rung="silent", identity_state=state)
        assert wider.error is not None and wider.error.code == "needs_human"
        assert standin.state()["consents_given"] == 1


def test_the_identity_state_holds_no_cookie_of_the_site(standin: StandInProcess) -> None:
    from harvester.signin.dialogue import Job
    from harvester.vault.keys import KeyRing
    from harvester.vault.seal import Seal

    outcome = sign_in(standin)
    job: Job = job_for(standin)
    ring = KeyRing.from_lines(job.ring)
    record = outcome.result["identity_state"].encode()
    opened = Seal(ring).open(record, profile="default", purpose="identity-state")
    assert b"login.localhost" in opened.plaintext
    assert b"knoq.localhost" not in opened.plaintext
    assert not any(one.value.encode() in opened.plaintext for one in outcome.jar if one.value)


def test_a_renewal_changes_a_cookie_and_signs_nobody_in(standin: StandInProcess) -> None:
    first = sign_in(standin)
    renewed = sign_in(standin, rung="renew", jar=first.jar, password=None, totp=None)
    assert renewed.error is None, renewed.result
    assert renewed.result["identity_state"] is None
    assert {one.name for one in renewed.jar} >= {"stytch_session", "stytch_session_jwt"}
    assert renewed.jar != first.jar
    assert standin.state()["sign_ins"] == 1


def test_a_renewal_of_a_dead_session_brings_back_no_emptied_jar(standin: StandInProcess) -> None:
    first = sign_in(standin)
    standin.revoke("sessions")
    renewed = sign_in(standin, rung="renew", jar=first.jar, password=None, totp=None)
    assert renewed.result["asked"] is True
    assert "cookies" not in renewed.result
