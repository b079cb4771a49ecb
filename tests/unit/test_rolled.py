"""Cookies that an answer to a client brought: taken in at once, and by whom they are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine import Engine, FakeClock, World
from harvester.keeper import Keeper
from harvester.session import Session
from harvester.setcookie import Brought


@pytest.fixture
def world() -> World:
    return World(FakeClock(), life_s=None)


@pytest.fixture
async def keeper(tmp_path: Path, world: World) -> AsyncIterator[Keeper]:
    keeper = Engine(tmp_path / "store", world).keeper
    await keeper.start()
    await keeper.get()
    yield keeper
    await keeper.close()


def held(keeper: Keeper) -> Session:
    served = keeper.current
    assert served is not None
    return served.session


def brought(
    *headers: str, status: int = 200, path: str = "/x", location: str | None = None
) -> Brought:
    return Brought(status, path, location, headers)


def name(keeper: Keeper) -> str:
    return held(keeper).cookies[0].name


async def test_a_value_that_the_site_rolled_is_served_at_once_and_is_no_new_generation(
    keeper: Keeper,
) -> None:
    before = held(keeper)
    await keeper.rolled(before.generation, brought(f"{name(keeper)}=rolled-1; Path=/"))
    assert held(keeper).cookies[0].value == "rolled-1"
    assert held(keeper).generation == before.generation
    assert held(keeper).proved_at == before.proved_at, "nothing was proved by it"
    await keeper.rolled(before.generation, brought(f"{name(keeper)}=rolled-2; Path=/"))
    assert held(keeper).cookies[0].value == "rolled-2", "of two that cross, the later one"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 101])
async def test_what_a_refusal_brings_is_ignored(keeper: Keeper, status: int) -> None:
    before = held(keeper)
    await keeper.rolled(1, brought(f"{name(keeper)}=anonymous; Path=/", status=status))
    assert held(keeper) == before


async def test_a_redirect_to_the_sign_in_page_brings_nothing_and_another_one_does(
    keeper: Keeper,
) -> None:
    before, cookie = held(keeper), f"{name(keeper)}=other; Path=/"
    identity = keeper.profile.identity_origins[0]
    await keeper.rolled(1, brought(cookie, status=302, location=f"{identity}/signin?x"))
    assert held(keeper) == before
    await keeper.rolled(1, brought(cookie, status=302, location="/app"))
    assert held(keeper).cookies[0].value == "other"


@pytest.mark.parametrize(
    "rest", ["=; Path=/", "=gone; Max-Age=0", "=else; Domain=evil.example", "=b\x01d; Path=/"]
)
async def test_an_emptied_an_ended_a_foreign_and_a_broken_cookie_are_ignored(
    keeper: Keeper, rest: str
) -> None:
    before = held(keeper)
    await keeper.rolled(1, brought(name(keeper) + rest))
    assert held(keeper) == before


async def test_no_answer_makes_the_jar_grow(keeper: Keeper) -> None:
    before = held(keeper)
    await keeper.rolled(1, brought(*(f"c{number}=x; Path=/" for number in range(1000))))
    assert held(keeper) == before


async def test_what_was_sent_with_another_generation_is_not_for_this_one(keeper: Keeper) -> None:
    await keeper.refresh(hard=True)
    before = held(keeper)
    await keeper.rolled(1, brought(f"{name(keeper)}=of-the-old-one; Path=/"))
    assert held(keeper) == before


async def test_after_a_switch_of_the_organisation_nobody_says_which_it_is(
    tmp_path: Path, world: World
) -> None:
    engine = Engine(tmp_path / "store", world)
    keeper = engine.keeper
    await keeper.start()
    await keeper.get()
    path = keeper.profile.site.switch_org_path
    cookie = f"{name(keeper)}=switched; Path=/"
    await keeper.rolled(1, brought(cookie, path=path or "/none"))
    after = held(keeper)
    assert after.cookies[0].value == "switched"
    if path:
        assert (after.organization, after.organization_proved) == (None, False)
    await keeper.close()
