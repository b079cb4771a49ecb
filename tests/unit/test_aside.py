"""What was set aside is counted and removed by its name and kind; what only looks so stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from foreign import belongs_to_another
from harvester.errors import StoreCorrupt, StoreFull
from harvester.vault.aside import SET_ASIDE_MOST, Aside
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.durable import Disk
from storekit import SEAL, StillClock, at, damage, names

STEM = "session.bad-20251123T1213"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    prepare(tmp_path / "store")
    made = DirectoryStore(tmp_path / "store", SEAL, clock=StillClock())
    made.write("default", "session", b"only", 1)
    return made


def test_what_only_looks_like_one_is_neither_counted_nor_removed(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory under such a name stopped a damaged record from giving way, and a sign-out."""
    store.write("default", "session", b"newer", 2)
    folder, link, copy = f"{STEM}01.000Z", f"{STEM}02.000Z", "session.bad-of-monday"
    at(store.root, folder).mkdir(mode=0o700)
    at(store.root, link).symlink_to(at(store.root, "session.previous"))
    at(store.root, copy).write_bytes(b"a person's own copy")
    theirs = at(store.root, f"{STEM}03.000Z")
    theirs.touch(mode=0o600)
    belongs_to_another(monkeypatch, theirs)
    damage(at(store.root, "session"))
    found = store.read("default", "session")
    assert found is not None
    assert (found.plaintext, found.set_aside) == (b"only", f"{STEM}20.500Z")
    store.delete("default", "session")
    assert set(names(store.root)) == {folder, link, copy, theirs.name, "seen"}


def test_a_ledger_that_was_set_aside_by_hand_is_no_new_ledger(store: DirectoryStore) -> None:
    at(store.root, "ledger.bad-moved-by-hand").touch(mode=0o600)
    with pytest.raises(StoreCorrupt):
        store.read("default", "ledger")


def test_the_newest_three_stay(store: DirectoryStore) -> None:
    aside = Aside(Disk(), at(store.root, ""), "session")
    for second in range(10, 16):
        at(store.root, f"{STEM}{second}.000Z").touch(mode=0o600)
    name = aside.free_name(StillClock().now_s)
    at(store.root, name).touch(mode=0o600)
    assert aside.names() == [f"{STEM}{one}" for one in ("14.000Z", "15.000Z", "20.500Z")]
    assert len(aside.names()) == SET_ASIDE_MOST


def test_a_disk_that_does_not_tell_what_lies_there_keeps_it(store: DirectoryStore) -> None:
    class Silent(Disk):
        def names(self, dir: Path) -> list[str]:
            raise StoreFull("the disk does not read")

    with pytest.raises(StoreFull):
        Aside(Silent(), at(store.root, ""), "session").free_name(1.0)
    assert os.listdir(at(store.root, ""))
