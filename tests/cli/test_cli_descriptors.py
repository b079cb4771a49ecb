"""Standard input, output and error that are closed, full, or cannot say what is to be said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakedaemon import SESSION, FakeDaemon

ROOT = Path(__file__).parents[2]
HOT = ("token",)
LONG = ("token", "-v")
BOTH = pytest.mark.parametrize("args", [HOT, LONG], ids=["fast way", "long way"])


def run(
    home: Path, redirected: str, *args: str, stdin: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """The command, with its descriptors as a shell's ``redirected`` makes them."""
    shell = f'exec "$0" -m harvester "$@" {redirected}'
    given = {"HOME": str(home), "PATH": os.defpath, "XDG_RUNTIME_DIR": str(home / "r"), **environ}
    return subprocess.run(
        ["/bin/sh", "-c", shell, sys.executable, *args],
        env=given,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
        cwd=ROOT,
    )


@BOTH
@pytest.mark.parametrize("redirected", [">/dev/full", ">&-"], ids=["full", "closed"])
def test_a_value_that_nothing_takes_is_a_failure_in_one_line(
    home: Path, daemon: FakeDaemon, args: tuple[str, ...], redirected: str
) -> None:
    daemon.set("/v1/session", SESSION)
    done = run(home, redirected, *args)
    assert done.returncode == 1
    assert done.stderr.startswith("harvester: standard output cannot be written: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("redirected", [">/dev/full", ">&-"], ids=["full", "closed"])
def test_an_error_keeps_its_exit_where_its_object_cannot_be_printed(
    home: Path, daemon: FakeDaemon, redirected: str
) -> None:
    daemon.problem("/v1/session", "challenge", status=409)
    done = run(home, redirected, "token", "--json")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


def test_status_into_a_full_disk_is_no_mistake_of_ours(home: Path, daemon: FakeDaemon) -> None:
    daemon.set("/v1/status", {"pid": 1, "profiles": [{"profile": "default", "ready": True}]})
    done = run(home, ">/dev/full", "status")
    assert done.returncode == 1
    assert done.stderr.startswith("harvester: standard output cannot be written: ")


@BOTH
def test_who_closes_standard_error_still_gets_his_value_and_exit(
    home: Path, daemon: FakeDaemon, args: tuple[str, ...]
) -> None:
    daemon.set("/v1/session", {**SESSION, "min_valid_met": False})
    done = run(home, "2>&-", *args)
    assert (done.returncode, done.stdout) == (0, "sid=v1\n")
    daemon.problem("/v1/session", "challenge", status=409)
    assert run(home, "2>&-", *args).returncode == 4


@pytest.mark.parametrize(
    "args",
    [("credential-helper", "get"), ("credential-helper", "get", "-q"), ("import", "-")],
    ids=" ".join,
)
def test_closed_standard_input_is_an_empty_one(
    home: Path, daemon: FakeDaemon, args: tuple[str, ...]
) -> None:
    daemon.set("/v1/session", SESSION)
    done = run(home, "<&-", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert "harvester: there is no" in done.stderr


@pytest.mark.parametrize("args", [("token", "--json"), ("token", "--json", "-v")], ids=" ".join)
def test_json_is_utf_8_in_any_locale(home: Path, daemon: FakeDaemon, args: tuple[str, ...]) -> None:
    daemon.set("/v1/session", {**SESSION, "organization": "Tschürpel ⟡"})
    done = run(home, "", *args, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["organization"] == "Tschürpel ⟡"
    daemon.problem("/v1/session", "challenge", status=409, detail="Tschürpel")
    done = run(home, "", *args, PYTHONIOENCODING="ascii")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["message"] == "Tschürpel"


def test_status_is_told_in_any_locale(home: Path, daemon: FakeDaemon) -> None:
    stands = {"profile": "default", "ready": True, "generation": 1, "identity": "Jürg"}
    daemon.set("/v1/status", {"pid": 1, "profiles": [stands]})
    done = run(home, "", "status", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "Jürg" in done.stdout
