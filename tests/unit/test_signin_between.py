"""The pages between, the covers, and what is left alone because two answers look alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_signin_decide import (
    IDP,
    KNOWN,
    PASSWORD,
    SITE,
    USER,
    box,
    button,
    decided,
    filled,
    link,
    page,
    pressed,
    stopped,
)

from harvester.signin.decide import Press, Stop
from harvester.signin.fields import Fields, find_fields
from harvester.signin.observe import Control, Form, FrameView, Inset

ELSEWHERE = "https://consent.example"


def tick(text: str, **more: object) -> Control:
    return Control(0, "checkbox", type="checkbox", name=text, **{"form": 0, **more})  # type: ignore[arg-type]


def fields_of(frame: FrameView) -> Fields:
    return find_fields(frame, username=KNOWN.username, after_password=False)


# -- boxes to tick -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["Remember me", "Keep me signed in", "Remember me for 30 days", "Trust this browser",
     "Don't ask again on this device", "Angemeldet bleiben", "Se souvenir de moi", "Recuérdame",
     "Lembrar de mim", "Ricordami", "Ingelogd blijven", "ログイン状態を保持する", "记住我",
     "로그인 상태 유지", "Zapamiętaj mnie", "Kom ihåg mig", "Beni hatırla"],
)  # fmt: skip
def test_a_box_that_remembers_this_browser_is_ticked(text: str) -> None:
    assert [one.name for one in filled(page(USER, PASSWORD, tick(text), button("Sign in"))).ticks]


@pytest.mark.parametrize(
    "other",
    [tick("Don't remember login"), tick("I accept the terms of use"), tick("Send me news"),
     tick("Do not trust this browser"), tick("Remember me", checked=True),
     tick("Remember me", form=1), tick("Don't show this again")],
)  # fmt: skip
def test_no_other_box_is_ticked(other: Control) -> None:
    assert filled(page(USER, PASSWORD, other, button("Sign in"))).ticks == ()


def test_nothing_is_ticked_where_the_settings_say_no() -> None:
    known = replace(KNOWN, stay_signed_in=False)
    frame = page(USER, PASSWORD, tick("Remember me"), button("Sign in"))
    assert filled(frame, known).ticks == ()


# -- questions between ---------------------------------------------------------------------------


def test_stay_signed_in_is_answered_as_the_settings_say() -> None:
    frame = page(button("No"), button("Yes"), headings=("Stay signed in?",))
    assert pressed(frame) == "Yes"
    assert pressed(frame, replace(KNOWN, stay_signed_in=False)) == "No"


def test_a_consent_in_plain_text_is_known_by_its_two_answers() -> None:
    asked = "Information to be provided to the service"
    assert pressed(page(button("Reject"), button("Accept"), text=asked)) == "Accept"
    assert decided(page(button("Accept"), text=asked)).state == "unknown"


def test_a_consent_is_left_to_a_person_where_the_settings_say_so() -> None:
    frame = page(button("Cancel"), button("Allow"), headings=("Knoq wants to access your account",))
    stop = stopped(frame, replace(KNOWN, consent=False))
    assert stop.error.code == "needs_human"


@pytest.mark.parametrize(
    ("heading", "buttons"),
    [("Knoq wants to access your account", ("Cancel", "Allow")),
     ("Choose an organization", ("Acme",)), ("Stay signed in?", ("No", "Yes"))],
)  # fmt: skip
def test_nothing_is_decided_for_the_account_on_an_origin_that_is_not_ours(
    heading: str, buttons: tuple[str, ...]
) -> None:
    frame = page(*map(button, buttons), at=ELSEWHERE, headings=(heading,))
    stop = stopped(frame)
    assert stop.error.code == "origin_not_allowed"
    assert ELSEWHERE in stop.error.message and ELSEWHERE in stop.error.hint


def test_new_terms_are_no_consent() -> None:
    frame = page(
        button("Decline"), button("Accept"), headings=("Our terms have changed",),
        text="By accepting you authorize us to do many things",
    )  # fmt: skip
    assert decided(frame).state == "unknown"


def test_a_second_factor_that_may_wait_waits_and_one_that_may_not_stops() -> None:
    heading = ("Set up your authenticator app",)
    assert pressed(page(button("Skip"), button("Next"), headings=heading)) == "Skip"
    assert stopped(page(button("Next"), headings=heading)).error.code == "needs_human"
    code = box("text", "One-time code")
    assert isinstance(decided(page(code, button("Submit"), headings=heading)).action, Stop)


def test_an_account_tile_that_shows_no_address_is_not_taken_for_a_stranger() -> None:
    tiles = (button("Ada", parts=("A", "Continue as Ada")), button("Use another account"))
    assert decided(page(*tiles, headings=("Choose an account",))).state == "unknown"


def test_the_only_method_that_is_left_is_taken() -> None:
    heading = ("Choose a verification method",)
    frame = page(button("Get a code"), button("Text message (SMS)"), link("Back"), headings=heading)
    assert pressed(frame) == "Get a code"
    sms = page(button("Text message (SMS)"), headings=heading)
    assert stopped(sms).error.code == "challenge"


# -- ways in -------------------------------------------------------------------------------------


def test_of_a_providers_connectors_the_one_that_can_be_ours_is_taken() -> None:
    listed = [link(f"Log in with {name}") for name in ("GitHub", "Acme LDAP", "Google")]
    assert pressed(page(*listed)) == "Log in with Acme LDAP"
    assert pressed(page(*listed), replace(KNOWN, provider="GitHub")) == "Log in with GitHub"
    two = page(link("Log in with Acme LDAP"), link("Log in with Acme SAML"))
    assert stopped(two).error.code == "needs_human"


def test_a_closed_menu_is_opened_where_nothing_else_leads_on() -> None:
    menu = Control(0, "button", name="Open menu", expanded=False)
    frame = page(link("Pricing", path="/pricing"), menu, at=SITE)
    assert pressed(frame) == "Open menu"
    assert not decided(frame).sure
    assert pressed(page(menu, link("Sign in", path="/in"), at=SITE)) == "Sign in"
    assert decided(page(replace(menu, expanded=True), at=SITE)).state == "unknown"


def test_two_doors_are_left_alone_and_one_door_shown_twice_is_not() -> None:
    apart = page(link("Sign in", path="/teams"), link("Sign in", path="/partners"), at=SITE)
    assert decided(apart).state == "unknown"
    same = page(link("Sign in", path="/in"), link("Log in", path="/in"), at=SITE)
    assert isinstance(decided(same).action, Press)


# -- two that look alike -------------------------------------------------------------------------


def test_two_forms_that_do_as_well_are_left_alone() -> None:
    frame = page(
        USER, PASSWORD, button("Sign in"),
        replace(USER, form=1), replace(PASSWORD, form=1), button("Sign in", form=1),
    )  # fmt: skip
    apart = replace(frame, forms=(Form(IDP + "/staff", "post"), Form(IDP + "/customers", "post")))
    assert fields_of(apart).ambiguous and decided(apart).state == "unknown"
    assert not fields_of(frame).ambiguous  # the same form twice is one


def test_two_buttons_that_do_as_well_are_left_alone() -> None:
    frame = page(USER, PASSWORD, button("Continue", hints=("a",)), button("Continue", hints=("b",)))
    assert decided(frame).state == "unknown"


def test_a_form_without_its_button_is_waited_for() -> None:
    assert not decided(page(USER)).sure
    assert decided(page(USER, button("Next"))).sure


def test_email_or_phone_is_a_user_name_and_a_phone_number_is_not() -> None:
    assert fields_of(page(box("text", "Email, phone, or Skype"), button("Next"))).user
    assert not fields_of(page(box("tel", "Phone number"), button("Next"))).user


@pytest.mark.parametrize("label", ["PIN", "Enter your PIN"])
def test_the_pin_of_a_card_is_neither_password_nor_code(label: str) -> None:
    pin = box("password", label, inputmode="numeric", maxlength=6)
    assert not find_fields(page(pin), username=None, after_password=True).any


def test_a_dialog_that_holds_a_frame_is_not_closed() -> None:
    close = Control(0, "button", name="Close", zone="dialog")
    covered = link("Sign in", path="/in", top=False)
    frame = page(covered, close, at=SITE)
    assert pressed(frame) == "Close"
    holds = replace(frame, insets=(Inset(IDP + "/in", "Sign in", (0, 0, 500, 400), "dialog"),))
    assert decided(holds).state == "unknown"
