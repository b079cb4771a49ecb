"""The socket's path: private from birth, taken from nobody, gone at the end."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from foreign import is_a_device
from harvester.errors import ConfigInvalid, ConfigUnsafe
from harvester.outlets.listen import Listener

# A daemon of its own process, which says when it listens and dies as it is told to.
_ANOTHER = """
import sys
from pathlib import Path
from harvester.outlets.listen import Listener
with Listener(Path(sys.argv[1])):
    print("listening", flush=True)
    sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "h.sock"


@pytest.mark.parametrize("umask", [0o077, 0o000], ids=["private", "open"])
def test_everything_is_ours_alone_whatever_the_umask(path: Path, umask: int) -> None:
    was = os.umask(umask)
    try:
        with Listener(path):
            assert mode(path.parent) == 0o700
            assert mode(path) == 0o600
            assert mode(path.with_name("h.sock.lock")) == 0o600
    finally:
        os.umask(was)
    assert not path.exists()


def test_callers_are_heard_before_anybody_accepts(path: Path) -> None:
    with Listener(path) as sock, socket.socket(socket.AF_UNIX) as caller:
        caller.connect(os.fspath(path))
        caller.sendall(b"hello")
        accepted, _ = sock.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"
        assert not sock.get_inheritable()


def test_a_second_daemon_is_refused_and_the_first_goes_on(path: Path) -> None:
    with Listener(path):
        with pytest.raises(ConfigInvalid, match=rf"pid {os.getpid()}\b.*already listens") as told:
            Listener(path).__enter__()
        assert "harvester status" in told.value.hint
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(os.fspath(path))
    with Listener(path):
        assert path.exists()


def test_the_path_of_a_daemon_that_was_killed_is_taken_over(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _ANOTHER, os.fspath(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as another:
        assert another.stdout is not None
        assert another.stdout.readline() == "listening\n"
        with pytest.raises(ConfigInvalid, match=f"pid {another.pid}"):
            Listener(path).__enter__()
        another.kill()
        another.wait()
    assert path.exists(), "kill -9 leaves the path behind"
    with Listener(path), socket.socket(socket.AF_UNIX) as caller:
        caller.connect(os.fspath(path))


def test_a_listener_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(os.fspath(path))
        other.listen()
        with pytest.raises(ConfigInvalid, match="already listens"):
            Listener(path).__enter__()
        assert path.exists()


@pytest.mark.parametrize("kind", ["file", "directory", "symlink", "fifo"])
def test_what_is_no_socket_is_left_alone(path: Path, kind: str) -> None:
    path.parent.mkdir(0o700)
    if kind == "file":
        path.write_text("mine")
    elif kind == "directory":
        path.mkdir()
    elif kind == "symlink":
        path.symlink_to(path.with_name("elsewhere"))
    else:
        os.mkfifo(path)
    before = os.lstat(path)
    with pytest.raises(ConfigInvalid, match="not a socket"):
        Listener(path).__enter__()
    assert os.lstat(path) == before


def test_what_was_put_in_our_place_is_not_removed_at_the_end(path: Path) -> None:
    with Listener(path):
        path.unlink()
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


def test_a_directory_open_to_others_is_refused_with_the_chmod(path: Path) -> None:
    path.parent.mkdir()
    for wide in (0o755, 0o770, 0o711, 0o1777):
        path.parent.chmod(wide)
        with pytest.raises(ConfigUnsafe, match="open to others") as told:
            Listener(path).__enter__()
        assert f"chmod 700 {path.parent}" in told.value.hint
    assert os.listdir(path.parent) == []


def test_a_directory_behind_a_symlink_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o700)
    path.parent.symlink_to(tmp_path / "real")
    with pytest.raises(ConfigInvalid, match="cannot be used"):
        Listener(path).__enter__()
    assert os.listdir(tmp_path / "real") == []


def test_a_foreign_directory_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir(0o700)
    ours = os.geteuid()
    monkeypatch.setattr("harvester.outlets.listen.os.geteuid", lambda: ours + 1)
    with pytest.raises(ConfigUnsafe, match=f"belongs to uid {ours}"):
        Listener(path).__enter__()


def test_others_who_are_named_can_reach_the_socket_but_list_nothing(path: Path) -> None:
    with Listener(path, allow_uids=(os.geteuid() + 1,)):
        assert mode(path.parent) == 0o711
        assert mode(path) == 0o666
        assert mode(path.with_name("h.sock.lock")) == 0o600


def test_naming_only_ourselves_widens_nothing(path: Path) -> None:
    with Listener(path, allow_uids=(os.geteuid(),)):
        assert (mode(path.parent), mode(path)) == (0o700, 0o600)


def test_a_path_too_long_for_a_socket_is_an_error_of_its_setting(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 100) / "h.sock"
    with pytest.raises(ConfigInvalid) as told:
        Listener(path).__enter__()
    assert "HARVESTER_SOCKET" in told.value.hint
    # Nothing is left locked: the next daemon with a better path in that directory may start.
    with pytest.raises(ConfigInvalid, match="no socket can stand"):
        Listener(path).__enter__()


@pytest.mark.parametrize("kind", ["fifo", "directory", "socket", "device", "second name"])
def test_what_was_planted_as_the_lock_is_refused_and_not_touched(
    path: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir(mode=0o700)
    victim, lock = tmp_path / "victim", path.with_name("h.sock.lock")
    victim.write_text("somebody's own file")
    victim.chmod(0o600)
    if kind == "fifo":
        os.mkfifo(lock, 0o600)
    elif kind == "directory":
        lock.mkdir(mode=0o700)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.fspath(lock))
    elif kind == "device":
        is_a_device(monkeypatch, lock)
    else:
        os.link(victim, lock)
    before = lock.lstat()
    with pytest.raises(ConfigUnsafe, match="lock") as caught, Listener(path):
        pass
    assert caught.value.hint
    assert lock.lstat() == before
    assert victim.read_text() == "somebody's own file"
    assert not path.exists()


def test_a_lock_that_is_a_symlink_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(0o700)
    (tmp_path / "target").write_text("kept")
    path.with_name("h.sock.lock").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigInvalid, match="lock"):
        Listener(path).__enter__()
    assert (tmp_path / "target").read_text() == "kept"
