"""A file is whole, private and where it was, whatever lies in its way."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from foreign import belongs_to_another
from harvester.errors import StoreFull, StoreUnsafe
from harvester.vault.durable import Calls, Disk
from harvester.vault.lock import Lock

LIMIT = 1000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "place"
    path.mkdir(mode=0o700)
    return path


def names(path: Path) -> list[str]:
    return sorted(item.name for item in path.iterdir())


def test_a_file_is_written_private_and_whole(place: Path) -> None:
    Disk().write_atomic(place, "a", b"one")
    assert Disk().read(place, "a", LIMIT) == b"one"
    assert stat.S_IMODE((place / "a").stat().st_mode) == 0o600
    assert names(place) == ["a"]


def test_the_file_before_it_is_kept_where_that_is_wanted(place: Path) -> None:
    disk = Disk()
    for data in (b"one", b"two", b"three"):
        disk.write_atomic(place, "a", data, keep_previous=True)
    assert (disk.read(place, "a", LIMIT), disk.read(place, "a.previous", LIMIT)) == (
        b"three",
        b"two",
    )
    disk.write_atomic(place, "a", b"four")
    assert disk.read(place, "a.previous", LIMIT) == b"two"
    assert names(place) == ["a", "a.previous"]


def test_a_crash_that_left_both_names_on_one_file_does_no_harm(place: Path) -> None:
    disk = Disk()
    disk.write_atomic(place, "a", b"one")
    os.link(place / "a", place / "a.previous")
    disk.write_atomic(place, "a", b"two", keep_previous=True)
    assert disk.read(place, "a", LIMIT) == b"two"
    assert disk.read(place, "a.previous", LIMIT) == b"one"
    assert names(place) == ["a", "a.previous"]


class WithoutLinks(Calls):
    """A file system that knows no hard links (AFS, some FUSE)."""

    def link(self, source: str, target: str, dir_fd: int) -> None:
        raise OSError(errno.EPERM, "no hard links here")


def test_a_file_system_without_hard_links_will_do(place: Path) -> None:
    disk = Disk(WithoutLinks())
    disk.write_atomic(place, "a", b"one", keep_previous=True)
    disk.write_atomic(place, "a", b"two", keep_previous=True)
    assert disk.read(place, "a.previous", LIMIT) == b"one"
    assert disk.create(place, "key", b"first")
    assert not disk.create(place, "key", b"second")
    assert disk.read(place, "key", LIMIT) == b"first"
    assert names(place) == ["a", "a.previous", "key"]


class Telling(Calls):
    """Writes down the calls that decide whether a file survives a power cut."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def fsync(self, fd: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"
        self.told.append(f"sync {kind}")
        super().fsync(fd)

    def rename(self, source: str, target: str, dir_fd: int) -> None:
        self.told.append(f"rename to {target}")
        super().rename(source, target, dir_fd)

    def unlink(self, name: str, dir_fd: int) -> None:
        if not name.endswith(".tmp"):
            self.told.append(f"unlink {name}")
        super().unlink(name, dir_fd)


def test_a_write_is_synced_before_it_is_seen_and_its_name_after(place: Path) -> None:
    Disk().write_atomic(place, "a", b"one")
    calls = Telling()
    Disk(calls).write_atomic(place, "a", b"two", keep_previous=True)
    Disk(calls).remove(place, "a.previous", "a")
    assert calls.told == [
        "sync file",
        "rename to a.previous",
        "rename to a",
        "sync directory",
        "unlink a.previous",
        "unlink a",
        "sync directory",
    ]


class Slow(Calls):
    """A disk that takes three bytes at a time and gives two."""

    def write(self, fd: int, data: bytes) -> int:
        return super().write(fd, data[:3])

    def read(self, fd: int, length: int) -> bytes:
        return super().read(fd, min(length, 2))


def test_short_writes_and_short_reads_are_gone_on_with(place: Path) -> None:
    disk = Disk(Slow())
    disk.write_atomic(place, "a", b"a longer text")
    assert disk.read(place, "a", LIMIT) == b"a longer text"


def test_a_file_is_created_once(place: Path) -> None:
    disk = Disk()
    assert disk.create(place, "key", b"first")
    assert not disk.create(place, "key", b"second")
    assert disk.read(place, "key", LIMIT) == b"first"
    assert stat.S_IMODE((place / "key").stat().st_mode) == 0o600
    assert names(place) == ["key"]


def test_what_is_not_there_reads_as_nothing(place: Path) -> None:
    disk = Disk(private_dirs=True)
    assert disk.read(place, "a", LIMIT) is None
    assert disk.read(place / "none", "a", LIMIT) is None
    assert disk.names(place / "none") == []
    assert disk.stamp(place, "a") is None
    assert not disk.check_dir(place / "none")
    disk.remove(place, "a")
    disk.remove(place / "none", "a")


def test_writing_into_no_directory_says_so(tmp_path: Path) -> None:
    for write in (Disk().write_atomic, Disk().create):
        with pytest.raises(StoreFull, match="not there") as caught:
            write(tmp_path / "none", "a", b"x")
        assert caught.value.hint == f"run: mkdir -p {tmp_path / 'none'}"


def test_a_file_that_is_too_large_shows_by_one_byte(place: Path) -> None:
    Disk().write_atomic(place, "a", b"x" * 500)
    assert Disk().read(place, "a", 500) == b"x" * 500
    assert Disk().read(place, "a", 100) == b"x" * 101


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b"])
def test_a_name_is_never_a_path(place: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        Disk().read(place, name, LIMIT)
    with pytest.raises(ValueError, match="plain file name"):
        Disk().write_atomic(place, name, b"")


# What was planted


def plant_symlink(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def plant_fifo(path: Path, victim: Path) -> None:
    os.mkfifo(path, 0o600)


def plant_directory(path: Path, victim: Path) -> None:
    path.mkdir(mode=0o700)


def plant_open_file(path: Path, victim: Path) -> None:
    path.touch()
    path.chmod(0o644)


PLANTS = [plant_symlink, plant_fifo, plant_directory, plant_open_file]


@pytest.mark.parametrize("plant", PLANTS)
def test_what_was_planted_is_neither_read_nor_written(tmp_path: Path, place: Path, plant) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    victim.chmod(0o600)
    plant(place / "a", victim)
    before = (place / "a").lstat()
    with pytest.raises(StoreUnsafe) as caught:
        Disk().read(place, "a", LIMIT)
    assert caught.value.hint
    with pytest.raises(StoreUnsafe):
        Disk().write_atomic(place, "a", b"x")
    assert (place / "a").lstat() == before
    assert victim.read_bytes() == b"untouched"


def test_a_file_of_somebody_else_is_neither_read_written_nor_locked(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "a").write_bytes(b"theirs")
    (place / "a").chmod(0o600)
    belongs_to_another(monkeypatch, place / "a")
    for attempt in (
        lambda: Disk().read(place, "a", LIMIT),
        lambda: Disk().write_atomic(place, "a", b"x"),
        lambda: Lock(place / "a").acquire_nonblocking(),
    ):
        with pytest.raises(StoreUnsafe) as caught:
            attempt()
        assert caught.value.hint == f"run as its owner, or: chown {os.geteuid()} {place}/a"
    assert (place / "a").read_bytes() == b"theirs"


def test_the_hint_for_an_open_file_mends_it(place: Path) -> None:
    (place / "a").write_bytes(b"one")
    (place / "a").chmod(0o640)
    with pytest.raises(StoreUnsafe) as caught:
        Disk().read(place, "a", LIMIT)
    assert caught.value.hint == f"run: chmod 600 {place}/a"


def test_a_link_at_the_temp_names_pattern_is_never_written_through(place: Path) -> None:
    victim = place / "victim"
    victim.write_bytes(b"untouched")
    (place / ".a.0123456789abcdef.tmp").symlink_to(victim)
    Disk().write_atomic(place, "a", b"x")
    assert victim.read_bytes() == b"untouched"


def test_a_second_name_of_another_file_is_replaced_and_not_written_into(place: Path) -> None:
    other = place / "other"
    other.write_bytes(b"untouched")
    other.chmod(0o600)
    os.link(other, place / "a")
    Disk().write_atomic(place, "a", b"new")
    assert other.read_bytes() == b"untouched"
    assert Disk().read(place, "a", LIMIT) == b"new"


# Directories


def test_directories_are_made_private_with_those_above(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        Disk(private_dirs=True).make_dir(tmp_path / "a" / "b")
    finally:
        os.umask(old)
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_directory_that_is_open_to_others_is_refused(place: Path, mode: int) -> None:
    place.chmod(mode)
    disk = Disk(private_dirs=True)
    for attempt in (
        lambda: disk.make_dir(place),
        lambda: disk.check_dir(place),
        lambda: disk.read(place, "a", LIMIT),
        lambda: disk.write_atomic(place, "a", b"x"),
    ):
        with pytest.raises(StoreUnsafe) as caught:
            attempt()
        assert caught.value.hint == f"run: chmod 700 {place}"
    Disk().write_atomic(place, "a", b"x")  # where a user's own directory will do


def test_a_directory_of_somebody_else_or_a_link_to_one_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(private_dirs=True)
    (place / "theirs").mkdir(mode=0o700)
    belongs_to_another(monkeypatch, place / "theirs")
    (place / "ours").mkdir(mode=0o700)
    (place / "link").symlink_to("ours")
    (place / "dangling").symlink_to("nowhere")
    (place / "file").touch(mode=0o600)
    for name in ("theirs", "link", "dangling", "file"):
        with pytest.raises(StoreUnsafe):
            disk.make_dir(place / name)
    with pytest.raises(StoreFull):
        disk.make_dir(place / "dangling" / "below")


# Setting aside and sweeping


@pytest.mark.parametrize("calls", [Calls(), WithoutLinks()], ids=["links", "no links"])
def test_a_file_is_set_aside_only_if_it_is_still_the_one_that_was_read(
    place: Path, calls: Calls
) -> None:
    disk = Disk(calls)
    disk.write_atomic(place, "a", b"damaged")
    found = disk.read_stamped(place, "a", LIMIT)
    assert found is not None
    disk.write_atomic(place, "a", b"good")
    assert not disk.set_aside(place, "a", "a.bad", found[1])
    assert disk.read(place, "a", LIMIT) == b"good"
    assert names(place) == ["a"]
    found = disk.read_stamped(place, "a", LIMIT)
    assert found is not None
    (place / "a.taken").write_bytes(b"somebody's")
    assert not disk.set_aside(place, "a", "a.taken", found[1])
    assert (place / "a.taken").read_bytes() == b"somebody's"
    (place / "a.taken").unlink()
    assert disk.set_aside(place, "a", "a.bad", found[1])
    assert names(place) == ["a.bad"]
    assert not disk.set_aside(place, "a", "a.worse", found[1])


def test_a_stamp_changes_with_every_write_and_only_then(place: Path) -> None:
    disk = Disk()
    stamps = []
    for _ in range(5):
        disk.write_atomic(place, "a", b"same")
        stamps.append(disk.stamp(place, "a"))
        assert disk.stamp(place, "a") == stamps[-1]
    assert len(set(stamps)) == 5


def test_only_our_own_old_temp_files_are_swept(place: Path) -> None:
    ours = place / ".session.0123456789abcdef.tmp"
    others = [".session.tmp", "session.0123456789abcdef.tmp", ".x.0123456789ABCDEF.tmp", "a.tmp"]
    for name in (ours.name, *others):
        (place / name).touch(mode=0o600)
    (place / ".fifo.0123456789abcdef.tmp").symlink_to("a.tmp")
    now_s = time.time()
    Disk().sweep(place, now_s=now_s)
    assert ours.exists()
    Disk().sweep(place, now_s=now_s + 120)
    assert names(place) == sorted([*others, ".fifo.0123456789abcdef.tmp"])


def test_a_second_name_just_made_for_an_old_file_is_not_swept(place: Path) -> None:
    """It is a writer at work, between its link and its rename."""
    old = place / "session"
    old.touch(mode=0o600)
    os.utime(old, (1, 1))
    os.link(old, place / ".session.0123456789abcdef.tmp")
    Disk().sweep(place, now_s=time.time())
    assert (place / ".session.0123456789abcdef.tmp").exists()
