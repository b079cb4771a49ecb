"""What is learnt from a person's own sign-in, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harvester.signin.decision import Known
from harvester.signin.lessons import Lessons
from harvester.signin.observe import Control, Form, FrameView

SITE, IDP = "https://knoq.one", "https://login.acme.example"
KNOWN = Known("headed", SITE, (IDP,), username="ada@acme.example")
BADGE = Control(0, "textbox", type="text", name="Badge", form=0, value="ada@acme.example")
ODD = Control(0, "button", type="submit", name="Abracadabra", form=0, sends=True)
OTHER = Control(0, "button", type="submit", name="Sesame", form=0, sends=True)


def page(*controls: Control, at: str = IDP + "/auth/step") -> FrameView:
    numbered = tuple(replace(one, index=index) for index, one in enumerate(controls))
    return FrameView(at, 1.0, IDP, "/", controls=numbered, forms=(Form(IDP, "post"),))


def learnt(frame: FrameView, pressed: int, *filled: int, name: str = "") -> list[tuple[str, ...]]:
    lessons = Lessons(KNOWN)
    lessons.heard(frame, pressed, filled, name)
    return [(one.path, one.control, one.role, one.label, one.selector) for one in lessons.rules]


def test_a_page_that_nobody_would_know_teaches_fields_and_button() -> None:
    assert learnt(page(BADGE, ODD, OTHER), 1, 0) == [
        ("/auth/step", "user", "", "badge", ""),
        ("/auth/step", "submit", "button", "abracadabra", ""),
    ]


def test_a_page_that_we_would_have_passed_teaches_nothing() -> None:
    user = Control(0, "textbox", type="email", name="E-mail", form=0, value="ada@acme.example")
    send = Control(0, "button", type="submit", name="Next", form=0, sends=True)
    assert learnt(page(user, send), 1, 0) == []


def test_a_press_where_nothing_is_asked_is_a_press() -> None:
    door = Control(0, "button", name="Open the vault")
    assert learnt(page(door), 0) == [("/auth/step", "press", "button", "open the vault", "")]


@pytest.mark.parametrize("label", ["Sign up", "Forgot password?", "Show password", "Cancel"])
def test_what_leads_away_is_not_learnt(label: str) -> None:
    assert learnt(page(Control(0, "button", name=label)), 0) == []


def test_a_page_of_nobody_we_know_teaches_nothing() -> None:
    elsewhere = "https://login.acme.example.evil.example/auth"
    assert learnt(page(BADGE, ODD, OTHER, at=elsewhere), 1, 0) == []


def test_twins_are_told_apart_by_their_ids() -> None:
    first = replace(ODD, id="first")
    second = replace(ODD, id="second")
    assert ("/auth/step", "submit", "", "", "#second") in learnt(page(BADGE, first, second), 2, 0)


def test_an_id_that_is_another_one_tomorrow_names_nothing() -> None:
    twins = (replace(ODD, id="btn-83921"), replace(ODD, id="btn-83922"))
    assert [one[1] for one in learnt(page(BADGE, *twins), 1, 0)] == ["user"]


def test_a_path_is_learnt_as_far_as_it_lasts() -> None:
    at = IDP + "/realms/acme/flow/8231957/step?code=canary"
    assert learnt(page(BADGE, ODD, OTHER, at=at), 1, 0)[0][0] == "/realms/acme/flow"


def test_something_that_looks_like_no_control_is_known_by_its_id() -> None:
    assert learnt(page(), -1, name="knocker") == [("/auth/step", "press", "", "", "#knocker")]
    assert learnt(page(), -1, name="x']; canary") == []


def test_a_second_factor_after_the_password_is_a_code() -> None:
    lessons = Lessons(KNOWN)
    secret = Control(0, "textbox", type="password", name="Passphrase", form=0)
    token = Control(0, "textbox", type="text", name="Response", form=0, value="482913")
    lessons.heard(page(secret, ODD, OTHER), 1, [0])
    lessons.heard(page(token, ODD, OTHER, at=IDP + "/next"), 1, [0])
    kinds = [(one.path, one.control) for one in lessons.rules]
    assert kinds == [
        ("/auth/step", "password"),
        ("/auth/step", "submit"),
        ("/next", "code"),
        ("/next", "submit"),
    ]
    assert "482913" not in repr(lessons.rules)
