"""A profile's state goes from store to store in one sealed piece, and forgets nothing meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, FakeClock, World, profile
from harvester.errors import HarvesterError, NotConfigured
from harvester.profile import Profile, SecretSource
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import Seal

Make = Callable[..., Any]


@pytest.fixture
def world() -> World:
    return World(FakeClock())


@pytest.fixture
async def make(tmp_path: Path, world: World) -> AsyncIterator[Make]:
    """A job with a store of its own."""
    made: list[Engine] = []

    async def begin(name: str, who: Profile | None = None) -> Engine:
        engine = Engine(tmp_path / name, world, who)
        made.append(engine)
        await engine.keeper.start()
        return engine

    yield begin
    for engine in made:
        await engine.keeper.close()


async def restarted(make: Make, name: str, who: Profile | None = None) -> Engine:
    return await make(name, who)


def files(root: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in root.rglob("*") if one.is_file()}


async def test_the_next_job_has_the_session_and_needs_no_sign_in(make: Make, world: World) -> None:
    first = await make("1")
    session = (await first.keeper.get()).session
    bundle = await first.bundles.pack()
    assert session.cookies[0].value.encode() not in bundle
    second = await make("2")
    told = await second.bundles.unpack(bundle)
    assert told == {"session": "taken", "generation": 1, "identity_state": True}
    served = await (await restarted(make, "2")).keeper.get()
    assert served.session.cookies == session.cookies
    assert world.sign_ins == ["scripted"]


async def test_a_session_that_has_ended_leaves_the_identity_state_to_help(
    make: Make, world: World
) -> None:
    first = await make("1")
    await first.keeper.get()
    bundle = await first.bundles.pack()
    world.revoke()
    second = await make("2", profile(password=None))
    assert (await second.bundles.unpack(bundle))["session"] == "denied"
    await (await restarted(make, "2", profile(password=None))).keeper.get()
    assert world.sign_ins == ["scripted", "silent"]


async def test_what_was_refused_in_one_job_is_sent_by_no_other(make: Make, world: World) -> None:
    wrong = profile(password=SecretSource("value", "HARVESTER_PASSWORD", value="wrong"))
    first = await make("1", wrong)
    with pytest.raises(HarvesterError):
        await first.keeper.get()
    bundle = await first.bundles.pack()
    second = await make("2", wrong)
    assert (await second.bundles.unpack(bundle))["session"] == "none"
    with pytest.raises(HarvesterError) as caught:
        await (await restarted(make, "2", wrong)).keeper.get()
    assert caught.value.code == "credentials_rejected"
    assert world.submits == ["wrong"]


@pytest.mark.parametrize("down", [True, False])
async def test_a_later_session_is_believed_only_when_the_site_says_that_it_lives(
    make: Make, world: World, down: bool
) -> None:
    ours, theirs = await make("1"), await make("2")
    held = (await ours.keeper.get()).session
    await theirs.keeper.get()
    later = (await theirs.keeper.refresh(hard=True)).session
    bundle = await theirs.bundles.pack()
    world.live.discard(later.cookies[0].value)
    world.down = down
    told = await ours.bundles.unpack(bundle)
    assert told["session"] == ("unreachable" if down else "denied")
    world.down = False
    assert (await (await restarted(make, "1")).keeper.get()).session.cookies == held.cookies


async def test_where_there_is_none_the_last_good_one_is_kept_though_the_site_is_down(
    make: Make, world: World
) -> None:
    first = await make("1")
    await first.keeper.get()
    bundle = await first.bundles.pack()
    world.down = True
    second = await make("2")
    assert (await second.bundles.unpack(bundle))["session"] == "unproved"
    assert (await (await restarted(make, "2")).keeper.get()).session.generation == 1
    assert world.sign_ins == ["scripted"]


async def test_an_older_bundle_changes_no_session_and_numbers_are_given_once(
    make: Make, world: World
) -> None:
    engine = await make("1")
    first = (await engine.keeper.get()).session
    old = await engine.bundles.pack()
    second = (await engine.keeper.refresh(hard=True)).session
    assert (await engine.bundles.unpack(old))["session"] == "ours"
    assert (await (await restarted(make, "1")).keeper.get()).session.cookies == second.cookies
    # The site refuses what we hold, and says yes to what the bundle has: then that is help.
    engine = await restarted(make, "1")
    await engine.keeper.get()
    world.live.discard(second.cookies[0].value)
    ledger = engine.records.ledger()
    engine.records.keep_ledger(ledger.with_refused(second.generation))
    world.live.add(first.cookies[0].value)
    told = await engine.bundles.unpack(old)
    assert told["session"] == "taken"
    assert told["generation"] > second.generation
    served = (await (await restarted(make, "1")).keeper.get()).session
    assert (served.cookies, served.generation) == (first.cookies, told["generation"])


def another_key(bundle: bytes) -> bytes:
    seal = Seal(KeyRing(MasterKey(b"o" * 32)))
    return seal.seal(b"{}", profile="default", purpose="bundle", generation=1, now_s=1.0)


def another_record(bundle: bytes) -> bytes:
    seal = Seal(KeyRing(MasterKey(bytes(range(32)))))
    return seal.seal(b"{}", profile="default", purpose="ledger", generation=1, now_s=1.0)


def another_form(bundle: bytes) -> bytes:
    seal = Seal(KeyRing(MasterKey(bytes(range(32)))))
    text = b'{"version": 1, "origin": 7}'
    return seal.seal(text, profile="default", purpose="bundle", generation=1, now_s=1.0)


def later_form(bundle: bytes) -> bytes:
    seal = Seal(KeyRing(MasterKey(bytes(range(32)))))
    return seal.seal(b'{"version": 2}', profile="default", purpose="bundle", generation=1, now_s=1)


@pytest.mark.parametrize(
    ("spoil", "who", "code"),
    [
        (lambda bundle: bundle[:-100], {}, "store_corrupt"),
        (lambda bundle: bundle.replace(b"A", b"B", 1), {}, "store_corrupt"),
        (lambda bundle: b"", {}, "store_corrupt"),
        (another_form, {}, "store_corrupt"),
        (later_form, {}, "store_too_new"),
        (another_key, {}, "key_wrong"),
        (another_record, {}, "store_swapped"),
        (lambda bundle: bundle, {"name": "work"}, "store_swapped"),
        (lambda bundle: bundle, {"username": "eve@acme.example"}, "identity_mismatch"),
        (lambda bundle: bundle, {"organization": "globex"}, "organization_mismatch"),
    ],
)
async def test_what_is_not_ours_is_named_and_changes_nothing(
    make: Make, world: World, tmp_path: Path, spoil: Callable[[bytes], bytes], who: dict[str, str],
    code: str,
) -> None:  # fmt: skip
    world.lands_in = "acme"
    first = await make("1", profile(username="ada@acme.example"))
    await first.keeper.get()
    bundle = await first.bundles.pack()
    other = await make("2", profile(**{"username": "ada@acme.example", **who}))
    before, probes = files(tmp_path / "2"), world.probes
    with pytest.raises(HarvesterError) as caught:
        await other.bundles.unpack(spoil(bundle))
    assert caught.value.code == code
    if code == "store_swapped":
        assert caught.value.message.startswith("this is the ")
        assert "--profile" in caught.value.hint, "nobody moved a file in a store"
    assert files(tmp_path / "2") == before
    assert world.probes == probes, "nothing was sent to the site"
    if not who:
        await other.bundles.unpack(bundle)


async def test_the_bundle_of_another_origin_is_refused(make: Make) -> None:
    first = await make("1")
    await first.keeper.get()
    bundle = await first.bundles.pack()
    site = profile().site
    elsewhere = type(site)("https://other.example", "https://other.example", "/api")
    with pytest.raises(HarvesterError) as caught:
        await (await make("2", profile(site=elsewhere))).bundles.unpack(bundle)
    assert caught.value.code == "origin_mismatch"


async def test_under_another_origin_a_stored_session_is_not_packed(make: Make) -> None:
    first = await make("1")
    session = (await first.keeper.get()).session
    site = profile().site
    moved = profile(site=type(site)("https://other.example", "https://other.example", "/api"))
    bundle = await (await restarted(make, "1", moved)).bundles.pack()
    told = await (await make("2", moved)).bundles.unpack(bundle)
    assert told["session"] == "none", "the ledger alone goes along"
    assert first.keeper.current is not None and first.keeper.current.session == session


async def test_a_ledger_that_cannot_be_read_is_neither_carried_nor_written_over(
    make: Make, tmp_path: Path
) -> None:
    first = await make("1")
    await first.keeper.get()
    bundle = await first.bundles.pack()
    for path in (tmp_path / "1" / "profiles" / "default").glob("ledger*"):
        path.write_bytes(path.read_bytes()[:100])
    again = await restarted(make, "1")
    with pytest.raises(HarvesterError) as caught:
        await again.bundles.pack()
    assert caught.value.code == "store_corrupt" and "unlock" in caught.value.hint
    with pytest.raises(HarvesterError):
        await again.bundles.unpack(bundle)
    assert again.records.ledger().unread, "importing is no way round an unlock"


async def test_a_store_with_nothing_has_nothing_to_carry(make: Make) -> None:
    with pytest.raises(NotConfigured):
        await (await make("1")).bundles.pack()
