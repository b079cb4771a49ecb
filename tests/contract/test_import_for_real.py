"""A session made in a browser (played over plain HTTP), taken in by the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import browsers
from runs import Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess) -> Home:
    # No password is known: nothing but what is pasted can make a session.
    return Home(tmp_path, standin, HARVESTER_PASSWORD=None)


def in_a_browser(home: Home) -> dict[str, str]:
    """Signs in as a person does; the cookies that the browser then has."""
    person = Walker()
    sign_in(person, home.world)
    return dict(person.jars["knoq.localhost"])


def paste(home: Home, text: str) -> str:
    path = home.place / "pasted"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("switches", [{}, {"odd_value": True}, {"needed": "both"}])
def test_a_browsers_session_is_served_from_then_on(home: Home, switches: dict[str, object]) -> None:
    home.world.set(**switches)
    jar = in_a_browser(home)
    text = browsers.curl_for_windows(jar.items()).replace(
        browsers.cmd(browsers.URL), browsers.cmd(f"{home.world.site}/app")
    )
    ended = home.run("import", paste(home, text))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    assert home.world.username in ended.stderr and "acme" in ended.stderr
    assert "needs stytch_session" in ended.stderr and "of them" in ended.stderr
    knows_the_end = switches.get("needed") == "both"  # the JWT says it
    assert ("valid until" in ended.stderr) is knows_the_end
    assert ("when it ends is not known" in ended.stderr) is not knows_the_end
    assert not [value for value in jar.values() if len(value) > 8 and value in ended.stderr]
    token = home.run("--json", "token", "--no-sign-in")
    told = json.loads(token.stdout)
    assert (told["generation"], told["organization_proved"]) == (1, True)
    assert home.ask_site(told["headers"]["Cookie"]) == 200
    assert told["cookies"][0]["value"] == jar[told["cookies"][0]["name"]]
    assert told["user_agent"] == browsers.AGENT
    (home.place / "pasted").unlink()
    assert home.in_clear(jar["stytch_session"]) == []
    assert home.world.state()["sign_ins"] == 1, "the person's own, in the browser"


def test_a_dead_one_leaves_the_last_good_session_where_it_is(home: Home) -> None:
    jar = in_a_browser(home)
    assert home.run("import", paste(home, browsers.header(jar.items()))).returncode == 0
    dead = {**jar, "stytch_session": "long-ended", "stytch_session_jwt": "x"}
    code, error = home.error(
        "import", paste(home, browsers.netscape(dead.items(), domain="knoq.localhost"))
    )
    assert (code, error["code"]) == (4, "needs_human")
    assert "copy it again" in error["hint"]
    told = json.loads(home.run("--json", "token", "--no-sign-in").stdout)
    assert (told["generation"], home.ask_site(told["headers"]["Cookie"])) == (1, 200)


def test_with_a_daemon_it_is_the_daemon_that_takes_it_in(home: Home) -> None:
    with home.daemon(ready=False) as daemon:
        state = json.dumps(in_a_browser(home))
        ended = home.run("--json", "import", paste(home, state))
        assert ended.returncode == 0, ended.stderr
        told = json.loads(ended.stdout)
        assert (told["identity"], told["needed"]) == (home.world.username, ["stytch_session"])
        assert "cookies" not in told and "headers" not in told
        served = json.loads(daemon.client.session())
        assert served["generation"] == told["generation"] == 1
        assert home.ask_site(served["headers"]["Cookie"]) == 200
        home.world.revoke()
        code, error = home.error("import", paste(home, state))
        assert (code, error["code"]) == (4, "needs_human")


def test_a_session_of_another_user_or_origin_is_not_taken(home: Home) -> None:
    text = browsers.header(in_a_browser(home).items())
    code, error = home.error("import", paste(home, text), HARVESTER_USERNAME="eve@acme.example")
    assert (code, error["code"]) == (78, "identity_mismatch")
    elsewhere = browsers.curl([("stytch_session", "v")], url="https://knoq.one/")
    code, error = home.error("import", paste(home, elsewhere))
    assert (code, error["code"]) == (78, "origin_mismatch")
    assert not list(home.store.rglob("session*")), "nothing was stored"
