"""A theft, played with real processes: the daemon, the stand-in, the proxy, every command.

The site ends a session that others of its like outlived by far.  From then on nothing is handed
out, whatever is killed and started again, until a person says ``unlock``.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester.clock import SystemClock
from harvester.lives import Life
from harvester.records import Records
from harvester.vault import keys
from harvester.vault.directory import DirectoryStore
from harvester.vault.seal import Seal
from runs import Home
from standin import StandInProcess
from walker import Walker
from walks import sign_in

AGENTS = "/api/managed-agents/"
FOUR_HOURS = Life(13800.0, 14400.0, 900.0)
HELD = 4
WITH_A_DAEMON = (
    ("token",), ("export",), ("refresh", "--hard"), ("import", "PASTED"), ("exec", "--", "env"),
)  # fmt: skip
ALONE = (("token",), ("export", "--sealed"))
SDK = (
    "from harvester.sdk import Credentials\n"
    "from harvester.errors import HarvesterError\n"
    "try:\n"
    "    print(Credentials().session().headers['Cookie'])\n"
    "except HarvesterError as error:\n"
    "    print(error.code, error.latched)\n"
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with StandInProcess() as world:
        home = Home(tmp_path, world, HARVESTER_PASSWORD=None, HARVESTER_TRIPWIRE="hold")
        home.env["HARVESTER_FILES"] = f"cookie:{tmp_path / 'kept'}"
        # Each is to say why it got nothing; none is to try a browser for it.
        home.env["HARVESTER_BROWSER"] = sys.executable
        yield home


def bring(home: Home) -> str:
    """A session that is signed in at the site; its cookies, as a header."""
    person = Walker()
    sign_in(person, home.world)
    jar = dict(person.jars["knoq.localhost"])
    (home.place / "pasted").write_text(json.dumps(jar))
    ended = home.run("import", str(home.place / "pasted"))
    assert ended.returncode == 0, ended.stderr
    return "; ".join(f"{name}={value}" for name, value in jar.items())


def grown_old(home: Home) -> None:
    """It was made here an hour ago, and two before it lived for four."""
    ring, _ = keys.load(None, home.store, may_create=False)
    records = Records(DirectoryStore(home.store, Seal(ring)), "default", SystemClock())
    with records.lock():
        session = records.session()
        assert session is not None
        records.keep_session(
            replace(
                session, brought=False, renewed_at=session.renewed_at - 3600,
                obtained_at=session.obtained_at - 3600, expires_at=None, expires_kind="unknown",
                confidence=0.0,
            )
        )  # fmt: skip
        records.keep_ledger(records.ledger().with_lives((FOUR_HOURS, FOUR_HOURS)))


def stolen(home: Home) -> None:
    """The thief is found out at the site, or signs us out: either way it refuses us now."""
    home.world.revoke()


class OverUnix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("knoq", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


def asked(home: Home, where: str, path: str) -> tuple[int, Any]:
    connection = OverUnix(home.socket.with_name(where))
    connection.request("GET", path)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told


def refuse_all(home: Home, *, daemon: bool) -> None:
    """Every way by which a session leaves says why it gives none, and gives none."""
    for words in WITH_A_DAEMON if daemon else ALONE:
        pasted = str(home.place / "pasted")
        code, error = home.error(*(pasted if word == "PASTED" else word for word in words))
        assert (code, error["code"], error["latched"]) == (HELD, "needs_human", True), words
        assert "harvester unlock" in error["hint"], words
    ended = subprocess.run(
        [sys.executable, "-P", "-c", SDK], env=home.environ(), capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert ended.stdout.strip() == "needs_human True", ended
    helper = subprocess.run(
        [sys.executable, "-P", "-m", "harvester", "credential-helper", "get"],
        env=home.environ(), capture_output=True, text=True, timeout=60, check=False,
        input=json.dumps({"uri": f"{home.world.site}/x"}),
    )  # fmt: skip
    assert helper.returncode == HELD and "Cookie" not in helper.stdout
    assert not (home.place / "kept").exists(), "kept files were taken back"
    assert home.run("status").returncode == HELD
    if daemon:
        for where, path in (
            ("harvester.sock", "/v1/session"), ("harvester.sock", "/v1/session?format=json"),
            ("proxy.sock", f"{AGENTS}sessions"),
        ):  # fmt: skip
            status, told = asked(home, where, path)
            assert (status, told["code"], told["latched"]) == (409, "needs_human", True), path
        assert asked(home, "harvester.sock", "/readyz")[0] == 503


def test_a_theft_is_held_until_a_person_unlocks(home: Home) -> None:
    bring(home)
    grown_old(home)
    with home.daemon(ready=False) as daemon:
        # The lane remembers this answer, and has to forget it.
        for _ in range(3):
            assert asked(home, "harvester.sock", "/v1/session")[0] == 200
        assert asked(home, "proxy.sock", f"{AGENTS}sessions")[0] == 200
        assert (home.place / "kept").read_text().startswith("stytch_session=")
        stolen(home)
        status, _ = asked(home, "proxy.sock", f"{AGENTS}sessions")
        assert status == 401, "the site's own answer: there is no other session to send"
        raised = daemon.wait_for("alarm.raised")
        assert raised["sign"] == "early_end" and "unlock" in raised["next"]
        refuse_all(home, daemon=True)
        daemon.kill()
    refuse_all(home, daemon=False)
    with home.daemon(ready=False) as daemon:
        assert asked(home, "harvester.sock", "/v1/session")[0] == 409
        assert asked(home, "proxy.sock", f"{AGENTS}sessions")[0] == 409
        shown = home.run("status").stdout
        assert "latched" in shown and "ALARM" in shown and "harvester unlock" in shown
        assert "alarm.raised generation 1" in home.run("history").stdout
        assert 'harvester_held{profile="default"} 1.0' in metrics(home)
        told = json.loads(home.run("--json", "status").stdout)["profiles"][0]["alarm"]
        assert (told["sign"], told["held"], told["helps"]) == (
            "early_end", True, "harvester unlock",
        )  # fmt: skip
        ended = home.run("unlock")
        assert ended.returncode == 0 and "the alarm is over" in ended.stderr
        assert 'harvester_held{profile="default"} 0.0' in metrics(home)
        bring(home)
        assert asked(home, "harvester.sock", "/v1/session")[0] == 200
        assert (home.place / "kept").exists()
        assert daemon.process.poll() is None


def metrics(home: Home) -> str:
    connection = OverUnix(home.socket)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_an_alert_is_told_once_and_serving_goes_on(home: Home) -> None:
    calls = home.place / "calls"
    config = home.place / "config.toml"
    config.write_text(f"on_person_needed = ['sh', '-c', 'echo $HARVESTER_CODE >> {calls}']\n")
    home.env["HARVESTER_TRIPWIRE"] = None
    bring(home)
    grown_old(home)
    with home.daemon(ready=False) as daemon:
        assert asked(home, "harvester.sock", "/v1/session")[0] == 200
        stolen(home)
        asked(home, "proxy.sock", f"{AGENTS}sessions")
        assert "serving goes on" in daemon.wait_for("alarm.raised")["next"]
        daemon.wait_for("person.needed")
        bring(home)
        assert asked(home, "harvester.sock", "/v1/session")[0] == 200
        assert home.run("token").returncode == 0
        told = json.loads(home.run("--json", "status").stdout)["profiles"][0]
        assert told["alarm"]["sign"] == "early_end" and not told["alarm"]["held"]
        assert "goes on" in home.run("status").stdout
    with home.daemon(ready=False) as daemon:
        assert home.run("token").returncode == 0
        events = [one["event"] for one in daemon.events()]
        assert "alarm.raised" not in events and "person.needed" not in events
    # Beside it somebody is told that there is no password to sign in with.
    assert calls.read_text().split().count("needs_human") == 1, "once, whatever came after"
