"""`harvester login --headed` as a command: beside a daemon, after a latch, without a password."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile import SESSION, Answer, Hostile
from person import windowless
from runs import Home

BY_HAND = """<!doctype html><title>Sign in</title><h1>Sign in</h1>
<form method="post" action="/in"><button>Sign in</button></form>
<script>setTimeout(() => document.forms[0].submit(), 200)</script>"""
SILENT = (
    """<script>location.href = document.cookie.includes("device=d1") ? "/in" : "/ask"</script>"""
)
REFUSED = """<!doctype html><h1>Couldn't sign you in</h1>
<p>This browser or app may not be secure.</p>"""


class Site(Hostile):
    provider = None


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as pages:
        pages.pages["login /"] = BY_HAND
        pages.pages["login /in"] = pages.go(
            pages.site + "/home", ("Set-Cookie", "device=d1; Path=/; Max-Age=9000")
        )
        session = ("Set-Cookie", f"{SESSION}; Path=/; Max-Age=9000")
        pages.pages["knoq /home"] = Answer("<h1 id=over>Home</h1>", 200, (session,))
        yield pages


@pytest.fixture
def home(site: Site, tmp_path: Path) -> Home:
    return Home(
        tmp_path,
        site,  # type: ignore[arg-type]  # it has what a stand-in is asked for
        HARVESTER_PASSWORD=None,
        HARVESTER_BROWSER=windowless(tmp_path),
        DISPLAY=":none",
    )


@pytest.mark.parametrize("words", [(), ("--no-automation",)])
def test_after_it_tokens_come_from_the_store_and_new_sessions_silently(
    site: Site, home: Home, words: tuple[str, ...]
) -> None:
    ended = home.run("login", "--headed", *words)
    assert ended.returncode == 0, ended.stderr
    assert home.run("token", "--no-sign-in").stdout.strip() == SESSION
    site.pages["login /"] = SILENT
    renewed = home.run("refresh", "--hard")
    assert renewed.returncode == 0, renewed.stderr
    assert "generation 2" in renewed.stderr
    assert not [one for one in site.asked if one.path == "/ask"]
    assert home.processes() == [], "no window is left open"
    assert home.in_clear("device=d1", '"d1"') == [], "what the provider remembers is sealed"


def test_a_provider_that_refused_us_gets_a_person_in_an_ordinary_window_at_once(
    site: Site, home: Home
) -> None:
    site.pages["login /"] = REFUSED
    assert home.run("login", HARVESTER_PASSWORD=site.password).returncode == 4
    site.pages["login /"] = BY_HAND
    ended = home.run("login", "--headed", HARVESTER_PASSWORD=None)
    assert ended.returncode == 0, ended.stderr
    assert "ordinary browser opens" in ended.stderr and "your turn" not in ended.stderr
    assert home.run("status").returncode == 0, "and the latch is open"


def test_a_daemon_that_has_nothing_takes_up_what_the_person_brought(site: Site, home: Home) -> None:
    with home.daemon(ready=False) as daemon:
        daemon.wait_for("refresh.failed")
        assert home.run("login", "--headed").returncode == 0
        home.run("refresh")
        assert SESSION in daemon.client.session(wait_s=60)


def test_an_impatient_person_ends_it_and_no_window_is_left(site: Site, home: Home) -> None:
    site.pages["login /"] = "<h1>Sign in</h1>"
    command = subprocess.Popen(
        [sys.executable, "-P", "-m", "harvester", "login", "--headed"],
        env=home.environ(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert command.stderr is not None
    while "your turn" not in (line := command.stderr.readline()):
        assert line, "it ended by itself"
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=20)
    assert command.returncode == 130
    assert home.processes() == []


def test_without_a_screen_the_command_ends_with_4_and_the_ways_around(home: Home) -> None:
    code, error = home.error("login", "--headed", DISPLAY=None)
    assert (code, error["code"]) == (4, "needs_human")
    assert "harvester import" in error["hint"] and "ssh -X" in error["hint"]
