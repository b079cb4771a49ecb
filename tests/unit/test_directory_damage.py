"""A damaged record gives way to the one before it; any other that does not open stays put."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from foreign import belongs_to_another
from harvester.errors import (
    KeyWrong,
    StoreCorrupt,
    StoreSwapped,
    StoreTampered,
    StoreTooNew,
    StoreUnsafe,
)
from harvester.vault.directory import DirectoryStore, Stored, prepare
from storekit import (
    OTHER_SEAL,
    SEAL,
    StillClock,
    at,
    damage,
    names,
    record,
    replace,
    tampered,
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
    store: DirectoryStore,
    root: Path,
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.write("default", "session", b"older", 1)
    path = at(root, "session")
    if kind == "open":
        path.chmod(0o640)
    elif kind == "foreign":
        belongs_to_another(monkeypatch, path)
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
