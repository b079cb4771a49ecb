"""What `status` and `doctor` say of a store with something wrong: the code, and what helps."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from engine import KEY, Engine, FakeClock, World
from fakedaemon import FakeDaemon
from fakeonce import Run
from faultydisk import disk_of
from harvester.cli import checks
from harvester.cli.checks import Finding
from harvester.vault.inspection import Inspection
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import Purpose, Seal
from storekit import OTHER_SEAL, at, damage, too_new

Out = pytest.CaptureFixture[str]
OURS = Seal(KeyRing(MasterKey(KEY)))


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: object) -> list[Finding]:
        return []

    monkeypatch.setattr(checks, "site", nothing)


@pytest.fixture
def root(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in which one session followed another; ``first`` beside it holds the first one."""
    root = home / "st"
    world = World(FakeClock(), life_s=None)

    async def live() -> None:
        engine = Engine(root, world, disk=disk_of())
        await engine.keeper.start()
        await engine.keeper.get()
        for purpose in ("session", "ledger"):
            (home / f"first-{purpose}").write_bytes(at(root, purpose).read_bytes())
        world.clock.sleep(400.0)
        await engine.keeper.refresh(hard=True)
        await engine.keeper.close()

    asyncio.run(live())
    (root / "key").write_bytes(base64.b64encode(KEY))
    (root / "key").chmod(0o600)
    monkeypatch.setenv("HARVESTER_STORE", str(root))
    return root


def halved(root: Path, purpose: Purpose) -> None:
    damage(at(root, purpose))


def all_halved(root: Path, purpose: Purpose) -> None:
    for name in (purpose, f"{purpose}.previous"):
        damage(at(root, name))


def another_key(root: Path, purpose: Purpose) -> None:
    at(root, purpose).write_bytes(
        OTHER_SEAL.seal(b"{}", profile="default", purpose=purpose, generation=9, now_s=1.0)
    )


def changed(root: Path, purpose: Purpose) -> None:
    record = OURS.seal(b"{}", profile="work", purpose=purpose, generation=9, now_s=1.0)
    body = record[: record.rindex(b"sha256:")].replace(b'"work"', b'"default"')
    at(root, purpose).write_bytes(body + b"sha256:" + sha256(body).hexdigest().encode() + b"\n")


def of_another_profile(root: Path, purpose: Purpose) -> None:
    at(root, purpose).write_bytes(
        OURS.seal(b"{}", profile="work", purpose=purpose, generation=9, now_s=1.0)
    )


def of_a_later_release(root: Path, purpose: Purpose) -> None:
    at(root, purpose).write_bytes(too_new())


def put_back(root: Path, purpose: Purpose) -> None:
    at(root, purpose).write_bytes((root.parent / f"first-{purpose}").read_bytes())


def opened_to_others(root: Path, purpose: Purpose) -> None:
    at(root, purpose).chmod(0o644)


def linked(root: Path, purpose: Purpose) -> None:
    path = at(root, purpose)
    path.rename(root.parent / "elsewhere")
    path.symlink_to(root.parent / "elsewhere")


def piped(root: Path, purpose: Purpose) -> None:
    at(root, purpose).unlink()
    os.mkfifo(at(root, purpose), 0o600)


# What is wrong; the code; what helps with a session, in status and in doctor; with a ledger.
Wrong = Callable[[Path, Purpose], None]
TABLE: tuple[tuple[Wrong, str, str, str, str], ...] = (
    (halved, "store_corrupt", "harvester doctor", "refresh --hard", "unlock"),
    (another_key, "key_wrong", "HARVESTER_KEY", "HARVESTER_KEY", "HARVESTER_KEY"),
    (changed, "store_tampered", "mv ", "mv ", "unlock"),
    (of_another_profile, "store_swapped", "mv ", "mv ", "unlock"),
    (of_a_later_release, "store_too_new", "upgrade", "upgrade", "upgrade"),
    (put_back, "store_rolled_back", "refresh --hard", "refresh --hard", "unlock"),
    (opened_to_others, "store_unsafe", "chmod 600", "chmod 600", "chmod 600"),
    (linked, "store_unsafe", "ls -ld", "ls -ld", "ls -ld"),
    (piped, "store_unsafe", "ls -ld", "ls -ld", "ls -ld"),
)
ROWS = pytest.mark.parametrize(
    ("wrong", "code", "by_status", "by_doctor", "of_ledger"),
    TABLE,
    ids=[row[0].__name__ for row in TABLE],
)


def everything(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        seen = path.lstat()
        found[str(path)] = (seen.st_ino, seen.st_mode, seen.st_size, seen.st_mtime_ns)
    return found


def records(capsys: Out) -> list[dict[str, Any]]:
    told = json.loads(capsys.readouterr().out)["checks"]
    return [one for one in told if one["check"] == "records"]


@ROWS
def test_status_tells_what_is_wrong_with_a_session_and_what_helps(
    cli: Run, root: Path, capsys: Out,
    wrong: Wrong, code: str, by_status: str, by_doctor: str, of_ledger: str,
) -> None:  # fmt: skip
    wrong(root, "session")
    ended = cli("status", "--json")
    told = json.loads(capsys.readouterr().out)
    if code == "key_wrong":  # then nothing at all of the store is known
        assert (ended, told["error"]["code"]) == (78, code)
        assert by_status in told["error"]["hint"]
        return
    (profile,) = told["profiles"]
    assert profile["trouble"]["code"] == code
    assert profile["trouble"]["class"] == "store_fault"
    assert by_status in profile["trouble"]["helps"]
    warned = code in ("store_rolled_back", "store_corrupt")
    assert (ended, profile["generation"]) == ((0, 1) if warned else (4, None))
    cli("status")
    shown = capsys.readouterr().out
    assert "what helps" in shown and by_status in shown


@ROWS
@pytest.mark.parametrize("purpose", ["session", "ledger"])
def test_doctor_tells_it_too_and_touches_nothing(
    cli: Run, root: Path, capsys: Out, purpose: Purpose,
    wrong: Wrong, code: str, by_status: str, by_doctor: str, of_ledger: str,
) -> None:  # fmt: skip
    wrong(root, purpose)
    before = everything(root)
    ended = cli("doctor", "--json")
    (finding,) = records(capsys)
    assert finding["message"].startswith(f"{code}: ")
    assert (by_doctor if purpose == "session" else of_ledger) in finding["mend"]
    if code == "store_rolled_back":
        assert finding["state"] == "warn"
    else:
        assert (finding["state"], ended) == ("fail", 1)
    assert everything(root) == before


def test_a_session_that_is_lost_with_the_one_before_it_is_told(
    cli: Run, root: Path, capsys: Out
) -> None:
    all_halved(root, "session")
    cli("doctor", "--json")
    assert [one["state"] for one in records(capsys)] == ["fail", "warn"]
    assert cli("status", "--json") == 4
    told = json.loads(capsys.readouterr().out)["profiles"][0]
    assert (told["last_event"]["event"], told["generation"]) == ("store.set_aside", None)
    # What reading set aside is told from then on, and nobody is told to remove it.
    assert cli("doctor", "--json") == 0
    (finding,) = records(capsys)
    assert "session.bad-" in finding["message"]
    assert "rm" not in finding["mend"].split()


def test_a_store_in_order_is_told_and_left_as_it_is(cli: Run, root: Path, capsys: Out) -> None:
    before = everything(root)
    cli("doctor", "--json")
    (finding,) = records(capsys)
    assert finding["state"] == "ok"
    assert everything(root) == before


def test_a_key_that_a_command_gives_is_not_asked_for(
    cli: Run, root: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    halved(root, "session")
    monkeypatch.setenv("HARVESTER_KEY_COMMAND", f"touch {root.parent / 'ran'}")
    cli("doctor", "--json")
    (finding,) = records(capsys)
    assert (finding["state"], "not run" in finding["message"]) == ("ok", True)
    assert not (root.parent / "ran").exists()


def test_locks_and_the_journal_are_looked_at_too(root: Path) -> None:
    other = root.parent / "other"
    other.write_bytes(b"")
    other.chmod(0o600)
    lock, journal, seen = root / "locks/profile.default.lock", at(root, "journal"), at(root, "seen")
    for path in (lock, journal):
        path.unlink(missing_ok=True)
        os.link(other, path)
    seen.chmod(0o604)
    found = {fault.path: fault for fault in Inspection(root, OURS).faults()}
    assert set(found) == {lock, journal, seen}
    assert {fault.error.code for fault in found.values()} == {"store_unsafe"}
    assert [found[path].grave for path in (lock, journal, seen)] == [True, False, True]


def test_a_kept_file_that_cannot_be_written_is_shown_with_what_helps(
    cli: Run, daemon: FakeDaemon, capsys: Out
) -> None:
    why = "/srv/cookie is open to others (mode 0644); run: chmod 600 /srv/cookie"
    daemon.set("/v1/status", {"pid": 1, "profiles": [], "file_troubles": {"/srv/cookie": why}})
    cli("status")
    assert f"kept file /srv/cookie is not written: {why}" in capsys.readouterr().out
