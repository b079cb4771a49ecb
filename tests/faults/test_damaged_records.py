"""Every single-bit flip and every truncation of each kind of record: the right error, and nothing
lost that was not damaged; and what a keeper makes of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import KEY, Engine, FakeClock, World
from faultydisk import disk_of, store_on
from harvester.errors import (
    HarvesterError,
    KeyWrong,
    StoreCorrupt,
    StoreTampered,
    StoreTooNew,
)
from harvester.vault.directory import prepare
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import PURPOSES, Purpose, Seal
from simulated import simulate
from storekit import OTHER_SEAL, SEAL, at, names

CHECKSUM_LINE_BYTES = len(b"sha256:") + 64 + 1
PLAINTEXT = b'{"a record": "of some length, so that it has more than one line"}' * 2
Sized = Callable[[int, int], int]


def sealed(purpose: Purpose, generation: int = 7) -> bytes:
    return SEAL.seal(
        PLAINTEXT, profile="default", purpose=purpose, generation=generation, now_s=1.0
    )


def flips(record: bytes, every: int) -> Iterator[bytes]:
    for bit in range(0, 8 * len(record), every):
        flipped = bytearray(record)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def truncations(record: bytes, every: int) -> Iterator[bytes]:
    for length in range(0, len(record), every):
        yield record[:length]


def resealed(record: bytes) -> bytes:
    """With a checksum that fits: what somebody does on purpose, or a memory that lost a bit."""
    body = record[:-CHECKSUM_LINE_BYTES]
    return body + b"sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_flipped_bit_and_every_cut_is_damage_and_is_told_as_such(
    purpose: Purpose, size: Sized
) -> None:
    record = sealed(purpose)
    for damaged in (*flips(record, size(97, 1)), *truncations(record, size(13, 1))):
        for look in (SEAL.open, SEAL.label):
            with pytest.raises(StoreCorrupt) as caught:
                look(damaged, profile="default", purpose=purpose)
            assert caught.value.hint


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_flipped_bit_under_a_mended_checksum_never_opens(purpose: Purpose, size: Sized) -> None:
    record = sealed(purpose)
    seen: set[type[HarvesterError]] = set()
    for damaged in flips(record[:-CHECKSUM_LINE_BYTES], size(29, 1)):
        whole = resealed(damaged + b"-" * CHECKSUM_LINE_BYTES)
        with pytest.raises((StoreCorrupt, StoreTampered, StoreTooNew, KeyWrong)) as caught:
            SEAL.open(whole, profile="default", purpose=purpose)
        assert caught.value.hint
        seen.add(caught.type)
    assert StoreTampered in seen
    assert KeyWrong in seen or size(1, 0)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_record_before_a_damaged_one_is_used_and_the_damaged_one_kept_aside(
    tmp_path: Path, purpose: Purpose, size: Sized
) -> None:
    root = tmp_path / "store"
    prepare(root, disk=disk_of())
    for damaged in (*flips(sealed(purpose), size(997, 7)), *truncations(sealed(purpose), 151)):
        store = store_on(root, SEAL)
        store.delete("default", purpose)
        store.write("default", purpose, b"older", 1)
        store.write("default", purpose, b"newer", 2)
        at(root, purpose).write_bytes(damaged)
        found = store.read("default", purpose)
        assert found is not None
        assert (found.plaintext, found.from_previous) == (b"older", True)
        assert found.set_aside is not None
        assert at(root, found.set_aside).read_bytes() == damaged
        store.write("default", purpose, b"newest", 3)
        found = store.read("default", purpose)
        assert found is not None
        assert (found.plaintext, found.from_previous, found.rolled_back) == (
            b"newest",
            False,
            False,
        )
        assert len([name for name in names(root) if ".bad-" in name]) <= 3


def test_damaged_evidence_stays_where_it_is_and_hides_no_other(tmp_path: Path, size: Sized) -> None:
    root = tmp_path / "store"
    prepare(root, disk=disk_of())
    shelf = store_on(root, SEAL).evidence("default")
    good, bad = shelf.add(sealed("evidence")), shelf.add(sealed("evidence"))
    path = at(root, f"evidence-{bad:04d}")
    record = path.read_bytes()
    for damaged in (*flips(record, size(997, 7)), *truncations(record, 151)):
        path.write_bytes(damaged)
        with pytest.raises(StoreCorrupt):
            shelf.read(bad)
        assert path.read_bytes() == damaged
        opened = shelf.read(good)
        assert opened is not None
        assert opened.plaintext == PLAINTEXT


# what a keeper makes of it


class Kept:
    """A keeper that signed in twice and went away; its records are for the test to damage."""

    def __init__(self, root: Path, *, times: int = 2) -> None:
        self.root = root
        self.clock = FakeClock()
        self.world = World(self.clock)
        self.world.remembers = False

        async def live() -> None:
            engine = Engine(root, self.world, disk=disk_of())
            await engine.keeper.start()
            for _ in range(times):
                await engine.keeper.refresh(hard=True)
                await asyncio.sleep(200)
            await engine.keeper.close()

        simulate(live(), self.clock)
        self.world.remembers = True
        self.world.sign_ins.clear()
        self.world.submits.clear()

    def damage(self, *purposes: str) -> None:
        for purpose in purposes:
            path = at(self.root, purpose)
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 4
            path.write_bytes(bytes(data))

    async def engine(self) -> Engine:
        engine = Engine(self.root, self.world, disk=disk_of())
        await engine.keeper.start()
        return engine


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "store")


def test_a_damaged_session_gives_way_to_the_one_before_it_with_no_sign_in(kept: Kept) -> None:
    kept.damage("session")

    async def tell() -> None:
        engine = await kept.engine()
        served = await engine.keeper.get()
        assert (served.session.generation, kept.world.sign_ins) == (1, [])
        # A report of the lost one is no threat: it is newer than what there is.
        told = await engine.keeper.report(generation=2)
        assert (told.verdict, kept.world.sign_ins) == ("superseded", [])
        # And the next one has a number that nobody ever saw.
        served = await engine.keeper.refresh(hard=True)
        assert (served.session.generation, kept.world.sign_ins) == (3, ["silent"])
        await engine.keeper.close()

    simulate(tell(), kept.clock)


def test_a_session_damaged_with_nothing_older_climbs_silent_first(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "store", times=1)
    kept.damage("session")

    async def tell() -> None:
        engine = await kept.engine()
        served = await engine.keeper.get()
        assert (served.session.generation, kept.world.sign_ins) == (2, ["silent"])
        assert kept.world.submits == []
        await engine.keeper.close()

    simulate(tell(), kept.clock)
    assert len([name for name in names(kept.root) if name.startswith("session.bad-")]) == 1


@pytest.mark.parametrize("both", [False, True], ids=["with the one before", "with none before"])
def test_a_damaged_ledger_serves_what_is_stored_and_types_nothing_until_unlock(
    kept: Kept, both: bool
) -> None:
    kept.damage("ledger", *(["ledger.previous"] if both else []))

    async def tell() -> None:
        world, engine = kept.world, await kept.engine()
        served = await engine.keeper.get()
        assert (served.session.generation, world.sign_ins) == (2, [])
        # Silent goes on, and its numbers with it.
        world.revoke()
        served = await engine.keeper.report(generation=2)
        assert (served.session.generation, world.sign_ins) == (3, ["silent"])
        # Nothing secret, in this process or the next, until a person says so.
        world.remembers = False
        for _ in range(2):
            world.revoke()
            with pytest.raises(StoreCorrupt) as caught:
                await engine.keeper.report(generation=3)
            assert "harvester unlock" in caught.value.hint
            assert world.submits == []
            await engine.keeper.close()
            await asyncio.sleep(4000)
            engine = await kept.engine()
        standing = engine.keeper.standing()
        assert standing.trouble is not None
        assert (standing.trouble.kind, standing.trouble.helps) == (
            "store_fault",
            "harvester unlock",
        )
        await engine.keeper.unlock()
        served = await engine.keeper.get()
        assert (served.session.generation, world.submits) == (4, ["right"])
        await engine.keeper.close()

    simulate(tell(), kept.clock)


def test_a_generation_never_comes_twice_though_session_and_ledger_are_lost(kept: Kept) -> None:
    kept.damage("session", "session.previous", "ledger", "ledger.previous")

    async def tell() -> None:
        engine = await kept.engine()
        served = await engine.keeper.get()
        assert (served.session.generation, kept.world.sign_ins) == (3, ["silent"])
        await engine.keeper.close()

    simulate(tell(), kept.clock)


def test_a_damaged_identity_state_stops_nothing(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "store", times=1)
    kept.damage("identity-state")

    async def tell() -> None:
        engine = await kept.engine()
        kept.world.revoke()
        served = await engine.keeper.report(generation=1)
        assert (served.verdict, served.session.generation) == ("refreshed", 2)
        assert kept.world.submits == ["right"]
        await engine.keeper.close()

    simulate(tell(), kept.clock)
    assert any(name.startswith("identity-state.bad-") for name in names(kept.root))


@pytest.mark.parametrize("purpose", ["session", "ledger", "identity-state"])
@pytest.mark.parametrize(
    ("seal", "profile", "code"),
    [
        (OTHER_SEAL, "default", "key_wrong"),
        (Seal(KeyRing(MasterKey(KEY))), "work", "store_swapped"),
    ],
    ids=["another key", "swapped"],
)
def test_a_record_that_must_stay_stops_what_would_be_done_over_it(
    kept: Kept, purpose: Purpose, seal: Seal, profile: str, code: str
) -> None:
    planted = seal.seal(b"{}", profile=profile, purpose=purpose, generation=9, now_s=1.0)
    at(kept.root, purpose).write_bytes(planted)
    kept.world.remembers = False

    async def tell() -> None:
        engine = Engine(kept.root, kept.world, disk=disk_of())
        told: HarvesterError | None
        try:
            await engine.keeper.start()
            told = (await engine.keeper.refresh(hard=True)).error
        except HarvesterError as error:
            told = error
        assert told is not None
        assert (told.code, bool(told.hint)) == (code, True)
        assert kept.world.submits == []
        await engine.keeper.close()

    simulate(tell(), kept.clock)
    assert at(kept.root, purpose).read_bytes() == planted
