"""`harvester token` with a daemon: one round trip, with the standard library alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakedaemon import SESSION, FakeDaemon
from harvester.__main__ import main
from harvester.hot import FORMATS, VARIABLES, knows, plain_token
from harvester.settings import model
from harvester.wire import FORMATS as ALL_FORMATS

_RUN = """
import sys
before = set(sys.modules)
from harvester.__main__ import main
code = main(sys.argv[1:])
loaded = sorted(set(sys.modules) - before)
print("LOADED", *loaded, file=sys.stderr)
sys.exit(code)
"""


def in_a_process(home: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {"HOME": str(home), "PATH": os.defpath, "XDG_RUNTIME_DIR": str(home / "r"), **environ}
    return subprocess.run(
        [sys.executable, "-c", _RUN, *args],
        env=given,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def loaded(done: subprocess.CompletedProcess[str]) -> set[str]:
    line = next(line for line in done.stderr.splitlines() if line.startswith("LOADED"))
    return set(line.split()[1:])


# All that the hot command imports beyond what a bare interpreter has loaded before any program
# starts.  A new name here costs every call of a shell loop: `scripts/bench token` says how much.
HOT_MODULES = {
    "_socket",
    "errno",
    "harvester",
    "harvester.__main__",
    "harvester.dial",
    "harvester.hot",
    "harvester.places",
}


@pytest.mark.parametrize(
    "args", [("token",), ("token", "--min-valid", "5m", "--format=header"), ("token", "--json")]
)
def test_with_a_daemon_next_to_nothing_is_imported(
    home: Path, daemon: FakeDaemon, args: tuple[str, ...]
) -> None:
    daemon.set("/v1/session", SESSION)
    done = in_a_process(home, *args, HARVESTER_USERNAME="ada", HARVESTER_PASSWORD="x")
    assert done.returncode == 0 and done.stdout.strip()
    assert loaded(done) <= HOT_MODULES
    assert {name for name in HOT_MODULES if name.startswith("harvester")} <= loaded(done)


def test_the_value_alone_is_on_standard_output(home: Path, daemon: FakeDaemon) -> None:
    daemon.set("/v1/session", SESSION)
    done = in_a_process(home, "--profile", "work-eu", "token", "--min-valid=15m")
    assert done.stdout == "sid=v1\n"
    query = daemon.asked[0].query
    assert (query["profile"], query["min_valid_s"]) == ("work-eu", "900")


@pytest.mark.parametrize("args", [("token",), ("-v", "token")], ids=["fast way", "long way"])
def test_the_number_to_compare_is_shown_while_a_daemon_waits_for_it(
    home: Path, daemon: FakeDaemon, args: tuple[str, ...]
) -> None:
    step = {"state": "wait_for_approval", "host": "login.acme.example", "number": "42"}
    daemon.set("/v1/status", {"profiles": [{"profile": "default", "signing_in": step}]})
    daemon.set("/v1/session", SESSION)
    # Asked a second time, the command has shown what it heard the first time.
    daemon.behind["/v1/session"] = ("/v1/status", 2)
    done = in_a_process(home, *args)
    assert (done.returncode, done.stdout) == (0, "sid=v1\n")
    assert "wait for approval at login.acme.example: the number is 42" in done.stderr


def test_an_error_of_the_daemon_keeps_code_hint_and_exit(home: Path, daemon: FakeDaemon) -> None:
    daemon.problem("/v1/session", "challenge", status=409)
    for form in ("cookie", "json"):
        done = in_a_process(home, "token", "--format", form)
        assert (done.returncode, done.stdout) == (4, ""), "an object is what --json asks for"
        assert "mend challenge" in done.stderr
    done = in_a_process(home, "token", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "challenge"


@pytest.mark.parametrize(
    ("environ", "args", "expected"),
    [
        ({"HARVESTER_ORIGIN": "https://x.example"}, (), "https://x.example"),
        ({"HARVESTER_PROFILES__WORK_EU__ORIGIN": "https://y.example",
          "HARVESTER_PROFILE": "work-eu"}, (), "https://y.example"),
        ({"HARVESTER_ORIGIN": "https://x.example", "HARVESTER_PROFILE": "work-eu"}, (), None),
        ({"HARVESTER_ORIGIN": "https://x.example"}, ("--origin=https://z.example",),
         "https://z.example"),
        ({}, (), None),
    ],
)  # fmt: skip
def test_the_origin_that_the_caller_names_is_told_to_the_daemon(
    daemon: FakeDaemon,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    args: tuple[str, ...],
    expected: str | None,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    daemon.set("/v1/session", SESSION)
    assert main([*args, "token"]) == 0
    assert daemon.asked[0].query.get("origin") == expected


def test_nobody_listening_takes_the_long_way(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_NONSENSE", "1")
    assert main(["token"]) == 78, "only the long way reads the settings"
    assert "HARVESTER_NONSENSE" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["status"],
        ["token", "--help"],
        ["token", "--output", "x"],
        ["token", "--no-sign-in"],
        ["token", "--format", "yaml"],
        ["token", "--format"],
        ["token", "--format="],
        ["token", "token"],
        ["token", "--min-valid", "1s", "--min-valid", "2s"],
        ["--min-valid", "1s", "token"],
        ["--config", "x", "token"],
        ["--profile", "token"],
        ["-v", "token"],
    ],
)
def test_whatever_is_unusual_is_left_to_the_long_way(args: list[str]) -> None:
    assert plain_token(args) is None


def test_the_formats_here_are_the_formats_there_are() -> None:
    assert set(FORMATS) == set(ALL_FORMATS)


def test_the_variables_here_are_the_variables_there_are() -> None:
    names = {*model.every_name(), *model.CALL_NAMES, *model.TOLD_TO_PROGRAMS}
    assert {name.upper() for name in names - model.ONLY_IN_TOML} == VARIABLES


@pytest.mark.parametrize("command", ["token", "credential-helper get"])
def test_a_misspelt_variable_is_told_though_a_daemon_has_a_session(
    home: Path, daemon: FakeDaemon, command: str
) -> None:
    daemon.set("/v1/session", SESSION)
    done = in_a_process(home, *command.split(), HARVESTER_PROFIL="work")
    assert (done.returncode, done.stdout) == (78, ""), "not another account's session"
    assert "did you mean HARVESTER_PROFILE?" in done.stderr


@pytest.mark.parametrize(
    ("variable", "known"),
    [
        ("HARVESTER_ORIGIN", True),
        ("HARVESTER_PORT_80_TCP", True),
        ("HARVESTER_SERVICE_HOST", True),
        ("HARVESTER_MESSAGE", True),
        ("HARVESTER_PROFILES__WORK_EU__PASSWORD_FILE", True),
        ("HARVESTER_PROFILES__WORK_EU__ORIGN", False),
        ("HARVESTER_PROFILES__WORK_EU", False),
        ("HARVESTER_origin", False),
        ("HARVESTER_", False),
        ("ORIGN", True),
    ],
)
def test_which_variables_are_known(variable: str, known: bool) -> None:
    assert knows({variable: "x"}) is known


@pytest.mark.parametrize(
    ("args", "environ", "told"),
    [
        (("--profile", "Bad Name"), {}, "there is no profile 'Bad Name'"),
        (("--profile", "x" * 100_000), {}, "there is no profile"),
        ((), {"HARVESTER_ORIGIN": "nonsense"}, "HARVESTER_ORIGIN is no origin"),
    ],
    ids=["a name that is none", "a name that is no file's", "an origin that is none"],
)
def test_what_the_daemon_finds_wrong_is_told_in_the_words_of_the_command(
    home: Path, daemon: FakeDaemon, args: tuple[str, ...], environ: dict[str, str], told: str
) -> None:
    daemon.problem("/v1/session", "usage", status=400)
    done = in_a_process(home, "token", *args, HARVESTER_USERNAME="ada", **environ)
    assert (done.returncode, done.stdout) == (78, "")
    assert told in done.stderr


def test_a_reader_that_goes_away_is_no_traceback(home: Path, daemon: FakeDaemon) -> None:
    daemon.set("/v1/session", SESSION)
    environ = {"HOME": str(home), "PATH": os.defpath, "XDG_RUNTIME_DIR": str(home / "r")}
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "harvester", "token"],
        env=environ,
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    os.close(write_end)
    assert done.returncode == 1
    assert done.stderr == ""
