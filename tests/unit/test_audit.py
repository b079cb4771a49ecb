"""The audit: a line for each hand-out, never a cookie in it, and nobody who waits for the disk."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakehouse import a_session
from harvester import audit as audit_module
from harvester import log
from harvester.audit import Audit, NoAudit, sid
from harvester.errors import StoreFull
from harvester.vault.durable import Disk
from harvester.vault.keys import KeyRing, MasterKey, audit_key, fingerprint
from harvester.vault.trail import Trail
from harvester.visitor import STRANGER, Visitor

KEY = audit_key(KeyRing(MasterKey(bytes(range(32)))))
SOMEBODY = Visitor(1000, 4242)


class Kept:
    """A trail in memory; ``refuses`` and ``hangs`` as a disk does."""

    def __init__(self) -> None:
        self.said = b""
        self.refuses: StoreFull | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.adds = 0

    def add(self, lines: bytes) -> None:
        self.adds += 1
        self.goes_on.wait(30)
        if self.refuses is not None:
            raise self.refuses
        self.said += lines

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said.splitlines()]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        ends_at = time.monotonic() + 10
        while len(self.lines) < count:
            assert time.monotonic() < ends_at, self.lines
            time.sleep(0.005)
        return self.lines


class Hand:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.25

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def audit(kept: Kept, clock: Hand) -> Iterator[Audit]:
    made = Audit(kept, KEY, path="/store/audit.log", now=clock)
    yield made
    kept.goes_on.set()
    made.close()


@pytest.fixture
def heard() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    deaf = log.listen(lambda name, level, fields: found.append((name, dict(fields))))
    yield found
    deaf()


def test_a_line_says_who_what_of_whom_which_and_how_it_ended(audit: Audit, kept: Kept) -> None:
    session = a_session()
    audit.tell("session", "default", SOMEBODY, "harvester-token", session=session)
    audit.tell("session", "work-eu", STRANGER, result="paused")
    given, refused = kept.wait_for(2)
    assert given == {
        "time": "2027-01-15T08:00:00.250Z", "uid": 1000, "pid": 4242, "operation": "session",
        "profile": "default", "generation": 7, "result": "given", "client": "harvester-token",
        "sid": sid(KEY, session),
    }  # fmt: skip
    assert refused == {
        "time": "2027-01-15T08:00:00.250Z", "uid": None, "pid": None, "operation": "session",
        "profile": "work-eu", "generation": None, "result": "paused", "sid": None,
    }  # fmt: skip


def test_no_line_holds_a_cookie_and_sid_is_nobodys_without_the_key(
    audit: Audit, kept: Kept
) -> None:
    session = a_session()
    audit.tell("session", "default", SOMEBODY, session=session)
    kept.wait_for(1)
    assert b"canary" not in kept.said
    mine = sid(KEY, session)
    assert len(mine) == 8 and int(mine, 16) >= 0
    assert mine == sid(KEY, replace(session, generation=8)), "it is the cookie's, whatever else"
    other = replace(session, cookies=(replace(session.cookies[0], value="another"),))
    assert mine != sid(KEY, other)
    assert mine != sid(audit_key(KeyRing(MasterKey(bytes(32)))), session)


def test_the_audits_key_is_none_of_the_others() -> None:
    master = MasterKey(bytes(range(32)))
    ring = KeyRing(master)
    assert audit_key(ring) != master.material
    others = fingerprint(ring), fingerprint(ring, "x")
    assert all(audit_key(ring).hex() not in other for other in others)


def test_a_name_that_would_forge_a_line_does_not(audit: Audit, kept: Kept) -> None:
    audit.tell("session", "default", SOMEBODY, 'x","result":"given"}\n{"uid":0')
    (line,) = kept.wait_for(1)
    assert line["uid"] == 1000 and kept.said.count(b"\n") == 1


def test_telling_does_not_wait_for_a_disk_that_hangs_and_what_is_lost_is_said(
    audit: Audit, kept: Kept, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "WAITING_MOST", 50)
    kept.goes_on.clear()
    audit.tell("session", "default", SOMEBODY)
    while not kept.adds:
        time.sleep(0.005)
    began = time.monotonic()
    for number in range(80):
        clock.at += 1  # nothing to fold
        audit.tell("session", "default", SOMEBODY, f"c{number}")
    assert time.monotonic() - began < 1
    kept.goes_on.set()
    lines = kept.wait_for(52)
    assert lines[-1]["operation"] == "audit"
    assert (lines[-1]["result"], lines[-1]["times"]) == ("lost", 30)
    assert audit.shown() == {"path": "/store/audit.log", "lost": 30, "trouble": None}


def test_a_full_disk_is_said_once_and_again_when_there_is_room(
    audit: Audit, kept: Kept, heard: list[tuple[str, dict[str, Any]]], clock: Hand
) -> None:
    kept.refuses = StoreFull("the disk refused it", hint="df")
    for _ in range(3):
        adds = kept.adds
        audit.tell("session", "default", SOMEBODY)
        while kept.adds == adds:
            time.sleep(0.005)
    time.sleep(0.05)
    told = [fields for name, fields in heard if name == "audit.not_kept"]
    assert len(told) == 1 and told[0]["code"] == "store_full"
    shown = audit.shown()
    assert shown is not None and (shown["lost"], shown["trouble"]) == (3, "the disk refused it")
    kept.refuses = None
    audit.tell("session", "default", SOMEBODY)
    kept.wait_for(2)
    assert [line.get("times") for line in kept.lines] == [None, 3]
    time.sleep(0.05)
    assert [fields["lost"] for name, fields in heard if name == "audit.kept_again"] == [3]
    assert (audit.shown() or {})["trouble"] is None


def test_a_flood_becomes_a_line_for_each_caller_and_loses_no_count(
    audit: Audit, kept: Kept, clock: Hand
) -> None:
    session = a_session()
    loud, other = Visitor(1000, 1), Visitor(1000, 2)
    for _ in range(5000):
        audit.tell("session", "default", loud, session=session)
    for _ in range(7):
        audit.tell("session", "default", other, session=session)
    clock.at += 0.5
    audit.tell("session", "default", loud, session=session)
    clock.at += 1
    audit.tell("session", "work-eu", other)
    lines = kept.wait_for(audit_module.LINES_A_SECOND + 3)
    counted = {
        pid: sum(one.get("times", 1) for one in lines if one["pid"] == pid) for pid in (1, 2)
    }
    assert counted == {1: 5001, 2: 8}
    (folded,) = [one for one in lines if one["pid"] == 1 and "times" in one]
    assert (folded["time"][-5:], folded["until"][-5:]) == (".250Z", ".750Z")
    assert len(lines) == audit_module.LINES_A_SECOND + 3


def test_what_was_folded_is_written_though_nobody_asks_again(
    audit: Audit, kept: Kept, clock: Hand
) -> None:
    for _ in range(audit_module.LINES_A_SECOND + 1):
        audit.tell("session", "default", SOMEBODY)
    kept.wait_for(audit_module.LINES_A_SECOND)
    clock.at += 2
    kept.wait_for(audit_module.LINES_A_SECOND + 1)


def test_at_the_end_everything_is_written(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.mkdir(0o700)
    one = Audit(Trail(Disk(private_dirs=True), place), KEY)
    for _ in range(1000):
        one.tell("session", "default", SOMEBODY)
    one.close()
    lines = [json.loads(line) for line in (place / "audit.log").read_bytes().splitlines()]
    assert sum(line.get("times", 1) for line in lines) == 1000
    one.close()


def test_where_it_is_switched_off_nothing_is_kept() -> None:
    off = NoAudit()
    off.tell("session", "default", SOMEBODY)
    off.close()
    assert off.shown() is None
