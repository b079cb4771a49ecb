"""`token --github`: no value gets into the job's log or its outputs, in no spelling."""

from __future__ import annotations

import base64
import json
import os
import shlex
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from fakedaemon import SESSION, FakeDaemon
from fakeonce import FakeOnce, Run, served
from harvester.errors import NeedsHuman
from harvester.session import Cookie

Out = pytest.CaptureFixture[str]
ODD = Cookie("sid", "canary%2F\"q\"+=\\b's' &<x>/end", "knoq.one")
JWT = Cookie("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.c2lnbmF0dXJl", "knoq.one")


@pytest.fixture
def job(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A step of a job; the place of its files."""
    temp = home / "runner-temp"
    temp.mkdir(mode=0o755)
    (home / "github-output").write_text("before=1\n")
    monkeypatch.setenv("RUNNER_TEMP", str(temp))
    monkeypatch.setenv("GITHUB_OUTPUT", str(home / "github-output"))
    return temp


def runner(stdout: str) -> tuple[list[str], str]:
    """As the runner reads a step's output: what it masks, and all that is left."""
    masked, rest = [], []
    for line in stdout.splitlines():
        head, mark, data = line.partition("::add-mask::")
        if mark and not head:
            masked.append(data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%"))
        else:
            rest.append(line)
    return masked, "\n".join(rest)


def log(masked: list[str], text: str) -> str:
    """The text as the job's page shows it."""
    for one in sorted(masked, key=len, reverse=True):
        text = text.replace(one, "***")
    return text


def test_the_outputs_hold_a_path_and_the_path_a_private_file(
    cli: Run, job: Path, home: Path, capsys: Out
) -> None:
    once = FakeOnce(served(ODD, JWT, min_valid_met=False))
    assert cli("token", "--github", once=once) == 0
    out, err = capsys.readouterr()
    masked, rest = runner(out)
    assert rest == "" and "warning" in err
    assert {ODD.value, JWT.value} <= set(masked)
    outputs = (home / "github-output").read_text()
    name, path = outputs.splitlines()[1].split("=", 1)
    assert (name, outputs.splitlines()[0], outputs.count("\n")) == ("session-file", "before=1", 2)
    file = Path(path)
    assert file.parent.parent == job
    assert [stat.S_IMODE(one.stat().st_mode) for one in (file, file.parent)] == [0o600, 0o700]
    assert file.read_text() == f"sid={ODD.value}; jwt={JWT.value}\n"
    for told in (rest, err, outputs):
        assert "canary" not in told and JWT.value not in told


def test_in_whatever_spelling_a_later_step_prints_it_the_log_has_it_not(
    cli: Run, job: Path, capsys: Out
) -> None:
    assert cli("token", "--github", once=FakeOnce(served(ODD, JWT))) == 0
    masked, _ = runner(capsys.readouterr().out)
    for cookie in (ODD, JWT):
        value = cookie.value
        curl = base64.b64encode(f"Cookie: {cookie.name}={value}; x=y".encode()).decode()
        spelled = [
            value,
            f"Cookie: sid={value}",
            json.dumps({"Cookie": value}),
            json.dumps(json.dumps({"Cookie": value})),
            quote(value), quote(value, safe=""), quote_plus(value),
            shlex.quote(value),
            subprocess.check_output(["sh", "-c", 'set -x; : "$0"', value], stderr=2, text=True)
            or value,
            base64.b64encode(value.encode()).decode(),
            value.encode().hex(),
        ]  # fmt: skip
        for text in spelled:
            assert "***" in (shown := log(masked, text)), text
            assert "canary" not in shown and value not in shown
        for lead in ("", "a", "ab"):
            inside = base64.b64encode(f"{lead}{value}; more".encode()).decode()
            assert len(log(masked, inside)) < len(inside) - len(value)
        assert len(log(masked, curl)) < len(curl) - len(value)


def test_the_masks_come_before_anything_can_show_what_they_mask(
    cli: Run, job: Path, home: Path, capsys: Out
) -> None:
    # No file can be made: the masks were told all the same, and nothing else.
    job.chmod(0o777)
    os.remove(home / "github-output")
    os.mkdir(home / "github-output")
    assert cli("token", "--github", once=FakeOnce(served(ODD))) == 78
    masked, rest = runner(capsys.readouterr().out)
    assert masked and rest == ""
    assert not [path for path in job.rglob("*") if path.is_file()], "a path nobody knows"


def test_the_file_is_in_the_format_that_was_asked_for(
    cli: Run, job: Path, home: Path, capsys: Out
) -> None:
    once = FakeOnce(served(min_valid_met=False))
    assert cli("token", "--github", "--format", "netscape", once=once) == 0
    assert capsys.readouterr().err.count("warning") == 1
    path = (home / "github-output").read_text().rpartition("=")[2].strip()
    assert Path(path).read_text().startswith("# Netscape")


def test_what_is_in_the_file_is_what_was_masked_though_the_daemon_renews_it_meanwhile(
    cli: Run, job: Path, home: Path, daemon: FakeDaemon, capsys: Out
) -> None:
    daemon.set("/v1/session", SESSION)
    assert cli("token", "--github", "--format", "cookie") == 0
    assert [one.path for one in daemon.asked] == ["/v1/session"], "a second answer may be another"
    masked, _ = runner(capsys.readouterr().out)
    path = (home / "github-output").read_text().rpartition("=")[2].strip()
    assert Path(path).read_text() == "sid=v1\n" and "v1" in masked


@pytest.mark.parametrize("name", ["RUNNER_TEMP", "GITHUB_OUTPUT"])
def test_outside_of_a_job_it_is_refused_before_anybody_signs_in(
    cli: Run, job: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    once = FakeOnce(served())
    assert cli("token", "--github", once=once) == 2
    assert once.calls == [] and "canary" not in "".join(capsys.readouterr())


def test_a_failure_says_nothing_on_standard_output_but_what_json_wants(
    cli: Run, job: Path, capsys: Out
) -> None:
    assert cli("token", "--github", once=FakeOnce(NeedsHuman("a person", hint="login"))) == 4
    assert capsys.readouterr().out == ""
    assert cli("token", "--github", "--output", "x", once=FakeOnce(served())) == 2


def test_a_short_value_masks_no_single_letters(cli: Run, job: Path, capsys: Out) -> None:
    assert cli("token", "--github", once=FakeOnce(served(replace(JWT, value="abc")))) == 0
    masked, _ = runner(capsys.readouterr().out)
    assert min(map(len, masked)) >= 3 and "abc" in masked
