"""The stand-in's identity provider: what it refuses, and the pages that stop a sign-in."""

from __future__ import annotations

import pytest

from standin import StandInProcess
from walker import Page, Walker
from walks import code, give_password, sign_in, to_the_provider


def test_a_wrong_password_shows_the_same_page_again_with_status_200(world: StandInProcess) -> None:
    ada = Walker()
    page = give_password(ada, world, to_the_provider(ada, world), "wrong")
    assert (page.status, page.path) == (200, "/signin")
    assert "The user name or the password is not right." in page.text
    assert page.form("/signin").fields["username"] == world.username
    assert page.form("/signin").fields["password"] == ""
    state = world.state()
    assert (state["password_submits"], state["wrong_password_submits"]) == (1, 1)
    assert give_password(ada, world, page).path == "/app"


def test_the_right_password_of_somebody_else_is_wrong(world: StandInProcess) -> None:
    ada = Walker()
    page = to_the_provider(ada, world)
    page = ada.submit(page, "/signin", username="bob@acme.example", password=world.password)
    assert "is not right" in page.text
    assert world.state()["wrong_password_submits"] == 1


def test_five_wrong_passwords_lock_the_account_even_for_the_right_one(
    world: StandInProcess,
) -> None:
    ada = Walker()
    page = to_the_provider(ada, world)
    for _ in range(4):
        page = give_password(ada, world, page, "wrong")
        assert page.status == 200
    page = give_password(ada, world, page, "wrong")
    assert page.status == 423
    assert "Your account is locked" in page.text
    other = Walker()
    page = sign_in(other, world)
    assert page.status == 423
    state = world.state()
    assert state["locked"] is True
    assert state["sign_ins"] == 0
    world.advance(1801)
    assert world.state()["locked"] is False
    assert sign_in(Walker(), world).path == "/app"


def test_a_good_password_between_bad_ones_starts_the_count_anew(world: StandInProcess) -> None:
    world.set(lock_after=2)
    for password in ("wrong", world.password, "wrong"):
        ada = Walker()
        give_password(ada, world, to_the_provider(ada, world), password)
    assert world.state()["locked"] is False


def test_a_changed_password_makes_the_old_one_wrong(world: StandInProcess) -> None:
    old = world.password
    world.change_password("another-One-7")
    ada = Walker()
    page = give_password(ada, world, to_the_provider(ada, world), old)
    assert "is not right" in page.text
    assert give_password(ada, world, page).path == "/app"
    assert world.state()["distinct_passwords"] == 2


def test_an_unknown_user_is_told_at_the_password_or_at_once(world: StandInProcess) -> None:
    world.set(idp_mode="identifier_first")
    bob = Walker()
    page = bob.submit(to_the_provider(bob, world), "/signin", username="bob")
    assert "Enter your password" in page.text
    world.set(unknown_user="at_identifier")
    bob = Walker()
    page = bob.submit(to_the_provider(bob, world), "/signin", username="bob")
    assert "We could not find an account with that name." in page.text


def test_a_code_is_good_within_a_step_and_never_twice(world: StandInProcess) -> None:
    world.set(totp=True)
    first, page = code(world), Page
    ada = Walker()
    page = sign_in(ada, world)
    assert page.form("/signin").kinds["code"] == "text"
    assert 'autocomplete="one-time-code"' in page.text
    page = ada.submit(page, "/signin", code="000000", button="go")
    assert "That code is not right." in page.text
    page = ada.submit(page, "/signin", code=code(world, later_steps=-4), button="go")
    assert "That code is not right." in page.text
    assert ada.submit(page, "/signin", code=first, button="go").path == "/app"
    other = Walker()
    page = other.submit(sign_in(other, world), "/signin", code=first, button="go")
    assert "That code was used before." in page.text
    later = code(world, later_steps=1)
    assert other.submit(page, "/signin", code=later, button="go").path == "/app"
    state = world.state()
    assert (state["code_submits"], state["wrong_code_submits"]) == (5, 2)
    assert state["replayed_code_submits"] == 1


def test_a_server_whose_clock_is_wrong_refuses_codes_and_says_its_time(
    world: StandInProcess,
) -> None:
    world.set(totp=True, clock_skew_s=-600)
    ada = Walker()
    page = ada.submit(sign_in(ada, world), "/signin", code=code(world), button="go")
    assert "That code is not right." in page.text
    page = ada.submit(page, "/signin", code=code(world, later_steps=-20), button="go")
    assert page.path == "/app"


def test_letting_lives_age_makes_no_code_wrong(world: StandInProcess) -> None:
    world.set(totp=True)
    world.advance(86400)
    ada = Walker()
    assert ada.submit(sign_in(ada, world), "/signin", code=code(world), button="go").path == "/app"


def test_six_boxes_are_one_code(world: StandInProcess) -> None:
    world.set(totp=True, code_boxes="six", code_autosubmit=True)
    ada = Walker()
    page = sign_in(ada, world)
    digits = {f"digit{n}": digit for n, digit in enumerate(code(world), 1)}
    assert ada.submit(page, "/signin", button="go", **digits).path == "/app"


def test_a_captcha_lets_nobody_pass_until_a_person_was_there(world: StandInProcess) -> None:
    world.set(idp_page="captcha", idp_mode="identifier_first")
    ada = Walker()
    page = ada.submit(to_the_provider(ada, world), "/signin", username=world.username)
    assert "Verify you are human" in page.text
    assert '<iframe src="/captcha/widget"' in page.text
    page = ada.submit(page, "/signin", button="go")
    assert "Verify you are human" in page.text
    assert world.state()["wrong_clicks"] == {"captcha": 1}
    world.approve()
    page = ada.submit(page, "/signin", button="go")
    assert ada.submit(page, "/signin", password=world.password).path == "/app"


def test_a_number_match_waits_for_the_phone(world: StandInProcess) -> None:
    world.set(idp_page="number_match")
    ada = Walker()
    page = sign_in(ada, world)
    assert '<div class="number">' in page.text
    assert ada.ask(f"{world.identity}/signin/waiting").json() == {"approved": False}
    world.approve()
    assert ada.ask(f"{world.identity}/signin/waiting").json() == {"approved": True}
    assert ada.ask(f"{world.identity}/signin").path == "/app"


@pytest.mark.parametrize(
    ("obstacle", "words", "status"),
    [
        ("expired_password", "Your password has expired", 200),
        ("enrolment", "Set up your authenticator", 200),
        ("sms_code", "We sent a code by text message", 200),
        ("email_code", "We sent a code to a•••@acme.example", 200),
        ("device_refused", "This browser is not supported", 200),
        ("policy_refusal", "You do not have access", 200),
        ("unknown", "Which of these gardens", 200),
        ("error_500", "Something went wrong", 500),
    ],
)
def test_pages_that_only_a_person_can_answer_come_after_the_password(
    world: StandInProcess, obstacle: str, words: str, status: int
) -> None:
    world.set(idp_page=obstacle)
    page = sign_in(Walker(), world)
    assert words in page.text
    assert page.status == status
    state = world.state()
    assert (state["password_submits"], state["sign_ins"]) == (1, 0)


@pytest.mark.parametrize(
    ("obstacle", "button"), [("passkey_offer", "later"), ("choose_method", "app")]
)
def test_offers_can_be_passed_by_the_right_button_only(
    world: StandInProcess, obstacle: str, button: str
) -> None:
    world.set(idp_page=obstacle)
    ada = Walker()
    page = sign_in(ada, world)
    wrong = next(v for _, v in page.form("/signin").buttons if v != button)
    page = ada.submit(page, "/signin", button=wrong)
    assert world.state()["wrong_clicks"] == {wrong: 1}
    assert ada.submit(page, "/signin", button=button).path == "/app"


def test_traps_that_are_filled_are_counted(world: StandInProcess) -> None:
    world.set(honeypot=True, idp_mode="identifier_first")
    bot = Walker()
    page = to_the_provider(bot, world)
    bot.submit(page, "/signin", username=world.username, website="x", password=world.password)
    state = world.state()
    assert (state["honeypot_filled"], state["decoy_filled"], state["password_submits"]) == (1, 1, 0)
