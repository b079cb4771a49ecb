"""Rules laid over a page: which control they name, and which they cannot mean."""

from __future__ import annotations

from typing import Any

import pytest

from harvester.errors import ConfigInvalid
from harvester.profile import PageRule
from harvester.signin.decide import Decision, Fill, Known, Press, decide
from harvester.signin.observe import Control, Form, FrameView, View
from harvester.signin.taught import Taught, fits

SITE, IDP = "https://knoq.one", "https://login.acme.example"
KNOWN = Known("scripted", SITE, (IDP,), username="ada@acme.example", has_code_seed=True)
BADGE = Control(0, "textbox", type="text", name="Badge *", form=0)
WORD = Control(1, "textbox", type="text", name="Word of the day", form=0)
PASS = Control(2, "textbox", type="password", name="Passphrase", form=0)
ODD = Control(3, "button", type="submit", name="Abracadabra", form=0, sends=True)
OTHER = Control(4, "button", type="submit", name="Sesame", form=0, sends=True)


def page(*controls: Control, at: str = IDP + "/auth/step") -> FrameView:
    return FrameView(at, 1.0, IDP, "/a/page/may/lie", controls=controls, forms=(Form(IDP, "post"),))


def rule(control: Any, **how: Any) -> PageRule:
    return PageRule("login.acme.example", "/auth", control, **how)


def taught(frame: FrameView, *rules: PageRule, **selected: list[int] | None) -> FrameView:
    said = Taught(rules)
    return said.mark(frame, [selected.get("found")] * len(said.selectors))


def decided(frame: FrameView) -> Decision:
    return decide(View((frame,)), KNOWN)


@pytest.mark.parametrize(
    ("host", "path", "url", "is_for"),
    [
        ("login.acme.example", "/auth", IDP + "/auth", True),
        ("login.acme.example", "/auth/", IDP + "/auth/step?x=/other", True),
        ("login.acme.example", "/", IDP + "/anything", True),
        ("login.acme.example", "/auth", IDP + "/author", False),
        ("login.acme.example", "/auth", "https://login.acme.example:8443/auth", False),
        ("login.acme.example", "/auth", "https://evil.example/auth", False),
        ("login.acme.example", "/auth", "https://login.acme.example.evil.example/auth", False),
        ("login.acme.example", "/auth", "https://login.acme.example@evil.example/auth", False),
        ("localhost:8080", "/", "http://localhost:8080/", True),
    ],
)
def test_a_rule_holds_for_its_host_and_path_and_below(
    host: str, path: str, url: str, is_for: bool
) -> None:
    assert fits(PageRule(host, path, "user", label="x"), page(at=url)) is is_for


def test_a_field_named_by_a_rule_wins_over_its_looks() -> None:
    frame = taught(page(BADGE, WORD, PASS, ODD, OTHER), rule("user", label="badge"))
    assert not isinstance(decided(frame).action, Fill), "two buttons would do"
    frame = taught(
        page(BADGE, WORD, PASS, ODD, OTHER),
        rule("user", label="badge"),
        rule("submit", role="button", label="ABRACADABRA"),
    )
    action = decided(frame).action
    assert isinstance(action, Fill)
    assert (action.fields.user, action.fields.submit) == (frame.controls[0], frame.controls[3])
    assert action.fields.password is not None, "what no rule names is found by its looks"


def test_a_code_that_looks_like_a_password_is_a_code_where_that_was_taught() -> None:
    frame = taught(page(PASS, ODD), rule("code", label="Passphrase"))
    # Places in the page follow its controls.
    action = decided(taught(page(PASS), rule("code", label="Passphrase"))).action
    assert isinstance(action, Fill)
    assert [one.name for one in action.fields.codes] == ["Passphrase"]
    assert action.fields.password is None and frame.controls[0].taught == "code"


@pytest.mark.parametrize(
    ("control", "kind", "why"),
    [
        (WORD, "password", "show what is typed"),
        (PASS, "user", "no field for that"),
        (ODD, "code", "no field"),
        (PASS, "submit", "a field"),
        (Control(0, "link", name="Sign up now"), "press", "never pressed"),
        (Control(0, "button", name="Forgot password?"), "submit", "never pressed"),
        (Control(0, "button", name="Log out"), "press", "never pressed"),
    ],
)
def test_a_rule_cannot_mean_such_a_control_and_says_why(
    control: Control, kind: str, why: str
) -> None:
    frame = taught(page(control), rule(kind, label=control.name))
    assert not any(one.taught for one in frame.controls)
    assert f"the rule {kind} of pages.login.acme.example/auth" in frame.misfit
    assert why in frame.misfit


def test_two_controls_of_one_name_are_no_answer() -> None:
    frame = taught(page(BADGE, BADGE), rule("user", label="Badge"))
    assert not any(one.taught for one in frame.controls) and "several" in frame.misfit


def test_where_nothing_is_known_what_was_taught_is_pressed() -> None:
    door = Control(0, "button", name="Open the vault")
    assert decided(page(door)).state == "unknown"
    action = decided(taught(page(door), rule("press", selector="#door"), found=[0])).action
    assert isinstance(action, Press) and action.control.name == "Open the vault"


def test_a_form_that_is_known_is_filled_before_anything_else_is_pressed() -> None:
    vault = Control(3, "button", name="Open the vault")
    user = Control(0, "textbox", type="email", name="E-mail", form=0)
    send = Control(1, "button", type="submit", name="Next", form=0, sends=True)
    frame = taught(page(user, send, vault), rule("press", label="Open the vault"))
    assert isinstance(decided(frame).action, Fill)


def test_what_cannot_be_seen_is_not_named() -> None:
    hidden = Control(0, "textbox", type="password", name="Passphrase", form=0, visible=False)
    frame = taught(page(hidden), rule("password", label="Passphrase"))
    assert not frame.controls[0].taught
    assert decided(frame).state == "unknown"


def test_a_selector_that_is_none_is_the_settings_mistake() -> None:
    with pytest.raises(ConfigInvalid) as told:
        taught(page(BADGE), rule("user", selector="#["), found=None)
    assert "user in pages.login.acme.example/auth" in told.value.message


def test_a_rule_for_another_page_is_not_even_looked_at() -> None:
    frame = page(BADGE, at="https://elsewhere.example/auth")
    assert taught(frame, rule("user", selector="#["), found=None) is frame
