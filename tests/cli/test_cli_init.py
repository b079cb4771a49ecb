"""`harvester init`: asks or takes flags, tests, and writes only what passed."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakedaemon import FakeDaemon
from fakeonce import FakeOnce, Run, served
from harvester.cli import terminal
from harvester.digests import settings_digest
from harvester.errors import (
    CredentialsRejected,
    HarvesterError,
    NeedsHuman,
    OriginNotAllowed,
    SiteDown,
)
from harvester.settings import load
from runs import COMMAND_S, Home
from standin import StandInProcess

Out = pytest.CaptureFixture[str]
PASSWORD = "Canary-Tulip-42"
ASKS = OriginNotAllowed(
    "https://login.example asks for a password",
    hint="if this is where you sign in, set HARVESTER_IDENTITY_ORIGINS=https://login.example",
)


class Tries(FakeOnce):
    """One answer for each sign-in; keeps the settings of each."""

    def __init__(self, *answers: Any, state: str = "ask_password") -> None:
        super().__init__(steps=({"state": state, "host": "login.example"},))
        self.left = list(answers)
        self.tried: list[Any] = []

    async def login(self, name: str) -> Any:
        assert self.settings is not None
        self.tried.append(self.settings.profile(name))
        self.answer = self.left.pop(0)
        return self._done("login", name)


@pytest.fixture
def config(home: Path) -> Path:
    return home / ".config/harvester/config.toml"


@pytest.fixture
def password_file(home: Path) -> Path:
    path = home / "pw"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Callable[..., io.StringIO]:
    """Types these lines at a terminal; ``hidden`` are what is typed unseen."""

    def types(*lines: str, hidden: tuple[str, ...] = ()) -> io.StringIO:
        unseen = list(hidden)
        typed = io.StringIO("".join(line + "\n" for line in lines))
        monkeypatch.setattr(terminal, "is_there", lambda: True)
        monkeypatch.setattr(sys, "stdin", typed)
        monkeypatch.setattr("getpass.getpass", lambda prompt, stream: unseen.pop(0))
        return typed

    return types


def account(path: Path) -> tuple[str, ...]:
    return ("init", "--username", "ada", "--password-file", str(path))


def put(config: Path, text: str) -> None:
    config.parent.mkdir(parents=True)
    config.write_text(text)
    config.chmod(0o600)


def test_with_nobody_to_ask_the_missing_flags_are_listed(
    cli: Run, config: Path, capsys: Out
) -> None:
    once = Tries()
    assert cli("init", once=once) == 2
    err = capsys.readouterr().err
    assert "--username" in err and "--password-file" in err and "--password-command" in err
    assert not config.exists() and once.calls == []


def test_flags_are_tested_and_then_written_and_read_back(
    cli: Run, home: Path, config: Path, password_file: Path, capsys: Out
) -> None:
    once = Tries(served())
    flags = ("--identity-origins", "https://b.example/,https://a.example", "--provider", "sso",
             "--organization", "acme")  # fmt: skip
    assert cli(*account(password_file), *flags, once=once) == 0
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert tomllib.loads(config.read_text()) == {
        "username": "ada",
        "password_file": str(password_file),
        "identity_origins": ["https://b.example", "https://a.example"],
        "provider": "sso",
        "organization": "acme",
    }
    read = load(environ=dict(os.environ)).profile("default")
    assert settings_digest(once.tried[0]) == settings_digest(read)
    out, err = capsys.readouterr()
    assert out == "" and "`harvester token`" in err and "`harvester serve`" in err
    assert "not tested" not in err


def test_nothing_is_written_when_the_test_fails(
    cli: Run, config: Path, password_file: Path, capsys: Out
) -> None:
    assert cli(*account(password_file), once=Tries(SiteDown("it is down"))) == 75
    assert cli(*account(password_file), once=Tries(ASKS)) == 78
    assert "--identity-origins https://login.example" in capsys.readouterr().err
    assert not config.exists()


def test_without_a_test_nobody_signs_in(cli: Run, config: Path, password_file: Path) -> None:
    once = Tries()
    assert cli(*account(password_file), "--no-test", once=once) == 0
    assert once.calls == [] and config.exists()


def test_a_sign_in_that_asked_for_no_password_is_no_test_of_it(
    cli: Run, password_file: Path, capsys: Out
) -> None:
    assert cli(*account(password_file), once=Tries(served(), state="landing")) == 0
    assert "the password is not tested" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--username", "ada", "--password-file", "/nonexistent/pw"), "does not exist"),
        (("--username", "ada", "--password-command", "no-such-program"), "no program"),
        (("--username", "ada", "--password-command", "cat 'x"), "no command"),
        (("--username", "a\nb", "--password-command", "cat"), "control characters"),
        (("--username", "\udcff", "--password-command", "cat"), "UTF-8"),
        (("--username", "ada", "--password-command", "cat", "--password-file", "x"), "twice"),
        (("--origin", "http://acme.example"), "http"),
        (("--profile", "Not A Name"), "profile"),
    ],
)
def test_a_wrong_flag_is_told_before_anything_is_asked(
    cli: Run, config: Path, capsys: Out, flags: tuple[str, ...], said: str
) -> None:
    assert cli("init", "--no-test", *flags) == 78
    assert said in capsys.readouterr().err
    assert not config.exists()


def test_what_the_file_says_already_is_changed_by_force_only(
    cli: Run, config: Path, password_file: Path, capsys: Out
) -> None:
    before = 'username = "bob"  # my brother\n\n[profiles.work]\nusername = "ada"\n'
    put(config, before)
    once = Tries(served())
    assert cli(*account(password_file), once=once) == 78
    assert once.calls == [] and config.read_text() == before
    assert "username" in capsys.readouterr().err
    assert cli(*account(password_file), "--force", once=once) == 0
    kept = config.with_name("config.toml.before")
    assert kept.read_text() == before and str(kept) in capsys.readouterr().err
    assert tomllib.loads(config.read_text()) == {
        "username": "ada",
        "password_file": str(password_file),
        "profiles": {"work": {"username": "ada"}},
    }


def test_a_second_account_is_added_beside_the_first(
    cli: Run, config: Path, password_file: Path, capsys: Out
) -> None:
    put(config, '# mine\nusername = "bob"\n')
    assert cli("--profile", "work", *account(password_file), once=Tries(served())) == 0
    assert config.read_text().startswith('# mine\nusername = "bob"\n\n[profiles.work]\n')
    assert "`harvester --profile work token`" in capsys.readouterr().err


def test_a_named_file_that_is_not_there_yet_is_made(
    cli: Run, home: Path, config: Path, password_file: Path
) -> None:
    put(config, 'username = "bob"\nprovider = "google"\n')
    named = home / "new/one.toml"
    once = Tries(served())
    assert cli("--config", str(named), *account(password_file), once=once) == 0
    assert tomllib.loads(named.read_text())["username"] == "ada"
    assert once.tried[0].provider is None


def test_what_the_environment_says_is_written_but_never_a_secret(
    cli: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_USERNAME", "ada")
    monkeypatch.setenv("HARVESTER_PASSWORD", PASSWORD)
    assert cli("init", "--provider", "sso", once=Tries(served())) == 0
    assert tomllib.loads(config.read_text()) == {"username": "ada", "provider": "sso"}


def test_a_stronger_source_than_the_file_is_told(
    cli: Run, password_file: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_USERNAME", "bob")
    once = Tries(served())
    assert cli(*account(password_file), once=once) == 0
    assert once.tried[0].username == "ada"
    assert "username is also set by environment HARVESTER_USERNAME" in capsys.readouterr().err


def test_a_daemon_with_the_old_settings_is_told_of(
    cli: Run, daemon: FakeDaemon, password_file: Path, capsys: Out
) -> None:
    daemon.set("/v1/status", {"version": 1, "pid": 4711, "profiles": []})
    assert cli(*account(password_file), once=Tries(served())) == 0
    assert "4711" in capsys.readouterr().err


def test_as_json_it_tells_what_it_did_and_shows_no_session(
    cli: Run, config: Path, password_file: Path, capsys: Out
) -> None:
    assert cli("--json", *account(password_file), once=Tries(served())) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["config"] == str(config) and told["tested"] is True
    assert told["session"]["generation"] == 7 and "canary-cookie" not in json.dumps(told)


# with a person


def test_a_typed_password_goes_into_a_file_of_its_own_after_the_test(
    cli: Run, config: Path, capsys: Out, person: Any
) -> None:
    typed = person("", "ada", "1", "1", "https://login.example", "", hidden=(PASSWORD,))
    once = Tries(served())
    assert cli("init", once=once) == 0
    assert typed.read() == ""
    assert once.tried[0].password.kind == "value" and once.tried[0].password.value == PASSWORD
    kept = config.parent / "secrets/default.password"
    assert kept.read_text() == PASSWORD + "\n" and stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert tomllib.loads(config.read_text()) == {
        "username": "ada",
        "password_file": "secrets/default.password",
        "identity_origins": ["https://login.example"],
    }
    assert load(environ=dict(os.environ)).profile("default").password.path == str(kept)
    assert PASSWORD not in "".join(capsys.readouterr())


def test_the_origin_that_asks_is_allowed_only_when_the_person_says_so(
    cli: Run, config: Path, password_file: Path, capsys: Out, person: Any
) -> None:
    person("", "", "", "", "", "n")
    assert cli(*account(password_file), once=Tries(ASKS)) == 78
    assert not config.exists()
    capsys.readouterr()
    person("", "", "", "", "y")
    once = Tries(ASKS, served())
    assert cli(*account(password_file), once=once) == 0
    assert [one.identity_origins for one in once.tried] == [(), ("https://login.example",)]
    assert "\n    https://login.example\n" in capsys.readouterr().err
    assert tomllib.loads(config.read_text())["identity_origins"] == ["https://login.example"]


@pytest.mark.parametrize(
    ("stopped", "answers", "field", "value"),
    [
        (
            NeedsHuman("it offers: 'Google', 'SSO'", hint="set HARVESTER_PROVIDER to the text"),
            ("SSO",), "provider", "SSO",
        ),
        (
            NeedsHuman("it lists: 'Acme', 'Globex'", hint="set HARVESTER_ORGANIZATION to one"),
            ("Globex",), "organization", "Globex",
        ),
        (
            CredentialsRejected("refused", hint="correct HARVESTER_USERNAME or HARVESTER_PASSWORD"),
            ("bob", "1"), "username", "bob",
        ),
    ],
)  # fmt: skip
def test_what_stops_the_test_is_shown_and_asked(
    cli: Run,
    password_file: Path,
    capsys: Out,
    person: Any,
    stopped: HarvesterError,
    answers: tuple[str, ...],
    field: str,
    value: str,
) -> None:
    person("", "", "", "", *answers)
    once = Tries(stopped, served())
    assert cli(*account(password_file), once=once) == 0
    assert getattr(once.tried[1], field) == value
    assert stopped.message in capsys.readouterr().err


def test_a_failed_test_is_written_only_if_the_person_insists(
    cli: Run, config: Path, password_file: Path, person: Any
) -> None:
    for last, code, written in (("", 75, False), ("y", 0, True)):
        person("", "", "", "", last)
        assert cli(*account(password_file), once=Tries(SiteDown("it is down"))) == code
        assert config.exists() is written


def test_a_wrong_answer_is_asked_again(cli: Run, config: Path, person: Any, capsys: Out) -> None:
    person("http://acme.example", "", "ada", "9", "2", "/nonexistent/pw", "3", "cat x", "", "", "")
    assert cli("init", "--no-test") == 0
    assert tomllib.loads(config.read_text()) == {"username": "ada", "password_command": "cat x"}
    err = capsys.readouterr().err
    assert "uses http" in err and "does not exist" in err and "A number from 1 to 3" in err


def test_the_end_of_input_ends_it_and_writes_nothing(cli: Run, config: Path, person: Any) -> None:
    person("", "ada")
    assert cli("init") == 130
    assert not config.exists()


def test_a_person_is_asked_before_the_file_changes(
    cli: Run, config: Path, password_file: Path, person: Any
) -> None:
    put(config, 'username = "bob"\n')
    person("", "", "", "", "n")
    assert cli(*account(password_file), "--no-test") == 1
    assert config.read_text() == 'username = "bob"\n'


def test_with_flags_only_a_terminal_is_left_alone(
    cli: Run, password_file: Path, person: Any
) -> None:
    typed = person("untouched")
    assert cli(*account(password_file), "--non-interactive", "--no-test") == 0
    assert typed.read() == "untouched\n"


# for real


def test_from_nothing_to_a_session_at_a_real_terminal(
    tmp_path: Path, world: StandInProcess
) -> None:
    home = Home(tmp_path, world)
    (tmp_path / "config.toml").unlink()
    for name in ("ORIGIN", "IDENTITY_ORIGINS", "PROVIDER", "USERNAME", "PASSWORD"):
        home.env[f"HARVESTER_{name}"] = None
    talk = [
        ("User name", "ada@acme.example"),
        ("Which [1]", "1"),
        ("not shown", world.password),
        ("Which [1]", ""),
        ("Identity origins:", ""),
        ("Organisation", ""),
        (f"Allow {world.identity}", "y"),
    ]
    ours, theirs = pty.openpty()
    wizard = subprocess.Popen(
        [sys.executable, "-P", "-m", "harvester", "init", "--origin", world.site],
        env={**home.environ(), "TERM": "dumb"}, start_new_session=True,
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = ""
    since = 0
    with os.fdopen(ours, "r+b", buffering=0) as screen:
        while select.select([screen], [], [], COMMAND_S)[0]:
            try:
                shown += screen.read(4096).decode()
            except OSError:
                break  # how Linux says that the other side was closed
            if talk and talk[0][0] in shown[since:]:
                since = len(shown)
                screen.write((talk.pop(0)[1] + "\n").encode())
    assert wizard.wait(COMMAND_S) == 0, shown
    assert talk == [] and world.password not in shown
    assert "signed in to" in shown
    assert home.in_clear(world.password) == [f"{tmp_path}/secrets/default.password: Tuli..."]
    token = home.run("token")
    assert token.returncode == 0, token.stderr
    assert home.ask_site(token.stdout.strip()) == 200
    assert world.state()["password_submits"] == 1
