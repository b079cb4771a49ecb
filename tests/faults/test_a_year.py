"""A year in minutes: sessions of eight hours, one in a hundred of everything fails, the provider
forgets every fortnight, and programs ask every few minutes.

The session at hand must be one that the site accepts, nearly always; the account must be safe; and
the process must not grow.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine import Engine, profile
from faultydisk import open_fds
from harvester.errors import HarvesterError
from harvester.log import listen
from harvester.vault.calls import Calls
from simulated import scheduled, simulate
from town import DAY_S, HOUR_S, Form, Town, TownClock, Weather

# Of the time in which the site was up and no person was waited for.
AVAILABLE = 0.999
SAMPLE_S = 30.0
# What programs ask again after, in seconds, the shortest and the longest.
ASKS_S = (60.0, 600.0)
TICK_S = 300.0
_PERSON = {"needs_human", "not_configured", "challenge", "page_not_recognised",
           "credentials_rejected", "code_rejected", "account_locked"}  # fmt: skip


class Bell(asyncio.Event):
    """Rings where a list of changes would grow for a year."""

    def append(self, _: object) -> None:
        self.set()


@dataclass
class Tally:
    """What the year came to, in seconds."""

    up_s: float = 0.0
    served_s: float = 0.0
    without: Counter[str] = field(default_factory=Counter)
    person_s: float = 0.0
    down_s: float = 0.0
    answered: int = 0
    refused: int = 0
    events: Counter[str] = field(default_factory=Counter)
    waits: list[bool] = field(default_factory=lambda: [False])

    @property
    def available(self) -> float:
        return self.served_s / self.up_s


@dataclass(frozen=True)
class Size:
    """Of this process, after the rubbish was taken out."""

    blocks: int
    rss_bytes: int
    fds: int

    @classmethod
    def now(cls) -> Size:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            sys.getallocatedblocks(),
            pages * os.sysconf("SC_PAGE_SIZE"),
            open_fds(),
        )


async def programs(engine: Engine, town: Town, tally: Tally, chance: random.Random) -> None:
    """Ask for a session, use it, and report a 401."""
    while True:
        await asyncio.sleep(chance.uniform(*ASKS_S))
        try:
            served = await engine.keeper.get(wait_s=60)
            if not town.site_up() or town.alive(served.session.cookies):
                tally.answered += 1
                continue
            tally.refused += 1
            served = await engine.keeper.report(generation=served.session.generation, wait_s=60)
        except HarvesterError as error:
            tally.events[f"told {error.code}"] += 1


async def person(engine: Engine, tally: Tally, chance: random.Random, town: Town) -> None:
    """Is told that he is needed, comes within a day, looks, signs in where that is asked."""
    while True:
        await asyncio.sleep(60)
        code = engine.keeper.why_not.partition(":")[0]
        if code not in _PERSON:
            continue
        tally.waits[0] = True
        await asyncio.sleep(chance.uniform(0, DAY_S))
        tally.waits[0] = False
        tally.events[f"person came for {code}"] += 1
        town.person_mends()
        try:
            await engine.keeper.unlock(force=True)
            await engine.keeper.refresh(headed=engine.keeper.profile.password is None, wait_s=300)
        except HarvesterError as error:
            tally.events[f"person was told {error.code}"] += 1


async def watch(engine: Engine, town: Town, tally: Tally) -> None:
    """Is what would be served now good?"""
    while True:
        await asyncio.sleep(SAMPLE_S)
        served = engine.keeper.current
        good = served is not None and town.alive(served.session.cookies)
        if not town.site_up():
            tally.down_s += SAMPLE_S
        elif tally.waits[0] and not good:
            tally.person_s += SAMPLE_S
        else:
            tally.up_s += SAMPLE_S
            tally.served_s += SAMPLE_S if good else 0.0
            if not good:
                down = town.now < town.weather.provider_down_until
                tally.without["provider down" if down else "refused" if served else "none"] += 1


async def live(engine: Engine, town: Town, days: int, chance: random.Random) -> Tally:
    """Days of it; a month is told apart, because from then on nothing may grow."""
    tally = Tally()
    bell = Bell()
    engine.changes, engine.published = bell, deque(maxlen=2)  # type: ignore[assignment]
    stop = listen(lambda name, level, fields: tally.events.update([name]))
    await engine.keeper.start()
    keeper = engine.keeper
    tasks = [
        asyncio.create_task(scheduled(keeper.check, bell, tick=keeper.follow_store, tick_s=TICK_S)),
        asyncio.create_task(programs(engine, town, tally, chance)),
        asyncio.create_task(person(engine, tally, chance, town)),
        asyncio.create_task(watch(engine, town, tally)),
    ]
    settled_days = min(30, days // 2)
    await asyncio.sleep(settled_days * DAY_S)
    before = Size.now()
    await asyncio.sleep((days - settled_days) * DAY_S)
    after = Size.now()
    for task in tasks:
        assert not task.done(), task
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await keeper.close()
    stop()
    print(f"size after {settled_days} days {before}, at the end {after}")
    assert after.fds <= before.fds
    assert after.blocks <= before.blocks * 1.02 + 5000, "objects pile up"
    assert after.rss_bytes <= before.rss_bytes + 16 * 2**20, "memory piles up"
    return tally


STORIES: dict[str, tuple[Form, bool]] = {
    "declared": ("declared", True),
    "opaque": ("opaque", True),
    "jwt": ("jwt", True),
    "a-person-types": ("declared", False),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_session_is_there_all_the_year(
    story: str,
    tmp_path: Path,
    size: Callable[[int, int], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A year of waiting for the disk is what this test leaves out.
    monkeypatch.setattr(Calls, "fsync", lambda self, fd: None)
    form, password = STORIES[story]
    # A token of minutes is minted anew four hundred times a day: a season of it is work enough.
    days = size({"jwt": 2, "opaque": 6}.get(form, 16), 60 if form == "jwt" else 365)
    seed = 20 + list(STORIES).index(story)
    chance = random.Random(seed)
    random.seed(seed)  # the engine's own jitter
    town = Town(
        TownClock(),
        life_s=14 * DAY_S if form == "jwt" else 8 * HOUR_S,
        form=form,
        chance=chance,
        weather=Weather(chance),
    )
    who = profile() if password else profile(password=None)
    engine = Engine(tmp_path / "store", town, who)
    tally = simulate(live(engine, town, days, chance), town.clock)

    counts = town.counts
    print(f"{story}: {days} days, available {tally.available:.5%} of {tally.up_s / DAY_S:.1f} days")
    print(
        f"  site down {tally.down_s / HOUR_S:.1f} h, person awaited {tally.person_s / HOUR_S:.1f} h"
    )
    print(f"  without a session (samples of {SAMPLE_S:.0f} s): {dict(tally.without)}")
    print(f"  answered {tally.answered}, of refused sessions {tally.refused}")
    print(f"  a day: probes {counts['probe'] / days:.1f}, gets {counts['get'] / days:.1f}, "
          + ", ".join(f"{rung} {counts[rung] / days:.2f}"
                      for rung in ("renew", "silent", "scripted", "headed", "submit")))  # fmt: skip
    print(f"  {dict(counts)}")
    print(f"  {dict(tally.events)}")
    assert town.broken == []
    assert tally.events["alarm.raised"] == 0, "nobody stole anything"
    assert tally.available >= AVAILABLE
