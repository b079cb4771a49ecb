"""The audit's file: whole lines, turned over, and never through somebody else's file."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from harvester.errors import StoreFull, StoreUnsafe
from harvester.vault.calls import Calls
from harvester.vault.durable import Disk
from harvester.vault.trail import Trail


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "store"
    found.mkdir(0o700)
    return found


def trail(place: Path, calls: Calls | None = None, **limits: int) -> Trail:
    return Trail(Disk(calls, private_dirs=True), place, **limits)


def test_it_is_private_from_birth_and_grows(place: Path) -> None:
    one = trail(place)
    before = os.umask(0)
    try:
        one.add(b"a\n")
    finally:
        os.umask(before)
    one.add(b"b\nc\n")
    assert one.path.read_bytes() == b"a\nb\nc\n"
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o600


def test_a_full_file_is_turned_over_and_the_oldest_goes(place: Path) -> None:
    one = trail(place, most_bytes=4, older=2)
    for line in (b"1\n", b"2\n", b"3\n", b"4\n", b"5\n", b"6\n", b"7\n", b"8\n", b"9\n"):
        one.add(line)
    kept = {path.name: path.read_bytes() for path in place.iterdir()}
    assert kept == {
        "audit.log": b"9\n", "audit.log.1": b"7\n8\n", "audit.log.2": b"5\n6\n",
    }  # fmt: skip


def test_a_line_that_somebody_died_in_stays_a_line_of_its_own(place: Path) -> None:
    one = trail(place)
    one.add(b"a\n")
    with one.path.open("ab") as cut:
        cut.write(b'{"half')
    one.add(b"b\n")
    assert one.path.read_bytes() == b'a\n{"half\nb\n'


def test_several_at_once_lose_no_line_while_it_is_turned_over(place: Path) -> None:
    def write(name: str) -> None:
        mine = trail(place, most_bytes=600, older=200)
        for number in range(100):
            mine.add(f"{name}-{number}\n".encode())

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [line for path in place.iterdir() for line in path.read_text().split()]
    assert sorted(found) == sorted(f"{name}-{number}" for name in "abcd" for number in range(100))


@pytest.mark.parametrize("what", ["link", "link to nothing", "directory", "fifo", "open to others"])
def test_what_is_no_file_of_ours_alone_is_refused_and_not_touched(place: Path, what: str) -> None:
    path = place / "audit.log"
    other = place.parent / "other"
    match what:
        case "link":
            other.write_text("theirs")
            path.symlink_to(other)
        case "link to nothing":
            path.symlink_to(other)
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path, 0o600)
        case _:
            path.write_text("x")
            path.chmod(0o640)
    for call in (lambda: trail(place).add(b"a\n"), trail(place).check):
        with pytest.raises(StoreUnsafe):
            call()
    assert other.read_text() == "theirs" if what == "link" else not other.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_anothers_file_and_anothers_directory_are_refused(place: Path) -> None:
    path = place / "audit.log"
    path.touch(0o600)
    os.chown(path, 65534, -1)
    with pytest.raises(StoreUnsafe, match="belongs to user"):
        trail(place).add(b"a\n")
    path.unlink()
    os.chown(place, 65534, -1)
    with pytest.raises(StoreUnsafe, match="belongs to user"):
        trail(place).add(b"a\n")


def test_a_directory_that_others_may_change_is_refused(place: Path) -> None:
    place.chmod(0o770)
    with pytest.raises(StoreUnsafe, match="chmod 700"):
        try:
            trail(place).check()
        except StoreUnsafe as error:
            raise StoreUnsafe(error.hint) from None


class Full(Calls):
    """A disk on which half a write fits."""

    full = True

    def write(self, fd: int, data: bytes) -> int:
        if not self.full:
            return super().write(fd, data)
        if len(data) < 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data[: len(data) // 2])


def test_a_full_disk_is_told_and_leaves_no_half_of_a_line(place: Path) -> None:
    calls = Full()
    one = trail(place, calls)
    for line in (b"a\n", b"a longer one\n"):
        with pytest.raises(StoreFull, match="No space"):
            one.add(line)
    calls.full = False
    one.add(b"b\n")
    assert one.path.read_bytes() == b"b\n"


def test_a_store_that_is_gone_is_told(place: Path) -> None:
    place.rmdir()
    with pytest.raises(StoreFull):
        trail(place).add(b"a\n")
