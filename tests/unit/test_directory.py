"""The store gives back what was stored, falls back when it is damaged, and never drops a record."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path

import pytest

from harvester.errors import (
    Bug,
    KeyWrong,
    StoreCorrupt,
    StoreError,
    StoreSwapped,
    StoreTampered,
    StoreTooNew,
    StoreUnsafe,
)
from harvester.vault.directory import DirectoryStore, Stored, prepare
from harvester.vault.keys import KeyRing, MasterKey, load
from harvester.vault.seal import PURPOSES, Seal

SEAL = Seal(KeyRing(MasterKey(b"k" * 32)))
OTHER_SEAL = Seal(KeyRing(MasterKey(b"o" * 32)))


class StillClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now_s = 1_763_900_000.5

    def wall_s(self) -> float:
        return self.now_s

    def awake_s(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    prepare(path)
    return path


@pytest.fixture
def store(root: Path, clock: StillClock) -> DirectoryStore:
    return DirectoryStore(root, SEAL, clock=clock)


def at(root: Path, name: str, profile: str = "default") -> Path:
    return root / "profiles" / profile / name


def names(root: Path, profile: str = "default") -> list[str]:
    return sorted(item.name for item in (root / "profiles" / profile).iterdir())


def damage(path: Path) -> None:
    """Half of the file is lost, as after a crash of a disk that lied about syncing."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def replace(path: Path, record: bytes) -> None:
    path.write_bytes(record)


def record(seal: Seal = SEAL, *, profile: str = "default", generation: int = 9) -> bytes:
    return seal.seal(
        b"planted", profile=profile, purpose="session", generation=generation, now_s=1.0
    )


def test_what_was_written_is_read_by_this_process_and_the_next(
    store: DirectoryStore, root: Path, clock: StillClock
) -> None:
    store.write("default", "session", b"cookies", 1)
    expected = Stored(b"cookies", 1, clock.now_s)
    assert store.read("default", "session") == expected
    assert DirectoryStore(root, SEAL).read("default", "session") == expected


def test_profiles_and_purposes_do_not_mix(store: DirectoryStore) -> None:
    for profile in ("default", "work"):
        for purpose in PURPOSES:
            store.write(profile, purpose, f"{profile} {purpose}".encode(), 1)
    for profile in ("default", "work"):
        for purpose in PURPOSES:
            stored = store.read(profile, purpose)
            assert stored is not None
            assert stored.plaintext == f"{profile} {purpose}".encode()
    assert store.profiles() == ["default", "work"]


def test_an_empty_store_reads_as_nothing_and_stays_empty(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "none", SEAL)
    assert store.read("default", "session") is None
    assert store.read("default", "ledger") is None
    assert store.read_sealed("default", "identity-state") is None
    assert store.stamp("default", "session") is None
    assert store.profiles() == []
    assert not store.has_records()
    store.delete("default", "session")
    assert not (tmp_path / "none").exists()


def test_nothing_in_the_store_can_be_read_by_others_or_shows_the_secret(
    store: DirectoryStore, root: Path
) -> None:
    old = os.umask(0)
    try:
        load(None, root, may_create=True)
        for generation in (1, 2):
            store.write("default", "session", b"stytch_session=secret", generation)
        with store.lock("default") as lock, store.lock_daemon() as daemon:
            assert lock.acquire_nonblocking()
            assert daemon.acquire_nonblocking()
            found = [root, *root.rglob("*")]
    finally:
        os.umask(old)
    assert len(found) > 8
    for path in found:
        mode = path.lstat().st_mode
        assert stat.S_IMODE(mode) == (0o700 if stat.S_ISDIR(mode) else 0o600)
        if stat.S_ISREG(mode):
            data = path.read_bytes()
            assert b"stytch" not in data
            assert base64.b64encode(b"stytch_session=secret") not in data


def test_a_stamp_tells_that_somebody_wrote(store: DirectoryStore, root: Path) -> None:
    store.write("default", "session", b"1", 1)
    first = store.stamp("default", "session")
    assert first == store.stamp("default", "session")
    DirectoryStore(root, SEAL).write("default", "session", b"1", 1)
    assert store.stamp("default", "session") != first
    store.delete("default", "session")
    assert store.stamp("default", "session") is None


# Damage


def test_a_damaged_record_gives_the_one_before_it_and_is_kept_aside(
    store: DirectoryStore, root: Path, clock: StillClock
) -> None:
    store.write("default", "session", b"older", 1)
    store.write("default", "session", b"newer", 2)
    damage(at(root, "session"))
    found = store.read("default", "session")
    assert found == Stored(
        b"older",
        1,
        clock.now_s,
        from_previous=True,
        set_aside="session.bad-20251123T121320.500Z",
    )
    again = store.read("default", "session")
    assert again == Stored(b"older", 1, clock.now_s, from_previous=True)
    store.write("default", "session", b"newest", 3)
    assert store.read("default", "session") == Stored(b"newest", 3, clock.now_s)
    assert "session.previous" in names(root)


def test_a_damaged_record_with_none_before_it_is_an_error_once_and_then_nothing(
    store: DirectoryStore, root: Path
) -> None:
    store.write("default", "session", b"only", 1)
    damage(at(root, "session"))
    with pytest.raises(StoreCorrupt, match=r"kept as .*session\.bad-") as caught:
        store.read("default", "session")
    assert caught.value.hint
    assert store.read("default", "session") is None
    assert store.has_records()  # a key that opens it must not be replaced


def test_both_damaged_are_both_kept_aside(store: DirectoryStore, root: Path) -> None:
    for generation in (1, 2):
        store.write("default", "session", b"x", generation)
    damage(at(root, "session"))
    damage(at(root, "session.previous"))
    with pytest.raises(StoreCorrupt):
        store.read("default", "session")
    assert len([name for name in names(root) if ".bad-" in name]) == 2
    assert store.read("default", "session") is None


def test_a_damaged_ledger_never_turns_into_an_empty_one(store: DirectoryStore, root: Path) -> None:
    store.write("default", "ledger", b"two rejected", 1)
    damage(at(root, "ledger"))
    for reader in (store, store, DirectoryStore(root, SEAL)):
        with pytest.raises(StoreCorrupt):
            reader.read("default", "ledger")
    store.write("default", "ledger", b"unlocked", 1)
    found = store.read("default", "ledger")
    assert found is not None
    assert (found.plaintext, found.rolled_back) == (b"unlocked", False)


def test_no_more_than_three_are_kept_aside_the_newest_ones(
    store: DirectoryStore, root: Path, clock: StillClock
) -> None:
    for generation in range(1, 7):
        clock.now_s += 1
        store.write("default", "session", b"x", generation)
        damage(at(root, "session"))
        with pytest.raises(StoreCorrupt):
            store.read("default", "session")
    bad = [name for name in names(root) if ".bad-" in name]
    assert bad == [f"session.bad-20251123T1213{second}.500Z" for second in (24, 25, 26)]


def test_two_set_aside_in_one_instant_are_both_kept(store: DirectoryStore, root: Path) -> None:
    for _ in range(2):
        store.write("default", "session", b"x", 1)
        damage(at(root, "session"))
        with pytest.raises(StoreCorrupt):
            store.read("default", "session")
    assert len([name for name in names(root) if ".bad-" in name]) == 2


def test_a_write_over_a_damaged_record_keeps_the_good_one_before_it(
    store: DirectoryStore, root: Path
) -> None:
    store.write("default", "session", b"good", 1)
    store.write("default", "session", b"lost", 2)
    damage(at(root, "session"))
    store.write("default", "session", b"new", 3)
    assert any(".bad-" in name for name in names(root))
    damage(at(root, "session"))
    found = store.read("default", "session")
    assert found is not None
    assert found.plaintext == b"good"


@pytest.mark.parametrize("garbage", [b"", b"\0" * 700, b"x" * 2_000_000, b"harvester-sealed 1\n"])
def test_garbage_of_any_size_is_damage(store: DirectoryStore, root: Path, garbage: bytes) -> None:
    store.write("default", "session", b"older", 1)
    store.write("default", "session", b"newer", 2)
    replace(at(root, "session"), garbage)
    found = store.read("default", "session")
    assert found is not None
    assert found.plaintext == b"older"


# Records that must stay


def tampered() -> bytes:
    body = record().replace(b'"generation":9', b'"generation":8')
    body = body[: body.rindex(b"sha256:")]
    return body + b"sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n"


def too_new() -> bytes:
    body = b"harvester-sealed 2\nanything\n"
    return body + b"sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n"


@pytest.mark.parametrize(
    ("planted", "error"),
    [
        (record(OTHER_SEAL), KeyWrong),
        (tampered(), StoreTampered),
        (record(profile="work"), StoreSwapped),
        (too_new(), StoreTooNew),
    ],
    ids=["another key", "tampered", "swapped", "too new"],
)
def test_what_is_not_damage_is_neither_moved_nor_overwritten(
    store: DirectoryStore, root: Path, planted: bytes, error: type[Exception]
) -> None:
    store.write("default", "session", b"older", 1)
    store.write("default", "session", b"newer", 2)
    replace(at(root, "session"), planted)
    before = {name: at(root, name).read_bytes() for name in names(root)}
    with pytest.raises(error):
        store.read("default", "session")
    with pytest.raises(error):
        store.write("default", "session", b"mine", 3)
    with pytest.raises(error):
        store.write_sealed("default", "session", record())
    assert {name: at(root, name).read_bytes() for name in names(root)} == before
    # Until a person says so: then it is put aside, and nothing is lost.
    moved = store.set_aside("default", "session")
    assert len(moved) == 2
    assert planted in [at(root, name).read_bytes() for name in moved]
    assert store.read("default", "session") is None
    store.write("default", "session", b"mine", 3)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory", "foreign", "open"])
def test_what_was_planted_in_a_records_place_is_refused(
    store: DirectoryStore, root: Path, tmp_path: Path, kind: str
) -> None:
    store.write("default", "session", b"older", 1)
    path = at(root, "session")
    if kind == "open":
        path.chmod(0o640)
    elif kind == "foreign":
        os.chown(path, 65534, 65534)
    else:
        path.rename(tmp_path / "moved")
        {
            "symlink": lambda: path.symlink_to(tmp_path / "moved"),
            "fifo": lambda: os.mkfifo(path, 0o600),
            "directory": lambda: path.mkdir(mode=0o700),
        }[kind]()
    for attempt in (
        lambda: store.read("default", "session"),
        lambda: store.write("default", "session", b"x", 2),
    ):
        with pytest.raises(StoreUnsafe) as caught:
            attempt()
        assert caught.value.hint


def test_a_store_that_is_open_to_others_is_refused(store: DirectoryStore, root: Path) -> None:
    store.write("default", "session", b"x", 1)
    for path in (root, root / "profiles" / "default"):
        path.chmod(0o755)
        with pytest.raises(StoreUnsafe) as caught:
            store.read("default", "session")
        assert caught.value.hint == f"run: chmod 700 {path}"
        path.chmod(0o700)
    root.chmod(0o750)
    with pytest.raises(StoreUnsafe):
        prepare(root)
    with pytest.raises(StoreUnsafe):
        store.has_records()


# Generations


def test_an_old_file_put_back_is_noticed_by_every_process(
    store: DirectoryStore, root: Path
) -> None:
    store.write("default", "session", b"one", 1)
    old = at(root, "session").read_bytes()
    store.write("default", "session", b"two", 2)
    replace(at(root, "session"), old)
    for reader in (store, DirectoryStore(root, SEAL)):
        found = reader.read("default", "session")
        assert found is not None
        assert (found.plaintext, found.rolled_back, found.from_previous) == (b"one", True, False)


def test_a_whole_directory_put_back_is_noticed_by_the_process_that_lives(
    store: DirectoryStore, root: Path
) -> None:
    store.write("default", "session", b"one", 1)
    old = {name: at(root, name).read_bytes() for name in names(root)}
    store.write("default", "session", b"two", 2)
    for name, data in old.items():
        replace(at(root, name), data)
    found = store.read("default", "session")
    assert found is not None
    assert found.rolled_back


def test_who_begins_again_at_one_is_not_called_rolled_back(
    store: DirectoryStore, root: Path
) -> None:
    store.write("default", "ledger", b"x", 57)
    store.write("default", "ledger", b"y", 1)
    for reader in (store, DirectoryStore(root, SEAL)):
        found = reader.read("default", "ledger")
        assert found is not None
        assert (found.plaintext, found.rolled_back) == (b"y", False)


@pytest.mark.parametrize("noted", [b"", b"[]", b"{", b'{"session": "x"}', b"[" * 4000])
def test_a_note_of_generations_that_makes_no_sense_stops_nothing(root: Path, noted: bytes) -> None:
    DirectoryStore(root, SEAL).write("default", "session", b"one", 5)
    replace(at(root, "seen"), noted)
    store = DirectoryStore(root, SEAL)
    found = store.read("default", "session")
    assert found is not None
    assert not found.rolled_back
    store.write("default", "session", b"two", 6)
    assert at(root, "seen").read_bytes() == b'{"session": 6}'


# Sealed elsewhere


def test_a_record_sealed_by_another_process_goes_in_and_out_unopened(
    store: DirectoryStore,
) -> None:
    sealed = SEAL.seal(
        b"storage state", profile="default", purpose="identity-state", generation=4, now_s=1.0
    )
    store.write_sealed("default", "identity-state", sealed)
    assert store.read_sealed("default", "identity-state") == sealed
    found = store.read("default", "identity-state")
    assert found == Stored(b"storage state", 4, 1.0)


def test_a_record_that_belongs_elsewhere_is_not_taken(store: DirectoryStore, root: Path) -> None:
    for planted, error in (
        (record(), StoreSwapped),
        (record(OTHER_SEAL), KeyWrong),
        (b"nonsense", StoreCorrupt),
    ):
        with pytest.raises(error):
            store.write_sealed("default", "identity-state", planted)
    assert not store.has_records()


def test_a_damaged_sealed_record_gives_the_one_before_it(store: DirectoryStore, root: Path) -> None:
    first = record(generation=1)
    store.write_sealed("default", "session", first)
    store.write_sealed("default", "session", record(generation=2))
    damage(at(root, "session"))
    assert store.read_sealed("default", "session") == first


def test_a_sealed_record_of_another_place_is_not_handed_out(
    store: DirectoryStore, root: Path
) -> None:
    store.write_sealed("default", "session", record(generation=1))
    for planted, error in (
        (record(OTHER_SEAL), KeyWrong),
        (record(profile="work"), StoreSwapped),
        (too_new(), StoreTooNew),
    ):
        replace(at(root, "session"), planted)
        with pytest.raises(error):
            store.read_sealed("default", "session")
        assert at(root, "session").read_bytes() == planted


# The rest


def test_deleting_leaves_nothing_of_the_record_and_all_of_the_others(
    store: DirectoryStore, root: Path
) -> None:
    store.write("default", "ledger", b"kept", 1)
    for generation in (1, 2, 3):
        store.write("default", "session", b"x", generation)
    damage(at(root, "session"))
    store.read("default", "session")
    store.write("default", "session", b"x", 4)
    store.delete("default", "session")
    assert names(root) == ["ledger", "seen"]
    assert store.read("default", "session") is None


def test_locks_are_of_one_profile_each_and_of_the_daemon(store: DirectoryStore, root: Path) -> None:
    mine, same = store.lock("daemon"), DirectoryStore(root).lock("daemon")
    other, daemon = store.lock("work"), store.lock_daemon()
    with mine, other, daemon:
        assert mine.acquire_nonblocking()
        assert not same.acquire_nonblocking()
        assert other.acquire_nonblocking()
        assert daemon.acquire_nonblocking()
    assert same.acquire_nonblocking()
    same.release()


def test_without_a_key_it_says_what_is_there_and_opens_nothing(
    store: DirectoryStore, root: Path
) -> None:
    store.write("default", "session", b"x", 1)
    keyless = DirectoryStore(root)
    assert keyless.has_records()
    assert keyless.profiles() == ["default"]
    with pytest.raises(Bug):
        keyless.read("default", "session")


def test_what_is_no_record_makes_no_profile(root: Path) -> None:
    (root / "profiles" / "lost+found").mkdir(mode=0o700)
    (root / "profiles" / "empty").mkdir(mode=0o700)
    (root / "profiles" / "empty" / "seen").touch(mode=0o600)
    assert not DirectoryStore(root).has_records()


@pytest.mark.parametrize("profile", ["", "..", "../x", "A", "a/b", "a\n"])
def test_a_name_that_is_no_profile_never_becomes_a_path(
    store: DirectoryStore, profile: str
) -> None:
    with pytest.raises(ValueError, match="no name of a profile"):
        store.read(profile, "session")
    with pytest.raises(ValueError, match="no name of a profile"):
        store.lock(profile)


def test_every_error_of_the_store_has_the_exit_that_scripts_expect() -> None:
    assert {error.exit_code for error in StoreError.__subclasses__()} == {74}
    assert KeyWrong.exit_code == 78
