"""Settings are read again while it runs: what is served goes on, and a mistake changes nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import KEY, ORIGIN, FakeClock, World
from harvester import log
from harvester.assembly import House
from harvester.bell import Bell
from harvester.errors import Busy, ConfigInvalid, KeyWrong, OriginMismatch, UnknownProfile
from harvester.keeper import Keeper
from harvester.outlets.proxy import Proxy
from harvester.outlets.upstream import Upstream
from harvester.reload import Reload
from harvester.session import Cookie
from harvester.settings import Settings, load, sources
from harvester.timer import Timer
from harvester.verdict import Answer

BASE = {
    "HARVESTER_ORIGIN": ORIGIN,
    "HARVESTER_PROBE_PATH": "/api",
    "HARVESTER_IDENTITY_ORIGINS": "https://login.acme.example",
    "HARVESTER_USERNAME": "ada",
    "HARVESTER_PASSWORD": "right",
    "HARVESTER_LOG_FORMAT": "json",
}
WORK = {
    f"HARVESTER_PROFILES__WORK__{name.removeprefix('HARVESTER_')}": value
    for name, value in BASE.items()
    if "LOG" not in name
}


class Site(World):
    async def close(self) -> None:
        """As ``SiteClient``."""


@pytest.fixture(autouse=True)
def no_secrets_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SECRETS_DIRECTORY", tmp_path / "run-secrets")


@pytest.fixture
def world() -> Site:
    return Site(FakeClock())


@pytest.fixture
def settings(tmp_path: Path):
    def read(**more: str | None) -> Settings:
        environ = {
            "HOME": str(tmp_path),
            "HARVESTER_STORE": str(tmp_path / "store"),
            "HARVESTER_KEY": base64.b64encode(KEY).decode(),
            **BASE,
            **WORK,
            **more,
        }
        return load(environ={name: value for name, value in environ.items() if value is not None})

    return read


def without(prefix: str) -> dict[str, None]:
    return {name: None for name in WORK if name.startswith(prefix)}


NO_WORK = without("HARVESTER_PROFILES__WORK__")


@pytest.fixture
async def house(settings, world, monkeypatch):
    monkeypatch.setattr(House, "_way_to", lambda *_: world)
    made = House(settings(), clock=world.clock)
    made._signer = world  # type: ignore[assignment]
    async with made:
        yield made


class Heard(list[tuple[str, dict[str, Any]]]):
    """The events of the log, and a way to wait for one."""

    def __init__(self) -> None:
        self._came = asyncio.Event()

    def hear(self, name: str, level: int, fields: Any) -> None:
        self.append((name, dict(fields)))
        self._came.set()

    async def until(self, *names: str, count: int = 1) -> None:
        async with asyncio.timeout(10):
            while sum(name in names for name, _ in self) < count:
                self._came.clear()
                await self._came.wait()


@pytest.fixture
async def heard():
    events = Heard()
    deaf = log.listen(events.hear)
    yield events
    deaf()


async def test_who_did_not_change_notices_nothing_not_even_in_mid_sign_in(house, settings, world):
    world.gate = asyncio.Event()
    asking = asyncio.create_task(house.keeper("work").get())
    await world.began.wait()
    before = house.keeper("work")
    changes = await house.reload(settings(HARVESTER_MAX_AGE="12h"))
    assert (changes.added, changes.gone, changes.changed) == ((), (), ("default",))
    assert house.keeper("work") is before
    world.gate.set()
    assert (await asking).session.generation == 1
    assert world.sign_ins == ["scripted"]


async def test_a_changed_profile_serves_its_session_all_the_while_and_signs_in_nowhere(
    house, settings, world
):
    first = await house.keeper("default").get()
    old = house.keeper("default")
    seen = []

    async def watch() -> None:
        while True:
            seen.append(house.keeper("default").current)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await house.reload(settings(HARVESTER_REFRESH_EVERY="10m"))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    assert house.keeper("default") is not old
    assert house.keeper("default").profile.refresh_every_s == 600
    assert len(seen) > 3
    assert {None if one is None else one.session.generation for one in seen} == {1}
    assert (await house.keeper("default").get()).session == first.session
    assert world.sign_ins == ["scripted"]


async def test_a_sign_in_under_way_is_let_finish_and_its_session_goes_on(house, settings, world):
    world.gate = asyncio.Event()
    asking = asyncio.create_task(house.keeper("default").get())
    await world.began.wait()
    reloading = asyncio.create_task(house.reload(settings(HARVESTER_MAX_AGE="12h")))
    # Nothing but the sign-in can end it.
    done, _ = await asyncio.wait({reloading}, timeout=0.2)
    assert not done
    world.gate.set()
    given = await asking
    await reloading
    current = house.keeper("default").current
    assert current is not None and current.session == given.session
    assert house.keeper("default").profile.max_age_s == 12 * 3600
    assert (world.sign_ins, world.submits) == (["scripted"], ["right"])


async def test_what_the_site_rolled_and_no_disk_has_yet_comes_along(house, settings, world):
    first = await house.keeper("default").get()
    [cookie, *_] = first.session.cookies
    rolled = Cookie(cookie.name, "rolled-" + "y" * 20, cookie.domain, cookie.path)
    world.live.add(rolled.value)
    world.rolls = rolled
    await house.keeper("default").prove(within_s=0.0)  # stored at once
    world.rolls = replace(rolled, value="rolled-again-" + "y" * 20)
    world.live.add(world.rolls.value)
    await house.keeper("default").prove(within_s=0.0)  # within five seconds: in memory only
    await house.reload(settings(HARVESTER_MAX_AGE="12h"))
    current = house.keeper("default").current
    assert current is not None
    assert current.session.cookies[0].value == world.rolls.value


async def test_what_the_site_refused_is_not_served_again(house, settings, world):
    await house.keeper("default").get()
    world.revoke()
    world.down = False
    house.keeper("default")._held.refuse()
    await house.reload(settings(HARVESTER_MAX_AGE="12h"))
    assert house.keeper("default").current is None


async def test_callers_who_leave_no_gap_keep_no_settings_out(house, settings, world, monkeypatch):
    await house.keeper("default").get()
    world.answer = Answer(404)  # the probe's path is wrong: that is what is to be mended
    real, told = Keeper.take_over, []

    async def in_traffic(self: Keeper, before: Keeper) -> None:
        await real(self, before)
        told.append(asyncio.create_task(before.report(generation=1)))
        await asyncio.sleep(0)

    monkeypatch.setattr(Keeper, "take_over", in_traffic)
    async with asyncio.timeout(5):
        await house.reload(settings(HARVESTER_PROBE_PATH="/right"))
    assert house.keeper("default").profile.site.probe_path == "/right"
    assert {one.verdict for one in await asyncio.gather(*told)} == {"unreachable"}


async def test_what_was_made_for_the_last_caller_of_the_old_settings_is_taken_up(
    house, settings, world, monkeypatch
):
    await house.keeper("default").get()
    world.revoke()
    real, told = Keeper.take_over, []

    async def in_traffic(self: Keeper, before: Keeper) -> None:
        await real(self, before)
        if len(told) < 3:
            told.append(asyncio.create_task(before.report(generation=len(told) + 1)))
            await asyncio.sleep(0)
            world.revoke()

    monkeypatch.setattr(Keeper, "take_over", in_traffic)
    async with asyncio.timeout(10):
        await house.reload(settings(HARVESTER_MAX_AGE="12h"))
    made = [one.session.generation for one in await asyncio.gather(*told)]
    assert made == [2, 3, 4]
    current = house.keeper("default").current
    assert current is not None and current.session.generation == 4


async def test_a_session_does_not_follow_to_another_origin(house, settings, world, tmp_path):
    await house.keeper("default").get()
    record = tmp_path / "store" / "profiles" / "default" / "session"
    kept = record.read_bytes()
    await house.reload(settings(HARVESTER_ORIGIN="https://other.example"))
    assert house.keeper("default").current is None
    with pytest.raises(OriginMismatch):
        await house.keeper("default").get()
    assert record.read_bytes() == kept
    await house.reload(settings())
    assert house.keeper("default").current is not None
    assert world.sign_ins == ["scripted"]


async def test_who_is_gone_is_closed_with_his_records_kept_and_may_come_back(
    house, settings, world, tmp_path
):
    await house.keeper("work").get()
    changes = await house.reload(settings(**NO_WORK))
    assert changes.gone == ("work",)
    with pytest.raises(UnknownProfile):
        house.keeper("work")
    assert (tmp_path / "store" / "profiles" / "work" / "session").exists()
    assert [one["profile"] for one in house.status()["profiles"]] == ["default"]
    assert await house.look("work")() > 0  # a look that outlives him
    changes = await house.reload(settings())
    assert changes.added == ("work",)
    assert house.keeper("work").current.session.generation == 1
    assert world.sign_ins == ["scripted"]


async def test_a_sign_in_of_who_is_gone_is_ended(house, settings, world):
    world.gate = asyncio.Event()
    asking = asyncio.create_task(house.keeper("work").get())
    await world.began.wait()
    async with asyncio.timeout(5):
        await house.reload(settings(**NO_WORK))
        with pytest.raises(Busy):
            await asking


async def test_another_way_to_the_network_is_another_keeper_for_all(house, settings):
    before = [house.keeper(name) for name in ("default", "work")]
    changes = await house.reload(settings(HARVESTER_HTTPS_PROXY="http://proxy.example:3128"))
    assert changes.changed == ("default", "work")
    assert not set(before) & set(house.keepers())


async def test_records_that_no_key_of_ours_opens_leave_all_as_it_was(
    house, settings, heard, monkeypatch
):
    await house.keeper("default").get()
    before = house.keeper("default")

    async def start(self: Keeper) -> None:
        raise KeyWrong("another key", hint="find it")

    monkeypatch.setattr(Keeper, "start", start)
    await house.reload(settings(HARVESTER_MAX_AGE="12h"))
    assert house.keeper("default") is before
    assert before.current is not None
    [told] = [fields for name, fields in heard if name == "settings.rejected"]
    assert (told["profile"], told["code"]) == ("default", "key_wrong")


# the reload itself


class Reading:
    """What a reread gives, and how often it was asked."""

    def __init__(self, *given: Settings | Exception) -> None:
        self.given = list(given)
        self.asked = 0
        self.began = threading.Event()

    def __call__(self) -> Settings:
        self.asked += 1
        self.began.set()
        one = self.given.pop(0)
        if isinstance(one, Exception):
            raise one
        return one


@pytest.fixture
async def reload(house, settings, heard, world):
    made = []
    logger = logging.getLogger("harvester")
    level, handlers = logger.level, list(logging.getLogger().handlers)

    async def once(reread: Reading) -> list[tuple[str, dict[str, Any]]]:
        """Ask, and what it said."""
        if not made:
            timer = Timer(world.clock)
            bell = Bell((), notify="off", environ={})
            upstream = Upstream(https_proxy=None, ca_file=None)
            proxy = Proxy(house, clock=world.clock, upstream=upstream)
            one = Reload(settings(), reread, house=house, bell=bell, timer=timer, proxy=proxy)
            one.start()
            made.append((one, bell))
        heard.clear()
        made[0][0]._reread = reread
        made[0][0].ask()
        await heard.until("settings.rejected", "settings.reloaded")
        return [(name, told) for name, told in heard if name.startswith("settings.")]

    once.made = made  # type: ignore[attr-defined]
    yield once
    for one, _ in made:
        await one.stop()
    root = logging.getLogger()
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    logger.setLevel(level)


async def test_a_mistake_is_told_and_the_old_settings_go_on(reload, house, settings):
    before = house.keepers()
    wrong = Reading(ConfigInvalid("no TOML at line 3", hint="close the quote"))
    [(name, told)] = await reload(wrong)
    assert name == "settings.rejected"
    assert (told["code"], told["why"]) == ("config_invalid", "no TOML at line 3")
    assert house.keepers() == before
    # And the next one is heard.
    [(name, told)] = await reload(Reading(settings(**NO_WORK)))
    assert (name, told["gone"]) == ("settings.reloaded", ("work",))


async def test_what_nobody_foresaw_is_told_and_the_next_signal_is_heard(reload, settings):
    [(name, told)] = await reload(Reading(RuntimeError("canary-in-a-text")))
    assert (name, told["code"]) == ("settings.rejected", "bug")
    assert "canary" not in told["why"]
    assert [name for name, _ in await reload(Reading(settings()))] == ["settings.reloaded"]


async def test_what_needs_a_restart_is_named_and_stays_as_it_is(reload, house, settings, tmp_path):
    other = settings(
        HARVESTER_STORE=str(tmp_path / "elsewhere"),
        HARVESTER_SOCKET=str(tmp_path / "s"),
        HARVESTER_KEY=base64.b64encode(b"canary" * 5 + b"!!").decode(),
        HARVESTER_ALLOW_UIDS="12345",
    )
    told = await reload(Reading(other))
    assert [name for name, _ in told] == ["settings.need_restart", "settings.reloaded"]
    assert told[0][1]["settings"] == [
        "HARVESTER_STORE",
        "HARVESTER_SOCKET",
        "HARVESTER_KEY",
        "HARVESTER_ALLOW_UIDS",
    ]
    assert base64.b64encode(b"canary" * 5).decode() not in json.dumps(told)
    assert not (tmp_path / "elsewhere").exists()
    assert await house.keeper("default").get()


async def test_log_and_bell_follow_at_once(reload, settings):
    await reload(
        Reading(settings(HARVESTER_LOG_LEVEL="debug", HARVESTER_ON_PERSON_NEEDED="tell 'a b'"))
    )
    assert logging.getLogger("harvester").level == logging.DEBUG
    [(_, bell)] = reload.made
    assert bell._words == ("tell", "a b")


async def test_ten_signals_during_one_reload_are_one_more(reload, house, settings, world, heard):
    world.gate = asyncio.Event()
    asking = asyncio.create_task(house.keeper("default").get())
    await world.began.wait()
    reading = Reading(*[settings(HARVESTER_MAX_AGE="12h")] * 11)
    running = asyncio.create_task(reload(reading))
    await asyncio.to_thread(reading.began.wait, 5)
    [(one, _)] = reload.made
    for _ in range(10):
        one.ask()
    world.gate.set()
    await running
    await asking
    await heard.until("settings.reloaded", count=2)
    assert reading.asked == 2
    assert not one._asked.is_set()
