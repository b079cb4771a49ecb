"""A lock has one holder, ends with it, and its file is held to the store's rules."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harvester.errors import StoreFull, StoreUnsafe
from harvester.vault.lock import Lock


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "place"
    path.mkdir(mode=0o700)
    return path


def test_a_lock_has_one_holder(place: Path) -> None:
    first, second = Lock(place / "lock"), Lock(place / "lock")
    assert first.holder_pid() is None
    with first:
        assert first.acquire_nonblocking()
        assert first.held
        assert not second.acquire_nonblocking()
        assert not first.acquire_nonblocking()
        assert second.holder_pid() == os.getpid()
        assert stat.S_IMODE((place / "lock").stat().st_mode) == 0o600
    assert not first.held
    assert first.holder_pid() is None
    assert second.acquire_nonblocking()
    second.release()
    second.release()


HOLDER = """
import sys
from pathlib import Path
from harvester.vault.lock import Lock
lock = Lock(Path(sys.argv[1]))
print(lock.acquire_nonblocking(), flush=True)
sys.stdin.read()
"""


def test_a_lock_is_free_when_its_holder_dies(place: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    lock = Lock(place / "lock")
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not lock.acquire_nonblocking()
        assert lock.holder_pid() == holder.pid
        holder.kill()
    assert lock.holder_pid() is None
    assert lock.acquire_nonblocking()
    lock.release()


def test_a_planted_lock_file_is_refused(tmp_path: Path, place: Path) -> None:
    (place / "link").symlink_to(tmp_path / "victim")
    os.mkfifo(place / "pipe", 0o600)
    (place / "open").touch()
    (place / "open").chmod(0o644)
    for name in ("link", "pipe", "open"):
        with pytest.raises(StoreUnsafe):
            Lock(place / name).acquire_nonblocking()
    assert not (tmp_path / "victim").exists()


def test_a_lock_in_no_directory_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(StoreFull) as caught:
        Lock(tmp_path / "none" / "lock").acquire_nonblocking()
    assert "mkdir" in caught.value.hint
