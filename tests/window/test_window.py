"""A person at a real window, with a keyboard: run by name, as `scripts/test window`."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from seat import Person, browser_with_windows, seat

from harvester.descent import command_lines, descendants
from hostile import SESSION, Answer, Asked, Hostile
from oddpages import DESK, OddPages
from runs import Home

COMMAND_S = 60.0
ASK = """<!doctype html><title>Acme asks</title><h1>Sign in</h1>
<form method="post" action="/in"><label>E-mail <input type="email" name="u" autofocus></label>
<label>Password <input type="password" name="p"></label>
<input type="hidden" name="held"><button>Sign in</button></form>
<script>document.forms[0].held.value = navigator.webdriver ? "yes" : "no"</script>"""
# A browser that is still starting takes keys for itself: the title says when the field has them.
READY = """<script>setInterval(() => {
  const ready = document.hasFocus() && document.activeElement.autofocus;
  document.title = ready ? "Acme is ready" : "Acme wakes";
}, 50)</script>"""


class Acme(Hostile):
    """Lets in who types the right words; ``held``: whether a program held the window."""

    provider = None

    def __init__(self) -> None:
        super().__init__()
        self.held = ""
        self.pages["login /"] = ASK + READY
        self.pages["login /in"] = self._take
        # No end: a browser forgets such a cookie when it closes, if nothing is done about it.
        session = ("Set-Cookie", f"{SESSION}; Path=/")
        self.pages["knoq /home"] = Answer("<title>Acme home</title>", 200, (session,))

    def _take(self, ask: Asked) -> Answer:
        form = {name: values[-1] for name, values in parse_qs(ask.body).items()}
        self.held = form["held"]
        right = (form["u"], form["p"]) == (self.username, self.password)
        return self.go(
            self.site + "/home" if right else self.identity, ("Set-Cookie", "device=d1; Path=/")
        )


class Odd(OddPages):
    provider = None


@pytest.fixture(scope="session")
def person() -> Iterator[Person]:
    with seat() as somebody:
        yield somebody


def home(place: Path, site: Hostile, person: Person) -> Home:
    return Home(
        place,
        site,  # type: ignore[arg-type]  # it has what a stand-in is asked for
        HARVESTER_PASSWORD=None,
        HARVESTER_BROWSER=browser_with_windows(),
        DISPLAY=person.display,
    )


@contextlib.contextmanager
def command(at: Home, *words: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [sys.executable, "-P", "-m", "harvester", "login", "--headed", *words],
        env=at.environ(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield running
    finally:
        running.terminate()
        running.communicate()


def test_a_person_signs_in_in_our_window(person: Person, tmp_path: Path) -> None:
    with Acme() as acme:
        at = home(tmp_path, acme, person)
        with command(at) as running:
            person.sees("Acme")
            person.sees("Acme is ready")
            person.types(acme.username)
            person.presses("Tab")
            person.types(acme.password)
            person.presses("Return")
            _, told = running.communicate(timeout=COMMAND_S)
            assert running.returncode == 0, told
            assert acme.held == "yes"
            assert at.run("token", "--no-sign-in").stdout.strip() == SESSION
    assert at.processes() == []


def test_a_person_signs_in_in_an_ordinary_browser_that_nobody_holds(
    person: Person, tmp_path: Path
) -> None:
    with Acme() as acme:
        at = home(tmp_path, acme, person)
        with command(at, "--no-automation") as running:
            person.sees("Acme")
            person.sees("Acme is ready")
            words = " ".join(
                word for line in command_lines(descendants(running.pid)) for word in line
            )
            assert "--user-data-dir=" in words
            assert "--remote-debugging" not in words and "--enable-automation" not in words
            person.types(acme.username)
            person.presses("Tab")
            person.types(acme.password)
            person.presses("Return")
            person.sees("Acme home")
            person.presses("ctrl+w")
            _, told = running.communicate(timeout=COMMAND_S)
            assert running.returncode == 0, told
            assert acme.held == "no"
            assert at.run("token", "--no-sign-in").stdout.strip() == SESSION
    assert at.processes() == [] and at.in_clear(SESSION, "device=d1") == []


def test_a_window_that_is_closed_first_leaves_nothing(person: Person, tmp_path: Path) -> None:
    with Acme() as acme:
        at = home(tmp_path, acme, person)
        for words in ((), ("--no-automation",)):
            with command(at, *words) as running:
                person.sees("Acme")
                person.sees("Acme is ready")
                person.presses("ctrl+w")
                _, told = running.communicate(timeout=COMMAND_S)
                assert running.returncode == 4 and "closed" in told, told
    assert at.processes() == []


def test_what_the_person_did_on_an_odd_page_is_shown_as_a_rule(
    person: Person, tmp_path: Path
) -> None:
    with Odd(DESK.replace('name="b"', 'name="b" autofocus') + READY) as odd:
        odd.pages["knoq /"] = odd.go(odd.identity + "/auth/desk")
        with command(home(tmp_path, odd, person)) as running:
            person.sees("Acme")
            person.sees("Acme is ready")
            person.types(odd.username)
            person.presses("Tab", "Tab")
            person.types(odd.password)
            person.presses("Tab", "space")
            _, told = running.communicate(timeout=COMMAND_S)
            assert running.returncode == 0, told
            assert f'[pages."{odd.place}/auth/desk"]' in told
            assert 'user = { label = "badge" }' in told
            assert 'submit = { role = "button", label = "abracadabra" }' in told
            assert odd.username not in told.replace("as " + odd.username, "")
            assert odd.password not in told
