"""What looks like a sign-in and is none, and what is not pressed: decided without a browser."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_signin_decide import IDP, KNOWN, PASSWORD, USER, button, decided, filled, page

from harvester.signin.decide import decide, host_of
from harvester.signin.fields import Fields, find_fields
from harvester.signin.observe import Form, View
from harvester.signin.refusal import Answered


def test_a_form_that_makes_an_account_is_left_alone() -> None:
    for heading, label in (("Create your account", "Continue"), ("", "Create account")):
        new = [replace(one, heading=heading) for one in (USER, PASSWORD)]
        frame = page(*new, button(label))
        fields = find_fields(frame, username="ada", after_password=False)
        assert not fields.any and fields.new_password
        assert decided(frame).state == "unknown"
    for heading, label in (("Log in or sign up", "Continue"), ("Register now", "Sign in")):
        both = [replace(one, heading=heading) for one in (USER, PASSWORD)]
        assert filled(page(*both, button(label), button("Create account"))).password


@pytest.mark.parametrize("first", ["Forgot password?", "Create account", "Continue with Google"])
def test_enter_is_not_the_way_where_it_presses_a_wrong_button(first: str) -> None:
    frame = page(USER, PASSWORD, button("Forgot password?"))
    form = Form(IDP + "/post", "post", enter_name=first)
    assert decided(replace(frame, forms=(form,))).state == "unknown"
    assert filled(replace(frame, forms=(replace(form, enter_name="Go"),))).password


def test_a_name_that_was_shown_counts_as_given() -> None:
    answered = Answered()
    frame = page(PASSWORD, button("Sign in"))
    answered.add(IDP, Fields(password=PASSWORD, told=USER), View((frame,)))
    assert answered.covers(IDP, Fields(user=USER, password=PASSWORD))


def test_a_strangers_frame_gets_no_consent() -> None:
    asks: dict[str, Any] = {"headings": ("Ads would like to access your data",)}
    stranger = page(button("Allow"), at="https://ads.example", **asks)
    empty = page()
    assert decide(View((empty, stranger)), KNOWN).state == "unknown"
    assert decide(View((empty, page(button("Allow"), **asks))), KNOWN).state == "consent"


def test_a_host_is_told_without_user_info() -> None:
    assert host_of(replace(page(), url="https://ada:hunter2@login.example:8443/x")) == (
        "login.example:8443"
    )
