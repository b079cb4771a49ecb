"""What sign-ins at real, published programs taught the engine, told without the programs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harvester.signin import traffic
from harvester.signin.decide import Decision, Fill, Known, Press, Stop, decide
from harvester.signin.observe import Control, Form, FrameView, View
from harvester.signin.refusal import Answered
from harvester.signin.traffic import Traffic

SITE, IDP = "https://knoq.one", "https://login.acme.example"
KNOWN = Known("scripted", SITE, (IDP,), username="ada", has_code_seed=True)
USER = Control(0, "textbox", type="text", name="Username", form=0, box=(500, 100, 300, 40))
PASSWORD = Control(1, "textbox", type="password", name="Password", form=0, box=(500, 150, 300, 40))
SEND = Control(
    2, "button", type="submit", name="Log in", form=0, sends=True, box=(600, 220, 80, 30)
)


def page(*controls: Control, at: str = IDP, **more: Any) -> FrameView:
    numbered = tuple(replace(one, index=index) for index, one in enumerate(controls))
    forms = (Form(at + "/post", "post"),)
    return FrameView(
        url=at + "/x", born=1.0, origin=at, path="/x", controls=numbered, forms=forms, **more
    )


def decided(frame: FrameView) -> Decision:
    return decide(View((frame,)), KNOWN)


def test_a_nameless_button_in_the_row_of_the_password_shows_it_and_is_not_pressed() -> None:
    eye = replace(SEND, name="", box=(760, 157, 30, 30))
    alone, beside = decided(page(USER, PASSWORD, eye)), decided(page(USER, PASSWORD, eye, SEND))
    assert isinstance(alone.action, Fill) and alone.action.fields.submit is None
    assert not alone.sure  # its real button may be on its way
    assert isinstance(beside.action, Fill) and beside.action.fields.submit is not None
    assert beside.action.fields.submit.name == "Log in"


def test_a_nameless_button_below_the_fields_still_sends() -> None:
    found = decided(page(USER, PASSWORD, replace(SEND, name="")))
    assert isinstance(found.action, Fill) and found.action.fields.submit is not None


def test_a_message_over_the_way_in_is_closed_first() -> None:
    way_in = Control(0, "button", name="Log in", region="nav", top=False)
    close = Control(0, "button", name="Close", zone="Profile scope required")
    found = decided(page(way_in, close, at=SITE))
    assert found.state == "notice" and isinstance(found.action, Press)
    assert found.action.control.name == "Close"


def test_a_button_that_sleeps_until_a_name_is_there_is_not_covered() -> None:
    asleep = replace(SEND, name="Next", enabled=False, top=False)
    found = decided(page(replace(USER, autocomplete=("username",)), asleep))
    assert found.state == "ask_identifier" and isinstance(found.action, Fill)


@pytest.mark.parametrize(
    "words",
    [
        "Open the app and use it to scan the following QR code.",
        "You can set the app up by manually copying this secret token:",
    ],
)
def test_a_page_that_shows_a_new_seed_gets_no_code_of_the_old_one(words: str) -> None:
    code = Control(0, "textbox", type="text", name="Passcode", form=0)
    ordinary = decided(page(code, SEND, text="Enter the passcode of your app."))
    enrols = decided(page(code, SEND, text=words))
    assert ordinary.state == "ask_code" and isinstance(ordinary.action, Fill)
    assert enrols.state == "enrolment" and isinstance(enrols.action, Stop)


class Hours:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(traffic.time, "monotonic", lambda: self.now)


def test_an_action_that_asked_no_server_anything_was_missed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours, seen = Hours(monkeypatch), Traffic(SITE)
    acted_at, action = hours.now, ("ask_both", IDP)
    assert seen.answering(acted_at) and not seen.missed(action, acted_at)
    hours.now += 3
    assert not seen.answering(acted_at)
    assert seen.missed(action, acted_at)
    assert not seen.missed(action, acted_at)  # a second time proves nothing


def test_an_action_after_which_something_was_sent_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours, seen = Hours(monkeypatch), Traffic(SITE)
    acted_at = hours.now
    hours.now += 0.1
    seen.started(1, IDP + "/login", navigation=False, user_agent="")
    hours.now += 3
    assert not seen.missed(("ask_both", IDP), acted_at)


def test_what_a_web_socket_may_have_carried_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours, seen = Hours(monkeypatch), Traffic(SITE, sockets=True)
    acted_at = hours.now
    hours.now += 3
    assert not seen.missed(("ask_both", IDP), acted_at)


def test_only_the_latest_answer_is_forgotten_where_it_was_not_heard() -> None:
    answered = Answered()
    first, second = page(USER), page(PASSWORD, SEND)
    for shown in (first, second):
        action = decided(shown).action
        assert isinstance(action, Fill)
        answered.add(IDP, action.fields, View((shown,)))
    answered.forget_latest()
    again = [decided(shown).action for shown in (first, second)]
    assert isinstance(again[0], Fill) and answered.covers(IDP, again[0].fields)
    assert isinstance(again[1], Fill) and not answered.covers(IDP, again[1].fields)
