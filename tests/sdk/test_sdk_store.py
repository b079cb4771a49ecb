"""Where no daemon runs: the sealed store, asked about if it is old news, and no sign-in unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harvester import settings
from harvester.errors import NotConfigured, SignInForbidden
from harvester.sdk import Credentials
from harvester.sdk import credentials as module
from runs import Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in


@pytest.fixture
def home(tmp_path: Path, world: StandInProcess, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose settings are this process's own; no password, so nothing can sign in."""
    made = Home(tmp_path, world, HARVESTER_PASSWORD=None)
    for name, value in made.env.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "ASK_STORE_EVERY_S", 0.0)
    return made


def bring(home: Home) -> None:
    """A session that a person has in a browser is taken into the store."""
    person = Walker()
    sign_in(person, home.world)
    jar = person.jars["knoq.localhost"]
    pasted = home.place / "pasted"
    pasted.write_text("; ".join(f"{name}={value}" for name, value in jar.items()))
    ended = home.run("import", str(pasted))
    assert ended.returncode == 0, ended.stderr


def test_the_stored_session_is_served_judged_and_not_replaced_unasked(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(home)
    credentials = Credentials()
    first = credentials.session()
    printed = json.loads(home.run("--json", "token", "--no-sign-in").stdout)
    assert dict(first.headers) == printed["headers"]
    assert home.ask_site(first.headers["Cookie"]) == 200
    requests = home.world.state()["api_requests"]
    credentials.session()
    assert home.world.state()["api_requests"] == requests, "proved a moment ago: not asked again"
    assert credentials.report(first).verdict == "alive"
    home.world.set(site_down=True)
    told = credentials.report(first)
    assert (told.verdict, told.stale) == ("unreachable", True)
    home.world.set(site_down=False)
    home.world.revoke()
    for ask in (lambda: credentials.report(first), credentials.session):
        with pytest.raises(SignInForbidden) as raised:
            ask()
        assert "sign_in=True" in raised.value.hint
    assert home.world.state()["sign_ins"] == 1
    bring(home)
    told = credentials.report(first)
    assert (told.verdict, told.generation) == ("superseded", 2)


def test_with_nothing_set_up_it_says_what_to_run(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARVESTER_USERNAME")
    with pytest.raises((NotConfigured, SignInForbidden)) as raised:
        Credentials().session()
    assert "harvester" in raised.value.hint


def test_the_programs_environment_is_not_ours_to_clear(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("HARVESTER_PASSWORD", "canary-pa55word")
    with pytest.raises(SignInForbidden):
        Credentials().session()
    assert os.environ["HARVESTER_PASSWORD"] == "canary-pa55word"
    assert settings.load({}, dict(os.environ)).profile("default").password is not None


def test_a_daemon_beside_the_store_that_the_config_file_names_is_found(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No socket is named, and the store by the file alone: only whoever reads it finds the socket.
    home.env["HARVESTER_SOCKET"] = str(home.store / "run" / "harvester.sock")
    with home.daemon(ready=False):
        bring(home)
        (home.place / "config.toml").write_text(f'store = "{home.store}"\n')
        for name in ("HARVESTER_SOCKET", "HARVESTER_STORE", "XDG_RUNTIME_DIR"):
            monkeypatch.delenv(name, raising=False)
        credentials = Credentials()
        assert credentials.session().generation == 1
        assert credentials._kept is not None and credentials._kept.by_daemon
