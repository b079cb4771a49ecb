"""Pages that nobody could know by their looks, taught by rules; and what no rule can do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from harvester.signin.browser import Browser
from harvester.signin.decision import Known
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import find_browser
from harvester.signin.lessons import Lessons
from harvester.signin.traffic import Traffic
from oddpages import DESK, HALL, OddPages
from parent import Outcome, Spawned, job_for


@pytest.fixture
def odd() -> Iterator[OddPages]:
    with OddPages() as pages:
        yield pages


def visit(odd: OddPages, *rules: object, **changes: object) -> Outcome:
    return Spawned(job_for(odd, pages=rules, totp=None, **changes)).run()  # type: ignore[arg-type]


def stopped(outcome: Outcome) -> tuple[str, str]:
    assert outcome.error is not None, outcome.steps
    return outcome.error.code, outcome.error.message


def test_without_a_rule_the_page_is_not_recognised_and_nothing_is_pressed(odd: OddPages) -> None:
    outcome = visit(odd)
    assert stopped(outcome)[0] == "page_not_recognised"
    assert odd.wrong == 0 and not odd.held(odd.username)


def test_taught_where_to_press_and_what_to_fill_it_signs_in_with_one_submit(odd: OddPages) -> None:
    outcome = visit(odd, *odd.lessons())
    assert outcome.error is None, stopped(outcome)
    assert outcome.result["result"] == "signed_in"
    assert "taught" in outcome.steps
    assert len(odd.held(odd.password)) == len(outcome.submits) == 1
    assert odd.wrong == 0


def test_a_wrong_password_on_a_taught_page_is_one_submit_and_a_refusal(odd: OddPages) -> None:
    job = job_for(odd, pages=odd.lessons(), totp=None)
    password = replace(job.password, value="not-the-one")  # type: ignore[type-var]
    outcome = Spawned(replace(job, password=password)).run()
    assert stopped(outcome)[0] == "credentials_rejected"
    assert len(odd.held("not-the-one")) == 1


def test_a_rule_of_another_path_or_host_says_nothing_here(odd: OddPages) -> None:
    press, *rest = odd.lessons()
    away = replace(press, path="/elsewhere"), replace(press, host="login.localhost")
    assert stopped(visit(odd, *away, *rest))[0] == "page_not_recognised"


def test_a_rule_for_a_look_alike_types_nothing_there(odd: OddPages) -> None:
    evil = odd.evil.removeprefix("http://")
    odd.pages["knoq /"] = odd.go(odd.evil + "/auth/desk")
    odd.pages["evil /auth/desk"] = DESK
    outcome = visit(odd, *(replace(one, host=evil) for one in odd.lessons()))
    code, message = stopped(outcome)
    assert code == "origin_not_allowed" and "evil" in message
    assert not odd.held(odd.password) and not odd.held(odd.username)
    assert outcome.submits == []


def test_a_password_goes_into_no_box_that_would_show_it() -> None:
    with OddPages(DESK.replace('type="password" ', "")) as odd:
        outcome = visit(odd, *odd.lessons())
        assert outcome.submits == [] and not odd.held(odd.password)
    code, message = stopped(outcome)
    assert code == "page_not_recognised"
    assert "the rule password" in message and "show what is typed" in message


def test_no_rule_makes_a_new_account(odd: OddPages) -> None:
    rule = odd.rule("/auth/hall", "press", label="Create a guest account")
    code, message = stopped(visit(odd, rule))
    assert code == "page_not_recognised" and "never pressed" in message
    assert odd.wrong == 0


def test_no_rule_types_into_a_form_for_a_new_password() -> None:
    again = '<label>Passphrase again <input type="password" name="q"></label><button'
    with OddPages(DESK.replace("<button", again, 1)) as odd:
        outcome = visit(odd, *odd.lessons())
        assert outcome.error is not None
        assert outcome.submits == [] and not odd.held(odd.password)


def test_no_rule_types_into_a_field_that_cannot_be_seen() -> None:
    hidden = DESK.replace('name="p"', 'name="p" style="position:absolute;left:-999px"')
    with OddPages(hidden) as odd:
        outcome = visit(odd, *odd.lessons())
        assert outcome.error is not None
        assert outcome.submits == [] and not odd.held(odd.password)


def test_a_selector_that_is_none_is_told_by_the_name_of_its_rule(odd: OddPages) -> None:
    rule = odd.rule("/auth/hall", "press", selector="#knocker[")
    code, message = stopped(visit(odd, rule))
    assert code == "config_invalid"
    assert f"press in pages.{odd.place}/auth/hall" in message


async def test_what_a_person_did_there_is_all_that_has_to_be_taught(odd: OddPages) -> None:
    known = Known("headed", odd.site, (odd.identity,), username=odd.username)
    lessons, browser = Lessons(known), Browser()
    try:
        await browser.start()
        await browser.launch(find_browser(None), BrowserChoice())
        await browser.open([], Traffic(odd.site))
        await browser.listen(lessons.heard)
        await browser.go(odd.site, odd.site)
        page = browser.window
        await page.locator("#knocker").click()
        await page.get_by_label("Badge").press_sequentially(odd.username)
        await page.get_by_label("Passphrase").press_sequentially(odd.password)
        await page.get_by_role("button", name="Abracadabra").click()
        await page.wait_for_url("**/home")
    finally:
        await browser.close()
    told = {(one.path, one.control, one.label or one.selector) for one in lessons.rules}
    assert told == {
        ("/auth/hall", "press", "#knocker"),
        ("/auth/desk", "user", "badge"),
        ("/auth/desk", "password", "passphrase"),
        ("/auth/desk", "submit", "abracadabra"),
    }
    assert odd.password not in repr(lessons.rules) and odd.username not in repr(lessons.rules)
    again = await asyncio.to_thread(visit, odd, *lessons.rules)
    assert again.error is None, stopped(again)
    assert odd.wrong == 0


async def test_a_page_s_own_script_is_no_person(odd: OddPages) -> None:
    odd.pages["login /auth/hall"] = HALL + (
        "<button id=fake onclick=\"location.href='/auth/desk'\">Odd</button>"
        "<script>setTimeout(() => document.getElementById('fake').click(), 50)</script>"
    )
    lessons, browser = Lessons(Known("headed", odd.site, (odd.identity,))), Browser()
    try:
        await browser.start()
        await browser.launch(find_browser(None), BrowserChoice())
        await browser.open([], Traffic(odd.site))
        await browser.listen(lessons.heard)
        await browser.go(odd.site, odd.site)
        await browser.window.wait_for_url("**/auth/desk")
    finally:
        await browser.close()
    assert lessons.rules == ()
