"""CI jobs: each a home of its own, with nothing but the environment and what a cache carries."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import browsers
from runs import Home
from standin import ROOT, StandInProcess
from walker import Walker
from walks import sign_in

KEY = base64.b64encode(bytes(range(32))).decode()


def job(place: Path, world: StandInProcess, **env: str | None) -> Home:
    """A fresh machine: the secrets come by environment, nothing is stored, nobody watches."""
    place.mkdir()
    temp, outputs = place / "runner", place / "outputs"
    temp.mkdir()
    told = {"CI": "true", "RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(outputs)}
    return Home(place, world, **{"HARVESTER_KEY": KEY, **told, **env})


def script(step: str) -> str:
    """What a step of our composite action runs."""
    lines = (ROOT / "action.yml").read_text().partition(f"- name: {step}\n")[2].splitlines()
    body = lines[lines.index("      run: |") + 1 :]
    end = next((at for at, line in enumerate(body) if line.strip() and line[:8].strip()), None)
    return "\n".join(line[8:] for line in body[:end])


def take(home: Home, step: str) -> subprocess.CompletedProcess[str]:
    """The step as the runner runs it.  Installing is the one that needs a network."""
    venv = home.place / "runner" / "harvester-venv"
    if not venv.exists():
        venv.symlink_to(Path(sys.executable).parents[1])
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(step)],
        env={**home.environ(), "FORMAT": "cookie", "MIN_VALID": "0s"},
        capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip


def outputs(home: Home) -> dict[str, str]:
    lines = (home.place / "outputs").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def given(home: Home) -> str:
    """The Cookie header that the later steps of a job find."""
    return Path(outputs(home)["session-file"]).read_text().strip()


def test_the_first_job_signs_in_and_its_bundle_saves_the_others_from_it(
    tmp_path: Path, standin: StandInProcess
) -> None:
    # What a job did not set comes as an empty variable.
    first = job(tmp_path / "1", standin, HARVESTER_TOTP_SECRET="", HARVESTER_ORGANIZATION="")
    ended = take(first, "Session")
    assert ended.returncode == 0, ended.stderr
    cookie = given(first)
    assert first.ask_site(cookie) == 200
    assert cookie.partition("=")[2] not in ended.stderr + (first.place / "outputs").read_text()
    assert take(first, "Seal the state").returncode == 0
    assert outputs(first)["sealed"] == "yes"
    bundle = first.place / "runner" / "harvester-bundle"
    assert bundle.read_bytes().startswith(b"harvester-sealed 1\n")
    assert cookie.partition("=")[2] not in bundle.read_text()

    second = job(tmp_path / "2", standin)
    shutil.copy(bundle, second.place / "runner")
    ended = take(second, "Session")
    assert ended.returncode == 0, ended.stderr
    assert "which the site accepts" in ended.stderr
    assert given(second) == cookie
    assert standin.state()["sign_ins"] == 1

    # The session has ended between two jobs: the provider still remembers, and no secret is sent.
    standin.revoke()
    third = job(tmp_path / "3", standin, HARVESTER_PASSWORD=None)
    taken = third.run("--json", "import", "--sealed", str(bundle))
    assert json.loads(taken.stdout) == {
        "session": "denied", "generation": 1, "identity_state": True,
    }  # fmt: skip
    ended = third.run("token")
    assert ended.returncode == 0, ended.stderr
    assert third.ask_site(ended.stdout.strip()) == 200
    state = standin.state()
    assert (state["password_submits"], state["silent_sign_ins"]) == (1, 1)


def test_a_bundle_that_does_not_open_stops_the_job_and_is_not_replaced(
    tmp_path: Path, standin: StandInProcess, carried: tuple[Home, Path]
) -> None:
    other = base64.b64encode(bytes(32)).decode()
    there = job(tmp_path / "to", standin, HARVESTER_KEY=other)
    bundle = there.place / "runner" / "harvester-bundle"
    shutil.copy(carried[1], bundle)
    ended = take(there, "Session")
    assert ended.returncode == 78 and "was sealed with key" in ended.stderr
    assert take(there, "Seal the state").returncode == 0
    assert not (there.place / "outputs").exists(), "nothing is said to be worth saving"
    assert standin.state()["password_submits"] == 1, "the person's own, in a browser"


def test_with_an_empty_store_a_wrong_password_is_sent_once_and_its_bundle_says_so_to_the_next_job(
    tmp_path: Path, standin: StandInProcess
) -> None:
    first = job(tmp_path / "1", standin, HARVESTER_PASSWORD="wrong-password-1")
    code, error = first.error("token", "--github")
    assert (code, error["code"]) == (77, "credentials_rejected")
    # Neither the same one nor another is tried: what other jobs send at this moment is not known.
    for password in ("wrong-password-1", standin.password):
        code, error = first.error("token", HARVESTER_PASSWORD=password)
        assert (code, error["latched"]) == (77, True)
    assert standin.state()["password_submits"] == 1
    bundle = str(tmp_path / "bundle")
    assert first.run("export", "--sealed", "--output", bundle).returncode == 0
    second = job(tmp_path / "2", standin, HARVESTER_PASSWORD="wrong-password-1")
    taken = second.run("--json", "import", "--sealed", bundle)
    assert json.loads(taken.stdout)["session"] == "none"
    assert second.error("token")[0] == 77
    assert standin.state()["password_submits"] == 1
    assert second.run("unlock").returncode == 0
    ended = second.run("token", HARVESTER_PASSWORD=standin.password)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def carried(tmp_path: Path, standin: StandInProcess) -> tuple[Home, Path]:
    """A home with a session that a person brought, and its bundle; no browser is needed."""
    home = job(tmp_path / "from", standin, HARVESTER_PASSWORD=None)
    person = Walker()
    sign_in(person, standin)
    (home.place / "pasted").write_text(browsers.header(person.jars["knoq.localhost"].items()))
    assert home.run("import", str(home.place / "pasted")).returncode == 0
    bundle = tmp_path / "bundle"
    assert home.run("export", "--sealed", "--output", str(bundle)).returncode == 0
    return home, bundle


def test_without_the_key_a_bundle_is_worth_nothing_and_no_key_is_made_for_it(
    tmp_path: Path, standin: StandInProcess, carried: tuple[Home, Path]
) -> None:
    there = job(tmp_path / "to", standin, HARVESTER_KEY=None)
    code, error = there.error("import", "--sealed", str(carried[1]))
    assert (code, error["code"]) == (78, "key_wrong")
    assert not there.store.exists()
    (tmp_path / "text").write_text("x" * (1 << 20) + "x")
    code, error = there.error("import", "--sealed", str(tmp_path / "text"), HARVESTER_KEY=KEY)
    assert (code, error["code"]) == (74, "store_corrupt")


def test_an_empty_store_has_nothing_to_carry(tmp_path: Path, standin: StandInProcess) -> None:
    home = job(tmp_path / "1", standin)
    code, error = home.error("export", "--sealed")
    assert (code, error["code"]) == (4, "not_configured")
    assert not home.store.exists()
