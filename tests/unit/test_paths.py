"""Things are looked for where the contract says, and only files that can be believed are read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from foreign import belongs_to_another
from harvester.errors import ConfigInvalid, ConfigUnsafe
from harvester.paths import (
    check_private_file,
    config_candidates,
    default_store,
    read_key_file,
    read_private_file,
    socket_candidates,
    socket_to_bind,
)
from harvester.places import SOCKET_PATH_LIMIT_BYTES

UID = os.geteuid()


def test_the_store_is_in_the_state_directory_of_the_environment() -> None:
    assert default_store({"XDG_STATE_HOME": "/s"}) == Path("/s/harvester")


def test_a_relative_state_directory_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    environ = {"XDG_STATE_HOME": "s", "HOME": "/home/ada"}
    assert default_store(environ) == Path("/home/ada/.local/state/harvester")


def test_on_a_mac_the_store_is_in_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    expected = Path("/Users/ada/Library/Application Support/harvester")
    assert default_store({"HOME": "/Users/ada"}) == expected


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(ConfigInvalid) as caught:
        default_store({})
    assert "HARVESTER_STORE" in caught.value.hint
    assert config_candidates(None, {}) == [Path("/etc/harvester/config.toml")]
    assert socket_candidates(None, None, {})[-1] == Path("/run/harvester/harvester.sock")


def test_a_named_config_is_the_only_candidate() -> None:
    environ = {"HARVESTER_CONFIG": "/env.toml", "HOME": "/h"}
    assert config_candidates("/flag.toml", environ) == [Path("/flag.toml")]
    assert config_candidates(None, environ) == [Path("/env.toml")]


def test_an_unnamed_config_is_the_persons_then_the_machines() -> None:
    etc = Path("/etc/harvester/config.toml")
    assert config_candidates(None, {"HOME": "/h", "XDG_CONFIG_HOME": "/c"}) == [
        Path("/c/harvester/config.toml"),
        etc,
    ]
    assert config_candidates(None, {"HOME": "/h"}) == [
        Path("/h/.config/harvester/config.toml"),
        etc,
    ]


def bound(environ: dict[str, str], explicit: str | None = None) -> str:
    return str(socket_to_bind(explicit, Path("/store"), environ))


def test_the_socket_is_bound_at_the_first_place_that_is_there() -> None:
    everything = {
        "HARVESTER_SOCKET": "/env/my.sock",
        "RUNTIME_DIRECTORY": "/run/first:/run/second",
        "XDG_RUNTIME_DIR": "/xdg",
    }
    assert bound(everything, "/flag/my.sock") == "/flag/my.sock"
    assert bound(everything) == "/env/my.sock"
    del everything["HARVESTER_SOCKET"]
    assert bound(everything) == "/run/first/harvester.sock"
    del everything["RUNTIME_DIRECTORY"]
    assert bound(everything) == "/xdg/harvester/harvester.sock"


def test_a_login_directory_counts_only_if_it_is_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = tmp_path.lstat()
    theirs = os.stat_result((ours.st_mode, 0, 0, 2, UID + 1, 0, 0, 0, 0, 0))
    monkeypatch.setattr(os, "lstat", lambda path: ours)
    assert bound({}) == f"/run/user/{UID}/harvester/harvester.sock"
    monkeypatch.setattr(os, "lstat", lambda path: theirs)
    assert bound({}) == "/store/run/harvester.sock"


def test_a_client_asks_the_named_socket_alone() -> None:
    named = [Path("/env.sock")]
    assert socket_candidates(None, None, {"HARVESTER_SOCKET": "/env.sock"}) == named
    assert socket_candidates("/env.sock", None, {"HARVESTER_SOCKET": "/other"}) == named


def test_a_client_asks_every_place_where_a_daemon_may_be() -> None:
    environ = {"XDG_RUNTIME_DIR": "/xdg", "RUNTIME_DIRECTORY": "/ignored"}
    assert [str(path) for path in socket_candidates(None, Path("/store"), environ)] == [
        "/xdg/harvester/harvester.sock",
        f"/run/user/{UID}/harvester/harvester.sock",
        "/run/harvester/harvester.sock",
        "/store/run/harvester.sock",
    ]


def test_a_client_without_a_store_takes_the_one_of_the_environment() -> None:
    def last(environ: dict[str, str]) -> str:
        return str(socket_candidates(None, None, environ)[-1])

    assert last({"HARVESTER_STORE": "/mine"}) == "/mine/run/harvester.sock"
    assert last({"XDG_STATE_HOME": "/s"}) == "/s/harvester/run/harvester.sock"
    assert last({"HARVESTER_STORE": "postgresql://db/x"}) == "/run/harvester/harvester.sock"


def test_what_serve_binds_is_among_what_a_client_asks() -> None:
    for environ in ({"XDG_RUNTIME_DIR": "/xdg"}, {}, {"HARVESTER_SOCKET": "/a.sock"}):
        there = socket_to_bind(None, Path("/store"), environ)
        assert there in socket_candidates(None, Path("/store"), environ)


def test_a_path_that_no_socket_can_have_is_an_error_with_a_way_out() -> None:
    fits = "/" + "x" * (SOCKET_PATH_LIMIT_BYTES - 1)
    assert bound({}, fits) == fits
    for too_long in (fits + "x", "/" + "ü" * (SOCKET_PATH_LIMIT_BYTES // 2 + 1)):
        with pytest.raises(ConfigInvalid, match="bytes long") as caught:
            bound({}, too_long)
        assert "HARVESTER_SOCKET" in caught.value.hint
    with pytest.raises(ConfigInvalid):
        socket_candidates(None, None, {"HARVESTER_SOCKET": fits + "x"})
    with pytest.raises(ConfigInvalid, match="zero byte"):
        bound({}, "/a\0b")


def test_a_default_place_that_is_too_long_is_not_asked() -> None:
    asked = socket_candidates(None, Path("/" + "x" * 200), {})
    assert all("xxx" not in str(path) for path in asked)
    assert asked


def test_a_private_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"a = 1\n")
    path.chmod(0o644)
    check_private_file(path)
    assert read_private_file(path) == b"a = 1\n"


def test_a_missing_file_is_left_to_the_caller(tmp_path: Path) -> None:
    for read in (read_private_file, read_key_file, check_private_file):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        read_private_file(tmp_path / "dangling")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused_with_the_chmod(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "it's mine"
    path.touch()
    path.chmod(mode)
    with pytest.raises(ConfigUnsafe) as caught:
        read_private_file(path)
    subprocess.run(caught.value.hint.removeprefix("run: "), shell=True, check=True)
    assert read_private_file(path) == b""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_may_read_is_refused_with_the_chmod(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.touch()
    path.chmod(mode)
    assert read_private_file(path) == b""
    with pytest.raises(ConfigUnsafe) as caught:
        read_key_file(path)
    assert caught.value.hint == f"run: chmod 600 {path}"


def test_a_file_of_somebody_else_is_refused_with_the_chown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    path.touch(mode=0o600)
    other = belongs_to_another(monkeypatch, path)
    with pytest.raises(ConfigUnsafe, match=f"belongs to user {other}") as caught:
        check_private_file(path)
    assert caught.value.hint == f"run: chown {UID} {path}"


def test_a_link_to_a_good_file_is_followed_but_not_for_a_key(tmp_path: Path) -> None:
    """Kubernetes mounts each secret and config as a link into a directory that it swaps."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "password").write_bytes(b"hunter2")
    (tmp_path / "..data" / "password").chmod(0o600)
    link = tmp_path / "password"
    link.symlink_to("..data/password")
    assert read_private_file(link) == b"hunter2"
    with pytest.raises(ConfigUnsafe, match="symbolic link") as caught:
        read_key_file(link)
    assert str(tmp_path / "..data" / "password") in caught.value.hint


def test_a_key_on_a_read_only_mount_may_be_a_link_with_open_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So Docker and Kubernetes mount secrets, and nobody inside could change it."""
    (tmp_path / "real").write_bytes(b"key")
    (tmp_path / "real").chmod(0o444)
    (tmp_path / "key").symlink_to("real")
    read_only = SimpleNamespace(f_flag=os.ST_RDONLY)
    monkeypatch.setattr(os, "fstatvfs", lambda fd: read_only)
    assert read_key_file(tmp_path / "key") == b"key"
    (tmp_path / "real").chmod(0o666)
    with pytest.raises(ConfigUnsafe, match="written by others"):
        read_key_file(tmp_path / "key")


def test_a_link_to_a_file_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "theirs"
    target.touch(mode=0o600)
    belongs_to_another(monkeypatch, target)
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ConfigUnsafe):
        read_private_file(tmp_path / "link")


def test_a_pipe_a_directory_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigUnsafe, match="not a regular file"):
            read_private_file(path)


def test_a_loop_of_links_and_a_file_in_the_way_are_errors_not_tracebacks(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "file").touch()
    for path in (tmp_path / "a", tmp_path / "file" / "below", Path("a\0b"), tmp_path / ("x" * 300)):
        with pytest.raises(ConfigInvalid):
            read_private_file(path)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"x" * 11)
    assert read_private_file(path, 11) == b"x" * 11
    with pytest.raises(ConfigInvalid, match="larger than 10 bytes"):
        read_private_file(path, limit_bytes=10)


def test_finding_the_socket_loads_nothing_beyond_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from harvester import paths, redact\n"
        "import os; paths.socket_candidates(None, None, os.environ)\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names - {'harvester'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
