"""The pause: it outlives processes, and a file that cannot be read is one."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from engine import FakeClock
from harvester.errors import Paused, StoreFull, StoreUnsafe, Usage
from harvester.pause import NoPause, Pause
from harvester.vault.calls import Calls
from harvester.vault.durable import Disk


class Broken(Calls):
    """A disk on which nothing can be changed while it is ``broken``."""

    broken = False

    def write(self, fd: int, data: bytes) -> int:
        self._refuse()
        return super().write(fd, data)

    def unlink(self, name: str, dir_fd: int) -> None:
        self._refuse()
        super().unlink(name, dir_fd)

    def _refuse(self) -> None:
        if self.broken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "store"
    found.mkdir(0o700)
    return found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_nothing_is_paused_where_nothing_is_kept(tmp_path: Path, clock: FakeClock) -> None:
    for pause in (NoPause(), Pause(tmp_path / "none", clock)):
        assert pause.since("default") is None and pause.refusal("default") is None
        assert pause.shown() == {"all_since": None, "profiles": {}}
        assert not pause.follow()
    assert not (tmp_path / "none").exists()


def test_a_pause_of_all_is_everybodys_and_outlives_the_process(
    place: Path, clock: FakeClock
) -> None:
    assert Pause(place, clock).set(None)
    clock.wall += 60
    later = Pause(place, clock)
    assert later.since("default") == later.since("not-there-yet") == clock.wall - 60
    refusal = later.refusal("default")
    assert isinstance(refusal, Paused) and "harvester resume" in refusal.hint
    assert not later.set(None), "it was so already, and since then"
    assert later.since("default") == clock.wall - 60
    assert stat.S_IMODE((place / "paused").stat().st_mode) == 0o600
    assert later.lift(None)
    assert not (place / "paused").exists()
    assert Pause(place, clock).refusal("default") is None
    assert not later.lift(None)


def test_a_profiles_own_pause_is_its_own(place: Path, clock: FakeClock) -> None:
    pause = Pause(place, clock)
    pause.set("work-eu")
    assert pause.refusal("default") is None
    refusal = pause.refusal("work-eu")
    assert refusal is not None and "--profile work-eu" in refusal.hint
    pause.set(None)
    with pytest.raises(Usage, match="everything is paused"):
        pause.lift("work-eu")
    assert pause.refusal("default") is not None
    assert pause.lift(None)
    assert pause.refusal("work-eu") is None, "everything is everything"


def test_one_process_follows_another(place: Path, clock: FakeClock) -> None:
    ours, theirs = Pause(place, clock), Pause(place, clock)
    theirs.set("default")
    assert ours.follow() and ours.refusal("default") is not None
    assert not ours.follow()
    theirs.lift(None)
    assert ours.follow() and ours.refusal("default") is None


def test_what_another_process_paused_is_not_written_over(place: Path, clock: FakeClock) -> None:
    ours, theirs = Pause(place, clock), Pause(place, clock)
    theirs.set("work")
    ours.set("default")
    assert ours.refusal("work") is not None
    for one in (theirs, Pause(place, clock)):
        one.follow()
        assert one.refusal("default") is not None and one.refusal("work") is not None
    theirs.lift("work")
    ours.set("other")
    assert Pause(place, clock).refusal("work") is None, "nor is what it resumed"
    theirs.set(None)
    with pytest.raises(Usage):
        ours.lift("default")
    assert Pause(place, clock).refusal("default") is not None


@pytest.mark.parametrize(
    "said",
    [
        b"", b"{}", b"no", b"[]", b'{"version":2,"all":1,"profiles":{}}', b"\xff",
        b'{"version":1,"all":true,"profiles":{}}', b'{"version":1,"all":1,"profiles":[]}',
        b'{"version":1,"all":null,"profiles":{}}', b'{"version":1,"all":null,"profiles":{"A":1}}',
        b'{"version":1,"all":null,"profiles":{"a":"x"}}', b"[" * 70000,
    ],
)  # fmt: skip
def test_a_file_that_says_nothing_means_paused_until_a_person_resumes(
    place: Path, clock: FakeClock, said: bytes
) -> None:
    (place / "paused").write_bytes(said)
    (place / "paused").chmod(0o600)
    pause = Pause(place, clock)
    refusal = pause.refusal("default")
    assert refusal is not None and "cannot be read" in refusal.message
    pause.follow()
    assert pause.refusal("default") is not None
    assert pause.lift(None)
    assert pause.refusal("default") is None and Pause(place, clock).refusal("default") is None


@pytest.mark.parametrize("what", ["link", "open", "directory"])
def test_what_somebody_put_in_its_place_means_paused(
    place: Path, clock: FakeClock, what: str
) -> None:
    path, other = place / "paused", place.parent / "other"
    other.write_text('{"version":1,"all":null,"profiles":{"x":1}}')
    match what:
        case "link":
            path.symlink_to(other)
        case "open":
            path.write_text(other.read_text())
            path.chmod(0o644)
        case _:
            path.mkdir()
    pause = Pause(place, clock)
    assert pause.refusal("default") is not None
    if what == "directory":
        with pytest.raises(StoreUnsafe):
            pause.lift(None)
        assert pause.refusal("default") is not None
    else:
        pause.lift(None)
        assert not os.path.lexists(path) and other.exists()


def test_a_full_disk_stops_no_pause_and_it_is_written_when_there_is_room(
    place: Path, clock: FakeClock
) -> None:
    calls = Broken()
    pause = Pause(place, clock, disk=Disk(calls, private_dirs=True))
    calls.broken = True
    with pytest.raises(StoreFull, match="disk") as full:
        pause.set(None)
    assert "until this process ends it holds" in full.value.hint
    assert pause.refusal("default") is not None
    pause.follow()
    assert pause.refusal("default") is not None
    calls.broken = False
    pause.follow()
    assert json.loads((place / "paused").read_text())["all"] == clock.wall
    assert Pause(place, clock).refusal("default") is not None


def test_what_stands_in_the_way_stops_no_pause_and_it_is_said_that_it_holds(
    place: Path, clock: FakeClock
) -> None:
    pause = Pause(place, clock)
    (place / "paused").mkdir()
    with pytest.raises(StoreUnsafe) as refused:
        pause.set(None)
    assert "until this process ends it holds" in refused.value.hint
    assert pause.refusal("default") is not None


def test_a_resume_that_cannot_be_kept_is_none(place: Path, clock: FakeClock) -> None:
    calls = Broken()
    pause = Pause(place, clock, disk=Disk(calls, private_dirs=True))
    pause.set("work-eu")
    calls.broken = True
    for what in ("work-eu", None):
        with pytest.raises(StoreFull):
            pause.lift(what)
        assert pause.refusal("work-eu") is not None
