"""A disk that fails, once or for good, at any of its calls: under the store, and under a keeper.

At every instant a reader gets the last proved session or an honest error, no password is sent that
is not in the ledger on the disk, and when the disk works again all is stored by itself.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from disk_story import Bank, Story
from engine import Engine, FakeClock, World, profile
from faultydisk import (
    EIO,
    ENOSPC,
    FAULTS,
    SHORT,
    FailingCalls,
    Fault,
    Unsynced,
    disk_of,
    open_fds,
    store_on,
    temp_files,
)
from harvester.errors import HarvesterError, StoreCorrupt, StoreError
from harvester.ledger import Ledger
from harvester.overseer import LedgerOverseer
from harvester.records import Records
from harvester.staging import Staging
from harvester.steady import SteadyClock
from harvester.vault.directory import prepare
from simulated import simulate
from storekit import SEAL

# More calls than any of the stories makes: a loop that gets here never came to its end.
CALLS_MOST = 5000
NOBODY: Any = Staging(profile(), World(FakeClock()), SteadyClock(FakeClock()))


def ids(value: object) -> str | None:
    if isinstance(value, bool):
        return "for good" if value else "once"
    return repr(value) if isinstance(value, Fault) else None


# under the store


@pytest.mark.parametrize("for_good", [False, True], ids=ids)
@pytest.mark.parametrize("fault", FAULTS, ids=ids)
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_store_whose_disk_fails_has_the_old_record_or_the_new_and_goes_on(
    tmp_path: Path, fault: Fault, for_good: bool, before: int, size: Callable[[int, int], int]
) -> None:
    fds = open_fds()
    for n in range(1, CALLS_MOST, size(11, 1)):
        root = tmp_path / str(n)
        prepare(root, disk=disk_of())
        for generation in range(1, before + 1):
            store_on(root, SEAL).write("default", "session", str(generation).encode(), generation)
        calls = FailingCalls(fault, n, for_good=for_good)
        last = {str(before).encode() if before else None}
        failing = store_on(root, SEAL, calls)
        for generation in (before + 1, before + 2):
            mine = str(generation).encode()
            try:
                failing.write("default", "session", mine, generation)
            except StoreError as error:
                assert error.code == "store_full"
                assert error.hint
                last.add(mine)
            else:
                last = {mine}
            found = store_on(root, SEAL).read("default", "session")
            assert (None if found is None else found.plaintext) in last
            assert found is None or not (found.rolled_back or found.from_previous)
            assert open_fds() == fds
        calls.heal()
        failing.write("default", "session", b"after", before + 3)
        found = store_on(root, SEAL).read("default", "session")
        assert found is not None
        assert (found.plaintext, found.rolled_back) == (b"after", False)
        if not calls.reached:
            break
    else:
        pytest.fail("the writes never passed clean")
    if fault is not SHORT:
        assert n > 2


# under a keeper


@pytest.mark.parametrize("remembers", [True, False], ids=["silent", "scripted"])
@pytest.mark.parametrize("for_good", [False, True], ids=ids)
@pytest.mark.parametrize("fault", FAULTS, ids=ids)
def test_a_keeper_whose_disk_fails_serves_what_was_proved_and_stores_it_when_it_can(
    tmp_path: Path,
    fault: Fault,
    for_good: bool,
    remembers: bool,
    size: Callable[[int, int], int],
) -> None:
    fds = open_fds()
    step = size(211 if fault is not SHORT else 23, 1)
    # In reduced size each of these stories begins elsewhere.
    first = 1 + size(15 * (2 * FAULTS.index(fault) + for_good) % step, 0)
    for n in range(first, CALLS_MOST, step):
        root = tmp_path / str(n)
        prepare(root, disk=disk_of())
        calls = FailingCalls(fault, n, for_good=for_good)
        story = Story(root, calls, remembers=remembers)
        try:
            simulate(story.tell(), story.clock)
        except BaseException as error:
            error.add_note(f"{fault} {'for good' if for_good else 'once'} at call {n}")
            raise
        assert open_fds() == fds, n
        # At most one was not let go of: the removal was itself what failed.
        if not for_good:
            assert len(temp_files(root)) <= 1
        if not calls.reached:
            break
    else:
        pytest.fail("the story never passed clean")
    assert story.errors == set()


def test_a_refused_password_is_not_sent_again_though_no_disk_took_the_refusal(
    tmp_path: Path, size: Callable[[int, int], int]
) -> None:
    """Whichever call fails for good: a password that the provider refused is not tried twice."""
    for n in range(1, CALLS_MOST, size(17, 1)):
        root = tmp_path / str(n)
        prepare(root, disk=disk_of())
        calls = FailingCalls(ENOSPC, n, for_good=True)
        clock = FakeClock()
        bank = Bank(clock, root)
        bank.remembers, bank.password = False, "another"

        async def tell(root: Path, bank: Bank, calls: FailingCalls) -> None:
            engine = Engine(root, bank, disk=disk_of(calls))
            await engine.keeper.start()
            for _ in range(4):
                with pytest.raises(HarvesterError) as caught:
                    await engine.keeper.refresh()
                allowed = {"store_full", "credentials_rejected"} if bank.submits else {"store_full"}
                assert caught.value.code in allowed
                await asyncio.sleep(1000)
            assert len(bank.submits) <= 1
            calls.heal()
            await engine.keeper.follow_store()
            sent = len(bank.submits)
            await engine.keeper.close()
            again = Engine(root, bank, disk=disk_of())
            await again.keeper.start()
            with pytest.raises(HarvesterError) as caught:
                await again.keeper.refresh()
            assert caught.value.code == "credentials_rejected"
            assert len(bank.submits) == max(1, sent)
            await again.keeper.close()

        simulate(tell(root, bank, calls), clock)
        if not calls.reached:
            break
    else:
        pytest.fail("it never passed clean")


def test_a_ledger_that_cannot_be_read_just_now_is_not_written_over(tmp_path: Path) -> None:
    """The story it prevents: one read fails, what stands for the ledger meanwhile is changed, the
    disk reads again, and the change is written in the place of all that was known."""
    prepare(tmp_path / "store", disk=disk_of())
    calls = FailingCalls(EIO, 1, for_good=True)
    calls.heal()
    store = store_on(tmp_path / "store", SEAL, calls)
    records = Records(store, "default", SteadyClock(FakeClock()))
    known = records.ledger().with_submit(5.0, "fp").with_generation(7)
    records.keep_ledger(known)
    calls.fail()
    spent = records.ledger()
    assert spent.unread
    assert spent.stops("scripted", "") is not None
    # What was known is written as ever, whatever a reader beside it met.
    calls.heal()
    records.keep_ledger(known.with_submit(6.0, "fp"))
    assert [one.at for one in records.ledger().submits] == [5.0, 6.0]
    # And what stands for it is not.
    records.note_ledger(spent.with_rung("silent", 1.0, None))
    assert [one.at for one in records.ledger().submits] == [5.0, 6.0]


def test_what_no_disk_took_is_dropped_when_another_process_wrote_since(tmp_path: Path) -> None:
    root = tmp_path / "store"
    prepare(root, disk=disk_of())
    calls = FailingCalls(ENOSPC, 1, for_good=True)
    clock = SteadyClock(FakeClock())
    mine = Records(store_on(root, SEAL, calls), "default", clock)
    with pytest.raises(StoreError):
        mine.note_ledger(mine.ledger().with_generation(3))
    assert (mine.ledger().generation, mine.owes) == (3, True)
    other = Records(store_on(root, SEAL), "default", clock)
    other.keep_ledger(other.ledger().with_generation(9))
    assert (mine.ledger().generation, mine.owes) == (9, False)
    calls.heal()
    mine.pay()
    assert other.ledger().generation == 9


def test_what_must_be_written_first_is_not_owed(tmp_path: Path) -> None:
    """A password that could not be written down was not sent: nothing of it is remembered."""
    root = tmp_path / "store"
    prepare(root, disk=disk_of())
    calls = FailingCalls(ENOSPC, 1, for_good=True)
    records = Records(store_on(root, SEAL, calls), "default", SteadyClock(FakeClock()))
    with pytest.raises(StoreError):
        records.keep_ledger(records.ledger().with_submit(5.0, "fp"))
    assert not records.owes
    assert records.ledger().submits == ()


class Step:
    """An overseer over a store whose disk fails once, at one call of what is written down."""

    def __init__(self, root: Path, at: int) -> None:
        prepare(root, disk=disk_of())
        clock = SteadyClock(FakeClock())
        self.clean = Records(store_on(root, SEAL), "default", clock)
        self.clean.keep_ledger(self.clean.ledger().with_generation(3))
        self.calls = FailingCalls(EIO, at)
        self.records = Records(store_on(root, SEAL, self.calls), "default", clock)
        self.calls.heal()
        ledger = self.records.ledger()
        self.calls.fail()
        self.overseer = LedgerOverseer(
            profile(), self.records, NOBODY, clock, lambda _: None, ledger, ()
        )


def test_a_password_that_was_not_sent_because_the_disk_failed_late_does_not_count(
    tmp_path: Path,
) -> None:
    """The story it prevents: the entry is there, only its directory could not be synced; two
    such, and an account to which nothing was ever sent needs a person."""
    late = 0
    for n in range(1, CALLS_MOST):
        step = Step(tmp_path / str(n), n)
        refusal = asyncio.run(step.overseer.submit("fp"))
        counted = len(step.clean.ledger().submits)
        assert counted == (1 if refusal is None else 0), n
        late += refusal is not None
        if not step.calls.reached:
            break
        assert counted == len(step.records.ledger().submits)
    assert late > 10


def test_no_password_is_sent_over_a_ledger_that_cannot_be_read(tmp_path: Path) -> None:
    step = Step(tmp_path / "store", CALLS_MOST)
    step.overseer.ledger = Ledger(unread=True).with_latch(
        0.0, StoreError("unread"), blocks=("scripted",), settings="", firm=True
    )
    assert asyncio.run(step.overseer.submit("fp")) is not None
    assert step.clean.ledger().submits == ()


@pytest.mark.parametrize("fault", FAULTS, ids=ids)
def test_whichever_call_of_a_lock_fails_it_is_held_or_not_and_nothing_stays_open(
    tmp_path: Path, fault: Fault
) -> None:
    prepare(tmp_path / "store", disk=disk_of())
    fds = open_fds()
    for n in range(1, CALLS_MOST):
        calls = FailingCalls(fault, n)
        try:
            lock = store_on(tmp_path / "store", SEAL, calls).lock("default")
            assert lock.acquire_nonblocking()
        except StoreError as error:
            assert error.hint
        else:
            lock.release()
        assert open_fds() == fds
        again = store_on(tmp_path / "store", SEAL).lock("default")
        assert again.acquire_nonblocking()
        again.release()
        if not calls.reached:
            break


def test_on_a_disk_that_became_read_only_one_still_works_at_a_time(tmp_path: Path) -> None:
    root = tmp_path / "store"
    prepare(root, disk=disk_of())
    with store_on(root, SEAL).lock("default") as before:
        assert before.acquire_nonblocking()  # the file is there from now on
    read_only = FailingCalls(Fault("EROFS", errno.EROFS), 1, for_good=True)
    mine = store_on(root, SEAL, read_only).lock("default")
    assert mine.acquire_nonblocking()
    assert not store_on(root, SEAL).lock("default").acquire_nonblocking()
    mine.release()
    with store_on(root, SEAL).lock("default") as after:
        assert after.acquire_nonblocking()


class NoStamps(Unsynced):
    """A disk that takes a session and does not say when it did."""

    def lstat(self, name: str | Path, dir_fd: int | None = None) -> os.stat_result:
        if dir_fd is None and Path(name).name.startswith("session"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().lstat(name, dir_fd)


def test_a_session_is_served_and_told_to_all_though_its_file_cannot_be_looked_at(
    tmp_path: Path,
) -> None:
    world = World(FakeClock())
    engine = Engine(tmp_path / "store", world, disk=disk_of(NoStamps()))

    async def tell() -> None:
        await engine.keeper.start()
        served = await engine.keeper.get()
        assert served.error is None
        assert [one.session for one in engine.published if one is not None] == [served.session]
        assert await engine.keeper.check() > 0
        await engine.keeper.follow_store()
        assert engine.keeper.current is not None
        await engine.keeper.close()

    simulate(tell(), world.clock)


def test_no_damage_is_ever_reported_by_a_disk_that_only_refuses(tmp_path: Path) -> None:
    """What cannot be read is not damaged: it is neither set aside nor given up."""
    root = tmp_path / "store"
    prepare(root, disk=disk_of())
    store_on(root, SEAL).write("default", "session", b"kept", 1)
    for fault in FAULTS:
        for n in range(1, 12):
            store = store_on(root, SEAL, FailingCalls(fault, n, for_good=True))
            try:
                store.read("default", "session")
            except StoreCorrupt:
                pytest.fail(f"{fault} at {n}")
            except StoreError as error:
                assert error.code == "store_full"
    assert not list(root.rglob("*.bad-*"))
