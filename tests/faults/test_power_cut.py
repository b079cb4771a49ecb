"""After a power cut at any instant, all that was not synced lost: the old record or the new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from faultydisk import disk_of, store_on
from harvester.errors import StoreCorrupt
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.durable import Disk
from harvester.vault.seal import Purpose
from powercut import Mark, Recorded, State, Step, states
from storekit import SEAL

Act = Callable[[DirectoryStore, Recorded], None]


def recorded(root: Path, act: Act, *, links: bool = True) -> list[Step]:
    calls = Recorded(links=links)
    disk = Disk(calls, private_dirs=True)
    root.parent.mkdir()
    prepare(root, disk=disk)
    act(DirectoryStore(root, SEAL, disk=disk), calls)
    return calls.steps


def laid_out(tmp_path: Path, state: State, number: int) -> DirectoryStore:
    top = tmp_path / f"after-{number}"
    top.mkdir()
    state.lay_out(top, tmp_path / "before")
    prepare(top / "store", disk=disk_of())
    return store_on(top / "store", SEAL)


def writes(purpose: Purpose, last: int) -> Act:
    def act(store: DirectoryStore, calls: Recorded) -> None:
        for generation in range(1, last + 1):
            store.write("default", purpose, str(generation).encode(), generation)
            calls.mark(str(generation))

    return act


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "none"])
@pytest.mark.parametrize("purpose", ["session", "ledger"])
def test_whenever_the_power_goes_the_last_promised_record_or_the_next_is_there(
    tmp_path: Path, purpose: Purpose, links: bool, size: Callable[[int, int], int]
) -> None:
    root = tmp_path / "before" / "store"
    steps = recorded(root, writes(purpose, size(3, 12)), links=links)
    number = 0
    found_new = False
    for number, state in enumerate(states(steps)):
        store = laid_out(tmp_path, state, number)
        found = store.read("default", purpose)
        last = int(state.promised or 0)
        generation = 0 if found is None else found.generation
        assert generation in (last, last + 1), state
        if found is not None:
            assert found.plaintext == str(generation).encode()
            assert (found.from_previous, found.rolled_back) == (False, False), state
        found_new = found_new or generation == last + 1
        # And it goes on from there.
        store.write("default", purpose, b"next", generation + 1)
        after = store_on(store.root, SEAL).read("default", purpose)
        assert after is not None
        assert (after.plaintext, after.rolled_back) == (b"next", False)
    assert found_new
    assert number > 90


def test_whenever_the_power_goes_in_a_sign_out_no_older_session_comes_back(tmp_path: Path) -> None:
    def act(store: DirectoryStore, calls: Recorded) -> None:
        store.write("default", "session", b"older", 1)
        store.write("default", "session", b"newer", 2)
        calls.mark("stored")
        store.delete("default", "session")
        calls.mark("deleted")

    seen = set()
    for number, state in enumerate(states(recorded(tmp_path / "before" / "store", act))):
        if not state.promised:
            continue
        found = laid_out(tmp_path, state, number).read("default", "session")
        allowed = (None,) if state.promised == "deleted" else (None, b"newer")
        seen.add(None if found is None else found.plaintext)
        assert (None if found is None else found.plaintext) in allowed
    assert seen == {None, b"newer"}


def test_whenever_the_power_goes_a_damaged_record_set_aside_is_not_lost(tmp_path: Path) -> None:
    root = tmp_path / "before" / "store"
    damaged = SEAL.seal(b"newer", profile="default", purpose="session", generation=2, now_s=1.0)[
        :-9
    ]

    def act(store: DirectoryStore, calls: Recorded) -> None:
        store.write("default", "session", b"older", 1)
        store.write("default", "session", b"newer", 2)
        # The damage, by the disk's own hand.
        record = root / "profiles" / "default" / "session"
        disk = Disk(calls, private_dirs=True)
        disk.write_atomic(record.parent, "session", damaged)
        calls.mark("damaged")
        store.read("default", "session")
        calls.mark("set aside")

    for number, state in enumerate(states(recorded(root, act))):
        if not state.promised:
            continue
        store = laid_out(tmp_path, state, number)
        found = store.read("default", "session")
        assert found is not None
        assert (found.plaintext, found.from_previous) == (b"older", True)
        folder = store.root / "profiles" / "default"
        assert damaged in [path.read_bytes() for path in folder.iterdir()], state


def test_whenever_the_power_goes_a_file_that_is_made_once_is_whole_or_not_there(
    tmp_path: Path,
) -> None:
    """The sealing key: half of one would make all that is sealed with it unreadable."""
    key = b"k" * 45

    def act(store: DirectoryStore, calls: Recorded) -> None:
        assert Disk(calls, private_dirs=True).create(store.root, "key", key)
        calls.mark("made")

    for number, state in enumerate(states(recorded(tmp_path / "before" / "store", act))):
        store = laid_out(tmp_path, state, number)
        path = store.root / "key"
        assert path.exists() or state.promised != "made"
        assert not path.exists() or path.read_bytes() == key


def test_the_recording_knows_what_a_careless_write_would_lose(tmp_path: Path) -> None:
    """And it fails when it must: without the syncs, a record that was promised is not there."""
    root = tmp_path / "before" / "store"
    steps = recorded(root, writes("session", 2))
    careless = [one for one in steps if type(one).__name__ != "SyncedFile"]
    assert any(isinstance(one, Mark) for one in careless)
    lost = damaged = 0
    for number, state in enumerate(states(careless)):
        if state.promised != "2":
            continue
        try:
            found = laid_out(tmp_path, state, number).read("default", "session")
        except StoreCorrupt:
            damaged += 1
            continue
        lost += found is None or found.generation < 2
    assert damaged + lost > 0
