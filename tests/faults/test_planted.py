"""What somebody put in the place of each file that we read or write: named, and never touched.

A row is a place, what is done there, and what each plant leads to.  In every case the file that
the plant points to keeps its bytes, its mode and its time; the plant itself stays, unless a file
of ours replaces it by name (a second name of another file, where only the content can tell); and
nothing hangs.

What a second name (a hard link) is judged by: nobody but we can make one in a directory that is
ours alone, and owner and mode are then those of the other file.  Where a file is replaced by a
rename or its content is sealed, a second name does no harm, and the content decides (who copies
the store by ``cp -al`` gives all of them one).  What is written in place (locks, the journal) must
have one name only.
"""

from __future__ import annotations

import base64
import logging
import os
import secrets
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakehouse import ORIGIN, a_session
from faultydisk import Unsynced, disk_of, open_fds
from foreign import belongs_to_another, is_a_device
from harvester import log
from harvester.errors import HarvesterError, StoreUnsafe
from harvester.outlets.files import Files
from harvester.profile import KeptFile, Profile, Site
from harvester.session import Served
from harvester.vault import keys
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.durable import Disk
from harvester.vault.journal import MOST_BYTES
from storekit import SEAL, StillClock, at, damage, record

# A FIFO without a writer holds whoever opens it for ever.
HANGS_AFTER_S = 10.0
VICTIM = b"somebody's own file"
DIGITS = "0" * 16
ASIDE = "session.bad-20251123T121320.500Z"


class Place:
    """A store with two sessions and a piece of evidence, and a victim beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "store"
        self.kept = folder / "kept"
        self.kept.mkdir(mode=0o700)
        self.disk = disk_of()
        prepare(self.root, disk=self.disk)
        self.store = DirectoryStore(self.root, SEAL, disk=self.disk, clock=StillClock())
        for generation in (1, 2):
            self.store.write("default", "session", f"session {generation}".encode(), generation)
        self.store.evidence("default").add(
            SEAL.seal(b"film", profile="default", purpose="evidence", generation=1, now_s=1.0)
        )
        self.store.journal("default").add(b"first")
        (self.root / "key").write_bytes(base64.b64encode(b"k" * 32))
        (self.root / "key").chmod(0o600)
        self.victim = folder / "victim"
        self.victim.write_bytes(VICTIM)
        self.victim.chmod(0o600)
        os.utime(self.victim, ns=(1_700_000_000_000_000_000, 1_700_000_000_000_000_000))
        self._before = self._seen(self.victim)

    def victim_is_untouched(self) -> bool:
        return self._seen(self.victim) == self._before and self.victim.read_bytes() == VICTIM

    @staticmethod
    def _seen(path: Path) -> tuple[int, int, int, int]:
        seen = path.lstat()
        return seen.st_ino, seen.st_mode, seen.st_size, seen.st_mtime_ns

    def damage(self) -> None:
        damage(at(self.root, "session"))

    def fill_journal(self) -> None:
        path = at(self.root, "journal")
        path.write_bytes(b"x" * (MOST_BYTES - 1) + b"\n")

    def publish(self) -> None:
        """A kept file tells nobody but the log; here it raises what was told."""
        kept = (KeptFile("cookie", os.fspath(self.kept / "cookie")),)
        files = Files(
            Profile("default", Site(ORIGIN, ORIGIN, "/probe"), files=kept), disk=Disk(Unsynced())
        )
        told: list[str] = []
        end = log.listen(lambda name, level, fields: told.append(str(fields.get("code"))))
        try:
            files.publish(Served(a_session()))
        finally:
            end()
        if files.troubles:
            raise KeptRefused(told)


class KeptRefused(Exception):
    def __init__(self, codes: list[str]) -> None:
        (self.code,) = codes


# The plants


def symlink(place: Place, path: Path, patch: pytest.MonkeyPatch) -> None:
    path.symlink_to(place.victim)


def dangling(place: Place, path: Path, patch: pytest.MonkeyPatch) -> None:
    path.symlink_to(place.root.parent / "nothing")


def fifo(place: Place, path: Path, patch: pytest.MonkeyPatch) -> None:
    os.mkfifo(path, 0o600)


def directory(place: Place, path: Path, patch: pytest.MonkeyPatch) -> None:
    path.mkdir(mode=0o700)


def unix_socket(place: Place, path: Path, patch: pytest.MonkeyPatch) -> None:
    # A socket's address is short, a test's directory is not.
    here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)
    path.chmod(0o600)


def device(place: Place, path: Path, patch: pytest.MonkeyPatch) -> None:
    is_a_device(patch, path)


def another_users(place: Place, path: Path, patch: pytest.MonkeyPatch) -> None:
    path.write_bytes(VICTIM)
    path.chmod(0o600)
    belongs_to_another(patch, path)


def open_to_others(place: Place, path: Path, patch: pytest.MonkeyPatch) -> None:
    path.write_bytes(VICTIM)
    path.chmod(0o644)


def second_name(place: Place, path: Path, patch: pytest.MonkeyPatch) -> None:
    os.link(place.victim, path)


Plant = Callable[[Place, Path, pytest.MonkeyPatch], None]
KINDS: tuple[Plant, ...] = (symlink, dangling, fifo, directory, unix_socket, device)
PLANTS: tuple[Plant, ...] = (*KINDS, another_users, open_to_others, second_name)


# The places


@dataclass(frozen=True)
class Row:
    """``second_name`` is what a hard link leads to, ``others`` every other plant."""

    place: str
    path: Callable[[Place], Path]
    act: Callable[[Place], object]
    second_name: str
    others: str = "store_unsafe"
    before: Callable[[Place], None] = lambda place: None


def in_profile(name: str) -> Callable[[Place], Path]:
    return lambda place: at(place.root, name)


def read(place: Place) -> object:
    return place.store.read("default", "session")


def write(place: Place) -> object:
    return place.store.write("default", "session", b"new", 3)


def write_sealed(place: Place) -> object:
    return place.store.write_sealed("default", "session", record())


ROWS = (
    Row("a record, read", in_profile("session"), read, "ok, the one before"),
    Row("a record, handed on", in_profile("session"),
        lambda place: place.store.read_sealed("default", "session"), "ok, the one before"),
    Row("a record, written", in_profile("session"), write, "ok"),
    Row("a sealed record, written", in_profile("session"), write_sealed, "ok"),
    Row("the one before, written over", in_profile("session.previous"), write, "ok"),
    Row("the one before, fallen back upon", in_profile("session.previous"), read, "store_corrupt",
        before=Place.damage),
    Row("a temporary name", in_profile(f".session.{DIGITS}.tmp"), write, "store_unsafe"),
    Row("the name to set aside under", in_profile(ASIDE), read, "ok, the one before",
        others="ok, the one before", before=Place.damage),
    Row("the noted generations, read", in_profile("seen"), read, "ok"),
    Row("the noted generations, written", in_profile("seen"), write, "ok"),
    Row("a lock", lambda place: place.root / "locks" / "profile.default.lock",
        lambda place: place.store.lock("default").acquire_nonblocking(), "store_unsafe"),
    Row("the daemon's lock", lambda place: place.root / "locks" / "daemon.lock",
        lambda place: place.store.lock_daemon().acquire_nonblocking(), "store_unsafe"),
    Row("the key", lambda place: place.root / "key",
        lambda place: keys.load(None, place.root, may_create=False), "key_wrong"),
    Row("the journal, added to", in_profile("journal"),
        lambda place: place.store.journal("default").add(b"second"), "store_unsafe"),
    Row("the journal, read", in_profile("journal"),
        lambda place: place.store.journal("default").lines(), "ok"),
    Row("the older journal, turned over", in_profile("journal.older"),
        lambda place: place.store.journal("default").add(b"second"), "ok",
        before=Place.fill_journal),
    Row("evidence", in_profile("evidence-0001"),
        lambda place: place.store.evidence("default").read(1), "store_corrupt"),
    Row("a kept file", lambda place: place.kept / "cookie", Place.publish, "ok",
        others="config_unsafe or store_unsafe"),
)  # fmt: skip
CASES = [
    pytest.param(row, plant, id=f"{row.place}: {plant.__name__}")
    for row in ROWS
    for plant in PLANTS
]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    tmp_path.chmod(0o700)
    return Place(tmp_path)


@pytest.fixture(autouse=True)
def nothing_hangs() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANGS_AFTER_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def told(place: Place, act: Callable[[Place], object]) -> str:
    """``ok``, or the code of what was raised; an error tells what helps."""
    try:
        found = act(place)
    except HarvesterError as error:
        assert error.hint
        return error.code
    except KeptRefused as error:
        return error.code
    fallen_back = getattr(found, "from_previous", False) or isinstance(found, bytes)
    return "ok, the one before" if fallen_back else "ok"


def looks(path: Path) -> tuple[object, ...]:
    seen = path.lstat()
    target = os.readlink(path) if stat.S_ISLNK(seen.st_mode) else None
    return seen.st_ino, seen.st_mode, seen.st_size, seen.st_mtime_ns, target


def test_there_are_as_many_cases_as_the_table_promises() -> None:
    assert len(CASES) == len(ROWS) * len(PLANTS) >= 150


@pytest.mark.parametrize(("row", "plant"), CASES)
def test_what_was_planted_is_named_and_not_touched(
    place: Place, row: Row, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    if row.place == "a temporary name":
        monkeypatch.setattr(secrets, "token_hex", lambda count: DIGITS)
    row.before(place)
    path = row.path(place)
    if os.path.lexists(path):
        path.unlink()
    plant(place, path, monkeypatch)
    planted = looks(path)
    fds = open_fds()
    expected = row.second_name if plant is second_name else row.others
    assert told(place, row.act) in expected.split(" or ")
    assert place.victim_is_untouched()
    assert not (place.root.parent / "nothing").exists()
    if plant is not second_name:
        assert looks(path) == planted
        # And again, with what the first time left.
        assert told(place, row.act) in (*expected.split(" or "), "ok")
        assert looks(path) == planted
    assert open_fds() == fds


class Late(Unsynced):
    """Puts a plant in the place of a file just after it was looked at."""

    def __init__(self, path: Path, plant: Callable[[], None]) -> None:
        self._path = path
        self._plant: Callable[[], None] | None = plant

    def lstat(self, name: str | Path, dir_fd: int | None = None) -> os.stat_result:
        seen = super().lstat(name, dir_fd)
        if self._plant is not None and Path(name).name == self._path.name:
            self._path.unlink()
            self._plant()
            self._plant = None
        return seen


@pytest.mark.parametrize("plant", [symlink, fifo, directory, unix_socket, device])
@pytest.mark.parametrize("where", ["session", "locks", "journal"])
def test_what_is_planted_between_the_look_and_the_opening_is_refused_too(
    place: Place, where: str, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = place.root / "locks" / "profile.default.lock"
    lock.touch(mode=0o600)
    path = lock if where == "locks" else at(place.root, where)
    calls = Late(path, lambda: plant(place, path, monkeypatch))
    store = DirectoryStore(
        place.root, SEAL, disk=Disk(calls, private_dirs=True), clock=StillClock()
    )
    act: dict[str, Callable[[], object]] = {
        "session": lambda: store.read("default", "session"),
        "locks": lambda: store.lock("default").acquire_nonblocking(),
        "journal": lambda: store.journal("default").add(b"second"),
    }
    with pytest.raises(StoreUnsafe) as caught:
        act[where]()
    assert caught.value.hint
    assert place.victim_is_untouched()


def test_no_link_is_followed_though_a_whole_record_of_ours_lies_behind_it(place: Place) -> None:
    elsewhere = place.root.parent / "elsewhere"
    elsewhere.write_bytes(record())
    elsewhere.chmod(0o600)
    path = at(place.root, "session")
    calls = Late(path, lambda: path.symlink_to(elsewhere))
    store = DirectoryStore(place.root, SEAL, disk=Disk(calls, private_dirs=True))
    with pytest.raises(StoreUnsafe):
        store.read("default", "session")
    assert path.is_symlink()


def test_what_is_planted_just_before_the_rename_is_not_written_through(place: Place) -> None:
    path = at(place.root, "session")
    calls = Late(path, lambda: path.symlink_to(place.victim))
    Disk(calls, private_dirs=True).write_atomic(path.parent, "session", b"new")
    assert place.victim_is_untouched()
    assert (path.is_symlink(), path.read_bytes()) == (False, b"new")


class Opened(Unsynced):
    def __init__(self) -> None:
        self.names: list[str] = []

    def open(self, path: str | Path, flags: int, mode: int = 0, dir_fd: int | None = None) -> int:
        self.names.append(Path(path).name)
        return super().open(path, flags, mode, dir_fd)


@pytest.mark.parametrize("where", ["session", "profile.default.lock", "journal"])
def test_a_device_is_not_even_opened(
    place: Place, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening some of them does something: a tape rewinds, a watchdog starts."""
    path = place.root / "locks" / where if "lock" in where else at(place.root, where)
    path.unlink(missing_ok=True)
    is_a_device(monkeypatch, path)
    calls = Opened()
    store = DirectoryStore(place.root, SEAL, disk=Disk(calls, private_dirs=True))
    for act in (
        lambda: store.read("default", "session"),
        lambda: store.lock("default").acquire_nonblocking(),
        lambda: store.journal("default").add(b"second"),
    ):
        try:
            act()
        except StoreUnsafe:
            continue
    assert where not in calls.names


@pytest.mark.parametrize("folder", ["profiles/default", "profiles", "locks", ""])
@pytest.mark.parametrize("plant", KINDS)
def test_a_folder_of_the_store_is_held_to_the_same_rules(
    place: Place, folder: str, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.root / folder
    path.rename(place.root.parent / "moved")
    if plant is directory:
        path.symlink_to(place.root.parent / "moved", target_is_directory=True)
    else:
        plant(place, path, monkeypatch)
    acts: tuple[Callable[[Place], object], ...] = (
        (lambda one: one.store.lock("default").acquire_nonblocking(),)
        if folder == "locks"
        else (read, write)
    )
    if folder == "profiles":
        acts = (write,)
    for act in acts:
        assert told(place, act) == "store_unsafe"
    assert place.victim_is_untouched()
    assert not (place.root.parent / "nothing").exists()


def test_a_store_copied_by_hard_links_is_a_store_and_the_copy_stays_as_it_was(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """``cp -al store store.bak``: each file has two names, and only the journal must not."""
    copy = place.root.parent / "copy"
    copy.mkdir(mode=0o700)
    files = [path for path in place.root.rglob("*") if path.is_file()]
    for path in files:
        os.link(path, copy / path.name)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    with caplog.at_level(logging.WARNING):
        found = place.store.read("default", "session")
        assert found is not None and found.plaintext == b"session 2"
        write(place)
        with pytest.raises(StoreUnsafe, match="second name") as caught:
            place.store.journal("default").add(b"second")
    assert caught.value.hint.startswith("run: rm ")
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
