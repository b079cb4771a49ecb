"""Pages that blur what was done there: whether an answer was heard, and what lies under a press."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from test_signin_hostile import form, refusing, script, sign_in

from hostile import Hostile


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


def by_script(send: str) -> Callable[[bool], str]:
    """A form that a script sends, and that shows nothing of it."""
    code = f"f.onsubmit = (e) => {{ e.preventDefault(); const body = p.value; {send} }}"
    return lambda said: form(more=script(code))


# name → how it is sent.  None of it is a request that is waited for, or it comes late.
UNSEEN: dict[str, str] = {
    "a beacon": "navigator.sendBeacon('/take', body)",
    "a picture": "new Image().src = '/take?p=' + body",
    "a script": "document.body.append(Object.assign(document.createElement('script'),"
    " { src: '/take?p=' + body }))",
    "a request after three seconds of work": "setTimeout(() => fetch('/take?p=' + body), 3000)",
}


@pytest.mark.parametrize("way", UNSEEN)
def test_each_time_that_a_password_is_sent_is_written_down_before(
    hostile: Hostile, way: str
) -> None:
    hostile.pages["login /"] = refusing(by_script(UNSEEN[way]))
    hostile.pages["login /take"] = ""
    outcome = sign_in(hostile)
    assert outcome.error is not None
    sent = hostile.held(hostile.password)
    assert sent and len(sent) <= len(outcome.submits) <= 2, (sent, outcome.result)


def test_a_page_that_wakes_late_costs_a_second_entry_and_signs_in(hostile: Hostile) -> None:
    hostile.pages["login /"] = form(
        on_form='onsubmit="return false"',
        more=script("setTimeout(() => { f.onsubmit = null }, 1500)"),
    )
    outcome = sign_in(hostile)
    assert outcome.error is None, outcome.result
    assert len(hostile.held(hostile.password)) == 1 and len(outcome.submits) == 2


def test_what_slides_over_a_button_under_the_pointer_is_not_pressed(hostile: Hostile) -> None:
    hostile.pages["login /"] = form(
        buttons="<button id=b>Sign in</button>",
        more="<a id=a href=/join style='display:none;position:absolute'>Create account</a>"
        + script(
            "b.onmouseenter = () => { const at = b.getBoundingClientRect();"
            "Object.assign(a.style, { display: 'block', left: at.left - 40 + 'px',"
            "top: at.top - 40 + 'px', padding: '60px' });"
            "setTimeout(() => { a.style.display = 'none' }, 800) }"
        ),
    )
    hostile.pages["login /join"] = "<h1>Create your account</h1>"
    outcome = sign_in(hostile)
    assert not [one for one in hostile.asked if one.path == "/join"], outcome.result


@pytest.mark.parametrize("where", ["script type=text/plain", "p hidden"])
def test_a_long_word_does_not_keep_the_page_from_its_work(hostile: Hostile, where: str) -> None:
    # Pictures, fonts and whole programs stand in pages as one word.
    word = "A" * 1_000_000
    hostile.pages["login /"] = form(more=f"<{where}>{word}</{where.split()[0]}>")
    outcome = sign_in(hostile)
    assert outcome.error is None, outcome.result
    assert outcome.took_s < 10
