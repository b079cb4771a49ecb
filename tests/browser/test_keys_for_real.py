"""The sealing key is changed beside a daemon that signs in, serves and stores."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from harvester.vault.seal import label_of
from runs import Home
from standin import StandInProcess


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess) -> Home:
    return Home(tmp_path, standin)


def sealed_with(home: Home) -> set[str]:
    return {
        label_of(path.read_bytes(), path.name).kid
        for path in (home.store / "profiles").glob("*/*")
        if path.name.startswith(("session", "ledger", "identity-state"))
    }


def test_a_change_of_the_key_beside_a_daemon_costs_nothing_and_nobody(home: Home) -> None:
    with home.daemon() as daemon:
        first = json.loads(daemon.client.session())
        (old,) = sealed_with(home)
        told = daemon.client.status()["key"]
        assert (told["kid"], told["where"]) == (old, str(home.store / "key"))
        rotated = home.run("--json", "key", "rotate")
        assert rotated.returncode == 0, rotated.stderr
        new = json.loads(rotated.stdout)["kid"]
        assert sealed_with(home) == {new} != {old}
        assert home.run("key", "retire", old).returncode == 0
        # A sign-in that the provider's memory is enough for: sealed under the old key, by then
        # under the new one.
        assert home.run("refresh", "--hard").returncode == 0
        second = json.loads(daemon.client.session())
        assert second["generation"] > first["generation"]
        assert home.ask_site(second["headers"]["Cookie"]) == 200
        assert daemon.client.status()["key"]["kid"] == new
        assert sealed_with(home) == {new}
    with home.daemon() as daemon:
        assert json.loads(daemon.client.session())["generation"] == second["generation"]
        listed = json.loads(home.run("--json", "key", "list").stdout)
        assert [(one["kid"], one["state"]) for one in listed] == [(new, "primary")]
    assert home.world.state()["password_submits"] == 1
    material = (home.store / "key").read_text().strip()
    assert [one.partition(":")[0] for one in home.in_clear(material)] == [str(home.store / "key")]


def test_a_passphrase_is_changed_while_no_daemon_runs_that_lacks_it(home: Home) -> None:
    old = home.place / "old"
    old.touch(mode=0o600)
    old.write_text("of before, hunter2\n")
    home.env["HARVESTER_PASSPHRASE"] = "of before, hunter2"
    change = ("key", "rotate", "--old-passphrase", str(old))
    with home.daemon() as daemon:
        session = json.loads(daemon.client.session())
        before = sealed_with(home)
        assert daemon.client.status()["key"]["where"].startswith("passphrase from environment")
        code, error = home.error("key", "list", HARVESTER_PASSPHRASE="another, hunter3")
        assert (code, error["code"]) == (78, "key_wrong") and "hunter" not in error["message"]
        code, error = home.error(*change)
        assert code == 2 and "daemon runs" in error["message"]
        assert sealed_with(home) == before
        assert json.loads(daemon.client.session())["headers"] == session["headers"]
    rotated = home.run("--json", *change)
    assert rotated.returncode == 0, rotated.stderr
    assert sealed_with(home) == {json.loads(rotated.stdout)["kid"]} != before
    with home.daemon() as daemon:
        assert json.loads(daemon.client.session())["headers"] == session["headers"]
    assert home.world.state()["password_submits"] == 1
    words = ["hunter2", "hunter3", base64.b64encode(b"hunter2").decode()]
    assert {one.partition(":")[0] for one in home.in_clear(*words)} == {str(old)}
