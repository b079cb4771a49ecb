"""Where a page lets a passkey sign in: which button is pressed, and which is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harvester.passkeys import Passkey, covers, for_origins, from_bytes, to_bytes
from harvester.signin.decide import decide
from harvester.signin.decision import Decision, Fill, Known, Press, Stop
from harvester.signin.observe import Control, Form, FrameView, View

SITE, IDP = "https://knoq.one", "https://login.acme.example"
KNOWN = Known(
    "silent", SITE, (IDP,), username="ada@acme.example", passkey_domains=("acme.example",)
)
NONE = replace(KNOWN, passkey_domains=())
USER = Control(0, "textbox", type="text", name="User name", autocomplete=("username",), form=0)
PASSWORD = Control(
    0, "textbox", type="password", name="Password", autocomplete=("current-password",), form=0
)


def button(text: str, **more: Any) -> Control:
    return Control(0, "button", name=text, parts=(text,), **more)


def decided(*controls: Control, known: Known = KNOWN, at: str = IDP, **more: Any) -> Decision:
    numbered = tuple(replace(one, index=index) for index, one in enumerate(controls))
    frame = FrameView(
        url=f"{at}/x", born=1.0, origin=at, path="/x", controls=numbered,
        forms=(Form(f"{at}/post", "post"),), **more,
    )  # fmt: skip
    return decide(View((frame,)), known)


@pytest.mark.parametrize(
    "label",
    [
        "Sign in with a passkey", "Use a passkey", "Use your passkey instead", "Passkey",
        "Continue with passkey", "Use security key", "Face, fingerprint, PIN or security key",
        "Mit Passkey anmelden", "Se connecter avec une clé d'accès", "Usar una clave de acceso",
        "パスキーでログイン", "使用通行密钥登录",
    ],
)  # fmt: skip
def test_the_button_that_asks_for_a_passkey_comes_before_any_password(label: str) -> None:
    found = decided(PASSWORD, button("Sign in", sends=True, form=0), button(label))
    assert found.state == "use_passkey"
    assert isinstance(found.action, Press) and found.action.control.name == label


@pytest.mark.parametrize(
    "label",
    [
        "Create a passkey", "Set up a passkey", "Add a security key", "Learn more about passkeys",
        "What is a passkey?", "Sign up with a passkey", "Lost your security key?",
        "Sign in without a passkey", "Passkey erstellen", "Créer une clé d'accès",
    ],
)  # fmt: skip
def test_a_button_that_makes_one_or_tells_of_one_does_not(label: str) -> None:
    found = decided(PASSWORD, button("Sign in", sends=True, form=0), button(label))
    assert found.state == "ask_password"
    assert isinstance(found.action, Stop) and found.action.asked


def test_without_a_passkey_for_the_page_its_button_is_nothing() -> None:
    page = (PASSWORD, button("Sign in", sends=True, form=0), button("Sign in with a passkey"))
    assert decided(*page, known=NONE).state == "ask_password"
    other = replace(KNOWN, passkey_domains=("other.example",))
    assert decided(*page, known=other).state == "ask_password"
    elsewhere = decided(*page, at="https://evil.acme.example")
    assert elsewhere.state == "ask_password", "of that domain, but no origin of ours"


def test_the_user_name_goes_along_where_the_page_has_a_field_for_it() -> None:
    found = decided(USER, PASSWORD, button("Use a passkey"))
    assert found.state == "use_passkey" and isinstance(found.action, Fill)
    fields = found.action.fields
    assert fields.user and fields.user.name == "User name"
    assert fields.password is None and fields.codes == ()
    assert fields.submit and fields.submit.name == "Use a passkey"


def test_a_sign_in_that_types_no_secret_may_type_the_name_where_a_passkey_fits() -> None:
    page = (USER, button("Next", sends=True, form=0))
    assert isinstance(decided(*page).action, Fill)
    without = decided(*page, known=NONE)
    assert isinstance(without.action, Stop) and without.action.asked


def test_a_page_that_asks_for_the_passkey_is_told_to_go_on() -> None:
    found = decided(button("Continue"), button("Cancel"), headings=("Use your passkey to sign in",))
    assert found.state == "use_passkey"
    assert isinstance(found.action, Press) and found.action.control.name == "Continue"


def test_a_short_page_may_say_so_anywhere_a_long_one_only_mentions_it() -> None:
    way = (button("Authenticate"), button("Switch account"))
    said = "Use your passkey\nInsert it, or use your device, then press the button below."
    found = decided(*way, headings=("Sign in",), text=said)
    assert isinstance(found.action, Press) and found.action.control.name == "Authenticate"
    assert decided(*way, headings=("News",), text=said + " and more" * 300).state == "unknown"


def test_an_offer_to_make_one_is_declined_also_where_there_is_one() -> None:
    found = decided(
        button("Continue"), button("Not now"), headings=("Create a passkey for faster sign-in",)
    )
    assert isinstance(found.action, Press) and found.action.control.name == "Not now"


def test_another_way_is_tried_only_by_a_sign_in_that_types_no_secret() -> None:
    page = (PASSWORD, button("Sign in", sends=True, form=0), button("Try another way"))
    found = decided(*page)
    assert found.state == "another_way"
    assert isinstance(found.action, Press) and found.action.control.name == "Try another way"
    assert decided(*page, known=replace(KNOWN, rung="scripted")).state == "ask_password"
    assert decided(*page, known=NONE).state == "ask_password"


# -- the passkeys themselves ---------------------------------------------------------------------

KEY = Passkey("laptop", "acme.example", "aWQ=", "c2VjcmV0LWtleQ==", created_at=1_000.0)


def test_a_passkey_is_for_its_domain_and_those_below_it() -> None:
    assert covers("acme.example", "https://acme.example")
    assert covers("acme.example", "https://login.acme.example:8443")
    assert not covers("acme.example", "https://notacme.example")
    assert not covers("login.acme.example", "https://acme.example")
    assert not covers("", "https://acme.example")
    assert for_origins((KEY,), (SITE, IDP)) == (KEY,)
    assert for_origins((KEY,), (SITE,)) == ()


def test_its_count_never_goes_back_and_never_starts_below_what_may_have_been_used() -> None:
    assert KEY.count_at(1_000.0) == 0
    assert replace(KEY, sign_count=7).count_at(1_003.0) == 7
    assert replace(KEY, sign_count=7).count_at(1_060.0) == 60, "uses that were never stored"
    assert replace(KEY, sign_count=7).count_at(0.0) == 7, "a clock that was set back"


def test_it_survives_its_record_and_shows_no_key() -> None:
    assert from_bytes(to_bytes((KEY,))) == (KEY,)
    later = to_bytes((KEY,)).replace(b'"name"', b'"of_a_later_release": 1, "name"')
    assert from_bytes(later) == (KEY,)
    assert "c2VjcmV0" not in repr(KEY)
