"""A skeleton holds what a page is and nothing of the person; and it is enough to decide again."""

from __future__ import annotations

import base64
import json
from dataclasses import fields, replace
from typing import Any
from urllib.parse import quote

import pytest

from films import IDENTITY, control, form, frame, known
from harvester.signin.blanks import Blanks
from harvester.signin.decide import Known, decide
from harvester.signin.observe import Control, Form, FrameView, Inset, View
from harvester.signin.skeleton import (
    MAX_BYTES,
    known_of,
    said_of,
    skeleton_of,
    view_of,
    written,
)

USER = "ada@acme.example"
PASSWORD = "c4n4ry/Pass w0rd"
COOKIE = "c00kie-v4lue-1"


def blanks() -> Blanks:
    return Blanks(USER, (PASSWORD, COOKIE))


def again(view: View, about: Known) -> dict[str, Any]:
    """Through text and back: what is decided then."""
    told = json.loads(written(skeleton_of(view, about, blanks())))
    return said_of(decide(view_of(told), known_of(told)))


def same(*frames: FrameView, about: Known | None = None) -> dict[str, Any]:
    view, about = View(frames), about or known()
    said = said_of(decide(view, about))
    assert again(view, about) == said
    return said


def test_a_form_is_decided_again_as_it_was() -> None:
    said = same(form())
    assert (said["state"], said["on"]) == ("ask_both", {"user": 0, "password": 1, "submit": 2})


def test_what_a_field_holds_is_told_in_words_and_never_as_it_is() -> None:
    for value, word in (
        (USER, "user"), ("ada", "user_part"), ("a•••@acme.example", "masked"),
        ("grace@acme.example", "other"),
    ):  # fmt: skip
        first, *rest = form().controls
        shown = frame(replace(first, writable=False, filled=True, value=value), *rest)
        told = written(skeleton_of(View((shown,)), known(), blanks()))
        assert f'"holds": "{word}"' in told
        assert "acme" not in told.replace("login.acme.example", "")
        same(shown)


def test_the_scores_and_kinds_of_fields_are_told() -> None:
    (shown,) = skeleton_of(View((form(),)), known(), blanks())["frames"]
    user, password, button = shown["controls"]
    assert (user["kind"], password["kind"], button["kind"]) == ("user", "password", "submit")
    assert user["scores"]["user"] > 10 > user["scores"]["password"] == 0
    assert "scores" not in button


def test_no_query_no_value_no_secret_and_no_name_is_in_it() -> None:
    said = (
        f"Hello {USER}, or ADA@ACME.example, or Ada: your password {PASSWORD}, "
        f"{quote(PASSWORD, safe='')} or {base64.b64encode(PASSWORD.encode()).decode()}, cookie "
        f"{COOKIE}, call +49 170 1234567, write to grace@acme.example"
    )
    shown = frame(
        control(0, "textbox", said, type="email", value="v4lue-of-a-field", form=0),
        control(1, "button", "Go on", parts=(said,), hints=("tok3n-in-a-hint", USER), form=0),
        url=f"{IDENTITY}/in/{USER}?token=c4n4ry", path=f"/in/{quote(USER)}", title=said,
        text=said, headings=(said,), alerts=(said,),
        insets=(Inset(f"{IDENTITY}/frame?c4n4ry", said, (0, 0, 300, 100), said),),
    )  # fmt: skip
    told = written(skeleton_of(View((shown,)), known(), blanks()))
    for secret in ("c4n4ry", "v4lue", "v4lue-of-a-field", COOKIE, "tok3n", "1234567", "grace"):
        assert secret not in told, secret
    plain = told.replace("login.acme.example", "").lower()
    for name in (USER, quote(USER), "ada", "acme"):
        assert name not in plain, name
    assert base64.b64encode(PASSWORD.encode()).decode() not in told
    same(shown)


def test_an_account_is_still_found_among_others() -> None:
    tiles = [
        control(at, "button", f"{name} {name.lower()}@acme.example",
                parts=(name, f"{name.lower()}@acme.example"))
        for at, name in enumerate(("Grace", "Ada", "Edsger"))
    ]  # fmt: skip
    said = same(frame(*tiles, title="Choose an account", headings=("Choose an account",)))
    assert (said["state"], said["on"]) == ("choose_account", {"press": 1})


@pytest.mark.parametrize("wanted", ["org-100200", "globex"])
def test_an_organisation_is_still_found_by_its_identifier_or_name(wanted: str) -> None:
    listed = [
        control(at, "button", name, parts=(name[0], name), hints=(f"org-10020{at}",))
        for at, name in enumerate(("Globex Inc", "Initech"))
    ]
    title = "Choose an organization"
    about = known(organization=wanted)
    said = same(frame(*listed, title=title, headings=(title,)), about=about)
    assert (said["state"], said["on"]) == ("choose_organization", {"press": 0})


def test_what_was_drawn_by_lot_goes_and_what_people_named_stays() -> None:
    told = blanks()
    lot = "a9F3kQ7zX2mB8vC4nL6pR1tY"
    assert told.out_of(f"/flow/{lot}/x {lot}") == "/flow/opaque-1/x opaque-1"
    for name in ("ctl00_ContentPlaceHolder1_UserNameTextBox", "idSIButton9", "2026", "i0116"):
        assert told.out_of(name) == name
    assert told.out_of("localhost:38147 code 384756") == "localhost:38147 code 000001"


def test_equal_numbers_stay_equal_and_others_stay_apart() -> None:
    assert blanks().out_of("123456, 654321, 123456") == "000001, 000002, 000001"


def test_a_page_without_end_is_cut_and_still_a_page() -> None:
    words = "Lorem ipsum " * 12
    many = tuple(control(at, "link", f"{words}{at}", parts=(words,) * 8) for at in range(300))
    shown = frame(*many, text="何" * 8000)
    told = skeleton_of(View((form(), *(shown,) * 4)), known(), blanks())
    assert len(json.dumps(told, ensure_ascii=False).encode()) <= MAX_BYTES
    assert view_of(told).main.controls[0].name == "E-mail"
    assert len(skeleton_of(View((shown,)), known(), blanks())["frames"]) == 1


def test_nothing_that_is_seen_of_a_page_is_forgotten() -> None:
    """Whoever lets the engine see more of a page is told here that skeletons must hold it."""
    odd: dict[str, Any] = {
        "index": 0, "role": "textbox", "box": (1, 2, 3, 4), "autocomplete": ("email",),
        "maxlength": 6, "form": 0, "zone": "zone", "visible": False, "top": None,
        "enabled": False, "writable": False, "value": USER, "hints": (USER,), "parts": ("part",),
        "formaction": f"{IDENTITY}/x", "sends": True, "filled": True, "checked": True,
        "expanded": True,
    }  # fmt: skip
    odd |= {one.name: f"{one.name} word" for one in fields(Control) if one.name not in odd}
    shown = frame(
        Control(**odd), alerts=("alert",), posts=True, busy=True, ready="loading", text="text",
        misfit="misfit", born=0.0, url=f"{IDENTITY}/in",
        forms=(Form(f"{IDENTITY}/y", "post", f"{IDENTITY}/z", "Send"),),
        insets=(Inset(f"{IDENTITY}/frame", "title", (1, 2, 3, 4), "zone"),),
    )  # fmt: skip
    assert all(getattr(shown, one.name) != one.default for one in fields(FrameView))
    about = known(username="someone@example.test")
    (shown,) = View((shown,)).frames
    shown = replace(shown, controls=(replace(shown.controls[0], value=about.username or "",
                                             hints=(about.username or "",)),))  # fmt: skip
    told = json.loads(written(skeleton_of(View((shown,)), about, Blanks(about.username, ()))))
    assert view_of(told) == View((shown,))
    assert known_of(told) == about


@pytest.mark.parametrize("odd", [{}, {"skeleton": 2}, {"skeleton": 1, "known": {}, "frames": []}])
def test_what_is_no_skeleton_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        view_of(odd)
