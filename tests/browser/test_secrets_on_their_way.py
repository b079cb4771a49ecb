"""From where the user keeps them to the page: no secret stands in a command line, a child's
environment, anything that is printed, or a file that merely lies there."""

from __future__ import annotations

import contextlib
import copy
import pickle
import pprint
import secrets
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.descent import descendants
from harvester.errors import ConfigInvalid
from harvester.profile import SecretSource
from harvester.settings import Settings, load, sources
from harvester.signin import confine
from harvester.spawn import inherited, spawn
from runs import COMMAND_S, Home
from standin import StandInProcess

KEY = "Q0FOQVJZLUtFWS1DQU5BUlktS0VZLUNBTkFSWS1LRVk="


@pytest.fixture(autouse=True)
def no_secrets_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SECRETS_DIRECTORY", tmp_path / "run-secrets")


def settings(tmp_path: Path, **more: str) -> Settings:
    environ = {
        "HOME": str(tmp_path), "HARVESTER_PASSWORD": "canary-password",
        "HARVESTER_TOTP_SECRET": "CANARYSEED", "HARVESTER_KEY": KEY,
        "HARVESTER_HTTPS_PROXY": "http://ada:canary-proxy@proxy.example:3128",
        "HARVESTER_ON_PERSON_NEEDED": "curl -H canary-token https://acme.example",
        "HARVESTER_PROFILES__WORK__PASSWORD_COMMAND": "vault read -token=canary-vault x",
        **more,
    }  # fmt: skip
    return load(environ=environ)


def shows_one(text: str) -> bool:
    return "canary" in text.lower() or KEY in text


def test_nothing_that_prints_a_settings_object_shows_a_secret(tmp_path: Path) -> None:
    made = settings(tmp_path)
    profile, work = made.profile("default"), made.profile("work")
    assert profile.password is not None and profile.password.value == "canary-password"
    for one in (made, made.process, profile, work, profile.password, profile.totp, work.password,
                made.process.key, made.process.browser):  # fmt: skip
        assert one is not None
        for text in (repr(one), str(one), f"{one}", pprint.pformat(one), ascii(one)):
            assert not shows_one(text), type(one)
        with pytest.raises(TypeError):
            vars(one)  # there is no __dict__ in it
    try:
        raise ValueError(made, profile.password)
    except ValueError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert not shows_one("".join(told.format()))


def test_where_a_secret_comes_from_is_neither_pickled_nor_copied_with_what_holds_it(
    tmp_path: Path,
) -> None:
    made = settings(tmp_path)
    for one in (made.profile("default").password, made.profile("default"), made.process):
        for way in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError):
                way(one)
    source = made.profile("default").password
    assert source is not None and replace(source, name="X").value == source.value


@pytest.mark.parametrize(
    "line",
    [
        'password = "canary"', 'PASSWORD = "canary"', 'Password = "canary"',
        '"password" = "canary"', 'password.value = "canary"', '[password]\nvalue = "canary"',
        'password_value = "canary"', 'totp-secret = "canary"', 'totp_secret = ["canary"]',
        'key = "canary"', 'HARVESTER_PASSWORD = "canary"', '[secrets]\npassword = "canary"',
        '[profiles.default]\npassword = "canary"', '[profiles.work.password]\nfile = "canary"',
        '[profiles.work]\nkey = "canary"', '[profiles.default]\nTOTP_SECRET = "canary"',
        'password_file = ["canary"]', 'profiles = {default = {password = "canary"}}',
        'password = """\ncanary"""', 'password = "canary',
    ],
)  # fmt: skip
def test_no_spelling_of_a_secret_is_taken_from_the_config_file(tmp_path: Path, line: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(line + "\n")
    config.chmod(0o600)
    with pytest.raises(ConfigInvalid) as caught:
        load(environ={"HOME": str(tmp_path)}, config=str(config))
    assert "canary" not in caught.value.message + caught.value.hint
    assert caught.value.__cause__ is None and caught.value.__context__ is None


PLANTED = "open({mark!r}, 'a').write(__name__ + '\\n')\n"


def test_what_lies_in_the_working_directory_is_never_read(tmp_path: Path) -> None:
    here, mark = tmp_path / "here", tmp_path / "mark"
    (here / "harvester").mkdir(parents=True)
    (here / "playwright").mkdir()
    code = PLANTED.format(mark=str(mark))
    for name in ("harvester/__init__", "playwright/__init__", "sitecustomize", "json", "click",
                 "ctypes", "usercustomize"):  # fmt: skip
        (here / f"{name}.py").write_text(code)
    for name in (".env", ".harvester.env", "harvester.env"):
        (here / name).write_text("HARVESTER_ORIGIN=https://planted.example\n")
    for name in ("config.toml", "harvester.toml", ".harvester.toml", "pyproject.toml"):
        (here / name).write_text('origin = "https://planted.example"\n')
    (here / "password").write_text("planted")
    environ = {"PATH": f"{here}:/usr/bin:/bin", "HOME": str(tmp_path), "PWD": str(here)}
    command = Path(sys.executable).with_name("harvester")
    shown = subprocess.run(
        [command, "config", "show", "--all"],
        env=environ, cwd=here, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "planted" not in shown.stdout and "https://knoq.one" in shown.stdout
    with contextlib.chdir(here):
        signer = spawn(inherited(environ))
    # What is no job ends it, after it has imported what it needs for one.
    signer.line.sendall(b"{}\n")
    assert signer.process.wait(30) == 2
    signer.line.close()
    assert not mark.exists(), mark.read_text()


def test_no_child_of_a_sign_in_has_a_secret_in_its_words_or_variables(
    standin: StandInProcess, tmp_path: Path
) -> None:
    """Whole commands, with every secret in the environment, as CI has them."""
    password = "canary-" + secrets.token_hex(8)
    standin.change_password(password)
    home = Home(
        tmp_path / "home", standin, HARVESTER_PASSWORD=password,
        HARVESTER_TOTP_SECRET=standin.totp_secret, HARVESTER_KEY=KEY,
        HARVESTER_PROFILES__WORK__PASSWORD="canary-of-another-profile",
        DEBUG="pw:*", NODE_OPTIONS="--no-such-option", SSLKEYLOGFILE=str(tmp_path / "keys"),
        LD_PRELOAD_CANARY="canary-of-the-shell", AWS_SECRET_ACCESS_KEY="canary-of-somebody",
    )  # fmt: skip
    running = subprocess.Popen(
        [sys.executable, "-P", "-m", "harvester", "token"],
        env=home.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    looked: dict[int, set[str]] = {}
    found: list[str] = []
    variables: set[str] = set()
    ends_at = time.monotonic() + COMMAND_S
    sought = [one.encode() for one in ("canary", standin.totp_secret, KEY)]
    while running.poll() is None and time.monotonic() < ends_at:
        for pid in descendants(running.pid):
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    told = Path(f"/proc/{pid}/{name}").read_bytes()
                    looked.setdefault(pid, set()).add(name)
                    found += [f"{name} of {pid}: {told[:80]!r}" for one in sought if one in told]
                    if name == "environ":
                        variables |= {one.partition(b"=")[0].decode() for one in told.split(b"\0")}
        time.sleep(0.01)
    out, said = running.communicate(timeout=COMMAND_S)
    assert running.returncode == 0, said
    assert len(looked) > 3 and any("environ" in names for names in looked.values())
    assert found == []
    cookie = out.decode().strip().partition("=")[2]
    assert cookie and not (tmp_path / "keys").exists()
    allowed = {*confine._KEPT, *confine._HOME_NAMES, *inherited(dict.fromkeys(variables, ""))}
    # What the browser sets for its own children is its matter; of ours only these go along.
    assert variables & home.environ().keys() <= allowed
    assert not {
        one for one in variables if one.startswith(("HARVESTER_", "DEBUG", "NODE_OPT", "AWS"))
    }


def test_a_secret_that_came_by_environment_reaches_the_signer_by_its_socket_only() -> None:
    # The list is of names that tell places and languages; none of ours, none that prints or loads.
    source = SecretSource("value", "HARVESTER_PASSWORD", value="canary")
    told = inherited(
        {source.name: source.value, "PATH": "/bin", "DEBUG": "pw:*", "LD_PRELOAD": "x"}
    )
    assert told == {"PATH": "/bin"}
