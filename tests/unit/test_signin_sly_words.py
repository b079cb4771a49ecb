"""Words that pages put on boxes and buttons that do more than what we press such things for."""

from __future__ import annotations

import pytest
from test_signin_between import tick
from test_signin_decide import PASSWORD, USER, button, filled, page

from harvester.signin.choices import accounts, pick_account
from harvester.signin.observe import Control


@pytest.mark.parametrize(
    "text",
    ["I agree to the terms of service. Remember me", "Remember me and subscribe to news",
     "Keep me signed in and e-mail me offers", "Delete my account and don't ask again for this",
     "I trust this company to share my data", "Trust this browser; I accept the privacy policy",
     "Angemeldet bleiben und den Nutzungsbedingungen zustimmen", "記住我 同意利用規約 记住我",
     "Remember me when I create my account", "Keep me logged in to marketing"],
)  # fmt: skip
def test_a_box_that_says_more_than_to_remember_is_left_alone(text: str) -> None:
    assert filled(page(USER, PASSWORD, tick(text), button("Sign in"))).ticks == ()


def tile(*parts: str, name: str = "") -> Control:
    return Control(0, "button", name=name or " ".join(parts), parts=parts)


def picked(*tiles: Control, username: str) -> str | None:
    entries, _ = accounts(page(*tiles))
    entry = pick_account(entries, username)
    return None if entry is None else entry.control.name


def test_a_bare_user_name_is_no_first_name_of_somebody_else() -> None:
    assert picked(tile("Ada Lovelace", "ada.lovelace@acme.example"), username="ada") is None
    assert picked(tile("Ada Lovelace", "ada"), username="ada") == "Ada Lovelace ada"


@pytest.mark.parametrize("verb", ["Remove", "Sign out", "Forget", "Log out", "Delete"])
def test_what_throws_an_account_out_is_no_tile_of_it(verb: str) -> None:
    mine = f"{verb} ada@acme.example"
    assert picked(tile(mine), username="ada@acme.example") is None
    assert picked(tile(mine), tile("ada@acme.example"), username="ada@acme.example") == (
        "ada@acme.example"
    )
