"""The journal: lines that several processes add, whole or not at all, and never too many."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from faultydisk import open_fds
from harvester import errors
from harvester.vault.calls import Calls
from harvester.vault.durable import Disk
from harvester.vault.journal import LINE_BYTES, MOST_BYTES, NAME, OLDER, Journal


def journal(root: Path, calls: Calls | None = None) -> Journal:
    return Journal(Disk(calls, private_dirs=True), root / "default")


def test_what_is_added_is_read_in_order_and_is_ours_alone(tmp_path: Path) -> None:
    one = journal(tmp_path)
    assert list(one.lines()) == []
    assert list(tmp_path.iterdir()) == [], "reading makes nothing"
    one.add(b"first")
    one.add(b"second")
    assert list(journal(tmp_path).lines()) == [b"first", b"second"]
    assert stat.S_IMODE((tmp_path / "default" / NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "default").stat().st_mode) == 0o700


def test_half_a_line_is_left_out_and_spoils_no_other(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.add(b"whole")
    with (tmp_path / "default" / NAME).open("ab") as file:
        file.write(b"\nhal")
    assert list(one.lines()) == [b"whole"]
    one.add(b"later")
    assert list(one.lines()) == [b"whole", b"hal", b"later"]


def test_a_full_one_is_turned_over_once_and_the_last_lines_stay(tmp_path: Path) -> None:
    one = journal(tmp_path)
    line = b"x" * 1000
    for number in range(600):
        one.add(b"%04d" % number + line)
    sizes = {name: (tmp_path / "default" / name).stat().st_size for name in (NAME, OLDER)}
    assert all(size <= MOST_BYTES for size in sizes.values())
    kept = [int(line[:4]) for line in one.lines()]
    assert kept == list(range(kept[0], 600)) and len(kept) > 250


def test_a_thousand_usual_lines_are_there_at_any_time(tmp_path: Path) -> None:
    one = journal(tmp_path)
    for _ in range(1100):
        one.add(b"y" * 250)
    assert len(one.lines()) >= 1000


def _add_many(root: Path, who: int, ready: object) -> None:
    ready.wait()  # type: ignore[attr-defined]
    one = journal(root)
    for number in range(400):
        one.add(f"{who} {number} ".encode() + b"z" * 500)


def test_processes_that_add_at_once_mix_no_lines_and_lose_none_by_turning_over(
    tmp_path: Path,
) -> None:
    fork = multiprocessing.get_context("fork")
    ready = fork.Barrier(3)
    workers = [fork.Process(target=_add_many, args=(tmp_path, who, ready)) for who in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    found = journal(tmp_path).lines()
    assert all(line.endswith(b"z" * 500) and line.count(b" ") == 2 for line in found)
    # 1,200 lines of 500 bytes are two files and a part: what is left is more than one whole file.
    assert len(found) >= MOST_BYTES // 520
    for who in range(3):
        numbers = [int(line.split()[1]) for line in found if line.startswith(b"%d " % who)]
        assert numbers == list(range(400 - len(numbers), 400)), "each one's last, in order"


def test_a_symlink_or_an_open_file_is_refused_and_not_written(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.add(b"first")
    path, target = tmp_path / "default" / NAME, tmp_path / "elsewhere"
    path.unlink()
    target.write_bytes(b"")
    path.symlink_to(target)
    for use in (lambda: one.add(b"second"), one.lines):
        with pytest.raises(errors.StoreUnsafe):
            use()
    assert target.read_bytes() == b""
    path.unlink()
    path.write_bytes(b"")
    path.chmod(0o644)
    with pytest.raises(errors.StoreUnsafe):
        one.add(b"second")
    assert path.read_bytes() == b""


class _Full(Calls):
    def __init__(self, short: int | None = None) -> None:
        self.short = short

    def write(self, fd: int, data: bytes) -> int:
        if self.short is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data[: self.short])


def test_a_full_disk_is_told_and_what_it_cut_spoils_nothing(tmp_path: Path) -> None:
    journal(tmp_path).add(b"first")
    for calls in (_Full(), _Full(3)):
        with pytest.raises(errors.StoreFull):
            journal(tmp_path, calls).add(b"second")
    journal(tmp_path).add(b"third")
    assert [line for line in journal(tmp_path).lines() if len(line) > 2] == [b"first", b"third"]
    assert open_fds() < 200


@pytest.mark.parametrize("line", [b"", b"two\nlines", b"x" * (LINE_BYTES + 1)])
def test_what_is_no_line_is_a_mistake_of_ours(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(ValueError, match="line"):
        journal(tmp_path).add(line)
