"""Where a secret may be typed: each way of being led astray is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harvester.signin.guard import Place, Rules, What, objection

SITE = "https://knoq.one"
IDP = "https://login.acme.example"
RULES = Rules(SITE, (IDP,))
GOOD = Place((f"{IDP}/sign-in?state=1",), IDP, (f"{IDP}/post",))


@pytest.mark.parametrize("what", ["identifier", "password", "code"])
def test_the_configured_origin_gets_what_it_asks(what: What) -> None:
    assert objection(GOOD, what, RULES) is None


@pytest.mark.parametrize(
    "place",
    [
        replace(GOOD, chain=()),
        replace(GOOD, chain=("https://login.acme.example.evil.example/",)),
        replace(GOOD, chain=("http://login.acme.example/",)),
        replace(GOOD, chain=("https://login.acme.example:8443/",)),
        replace(GOOD, chain=("https://login.acme.example@evil.example/",)),
        replace(GOOD, chain=("https://user@login.acme.example/",)),
        replace(GOOD, chain=("https://LOGIN.acme.example./",)),
        replace(GOOD, chain=("https://logιn.acme.example/",)),
        replace(GOOD, chain=("about:blank",)),
        replace(GOOD, chain=("about:srcdoc", f"{IDP}/")),
        replace(GOOD, chain=("blob:https://login.acme.example/1",)),
        replace(GOOD, chain=("data:text/html,hi",)),
        replace(GOOD, chain=(f"{IDP}/", "https://evil.example/")),
        replace(GOOD, chain=(f"{IDP}/", f"{SITE}/", "https://evil.example/")),
        replace(GOOD, script_origin="null"),
        replace(GOOD, script_origin="https://evil.example"),
        replace(GOOD, targets=("https://evil.example/collect",)),
        replace(GOOD, targets=("mailto:eve@evil.example",)),
        replace(GOOD, targets=(f"{IDP}/post", "https://evil.example/formaction")),
        replace(GOOD, targets=("http://login.acme.example/post",)),
        replace(GOOD, visible=False),
        replace(GOOD, new_password=True),
        Place((f"{SITE}/login",), SITE),
    ],
)
@pytest.mark.parametrize("what", ["password", "code"])
def test_a_secret_goes_nowhere_else(place: Place, what: What) -> None:
    assert objection(place, what, RULES) is not None


def test_the_user_name_may_go_to_the_site_itself() -> None:
    place = Place((f"{SITE}/login",), SITE, (f"{SITE}/sso",))
    assert objection(place, "identifier", RULES) is None
    elsewhere = replace(place, targets=("https://evil.example/",))
    assert objection(elsewhere, "identifier", RULES) is not None


def test_a_frame_inside_the_site_is_trusted_when_it_is_the_providers() -> None:
    assert objection(replace(GOOD, chain=(f"{IDP}/x", f"{SITE}/login")), "password", RULES) is None


def test_plain_http_is_for_loopback_only() -> None:
    rules = Rules("http://knoq.localhost:8000", ("http://login.localhost:8000",))
    place = Place(("http://login.localhost:8000/x",), "http://login.localhost:8000")
    assert objection(place, "password", rules) is None
    open_air = Rules("http://knoq.one", ("http://login.example",))
    place = Place(("http://login.example/x",), "http://login.example")
    assert objection(place, "password", open_air) is not None


def test_a_form_that_answers_to_a_script_has_no_target_to_object_to() -> None:
    assert objection(replace(GOOD, targets=("javascript:void(0)",)), "password", RULES) is None


def test_a_password_goes_into_no_field_that_shows_it_whatever_somebody_called_it() -> None:
    shows = replace(GOOD, shows=True)
    assert objection(shows, "password", RULES) is not None
    assert objection(shows, "code", RULES) is None, "codes stand in text fields everywhere"
