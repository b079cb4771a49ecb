"""A person signs in at a window: what we notice, what we keep, and what we never do.

The machine has no screen: the browser shows none of its windows (``person.py``), and the pages are
persons too: they send themselves.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester.descent import command_lines, descendants
from harvester.profile import SecretSource
from harvester.session import cookie_header
from harvester.signin.dialogue import BrowserChoice
from harvester.vault.keys import KeyRing
from harvester.vault.seal import Seal
from hostile import SESSION, Answer, Hostile
from parent import Outcome, Spawned, job_for
from person import windowless

SCREEN = {"DISPLAY": ":none"}
# What a person sends off by himself; whoever looks on must not.
BY_HAND = """<!doctype html><title>Sign in</title><h1>Sign in</h1>
<form method="post" action="/in"><label>User <input name="u" value="ada"></label>
<button>Sign in</button></form>
<script>localStorage.device = "known"; setTimeout(() => document.forms[0].submit(), 300)</script>"""
REFUSED = """<!doctype html><title>Couldn't sign you in</title><h1>Couldn't sign you in</h1>
<p>This browser or app may not be secure. Try using a different browser.</p>"""


@pytest.fixture
def site() -> Iterator[Hostile]:
    with Hostile() as pages:
        remembered = ("Set-Cookie", "device=d1; Path=/; Max-Age=9000")
        session = ("Set-Cookie", f"{SESSION}; Path=/; Max-Age=9000")
        pages.pages["login /"] = BY_HAND
        pages.pages["login /in"] = pages.go(pages.site + "/home", remembered)
        pages.pages["knoq /home"] = Answer("<h1 id=over>Home</h1>", 200, (session,))
        yield pages


def in_person(
    site: Hostile,
    place: Path,
    on_step: Callable[[Spawned, str], None] = lambda signer, state: None,
    **changes: Any,
) -> Outcome:
    browser = BrowserChoice(windowless(place))
    about = {"rung": "headed", "password": None, "totp": None, "browser": browser, **changes}
    signer = Spawned(job_for(site, **about), SCREEN)  # type: ignore[arg-type]
    return signer.run(on_step=lambda state: on_step(signer, state))


def quit_browser(signer: Spawned, state: str) -> None:
    """What closing the last window comes to."""
    if state == "your_turn":
        for pid in descendants(signer.process.pid):
            words = " ".join(word for line in command_lines({pid}) for word in line)
            if "--remote-debugging-pipe" in words and "--type=" not in words:
                os.kill(pid, signal.SIGTERM)


def identity_state(outcome: Outcome, site: Hostile) -> dict[str, Any]:
    ring = KeyRing.from_lines(job_for(site).ring)  # type: ignore[arg-type]
    record = outcome.result["identity_state"].encode()
    opened = Seal(ring).open(record, profile="default", purpose="identity-state")
    state: dict[str, Any] = json.loads(opened.plaintext)
    return state


def test_in_our_window_the_session_is_noticed_and_nothing_is_typed(
    site: Hostile, tmp_path: Path
) -> None:
    outcome = in_person(site, tmp_path)
    assert outcome.error is None, outcome.error
    assert SESSION in cookie_header(outcome.jar)
    assert outcome.submits == [] and not site.held(site.password)
    assert outcome.steps[0] == "your_turn"
    assert len([one for one in site.asked if one.path == "/in"]) == 1, "the person's own submit"


def test_what_the_provider_remembers_is_kept_with_what_its_pages_stored(
    site: Hostile, tmp_path: Path
) -> None:
    state = identity_state(in_person(site, tmp_path), site)
    assert [one["value"] for one in state["cookies"]] == ["d1"]
    assert state["origins"] == [
        {"origin": site.identity, "localStorage": [{"name": "device", "value": "known"}]}
    ]


def test_the_next_sign_in_is_silent_and_finds_both_again(site: Hostile, tmp_path: Path) -> None:
    first = in_person(site, tmp_path)
    site.pages["login /"] = (
        "<script>location.href = localStorage.device && document.cookie.includes('device=d1')"
        " ? '/in' : '/never'</script>"
    )
    job = job_for(
        site,  # type: ignore[arg-type]
        rung="silent",
        password=None,
        totp=None,
        identity_state=first.result["identity_state"],
    )
    again = Spawned(job).run()
    assert again.error is None, again.error
    assert not [one for one in site.asked if one.path == "/never"]


def test_a_refused_window_is_followed_by_an_ordinary_one(site: Hostile, tmp_path: Path) -> None:
    refused = {"done": False}

    def sign_in(asked: object) -> str:
        page = BY_HAND if refused["done"] else REFUSED
        refused["done"] = True
        return page

    site.pages["login /"] = sign_in
    outcome = in_person(site, tmp_path)
    assert outcome.error is None, outcome.error
    shown = [one for one in outcome.steps if one != "your_turn"]
    assert shown[:3] == ["automation_refused", "plain_window", "take_over"]
    assert SESSION in cookie_header(outcome.jar)


def test_an_ordinary_window_is_taken_over_after_it_is_closed(site: Hostile, tmp_path: Path) -> None:
    outcome = in_person(site, tmp_path, plain=True)
    assert outcome.error is None, outcome.error
    assert outcome.steps[:2] == ["plain_window", "take_over"]
    state = identity_state(outcome, site)
    assert [one["value"] for one in state["cookies"]] == ["d1"]
    assert "HeadlessChrome" not in outcome.result["user_agent"]
    assert "Chrome/" in outcome.result["user_agent"]


def test_the_provider_s_name_alone_opens_an_ordinary_window(site: Hostile, tmp_path: Path) -> None:
    outcome = in_person(site, tmp_path, provider="Google")
    assert outcome.steps[0] == "plain_window"


def test_closed_before_the_site_had_a_session_the_provider_s_memory_finishes_it(
    site: Hostile, tmp_path: Path
) -> None:
    first = {"visit": True}

    def home(asked: object) -> Answer:
        if first["visit"]:
            first["visit"] = False
            return Answer("<h1 id=over>Closed too soon</h1>")
        return Answer("<h1>Home</h1>", 200, (("Set-Cookie", f"{SESSION}; Path=/"),))

    site.pages["knoq /home"] = home
    outcome = in_person(site, tmp_path, plain=True)
    assert outcome.error is None, outcome.error
    assert outcome.submits == []


def test_a_closed_window_is_told_as_what_it_is(site: Hostile, tmp_path: Path) -> None:
    site.pages["login /"] = "<h1>Sign in</h1>"
    outcome = in_person(site, tmp_path, on_step=quit_browser)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.exit_code) == ("needs_human", 4)
    assert "closed" in outcome.error.message and "--headed" in outcome.error.hint


def test_without_a_screen_it_says_what_else_helps(site: Hostile) -> None:
    job = job_for(site, rung="headed", password=None, totp=None)  # type: ignore[arg-type]
    outcome = Spawned(job, {"DISPLAY": "", "WAYLAND_DISPLAY": ""}).run()
    assert outcome.error is not None and outcome.error.code == "needs_human"
    assert "no screen" in outcome.error.message
    assert "ssh -X" in outcome.error.hint and "harvester import" in outcome.error.hint
    assert site.asked == [], "nothing was started for it"


def test_no_secret_is_read_for_it(site: Hostile, tmp_path: Path) -> None:
    read = tmp_path / "read"
    source = SecretSource("command", "HARVESTER_PASSWORD_COMMAND", argv=("touch", str(read)))
    outcome = in_person(site, tmp_path, password=source)
    assert outcome.error is None, outcome.error
    assert not read.exists()
    assert outcome.result["secrets_sent"] is False
    assert outcome.result["fingerprint"] is None
