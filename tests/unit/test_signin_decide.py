"""From observations to decisions: page states of many kinds, written as what the page shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harvester.signin.consents import Consents
from harvester.signin.decide import Decision, Fill, Known, Press, Stop, decide
from harvester.signin.fields import Fields, find_fields
from harvester.signin.observe import Control, Form, FrameView, Inset, View, frame_view
from harvester.signin.refusal import Answered, new_words, refused, said_by
from harvester.signin.traffic import Asked

SITE, IDP = "https://knoq.one", "https://login.acme.example"
KNOWN = Known("scripted", SITE, (IDP,), username="ada@acme.example", has_code_seed=True)


def page(*controls: Control, at: str = IDP, path: str = "/x", **more: Any) -> FrameView:
    """A page; controls belong to one form unless they say otherwise."""
    numbered = tuple(replace(one, index=index) for index, one in enumerate(controls))
    return FrameView(
        url=at + path, born=1.0, origin=at, path=path, controls=numbered,
        forms=(Form(at + "/post", "post"),) * 3, **more,
    )  # fmt: skip


def box(kind: str = "text", name: str = "", **more: Any) -> Control:
    return Control(0, "textbox", type=kind, name=name, **{"form": 0, **more})


def button(text: str, **more: Any) -> Control:
    given: dict[str, Any] = {"form": 0, "sends": True, "parts": (text,), **more}
    return Control(0, "button", type="submit", name=text, **given)


def link(text: str, **more: Any) -> Control:
    return Control(0, "link", name=text, parts=(text,), **more)


def decided(frame: FrameView, known: Known = KNOWN) -> Decision:
    return decide(View((frame,)), known)


def filled(frame: FrameView, known: Known = KNOWN) -> Fields:
    action = decided(frame, known).action
    assert isinstance(action, Fill), action
    return action.fields


def pressed(frame: FrameView, known: Known = KNOWN) -> str:
    action = decided(frame, known).action
    assert isinstance(action, Press), action
    return action.control.name


def stopped(frame: FrameView, known: Known = KNOWN) -> Stop:
    action = decided(frame, known).action
    assert isinstance(action, Stop), action
    return action


USER = box("email", "E-mail", autocomplete=("username",))
PASSWORD = box("password", "Password", autocomplete=("current-password",))
CODE = box("text", "One-time passcode", autocomplete=("one-time-code",))


def test_user_and_password_are_filled_together_and_sent_by_the_right_button() -> None:
    fields = filled(page(USER, PASSWORD, button("Cancel"), button("Sign in"), button("Sign up")))
    assert fields.user and fields.password and fields.submit
    assert fields.submit.name == "Sign in"


@pytest.mark.parametrize(
    "wrong",
    ["Forgot password?", "Back", "Sign in with a passkey", "Continue with Google", "Show", "Help",
     "Use a backup code", "Text me a code instead", "Subscribe", "Log out", "Dark theme"],
)  # fmt: skip
def test_no_wrong_button_is_ever_the_submit(wrong: str) -> None:
    assert filled(page(USER, PASSWORD, button(wrong))).submit is None


@pytest.mark.parametrize(
    "verb", ["Next", "Anmelden", "Se connecter", "Iniciar sesión", "ログイン", "登录", "로그인"]
)
def test_verbs_of_other_languages_send(verb: str) -> None:
    submit = filled(page(USER, PASSWORD, button(verb, sends=False))).submit
    assert submit is not None and submit.name == verb


def test_a_span_outside_the_form_may_send_it() -> None:
    away = Control(0, "button", tag="span", name="Sign in", parts=("Sign in",))
    submit = filled(page(USER, PASSWORD, away)).submit
    assert submit is not None and submit.tag == "span"


def test_a_code_is_recognised_in_a_password_box() -> None:
    masked = box(
        "password", "Enter Code", field_name="credentials.passcode", inputmode="numeric",
        heading="Verify with Google Authenticator",
    )  # fmt: skip
    assert decided(page(masked, button("Verify"))).state == "ask_code"


def test_a_password_under_a_heading_that_says_verify_is_no_code() -> None:
    asked = box(
        "password", "Password", field_name="credentials.passcode",
        heading="Verify with your password",
    )  # fmt: skip
    assert decided(page(asked, button("Verify"))).state == "ask_password"


def test_six_boxes_are_one_code_in_order() -> None:
    row = [box("text", f"Digit {n}", maxlength=1, inputmode="numeric") for n in range(6)]
    assert [one.index for one in filled(page(*row, button("Verify"))).codes] == list(range(6))


@pytest.mark.parametrize("label", ["Postal code", "Promo code", "Country code", "Coupon code"])
def test_other_codes_are_none_of_ours(label: str) -> None:
    assert not find_fields(page(box("text", label)), username=None, after_password=False).codes


def test_what_cannot_be_seen_is_not_filled() -> None:
    decoy = replace(PASSWORD, visible=False)
    fields = filled(page(USER, decoy, button("Next")))
    assert fields.user is not None and fields.password is None


def test_of_two_user_fields_the_one_that_fits_is_filled() -> None:
    frame = page(box("text", "User name"), box("email", "E-mail"), PASSWORD, button("Log in"))
    mail = filled(frame).user
    name = filled(frame, replace(KNOWN, username="ada")).user
    assert mail is not None and mail.name == "E-mail"
    assert name is not None and name.name == "User name"


@pytest.mark.parametrize(
    "frame",
    [
        page(box("email", "E-mail for the newsletter", region="footer"), button("Subscribe")),
        page(box("search", "Search"), button("Search")),
        page(box("text", "Full name"), button("Create account"), box("tel", "Phone")),
    ],
)
def test_forms_that_sign_nobody_in_are_left_alone(frame: FrameView) -> None:
    assert not isinstance(decided(frame).action, Fill)


def test_a_sign_up_twin_loses_against_the_sign_in_form() -> None:
    new = replace(PASSWORD, autocomplete=("new-password",), form=1)
    frame = page(
        box("email", "E-mail", form=1), new, replace(new, name="Repeat"),
        button("Create account", form=1), USER, PASSWORD, button("Sign in"),
    )  # fmt: skip
    assert filled(frame).form == 0


def test_a_lone_sign_up_form_gets_nothing() -> None:
    new = replace(PASSWORD, autocomplete=("new-password",))
    frame = page(USER, new, replace(new, name="Repeat password"), button("Create account"))
    fields = find_fields(frame, username="ada@acme.example", after_password=False)
    assert fields.password is None and fields.new_password


def test_a_prefilled_name_is_compared_and_not_typed_again() -> None:
    same = replace(USER, value="Ada@acme.example", filled=True)
    assert filled(page(same, PASSWORD, button("Sign in"))).user is None
    other = replace(USER, value="bob@acme.example", filled=True, writable=False)
    assert stopped(page(other, PASSWORD, button("Sign in"))).error.code == "identity_mismatch"
    masked = replace(other, value="a••@acme.example")
    assert decided(page(masked, PASSWORD, button("Sign in"))).state == "ask_password"


def test_an_origin_that_is_not_configured_gets_nothing() -> None:
    stop = stopped(page(USER, PASSWORD, button("Sign in"), at="https://evil.example"))
    assert stop.error.code == "origin_not_allowed" and not stop.asked
    assert "https://evil.example" in stop.error.message


def test_the_sites_own_password_form_is_not_ours_unless_it_is_listed() -> None:
    frame = page(USER, PASSWORD, button("Sign in"), at=SITE)
    assert stopped(frame).error.code == "origin_not_allowed"
    assert filled(frame, replace(KNOWN, identity_origins=(SITE,))).password


def test_a_rung_that_types_nothing_says_that_it_was_asked() -> None:
    assert stopped(page(USER, button("Next")), replace(KNOWN, rung="silent")).asked


def test_a_frame_of_the_provider_inside_the_site_is_answered() -> None:
    inner = page(USER, PASSWORD, button("Sign in"))
    found = decide(View((page(at=SITE), inner)), KNOWN)
    assert (found.state, found.frame) == ("ask_both", 1)


PROVIDERS = [link("Continue with Google"), link("Continue with SSO"), link("Continue with email")]


def test_the_provider_is_the_configured_one_or_the_only_possible_one() -> None:
    frame = page(*PROVIDERS, link("Sign up with Google"), at=SITE)
    assert pressed(frame) == "Continue with SSO"
    assert pressed(frame, replace(KNOWN, provider="google")) == "Continue with Google"
    assert pressed(frame, replace(KNOWN, provider="Continue with email")) == "Continue with email"
    at_google = replace(KNOWN, identity_origins=("https://accounts.google.com",), provider="google")
    assert pressed(frame, at_google) == "Continue with Google"


def test_providers_that_cannot_be_told_apart_are_listed() -> None:
    stop = stopped(page(link("Continue with Acme"), link("Continue with SSO"), at=SITE))
    assert stop.error.code == "needs_human"
    assert "acme" in stop.error.message and "HARVESTER_PROVIDER" in stop.error.hint


def test_a_mailbox_form_beside_the_providers_is_not_filled() -> None:
    frame = page(*PROVIDERS, USER, button("Continue"), at=SITE)
    assert decided(frame).state == "choose_provider"


def entry(letter: str, name: str, slug: str = "") -> Control:
    return button(f"{letter} {name}", parts=(letter, name), hints=(slug,) if slug else ())


ORGANIZATIONS = page(
    entry("A", "Acme Inc", "org-1"), entry("G", "Globex Inc", "org-2"),
    entry("G", "Globex Labs", "org-3"), button("Create an organization"),
    at=SITE, headings=("Choose an organization",),
)  # fmt: skip


@pytest.mark.parametrize("wanted", ["acme", "ACME INC", "org-1", "Acme"])
def test_an_organisation_is_taken_by_id_name_or_beginning(wanted: str) -> None:
    action = decided(ORGANIZATIONS, replace(KNOWN, organization=wanted)).action
    assert isinstance(action, Press) and action.chosen == "Acme Inc"


@pytest.mark.parametrize("wanted", ["globex", "initech", "a", "create"])
def test_two_or_no_organisations_are_listed(wanted: str) -> None:
    known = replace(KNOWN, organization=wanted)
    if wanted == "a":
        assert pressed(ORGANIZATIONS, known) == "A Acme Inc"
        return
    error = stopped(ORGANIZATIONS, known).error
    assert error.code == "organization_not_found"
    assert "Acme Inc" in error.message and "Create" not in error.message


def test_a_lone_organisation_needs_no_setting() -> None:
    frame = page(
        entry("A", "Acme Inc"), button("Create an organization"),
        at=SITE, headings=("Select your workspace",),
    )  # fmt: skip
    assert pressed(frame) == "A Acme Inc"


def test_our_tile_is_taken_and_never_another_account() -> None:
    mine = button("Ada", parts=("A", "Ada", "ada@acme.example"))
    bob = button("Bob", parts=("B", "Bob", "bob@acme.example"))
    other = button("Use another account")
    headings = ("Choose an account",)
    assert pressed(page(other, bob, mine, headings=headings)) == "Ada"
    assert pressed(page(other, bob, headings=headings)) == "Use another account"
    silent = replace(KNOWN, rung="silent")
    assert stopped(page(other, bob, headings=headings), silent).asked


@pytest.mark.parametrize(
    ("heading", "buttons", "taken"),
    [
        ("Stay signed in?", ["No", "Yes"], "Yes"),
        ("Trust this browser?", ["Not now", "Trust this browser"], "Trust this browser"),
        ("Knoq wants to access your account", ["Cancel", "Allow"], "Allow"),
        ("Create a passkey", ["Create a passkey", "Not now"], "Not now"),
    ],
)
def test_questions_on_the_way(heading: str, buttons: list[str], taken: str) -> None:
    assert pressed(page(*(button(one) for one in buttons), headings=(heading,))) == taken


def test_a_covering_banner_is_answered_first_and_rejected_if_that_is_offered() -> None:
    zone = "We use cookies to improve things"
    covered = replace(button("Sign in"), top=False)
    banner = [
        button("Accept all", zone=zone, form=None),
        button("Reject all", zone=zone, form=None),
    ]
    assert pressed(page(USER, PASSWORD, covered, *banner)) == "Reject all"
    assert pressed(page(USER, PASSWORD, covered, banner[0])) == "Accept all"
    assert decided(page(USER, PASSWORD, covered)).state == "unknown"
    assert decided(page(USER, PASSWORD, button("Sign in"), *banner)).state == "ask_both"


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ({"headings": ("This browser or app may not be secure",)}, "provider_refuses_automation"),
        ({"path": "/v3/signin/rejected"}, "provider_refuses_automation"),
        ({"text": "Your account has been locked."}, "account_locked"),
        ({"text": "User is temporarily disabled, contact an admin"}, "account_locked"),
        ({"headings": ("Your password has expired",)}, "needs_human"),
        ({"headings": ("More information required",)}, "needs_human"),
        ({"text": "Scan the QR code with your app"}, "needs_human"),
        ({"headings": ("Approve sign in request",), "text": "Enter the number\n47"}, "challenge"),
        ({"headings": ("Verify you are human",)}, "challenge"),
        ({"text": "Access denied. Contact your administrator."}, "needs_human"),
        ({"headings": ("Something went wrong",)}, "identity_provider_down"),
    ],
)
def test_pages_for_a_person_stop(shown: dict[str, Any], code: str) -> None:
    error = stopped(page(button("OK"), **shown)).error
    assert error.code == code
    assert "login.acme.example" in error.message + error.hint


def test_help_texts_beside_a_sign_in_form_stop_nothing() -> None:
    small = "Password expired? Account locked? Too many attempts? Contact your administrator."
    assert decided(page(USER, PASSWORD, button("Sign in"), text=small)).state == "ask_both"


def test_a_captcha_beside_the_form_stops_and_a_badge_does_not() -> None:
    widget = Inset("https://www.google.com/recaptcha/api2/anchor", "reCAPTCHA", (0, 0, 304, 78))
    form = (USER, PASSWORD, button("Sign in"))
    assert decided(page(*form, insets=(widget,))).state == "challenge"
    badge = replace(widget, box=(0, 0, 70, 60))
    assert decided(page(*form, insets=(badge,))).state == "ask_both"


def test_words_on_the_sites_own_pages_bar_no_way() -> None:
    frame = page(link("Sign in", region="header"), at=SITE, text="Access denied: a tutorial")
    assert pressed(frame) == "Sign in"


def test_a_code_without_a_seed_is_a_challenge_naming_the_setting() -> None:
    stop = stopped(page(CODE, button("Verify")), replace(KNOWN, has_code_seed=False))
    assert stop.error.code == "challenge" and "HARVESTER_TOTP_SECRET" in stop.error.hint


def test_a_form_that_sends_itself_is_waited_for() -> None:
    assert decided(page(button("Continue"), posts=True)).state == "passing_on"


def test_the_same_kinds_again_are_a_refusal_and_a_new_kind_is_not() -> None:
    answered = Answered()
    first = page(USER, PASSWORD, button("Sign in"), text="Sign in")
    answered.add(IDP, filled(first), View((first,)))
    assert answered.covers(IDP, filled(first))
    assert answered.covers(IDP, filled(page(PASSWORD, button("Sign in"))))
    assert not answered.covers(IDP, filled(page(CODE, button("Verify"))))
    assert not answered.covers("https://other.example", filled(first))
    again = replace(first, text="Sign in\nWrong password, hunter2")
    fresh = new_words(answered.shown, again)
    words = said_by(again, fresh, ("hunter2",))
    assert words == "Wrong password, ***"
    error = refused("login.acme.example", words, code=False, skew_s=0)
    assert error.code == "credentials_rejected" and "hunter2" not in error.message
    locked = refused("h", "Your account is now locked", code=False, skew_s=0)
    assert locked.code == "account_locked"


def test_a_consent_is_remembered_by_client_and_scopes() -> None:
    consents = Consents()
    asked = Asked("knoq", ("email", "openid"))
    assert consents.answer(IDP, asked) == "first_time"
    consents.agree(IDP, asked)
    kept = Consents.from_stored(consents.given)
    assert kept.answer(IDP, asked) == "agree"
    assert kept.answer(IDP, Asked("knoq", ("openid",))) == "agree"
    assert kept.answer(IDP, Asked("knoq", ("email", "files", "openid"))) == "ask_a_person"
    assert kept.answer(IDP, Asked("other", ("openid",))) == "ask_a_person"


@pytest.mark.parametrize("bent", [{}, {"headings": 3}, {"headings": [], "zones": None}])
def test_a_page_that_bends_the_answer_is_an_error_of_three_kinds(bent: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        frame_view(bent, IDP)
