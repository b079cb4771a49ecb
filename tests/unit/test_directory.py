"""The store gives back what was stored, to its owner alone, and knows what was last written."""

from __future__ import annotations

import base64
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
    StoreTooNew,
)
from harvester.vault.directory import DirectoryStore, Stored, prepare
from harvester.vault.keys import load
from harvester.vault.seal import PURPOSES
from storekit import (
    OTHER_SEAL,
    SEAL,
    StillClock,
    at,
    damage,
    names,
    record,
    replace,
    too_new,
)


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
