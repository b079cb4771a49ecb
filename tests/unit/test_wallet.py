"""The passkeys of a profile as a person sees them, over a real store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harvester.errors import Usage
from harvester.passkeys import Passkey, to_bytes
from harvester.records import Records
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.nothing import NoStore
from harvester.wallet import Wallet
from storekit import SEAL, StillClock, names


def passkey(name: str, *, created_at: float = 5.0) -> Passkey:
    return Passkey(name, "acme.example", name, f"{name}-key", created_at, user_handle="dXNlcg==")


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    prepare(tmp_path)
    made = DirectoryStore(tmp_path, SEAL)
    both = to_bytes((passkey("desk", created_at=9.0), passkey("laptop")))
    made.write("default", "passkey", both, 3)
    made.write("default", "passkey", both, 4)
    return made


def records(store: DirectoryStore | NoStore) -> Records:
    return Records(store, "default", StillClock())


async def test_they_are_listed_oldest_first_without_their_keys(store: DirectoryStore) -> None:
    listed = await Wallet(records(store)).listed()
    assert [one.name for one in listed] == ["laptop", "desk"]
    assert {one.private_key for one in listed} == {""}


async def test_of_a_removed_one_no_record_is_left_not_even_the_one_before(
    store: DirectoryStore, tmp_path: Path
) -> None:
    gone = await Wallet(records(store)).remove("desk")
    assert (gone.name, gone.private_key) == ("desk", "")
    assert records(store).passkeys() == (passkey("laptop"),)
    for name in ("passkey", "passkey.previous"):
        record = (tmp_path / "profiles" / "default" / name).read_bytes()
        opened = SEAL.open(record, profile="default", purpose="passkey")
        assert b"desk" not in opened.plaintext and opened.generation > 4
    stored = store.read("default", "passkey")
    assert stored is not None and not stored.rolled_back


async def test_with_the_last_one_the_record_goes(store: DirectoryStore, tmp_path: Path) -> None:
    wallet = Wallet(records(store))
    for name in ("desk", "laptop"):
        assert records(store).has_passkeys()
        await wallet.remove(name)
    assert not records(store).has_passkeys()
    assert not [one for one in names(tmp_path) if one.startswith("passkey")]


async def test_a_name_that_is_none_tells_the_others(store: DirectoryStore) -> None:
    with pytest.raises(Usage) as told:
        await Wallet(records(store)).remove("phone")
    assert "desk, laptop" in told.value.hint


async def test_where_nothing_is_stored_there_is_nothing_to_remove() -> None:
    wallet = Wallet(records(NoStore()))
    assert await wallet.listed() == ()
    with pytest.raises(Usage, match="no passkey 'phone'"):
        await wallet.remove("phone")


async def test_while_somebody_signs_in_a_removal_waits(store: DirectoryStore) -> None:
    lock = store.lock("default")
    assert lock.acquire_nonblocking()
    removing = asyncio.create_task(Wallet(records(store)).remove("desk"))
    done, _ = await asyncio.wait({removing}, timeout=0.2)
    assert not done and len(records(store).passkeys()) == 2
    lock.release()
    assert (await removing).name == "desk"
