"""Whatever the disk does, and whenever the process dies: a reader gets the old record or the new.

The n-th system call of a write fails, for n = 1, 2, 3 ... until the write passes clean; the
process is killed before the n-th; readers read while a writer writes; somebody else tries.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvester.errors import StoreError, StoreFull
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.durable import Calls, Disk
from harvester.vault.keys import KeyRing, MasterKey, load
from harvester.vault.seal import Seal

SEAL = Seal(KeyRing(MasterKey(b"k" * 32)))
ERRNOS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EINTR, errno.EACCES)
# More calls than any of the operations makes: a loop that gets here never came to its end.
CALLS_MOST = 200


class Failing(Calls):
    """Counts the calls and does ``fault`` in the place of the n-th.

    A ``close`` that fails has closed all the same, as on Linux.
    """

    def __init__(self, fail_at: int, fault: Callable[[], Any]) -> None:
        self._left = fail_at
        self._fault = fault
        self.reached = False

    def __getattribute__(self, name: str) -> Any:
        call = super().__getattribute__(name)
        if name.startswith("_") or name == "reached":
            return call

        def counted(*args: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                self.reached = True
                if name == "close":
                    call(*args, **named)
                self._fault()
            return call(*args, **named)

        return counted


def refusing(number: int) -> Callable[[], None]:
    def fault() -> None:
        raise OSError(number, os.strerror(number))

    return fault


def store_at(root: Path, calls: Calls | None = None) -> DirectoryStore:
    return DirectoryStore(root, SEAL, disk=Disk(calls, private_dirs=True))


def open_fds() -> int:
    from faultydisk import open_fds as counted  # late: children of tests here import this file

    return counted()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    prepare(path)
    return path


def read(root: Path) -> bytes | None:
    found = store_at(root).read("default", "session")
    return None if found is None else found.plaintext


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_whichever_call_of_a_write_fails_the_old_record_or_the_new_is_there(
    root: Path, number: int
) -> None:
    store_at(root).write("default", "session", b"0", 1)
    fds = open_fds()
    last = b"0"
    for n in range(1, CALLS_MOST):
        calls = Failing(n, refusing(number))
        mine = str(n).encode()
        told = False
        try:
            store_at(root, calls).write("default", "session", mine, n + 1)
        except StoreError as error:
            told = True
            assert error.hint
        # After an error either may be there; without one it is the new one, durably.
        assert read(root) in ((last, mine) if told else (mine,))
        last = read(root) or b""
        assert open_fds() == fds
        if not calls.reached:
            assert not told
            break
    else:
        pytest.fail("the write never passed clean")
    assert n > 20
    profile = root / "profiles" / "default"
    temps = [path for path in profile.iterdir() if path.name.startswith(".")]
    # Only where the removal of a temp file was itself what failed.
    assert len(temps) <= 3
    assert not [path for path in profile.iterdir() if ".bad-" in path.name]


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_whichever_call_of_a_read_fails_nothing_is_moved(root: Path, number: int) -> None:
    for generation in (1, 2):
        store_at(root).write("default", "session", b"kept", generation)
    profile = root / "profiles" / "default"
    before = sorted(path.name for path in profile.iterdir())
    fds = open_fds()
    for n in range(1, CALLS_MOST):
        calls = Failing(n, refusing(number))
        try:
            found = store_at(root, calls).read("default", "session")
        except StoreError as error:
            assert error.hint
        else:
            assert found is not None
            assert found.plaintext == b"kept"
        assert sorted(path.name for path in profile.iterdir()) == before
        assert open_fds() == fds
        if not calls.reached:
            break
    else:
        pytest.fail("the read never passed clean")
    assert n > 5


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_whichever_call_fails_while_a_damaged_record_is_set_aside_the_older_one_stays(
    root: Path, number: int
) -> None:
    store_at(root).write("default", "session", b"older", 1)
    store_at(root).write("default", "session", b"newer", 2)
    current = root / "profiles" / "default" / "session"
    damaged = current.read_bytes()[:-40]
    fds = open_fds()
    for n in range(1, CALLS_MOST):
        current.write_bytes(damaged)
        current.chmod(0o600)
        calls = Failing(n, refusing(number))
        try:
            found = store_at(root, calls).read("default", "session")
        except StoreError as error:
            assert error.hint
        else:
            assert found is not None
            assert found.plaintext == b"older"
        assert read(root) == b"older"
        assert open_fds() == fds
        if not calls.reached:
            break
    else:
        pytest.fail("the read never passed clean")


def test_on_a_disk_that_takes_nothing_the_record_before_a_damaged_one_is_still_served(
    root: Path,
) -> None:
    store_at(root).write("default", "session", b"older", 1)
    store_at(root).write("default", "session", b"newer", 2)
    current = root / "profiles" / "default" / "session"
    current.write_bytes(b"damaged")

    class ReadOnly(Calls):
        def rename(self, source: str, target: str, dir_fd: int) -> None:
            raise OSError(errno.EROFS, "read-only file system")

    store = store_at(root, ReadOnly())
    for _ in range(2):
        found = store.read("default", "session")
        assert found is not None
        assert (found.plaintext, found.from_previous, found.set_aside) == (b"older", True, None)
    with pytest.raises(StoreFull, match="read-only") as caught:
        store.write("default", "session", b"x", 3)
    assert "df -h" in caught.value.hint
    assert current.read_bytes() == b"damaged"


def test_whichever_call_of_a_delete_fails_no_older_record_comes_back(root: Path) -> None:
    fds = open_fds()
    for n in range(1, CALLS_MOST):
        store_at(root).write("default", "session", b"older", 1)
        store_at(root).write("default", "session", b"newer", 2)
        calls = Failing(n, refusing(errno.EIO))
        told = False
        try:
            store_at(root, calls).delete("default", "session")
        except StoreError:
            told = True
        assert read(root) in ((b"newer", None) if told else (None,))
        assert open_fds() == fds
        if not calls.reached:
            break
    else:
        pytest.fail("the delete never passed clean")


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_whichever_call_fails_at_the_first_start_the_next_one_finds_its_way(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(1, CALLS_MOST):
        root = tmp_path / str(n)
        calls = Failing(n, refusing(number))
        with monkeypatch.context() as patched:
            patched.setattr("harvester.vault.durable.Calls", lambda calls=calls: calls)
            try:
                prepare(root)
                made = load(None, root, may_create=True)[0]
            except StoreError as error:
                made = None
                assert error.hint
        prepare(root)
        ring, _ = load(None, root, may_create=True)
        assert made is None or made == ring
        if not calls.reached:
            break
    else:
        pytest.fail("the start never passed clean")
    assert n > 20


DIES = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from test_store_faults import Failing, store_at

def die():
    os.kill(os.getpid(), signal.SIGKILL)

# Each write is in a child of its own, which dies before its n-th call; the parent, which has one
# thread, only counts.  It ends with the number of the first write that lived.
root, n = Path(sys.argv[2]), 0
while True:
    n += 1
    pid = os.fork()
    if pid == 0:
        store_at(root, Failing(n, die)).write("default", "session", str(n).encode(), n + 1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    found = store_at(root).read("default", "session")
    print(n, os.WIFSIGNALED(status), found.plaintext.decode(), found.from_previous,
          found.rolled_back, flush=True)
    if not os.WIFSIGNALED(status):
        sys.exit(os.WEXITSTATUS(status))
"""


def test_killed_before_any_call_of_a_write_the_next_start_finds_a_whole_record(
    root: Path,
) -> None:
    store_at(root).write("default", "session", b"0", 1)
    run = subprocess.run(
        [sys.executable, "-c", DIES, str(Path(__file__).parent), str(root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [line.split() for line in run.stdout.splitlines()]
    assert len(lines) > 20
    last = "0"
    for n, died, found, from_previous, rolled_back in lines:
        assert found in (last, n)
        assert (from_previous, rolled_back) == ("False", "False")
        if died == "False":
            assert found == n
        last = found
    profile = root / "profiles" / "default"
    assert [path for path in profile.iterdir() if path.name.startswith(".")]  # the dead leave some
    Disk(private_dirs=True).sweep(profile, now_s=profile.stat().st_ctime + 3600)
    assert sorted(path.name for path in profile.iterdir()) == [
        "seen",
        "session",
        "session.previous",
    ]


WRITES = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from test_store_faults import store_at
store = store_at(Path(sys.argv[2]))
for generation in range(2, 202):
    store.write("default", "session", str(generation).encode() * 500, generation)
"""


def test_a_reader_beside_a_writer_sees_whole_records_that_never_go_back(root: Path) -> None:
    store_at(root).write("default", "session", b"1" * 500, 1)
    writer = subprocess.Popen([sys.executable, "-c", WRITES, str(Path(__file__).parent), str(root)])
    reader = store_at(root)
    seen = []
    with writer:
        while writer.poll() is None:
            found = reader.read("default", "session")
            assert found is not None
            assert found.plaintext == str(found.generation).encode() * 500
            assert (found.from_previous, found.rolled_back, found.set_aside) == (False, False, None)
            seen.append(found.generation)
    assert writer.returncode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 10
    found = reader.read("default", "session")
    assert found is not None
    assert found.generation == 201


def test_readers_that_find_damage_never_move_what_a_writer_puts_in_its_place(root: Path) -> None:
    """Eight readers see a damaged record while a writer mends it: the mended one always stays."""
    current = root / "profiles" / "default" / "session"
    store_at(root).write("default", "session", b"first", 1)
    for generation in range(2, 12):
        current.write_bytes(current.read_bytes()[:-40])
        gate = threading.Barrier(9)
        wrong: list[object] = []

        def look(gate: threading.Barrier = gate, wrong: list[object] = wrong) -> None:
            gate.wait()
            try:
                store_at(root).read("default", "session")
            except StoreError as error:
                if error.code != "store_corrupt":
                    wrong.append(error)

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        gate.wait()
        mine = str(generation).encode()
        store_at(root).write("default", "session", mine, generation)
        for thread in threads:
            thread.join()
        assert not wrong
        assert read(root) == mine


AS_ANOTHER = """
import os, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from harvester.errors import StoreUnsafe
from test_store_faults import store_at
store = store_at(Path(sys.argv[2]))
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
else:
    # Without the right to become somebody else, the store at least takes us for another.
    other = os.geteuid() + 1
    os.geteuid = lambda: other
for attempt in (
    lambda: store.read("default", "session"),
    lambda: store.write("default", "session", b"x", 9),
    lambda: store.has_records(),
    lambda: store.delete("default", "session"),
    lambda: store.lock("default").acquire_nonblocking(),
):
    try:
        attempt()
    except StoreUnsafe as error:
        print(error.code, bool(error.hint))
    else:
        print("allowed")
"""


def test_another_user_can_neither_read_write_nor_delete(root: Path, tmp_path: Path) -> None:
    store_at(root).write("default", "session", b"secret", 1)
    # Everything above the store is open, so that the store's own modes are what refuses.
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, str(Path(__file__).parent), str(root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout.splitlines() == ["store_unsafe True"] * 5, run.stderr
    assert read(root) == b"secret"
