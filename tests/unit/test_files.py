"""Kept files: whole, ours alone, and never a reason for anything else to fail."""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from fakehouse import COOKIE, ORIGIN, a_session
from harvester import wire
from harvester.errors import StoreFull
from harvester.outlets.files import Files
from harvester.profile import KeptFile, Profile, Site
from harvester.session import Served
from harvester.vault.durable import Disk

SERVED = Served(a_session())


def keeping(*kept: tuple[str, Path]) -> Profile:
    files = tuple(KeptFile(form, os.fspath(path)) for form, path in kept)
    return Profile("default", Site(ORIGIN, ORIGIN, "/probe"), files=files)


class FullDisk(Disk):
    """A disk that has no room until it is told to have."""

    full = True

    def write_atomic(
        self, dir: Path, name: str, data: bytes, *, keep_previous: bool = False
    ) -> None:
        if self.full:
            raise StoreFull(f"no room for {dir / name}", hint="make room")
        super().write_atomic(dir, name, data, keep_previous=keep_previous)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def test_each_file_holds_the_session_in_its_own_format(place: Path) -> None:
    served = Served(a_session())
    kept = [(form, place / form) for form in wire.FORMATS]
    files = Files(keeping(*kept))
    files.publish(served)
    for form, path in kept:
        assert path.read_text() == wire.printable(served, form) + "\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(os.listdir(place)) == sorted(wire.FORMATS), "no temporary file is left"
    assert files.troubles == {}


def test_a_reader_keeps_the_old_one_whole_while_the_new_one_comes(place: Path) -> None:
    path = place / "cookie"
    files = Files(keeping(("json", path)))
    files.publish(Served(a_session(7)))
    with path.open() as reading:
        files.publish(Served(a_session(8)))
        assert '"generation": 7' in reading.read()
    assert '"generation": 8' in path.read_text()


def test_a_file_left_open_to_others_is_not_written_until_it_is_closed(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = place / "cookie"
    path.write_text("old")
    path.chmod(0o644)
    files = Files(keeping(("cookie", path)))
    with caplog.at_level(logging.INFO, "harvester"):
        files.publish(Served(a_session()))
    assert path.read_text() == "old"
    assert "chmod" in caplog.records[0].__dict__["fields"]["hint"]
    path.chmod(0o600)
    files.retry()
    assert COOKIE.value in path.read_text()


@pytest.mark.parametrize("kind", ["symlink", "dangling", "directory", "fifo"])
def test_what_is_no_plain_file_is_refused_and_told_once(
    place: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, target = place / "cookie", place / "target"
    if kind == "symlink":
        target.write_text("kept")
        path.symlink_to(target)
    elif kind == "dangling":
        path.symlink_to(target)
    elif kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    before = os.lstat(path).st_ino
    files = Files(keeping(("cookie", path)))
    with caplog.at_level(logging.INFO, "harvester"):
        files.publish(Served(a_session()))
        files.publish(Served(a_session()))
        files.retry()
    assert [record.message for record in caplog.records] == ["file.not_written"]
    assert COOKIE.value not in repr([record.__dict__ for record in caplog.records])
    assert os.lstat(path).st_ino == before
    assert not target.exists() or target.read_text() == "kept"
    assert list(files.troubles) == [os.fspath(path)]


def test_a_directory_where_others_may_rename_is_refused(place: Path) -> None:
    open_place = place / "open"
    open_place.mkdir()
    open_place.chmod(0o777)
    files = Files(keeping(("cookie", open_place / "cookie")))
    files.publish(Served(a_session()))
    assert os.listdir(open_place) == []
    assert "others may change" in files.troubles[os.fspath(open_place / "cookie")]


def test_a_missing_directory_is_told_and_the_other_files_are_written(place: Path) -> None:
    gone, there = place / "gone" / "cookie", place / "there"
    files = Files(keeping(("cookie", gone), ("cookie", there)))
    files.publish(Served(a_session()))
    assert there.exists()
    assert list(files.troubles) == [os.fspath(gone)]


def test_a_full_disk_stops_nothing_and_the_next_tick_writes_what_is_owed(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FullDisk()
    path = place / "cookie"
    files = Files(keeping(("json", path)), disk=disk)
    with caplog.at_level(logging.INFO, "harvester"):
        files.publish(Served(a_session(7)))
        files.publish(Served(a_session(8)))
        assert not path.exists()
        disk.full = False
        files.retry()
    assert '"generation": 8' in path.read_text()
    assert files.troubles == {}
    told = [record.message for record in caplog.records]
    assert told == ["file.not_written", "file.written_again"]


def test_a_tick_without_trouble_writes_nothing(place: Path) -> None:
    path = place / "cookie"
    files = Files(keeping(("cookie", path)))
    files.retry()
    assert not path.exists()
    files.publish(Served(a_session()))
    before = path.stat().st_ino
    files.retry()
    assert path.stat().st_ino == before


def test_two_cookies_do_not_fit_in_a_file_of_one_value(place: Path) -> None:
    path = place / "value"
    files = Files(keeping(("value", path)))
    files.publish(Served(a_session(cookies=(COOKIE, replace(COOKIE, name="jwt")))))
    assert not path.exists()
    assert "2 cookies" in files.troubles[os.fspath(path)]


def test_after_a_sign_out_no_file_is_left_and_none_comes_back(place: Path) -> None:
    path, other = place / "cookie", place / "symlink"
    files = Files(keeping(("cookie", path), ("cookie", other)))
    files.publish(Served(a_session()))
    other.unlink()
    other.symlink_to(path)
    files.withdraw()
    assert not path.exists()
    assert other.is_symlink(), "what is not ours is not removed"
    files.retry()
    assert not path.exists()


def test_what_is_paused_lies_in_no_file_and_comes_back(tmp_path: Path) -> None:
    allowed = True
    filed: list[int] = []
    path = tmp_path / "cookie"
    files = Files(
        keeping(("cookie", path)),
        allowed=lambda: allowed,
        filed=lambda session: filed.append(session.generation),
    )
    files.publish(SERVED)
    assert path.exists() and filed == [SERVED.session.generation]
    allowed = False
    files.settle()
    assert not path.exists()
    files.publish(SERVED)
    files.retry()
    assert not path.exists() and len(filed) == 1
    allowed = True
    files.settle()
    assert path.exists() and len(filed) == 2


def test_one_that_could_not_be_removed_when_it_was_paused_is_removed_later(
    tmp_path: Path,
) -> None:
    allowed = True
    place = tmp_path / "place"
    place.mkdir()
    path = place / "cookie"
    files = Files(keeping(("cookie", path)), allowed=lambda: allowed)
    files.publish(SERVED)
    path.rename(place / "aside")
    path.mkdir()  # what cannot be removed as a file
    allowed = False
    files.settle()
    assert files.troubles
    path.rmdir()
    (place / "aside").rename(path)
    files.retry()
    assert not path.exists() and not files.troubles
