"""The book of leases: what it honours, what it forgets, and what it does when the disk fails it."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import FakeClock
from faultydisk import ENOSPC, FailingCalls, store_on
from harvester import leases as leases_module
from harvester.errors import (
    Busy,
    LeaseEnded,
    LeaseUnknown,
    RateLimited,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreTampered,
)
from harvester.kept_leases import PLACE, PURPOSE
from harvester.lease import Rate, Terms
from harvester.leases import ENDED_MOST, REMEMBERED_S, Leases
from harvester.scope import Scope
from harvester.vault.calls import Calls
from harvester.vault.directory import DirectoryStore, prepare
from storekit import OTHER_SEAL, SEAL

TERMS = Terms("default", Scope(("GET",), ("/api/*",)), for_s=3600.0)


class Book:
    """A book over a real store.  ``again`` is what a restart finds."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock()
        prepare(root)

    async def open(self, calls: Calls | None = None) -> Leases:
        opened = Leases(store_on(self.root, SEAL, calls), self.clock)
        await opened.open()
        return opened

    @property
    def record(self) -> Path:
        return self.root / "profiles" / PLACE / PURPOSE


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "store")


def honours(leases: Leases, token: str) -> bool:
    try:
        leases.find(token.encode())
    except (LeaseEnded, LeaseUnknown, StoreError):
        return False
    return True


async def test_a_token_is_told_once_and_kept_nowhere(book: Book, caplog: Any) -> None:
    leases = await book.open()
    lease, token = await leases.make(TERMS)
    assert token.startswith("hvl_") and len(token) == 4 + 43
    assert honours(leases, token)
    kept = SEAL.open(book.record.read_bytes(), profile=PLACE, purpose=PURPOSE).plaintext
    for text in (kept.decode(), str(leases.listed()), repr(lease), json.dumps(lease.shown())):
        assert token not in text and token[4:] not in text
    assert all(one.encode().hex() not in kept.decode() for one in (token, token[4:]))
    assert lease.digest.hex() not in str(leases.listed()) + json.dumps(lease.shown())
    assert lease.id.encode() not in book.record.read_bytes(), "sealed"


@pytest.mark.parametrize("wrong", ["", "hvl_", "hvl_x", "{}x", "x{}", "{} ", "HVL_", "short"])
async def test_another_token_is_none(book: Book, wrong: str) -> None:
    leases = await book.open()
    _, token = await leases.make(TERMS)
    shown = token[:-1] if wrong == "short" else wrong.format(token)
    with pytest.raises(LeaseUnknown):
        leases.find(shown.encode())
    with pytest.raises(LeaseUnknown):
        leases.find(token.upper().encode())


async def test_the_digest_has_a_key_of_its_own(book: Book, tmp_path: Path) -> None:
    first, second = await book.open(), await Book(tmp_path / "other").open()
    assert first._digest(b"hvl_x") != second._digest(b"hvl_x")


async def test_leases_outlive_a_restart_with_all_that_is_known_of_them(book: Book) -> None:
    leases = await book.open()
    terms = replace(TERMS, rate=Rate.read("5/s"), uses=7, name="ci")
    lease, token = await leases.make(terms)
    await leases.take(leases.find(token.encode()))
    again = await book.open()
    held = again.find(token.encode())
    assert held.lease == replace(lease, used=1, last_used_at=book.clock.wall_s())
    assert held.lease.terms == terms


async def test_how_often_it_was_used_is_kept_at_the_end(book: Book) -> None:
    leases = await book.open()
    _, token = await leases.make(TERMS)
    for _ in range(3):
        await leases.take(leases.find(token.encode()))
    await leases.close()
    assert [one.used for one in (await book.open()).listed()] == [3]


async def test_it_ends_in_its_time(book: Book) -> None:
    leases = await book.open()
    _, token = await leases.make(TERMS)
    book.clock.sleep(3599)
    assert leases.left_s(leases.find(token.encode())) == pytest.approx(1)
    book.clock.sleep(1)
    with pytest.raises(LeaseEnded, match="ended at"):
        leases.find(token.encode())
    assert [one.state for one in leases.listed()] == ["expired"]


async def test_a_clock_that_is_set_back_lengthens_nothing(book: Book) -> None:
    leases = await book.open()
    _, token = await leases.make(TERMS)
    book.clock.wall -= 7200
    book.clock.sleep(3600)
    assert not honours(leases, token)
    assert not honours(await book.open(), token), "nor after a restart"


async def test_a_clock_that_is_set_forward_ends_it_for_good(book: Book) -> None:
    leases = await book.open()
    _, token = await leases.make(TERMS)
    book.clock.wall += 7200
    assert not honours(leases, token)
    book.clock.wall -= 7200
    assert not honours(leases, token)
    await leases.tick()
    assert not honours(await book.open(), token)


async def test_after_another_boot_the_wall_clock_tells(book: Book) -> None:
    leases = await book.open()
    _, token = await leases.make(TERMS)
    book.clock.boot, book.clock.awake = "boot-2", 5.0
    book.clock.wall += 3599
    again = await book.open()
    assert honours(again, token)
    book.clock.sleep(1)
    assert not honours(again, token)
    book.clock.boot, book.clock.awake = "boot-3", 5.0
    assert not honours(await book.open(), token)


async def test_revoked_is_revoked_here_and_after_a_restart(book: Book) -> None:
    leases = await book.open()
    lease, token = await leases.make(TERMS)
    _, other = await leases.make(TERMS)
    assert await leases.revoke(lease.id)
    with pytest.raises(LeaseEnded, match="was revoked at"):
        leases.find(token.encode())
    assert not await leases.revoke(lease.id), "it had ended"
    again = await book.open()
    assert not honours(again, token)
    assert honours(again, other)
    with pytest.raises(LeaseUnknown):
        await leases.revoke("aaaaaaaa")


async def test_revoking_all_tells_which_were_live(book: Book) -> None:
    leases = await book.open()
    made = [await leases.make(TERMS) for _ in range(3)]
    await leases.revoke(made[0][0].id)
    assert await leases.revoke_all() == [made[1][0].id, made[2][0].id]
    assert not any(honours(leases, token) for _, token in made)
    again = await book.open()
    assert not any(honours(again, token) for _, token in made)
    assert await again.revoke_all() == []


async def test_what_runs_is_stopped_at_once_and_only_what_runs_under_it(book: Book) -> None:
    leases = await book.open()
    (one, token), (_, other) = await leases.make(TERMS), await leases.make(TERMS)
    stopped: list[str] = []
    with (
        leases.running(leases.find(token.encode()), lambda: stopped.append("mine")),
        leases.running(leases.find(other.encode()), lambda: stopped.append("other")),
    ):
        await leases.revoke(one.id)
    assert stopped == ["mine"]
    await leases.revoke_all()
    assert stopped == ["mine"], "it runs no more"


async def test_a_tick_stops_what_ran_through_a_night_of_sleep(book: Book) -> None:
    leases = await book.open()
    _, token = await leases.make(TERMS)
    stopped: list[int] = []
    with leases.running(leases.find(token.encode()), lambda: stopped.append(1)):
        await leases.tick()
        assert not stopped
        book.clock.suspend(8 * 3600)
        await leases.tick()
    assert stopped == [1]


async def test_a_rate_is_a_bucket_of_each_lease(book: Book) -> None:
    leases = await book.open()
    terms = replace(TERMS, rate=Rate.read("3/m"))
    held = [leases.find((await leases.make(terms))[1].encode()) for _ in range(2)]
    for _ in range(3):
        await leases.take(held[0])
    with pytest.raises(RateLimited) as refused:
        await leases.take(held[0])
    assert refused.value.retry_after_s == pytest.approx(20)
    await leases.take(held[1])
    book.clock.sleep(19)
    with pytest.raises(RateLimited):
        await leases.take(held[0])
    book.clock.sleep(1)
    await leases.take(held[0])
    with pytest.raises(RateLimited):
        await leases.take(held[0])
    assert held[0].lease.used == 4, "what is refused is no use"
    book.clock.wall += 1000
    with pytest.raises(RateLimited):
        await leases.take(held[0])


async def test_uses_are_counted_on_the_disk_before_they_are_had(book: Book) -> None:
    leases = await book.open()
    _, token = await leases.make(replace(TERMS, uses=2))
    held = leases.find(token.encode())
    await leases.take(held)
    again = await book.open()  # as after a kill: nothing was written at an end
    held = again.find(token.encode())
    assert held.lease.used == 1
    await again.take(held)
    with pytest.raises(LeaseEnded, match="for 2 requests"):
        again.find(token.encode())
    with pytest.raises(LeaseEnded):
        await again.take(held)
    assert not honours(await book.open(), token)


async def test_a_hundred_at_once_have_no_use_more_than_there_are(book: Book) -> None:
    leases = await book.open()
    _, token = await leases.make(replace(TERMS, uses=10))
    held = leases.find(token.encode())
    told = await asyncio.gather(*(leases.take(held) for _ in range(100)), return_exceptions=True)
    assert sum(one is None for one in told) == 10
    assert all(isinstance(one, LeaseEnded) for one in told if one is not None)
    assert (await book.open()).listed()[0].used == 10


async def test_a_use_that_the_disk_does_not_count_is_not_had(book: Book) -> None:
    leases = await book.open()
    _, token = await leases.make(replace(TERMS, uses=5))
    full = await book.open(FailingCalls(ENOSPC, 1, for_good=True))
    with pytest.raises(StoreFull):
        await full.take(full.find(token.encode()))


async def test_where_nothing_is_kept_nothing_is_made(book: Book) -> None:
    calls = FailingCalls(ENOSPC, 1, for_good=True)
    leases = await book.open(calls)
    with pytest.raises(StoreFull):
        await leases.make(TERMS)
    assert leases.listed() == []
    calls.heal()
    assert honours(leases, (await leases.make(TERMS))[1])


async def test_what_the_disk_did_not_take_is_revoked_here_said_and_tried_again(book: Book) -> None:
    lease, token = await (await book.open()).make(TERMS)
    calls = FailingCalls(ENOSPC, 1, for_good=True)
    leases = await book.open(calls)
    with pytest.raises(StoreFull) as told:
        await leases.revoke(lease.id)
    assert "not on the disk yet" in told.value.hint
    assert not honours(leases, token)
    await leases.tick()
    assert honours(await book.open(), token), "the disk still does not know"
    calls.heal()
    await leases.tick()
    assert not honours(await book.open(), token)


async def test_revoking_it_again_is_answered_when_the_disk_has_it(book: Book) -> None:
    lease, token = await (await book.open()).make(TERMS)
    calls = FailingCalls(ENOSPC, 1, for_good=True)
    leases = await book.open(calls)
    for _ in range(2):
        with pytest.raises(StoreFull):
            await leases.revoke(lease.id)
    calls.heal()
    await leases.revoke(lease.id)
    assert not honours(await book.open(), token)


def damaged(book: Book) -> None:
    book.record.write_bytes(book.record.read_bytes()[:-30])


def lost(book: Book) -> None:
    book.record.unlink()


def rolled_back(book: Book) -> None:
    book.record.write_bytes(book.record.with_name(PURPOSE + ".previous").read_bytes())


def nonsense(book: Book) -> None:
    DirectoryStore(book.root, SEAL).write(PLACE, PURPOSE, b'{"version": 2, "leases": []}', 99)


def widened(book: Book) -> None:
    sealed = SEAL.open(book.record.read_bytes(), profile=PLACE, purpose=PURPOSE).plaintext
    data = json.loads(sealed)
    data["leases"][0]["paths"] = ["/../*"]
    DirectoryStore(book.root, SEAL).write(PLACE, PURPOSE, json.dumps(data).encode(), 99)


def foreign(book: Book) -> None:
    record = OTHER_SEAL.seal(b"{}", profile=PLACE, purpose=PURPOSE, generation=9, now_s=1.0)
    book.record.write_bytes(record)


def unreadable(book: Book) -> None:
    os.chmod(book.record, 0o644)


@pytest.mark.parametrize(
    "spoil", [damaged, lost, rolled_back, nonsense, widened, foreign, unreadable]
)
async def test_a_record_that_cannot_be_believed_honours_nothing_until_a_person_begins_anew(
    book: Book, spoil: Any, caplog: pytest.LogCaptureFixture
) -> None:
    leases = await book.open()
    revoked, dead = await leases.make(TERMS)
    _, alive = await leases.make(TERMS)
    await leases.revoke(revoked.id)
    spoil(book)
    again = await book.open()
    assert again.trouble is not None
    assert any(record.message == "leases.closed" for record in caplog.records)
    for token in (dead, alive):
        with pytest.raises(type(again.trouble), match="no lease is honoured"):
            again.find(token.encode())
    for refused in (again.make(TERMS), again.revoke(revoked.id)):
        with pytest.raises(type(again.trouble), match="no lease is honoured"):
            await refused
    assert again.listed() == []
    await again.tick()
    assert again.trouble is not None, "time mends nothing"
    if spoil is unreadable:
        os.chmod(book.record, 0o600)
    await again.revoke_all()
    assert again.trouble is None
    assert not honours(again, dead) and not honours(again, alive)
    _, fresh = await again.make(TERMS)
    for reader in (again, await book.open()):
        assert honours(reader, fresh) and not honours(reader, dead) and not honours(reader, alive)


async def test_a_record_that_was_changed_is_left_where_it_is(book: Book) -> None:
    leases = await book.open()
    await leases.make(TERMS)
    lines = book.record.read_bytes().split(b"\n")
    header = json.loads(lines[1]) | {"created": 1.0}
    body = b"\n".join([lines[0], json.dumps(header).encode(), *lines[2:-2], b""])
    import hashlib

    spoiled = body + b"sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n"
    book.record.write_bytes(spoiled)
    again = await book.open()
    assert isinstance(again.trouble, StoreTampered)
    assert book.record.read_bytes() == spoiled
    await again.revoke_all()
    aside = [path for path in book.record.parent.iterdir() if ".bad-" in path.name]
    assert spoiled in [path.read_bytes() for path in aside], "nothing is lost"


async def test_a_disk_that_does_not_let_us_begin_anew_leaves_the_book_closed(book: Book) -> None:
    await (await book.open()).make(TERMS)
    damaged(book)
    calls = FailingCalls(ENOSPC, 1, for_good=True)
    calls.heal()
    leases = await book.open(calls)
    calls.fail()
    with pytest.raises(StoreError):
        await leases.revoke_all()
    assert isinstance(leases.trouble, StoreCorrupt)


async def test_ended_ones_are_forgotten_after_a_while(book: Book) -> None:
    leases = await book.open()
    lease, token = await leases.make(TERMS)
    await leases.revoke(lease.id)
    book.clock.sleep(REMEMBERED_S - 1)
    await leases.tick()
    with pytest.raises(LeaseEnded):
        leases.find(token.encode())
    book.clock.sleep(2)
    assert leases.listed() == []
    with pytest.raises(LeaseUnknown):
        leases.find(token.encode())


async def test_of_many_ended_ones_the_last_are_remembered(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = await book.open()
    monkeypatch.setattr(leases_module, "ENDED_MOST", 3)
    made = []
    for _ in range(5):
        made.append((await leases.make(TERMS))[0].id)
        book.clock.sleep(1)
        await leases.revoke(made[-1])
    assert [one.id for one in leases.listed()] == made[-3:]
    assert ENDED_MOST >= 3


async def test_there_is_an_end_to_how_many_are_live(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = await book.open()
    monkeypatch.setattr(leases_module, "LIVE_MOST", 3)
    made = [await leases.make(TERMS) for _ in range(3)]
    with pytest.raises(Busy, match="3 live leases"):
        await leases.make(TERMS)
    await leases.revoke(made[0][0].id)
    await leases.make(TERMS)


async def test_as_many_as_there_may_be_fit_into_one_record(book: Book) -> None:
    leases = await book.open()
    paths = tuple(f"/{number}" + "x" * 254 for number in range(8))
    wide = replace(TERMS, scope=Scope(("GET",), paths), name="n" * 64)
    most = leases_module.LIVE_MOST + ENDED_MOST
    text = json.dumps((await leases.make(wide))[0].as_dict())
    from harvester.vault.seal import MAX_PLAINTEXT_BYTES

    assert len(text) * most + 1000 < MAX_PLAINTEXT_BYTES


async def test_many_who_change_it_at_once_share_the_writes(book: Book) -> None:
    leases = await book.open()
    made = await asyncio.gather(*(leases.make(TERMS) for _ in range(50)))
    assert len({lease.id for lease, _ in made}) == 50
    again = await book.open()
    assert all(honours(again, token) for _, token in made)
    assert store_on(book.root, SEAL).last_generation(PLACE, PURPOSE) < 10
