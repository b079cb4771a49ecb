"""Keys come from where they were put, are made only when nothing is sealed yet, and never shown."""

from __future__ import annotations

import base64
import os
import stat
import sys
import threading
import time
from pathlib import Path

import pytest

from harvester.errors import ConfigInvalid, ConfigUnsafe, KeyWrong, StoreUnsafe
from harvester.profile import SecretSource
from harvester.vault.keys import KeyRing, MasterKey, fingerprint, load
from harvester.vault.secret import command_environment, read_secret

MATERIAL = bytes(range(32))
MATERIAL_KEY = MasterKey(MATERIAL)
TEXT = MATERIAL_KEY.text()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir(mode=0o700)
    return path


def value(text: str) -> SecretSource:
    return SecretSource("value", "HARVESTER_KEY", value=text)


def file(path: Path) -> SecretSource:
    return SecretSource("file", "HARVESTER_KEY", path=str(path))


def command(*argv: str) -> SecretSource:
    return SecretSource("command", "HARVESTER_PASSWORD", argv=argv)


def python(code: str) -> SecretSource:
    return command(sys.executable, "-c", code)


# The key


def test_a_given_key_is_used_and_no_file_is_made(store: Path) -> None:
    ring, warnings = load(value(TEXT + "\n"), store, may_create=True)
    assert ring == KeyRing(MasterKey(MATERIAL))
    assert warnings == []
    assert list(store.iterdir()) == []


def test_the_first_start_makes_a_key_and_says_what_it_protects_from(store: Path) -> None:
    ring, warnings = load(None, store, may_create=True)
    path = store / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert base64.b64decode(path.read_bytes()) == ring.primary.material
    assert len(warnings) == 1
    assert "not from somebody who can read that directory" in warnings[0]
    assert load(None, store, may_create=False) == (ring, [])
    assert [item.name for item in store.iterdir()] == ["key"]


def test_the_first_start_makes_the_directory_too(tmp_path: Path) -> None:
    load(None, tmp_path / "a" / "b", may_create=True)
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_two_first_starts_at_once_end_with_one_key(store: Path) -> None:
    rings: list[KeyRing] = []
    gate = threading.Barrier(8)

    def start() -> None:
        gate.wait()
        rings.append(load(None, store, may_create=True)[0])

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({ring.primary.kid for ring in rings}) == 1
    assert len(rings) == 8


def test_a_lost_key_beside_records_is_never_replaced(store: Path) -> None:
    with pytest.raises(KeyWrong, match="gone") as caught:
        load(None, store, may_create=False)
    assert "HARVESTER_KEY_FILE" in caught.value.hint
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not base64!", base64.b64encode(b"k" * 31), b"\xff\xfe"])
def test_a_key_file_of_the_store_that_holds_no_key_stops(store: Path, content: bytes) -> None:
    (store / "key").write_bytes(content)
    (store / "key").chmod(0o600)
    for may_create in (True, False):
        with pytest.raises(KeyWrong, match="32 bytes"):
            load(None, store, may_create=may_create)
    assert (store / "key").read_bytes() == content


def test_a_key_file_of_the_store_must_be_ours_alone(store: Path) -> None:
    (store / "key").write_text(TEXT)
    (store / "key").chmod(0o640)
    with pytest.raises(StoreUnsafe) as caught:
        load(None, store, may_create=False)
    assert caught.value.hint == f"run: chmod 600 {store}/key"
    (store / "key").unlink()
    (store / "real").write_text(TEXT)
    (store / "key").symlink_to("real")
    with pytest.raises(StoreUnsafe):
        load(None, store, may_create=True)


@pytest.mark.parametrize(
    "text", ["hunter2", base64.b64encode(b"k" * 33).decode(), TEXT[:-2] + "?="]
)
def test_a_given_key_that_is_none_is_refused_unseen(store: Path, text: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(value(text), store, may_create=True)
    assert "harvester key new --print" in caught.value.hint
    assert "HARVESTER_KEY" in caught.value.message
    assert text not in caught.value.message + caught.value.hint


def test_a_given_key_file_is_held_to_the_rules_of_keys(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_text(TEXT + "\n")
    path.chmod(0o600)
    assert load(file(path), store, may_create=False)[0].primary.material == MATERIAL
    path.chmod(0o644)
    with pytest.raises(ConfigUnsafe):
        load(file(path), store, may_create=False)


def test_a_key_has_one_name_and_no_other_key_has_it() -> None:
    key = MasterKey(MATERIAL)
    assert key.kid == MasterKey(MATERIAL).kid
    assert len(key.kid) == 16
    assert key.kid != MasterKey(b"x" * 32).kid
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKey(b"short")


# Fingerprints


def test_a_fingerprint_depends_on_the_key_and_on_where_the_parts_end() -> None:
    key = KeyRing(MATERIAL_KEY)
    one = fingerprint(key, "https://login.example", "ada", "hunter2")
    assert one == fingerprint(KeyRing(MATERIAL_KEY), "https://login.example", "ada", "hunter2")
    assert one.startswith(key.primary.kid + ":") and len(one) == 16 + 1 + 64
    other = KeyRing(MasterKey(b"x" * 32))
    assert one != fingerprint(other, "https://login.example", "ada", "hunter2")
    assert fingerprint(key, "ab", "c") != fingerprint(key, "a", "bc")
    assert fingerprint(key, "a") != fingerprint(key, "a", "")


# Secrets


def test_where_a_secret_comes_from_is_said_once() -> None:
    assert SecretSource(kind="value", name="HARVESTER_KEY").named() == "HARVESTER_KEY"
    given = SecretSource(kind="file", name="HARVESTER_KEY_FILE", path="/srv/key")
    assert given.named() == "HARVESTER_KEY_FILE (file /srv/key)"


def test_a_secret_is_the_first_line_wherever_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(" hunter2 ü \r\nuser: ada\n".encode())
    source = SecretSource("file", "HARVESTER_PASSWORD", path=str(path))
    assert read_secret(source) == " hunter2 ü "
    assert read_secret(python("print('hunter2'); print('user: ada')")) == "hunter2"
    assert read_secret(SecretSource("value", "HARVESTER_PASSWORD", value="hunter2")) == "hunter2"


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\nhunter2", b"hun\x00ter2", b"\xff\xfe", b"a\x1b"]
)
def test_what_could_not_be_typed_is_refused_unseen(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(ConfigInvalid, match="HARVESTER_PASSWORD") as caught:
        read_secret(SecretSource("file", "HARVESTER_PASSWORD", path=str(path)))
    assert "ter2" not in caught.value.message
    assert str(path) in caught.value.message


def test_a_missing_secret_file_is_an_error_with_the_settings_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"HARVESTER_KEY .*not there"):
        read_secret(file(tmp_path / "none"))


def test_a_command_that_fails_is_told_without_what_it_printed() -> None:
    source = python("import sys; print('hunter2'); sys.stderr.write('hunter3'); sys.exit(3)")
    with pytest.raises(ConfigInvalid, match="exit code 3") as caught:
        read_secret(source)
    told = caught.value.message + caught.value.hint
    assert "hunter" not in told


def test_what_a_command_says_on_stderr_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    read_secret(python("import sys; sys.stderr.write('hunter3'); print('x')"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("argv", [(), ("/no/such/program",), ("/",), ("a\0b",)])
def test_a_command_that_cannot_be_started_is_an_error(argv: tuple[str, ...]) -> None:
    with pytest.raises(ConfigInvalid, match="HARVESTER_PASSWORD"):
        read_secret(SecretSource("command", "HARVESTER_PASSWORD", argv=argv))


def test_a_command_runs_without_a_shell() -> None:
    assert read_secret(command("echo", "$HOME; `id`")) == "$HOME; `id`"


def test_a_command_sees_none_of_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_PASSWORD", "hunter2")
    monkeypatch.setenv("OTHER", "kept")
    names = read_secret(python("import os; print(*os.environ)")).split()
    assert "OTHER" in names
    assert not [name for name in names if name.startswith("HARVESTER_")]
    assert command_environment({"HARVESTER_X": "1", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    # The grandchild holds a pipe open; the pipe's end is the proof of its death.
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    code = (
        "import subprocess, sys; "
        f"subprocess.Popen(['sh', '-c', 'exec 3>{fifo}; sleep 600']); "
        "import time; time.sleep(600)"
    )
    alive = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    started = time.monotonic()
    try:
        with pytest.raises(ConfigInvalid, match="did not end within 1 s"):
            read_secret(python(code), limit_s=1.0)
        assert time.monotonic() - started < 10
        os.set_blocking(alive, True)
        assert os.read(alive, 1) == b""
    finally:
        os.close(alive)


def test_an_agent_that_a_command_leaves_behind_does_not_hold_us_up(tmp_path: Path) -> None:
    fifo = tmp_path / "end"
    os.mkfifo(fifo)
    # The agent keeps the command's output open until somebody opens the pipe for writing.
    assert read_secret(command("sh", "-c", f"cat {fifo} & echo hunter2"), limit_s=20) == "hunter2"
    os.close(os.open(fifo, os.O_WRONLY))


def test_a_command_that_prints_without_end_is_stopped() -> None:
    with pytest.raises(ConfigInvalid, match="too much"):
        read_secret(command("cat", "/dev/zero"))


def test_a_command_that_closes_its_output_and_goes_on_is_stopped() -> None:
    with pytest.raises(ConfigInvalid, match="did not end"):
        read_secret(command("sh", "-c", "echo x; exec >&-; sleep 60"), limit_s=0.5)
