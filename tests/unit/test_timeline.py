"""The timeline: what is kept of all that happens, and that keeping it costs nobody anything."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine import FakeClock
from harvester import errors
from harvester.log import event
from harvester.timeline import Timeline
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.journal import LINE_BYTES, NAME


class Lines:
    """A journal in memory, of one profile, whose disk does what it is told."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.fails: errors.StoreError | None = None
        self.gate = threading.Event()
        self.gate.set()

    def journal(self, profile: str) -> Lines:
        return self

    def add(self, line: bytes) -> None:
        self.gate.wait(10)
        if self.fails is not None:
            raise self.fails
        assert len(line) <= LINE_BYTES
        self.kept.append(line)

    def lines(self) -> Sequence[bytes]:
        return self.kept


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def timeline(lines: Lines) -> Iterator[Timeline]:
    made = Timeline(lines, FakeClock())
    made.follow("default")
    made.listen()
    yield made
    lines.gate.set()
    made.close()


def names(timeline: Timeline, limit: int = 100) -> list[str]:
    return [one["event"] for one in timeline.entries("default", limit)]


def test_an_event_of_the_profile_is_kept_with_its_why_and_what_comes_next(
    timeline: Timeline,
) -> None:
    event("session.refused", profile="default", why="two probes", next="sign in", generation=3)
    event("session.refused", profile="other", why="not followed")
    event("socket.error", why="of no profile")
    (entry,) = timeline.entries("default")
    assert entry == {
        "at": "2027-01-15T08:00:00Z", "level": "info", "event": "session.refused",
        "why": "two probes", "next": "sign in", "next_at": None, "generation": 3,
    }  # fmt: skip


def test_what_happens_to_the_process_happens_to_each_profile(timeline: Timeline) -> None:
    event("daemon.started", socket="/s", profiles=1)
    assert names(timeline) == ["daemon.started"]


def test_leases_are_told_of_and_each_of_their_uses_is_not(timeline: Timeline) -> None:
    for name in ("lease.made", "lease.used", "lease.refused", "lease.revoked"):
        event(name, profile="default", lease="abcdefgh")
    assert names(timeline) == ["lease.made", "lease.revoked"]


def test_the_newest_are_last_and_no_more_than_were_asked_for(timeline: Timeline) -> None:
    for number in range(10):
        event(f"number.{number}", profile="default")
    assert names(timeline, 3) == ["number.7", "number.8", "number.9"]


def test_what_comes_every_minute_is_kept_when_its_news_changes(timeline: Timeline) -> None:
    for verdict in ("alive", "alive", "unreachable", "unreachable", "alive"):
        event("probe", profile="default", verdict=verdict)
        event("sign_in.step", profile="default", state="ask_password")
    assert names(timeline) == ["probe", "probe", "probe"]


def test_the_same_failure_is_kept_again_only_after_something_was_tried(timeline: Timeline) -> None:
    for _ in range(3):
        event("refresh.failed", profile="default", why="latched")
    event("climb.rung", profile="default", rung="silent")
    event("refresh.failed", profile="default", why="latched")
    assert names(timeline) == ["refresh.failed", "climb.rung", "refresh.failed"]


def test_nothing_in_a_line_can_move_a_cursor_or_forge_another_line(
    timeline: Timeline, lines: Lines
) -> None:
    event("page.said", profile="default", why="\x1b[31mred\n{}\u202e", more=["a\nb"])
    (entry,) = timeline.entries("default")
    assert entry["why"] == "red {}" and entry["more"] == ["a b"]
    assert b"\n" not in lines.kept[0]


def test_an_endless_event_keeps_what_matters(timeline: Timeline) -> None:
    event("cookies.found", profile="default", why="w" * 9000, needed=["n" * 400] * 40)
    (entry,) = timeline.entries("default")
    assert entry["event"] == "cookies.found" and entry["why"].startswith("www")
    assert "needed" not in entry


def test_a_disk_that_refuses_is_told_once_and_stops_nothing(
    timeline: Timeline, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    lines.fails = errors.StoreFull("the disk is full")
    with caplog.at_level(logging.WARNING, "harvester"):
        for number in range(5):
            event(f"number.{number}", profile="default")
        assert names(timeline) == []
    assert [one.getMessage() for one in caplog.records] == ["journal.not_kept"]
    lines.fails = None
    event("number.last", profile="default")
    assert names(timeline) == ["number.last"]


def test_a_disk_that_hangs_holds_nobody_up(timeline: Timeline, lines: Lines) -> None:
    lines.gate.clear()
    for number in range(3000):
        event(f"number.{number}", profile="default")
    lines.gate.set()
    assert 1000 <= len(timeline.entries("default", 3000)) <= 1002, "it also ends growing"


def test_what_is_no_line_of_ours_is_left_out(timeline: Timeline, lines: Lines) -> None:
    good = json.dumps({"at": 1.0, "event": "ours", "level": "info"}).encode()
    lines.kept += [
        b"half {", b"[]", b"3", b"{}", b'{"at": "x", "event": "e", "level": "info"}',
        b'{"at": 1e999, "event": "e", "level": "info"}', b'{"at": 1, "event": 3, "level": "info"}',
        b"\xff\xfe", good,
    ]  # fmt: skip
    assert names(timeline) == ["ours"]


def test_it_lies_in_the_profiles_directory_and_after_the_end_nothing_is_added(
    tmp_path: Path,
) -> None:
    prepare(tmp_path / "store")
    store = DirectoryStore(tmp_path / "store")
    timeline = Timeline(store, FakeClock())
    timeline.follow("default")
    timeline.listen()
    event("session.new", profile="default", why="x")
    timeline.close()
    event("session.late", profile="default", why="x")
    path = tmp_path / "store" / "profiles" / "default" / NAME
    assert b"session.new" in path.read_bytes() and b"session.late" not in path.read_bytes()
    assert not store.has_records(), "what happened is no record: a key may still be made"
    assert [one["event"] for one in Timeline(store, FakeClock()).entries("default")] == [
        "session.new"
    ]
