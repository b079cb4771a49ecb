"""A thousand worlds in which everything fails by chance: the account is never locked, and whoever
asks gets the last proved session or an honest error.

An account that locks at three wrong passwords.  A site and a provider that fail in every way, a
disk that refuses, processes that are killed and others on the same store, clocks that are set, a
machine that sleeps and starts anew, a password that was wrong from the beginning or is changed, a
person who mends it or mistypes.  All by one seed, which the failure names.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import random
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, profile
from harvester.errors import BY_CODE, HarvesterError, StoreError
from harvester.profile import SecretSource
from harvester.session import Cookie, Served
from harvester.vault.durable import Calls, Disk
from simulated import scheduled, simulate
from town import DAY_S, HOUR_S, Form, Town, TownClock, Weather

ERRNOS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EMFILE)
# Beyond what he was willing to wait: the disk and a lock that is just being given back.
PATIENCE_SLACK_S = 3.0
# A person waits for the climb under way first.
PERSON_PATIENCE_S = 900.0
# A probe's answer is acted on within this.
HEED_S = 5.0
# Two refusals nearer to each other than this are one witness; floats of 1.8e9 s blur the last bits.
APART_S = 1.0 - 1e-3
ANYBODY = "anybody"

_PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Wires(Calls):
    """To the disk: cut when the process is killed, and sometimes the disk refuses."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.sick = 0.0
        self.cut = False

    def __getattribute__(self, name: str) -> Any:
        call = super().__getattribute__(name)
        if name.startswith("_") or name in ("sick", "cut"):
            return call
        if name == "close":  # the kernel does, whoever is killed
            return call
        if self.cut or self._chance.random() < self.sick:
            raise OSError(self._chance.choice(ERRNOS), "the disk refuses")
        # Nobody here pulls the plug: what is written is written.
        return (lambda fd: None) if name == "fsync" else call


class Denials:
    """What one process was told of each cookie value: two refusals are two witnesses if they are
    a second apart and no silence lies between them.

    Two that ask at once, a touch and a look, have each a first opinion, and a silence that one of
    them meets does not undo what the other has heard.
    """

    def __init__(self) -> None:
        self._first_at: dict[tuple[str, object], float] = {}
        self.twice_at: dict[str, float] = {}

    def denied(self, value: str, now: float) -> None:
        for asker in (asyncio.current_task(), ANYBODY):
            if now - self._first_at.setdefault((value, asker), now) >= APART_S:
                self.twice_at.setdefault(value, now)

    def unsaid(self, value: str) -> None:
        for asker in (asyncio.current_task(), ANYBODY):
            self._first_at.pop((value, asker), None)


class Process:
    """One process on the store; ``kill`` ends it as kill -9 does."""

    def __init__(self, run: Run, name: str, password: str | None) -> None:
        self.run = run
        self.wires = Wires(run.chance)
        # In order: a set's would be that of their addresses, which no seed decides.
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.denied = Denials()
        source = SecretSource("value", "HARVESTER_PASSWORD", value=password or "")
        self.who = profile(name=name, password=source if password else None)
        self.context = contextvars.copy_context()
        self.context.run(_PROCESS.set, self)
        self.bell = asyncio.Event()
        self.ready = asyncio.Event()
        self.engine = Engine(run.root, run.town, self.who, disk=Disk(self.wires, private_dirs=True))
        self.spawn(self._serve())

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work, context=self.context)

    async def _serve(self) -> None:
        try:
            await self.engine.keeper.start()
        except HarvesterError as error:
            self.run.check_error(error)
            return
        self.ready.set()
        keeper = self.engine.keeper
        while True:
            try:
                await scheduled(keeper.check, self.bell, tick=keeper.follow_store, tick_s=120.0)
            except StoreError:
                await asyncio.sleep(60)  # as timer.py does
            except Exception as error:
                self.run.broken(f"the schedule ended with {error!r}")
                return

    async def kill(self) -> None:
        self.wires.cut = True
        mine = [task for task in self.tasks if not task.done()]
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)


class Run:
    """One world, and everybody in it."""

    def __init__(self, seed: int, root: Path) -> None:
        self.seed = seed
        self.root = root
        self.chance = chance = random.Random(seed)
        form: Form = chance.choice(("declared", "opaque", "jwt"))
        # Beside a token that is over, the session it was made of is refused too, and lives on.
        self.decides = "sid_jwt" if form == "jwt" else "sid"
        self.town = Town(
            TownClock(),
            life_s=chance.choice((600.0, HOUR_S, 8 * HOUR_S, DAY_S)),
            form=form,
            chance=chance,
            weather=Weather(chance, rate=chance.choice((0.0, 0.01, 0.1, 0.3, 0.6)), outage_in=5),
            remembers_s=chance.choice((0.0, HOUR_S, DAY_S)),
            wants_code=chance.random() < 0.5,
        )
        self.town.denied, self.town.accepted = self._denied, self._accepted
        self.town.unsaid = self._unsaid
        self.known = chance.choice(("right", "right", "wrong from the start"))
        self.proved: set[str] = set()
        self.processes: list[Process] = []
        self.troubles: list[str] = []

    # what must hold at every instant

    def broken(self, what: str) -> None:
        self.troubles.append(f"{self.town.now - 1.8e9:.1f} s: {what}")

    def check_error(self, error: HarvesterError) -> None:
        if error.code not in BY_CODE or error.code == "bug":
            self.broken(f"an error of no contract: {error.code} {error.message}")

    def check_served(self, process: Process, served: Served, asked_at: float) -> None:
        session = served.session
        for cookie in session.cookies:
            if cookie.name.startswith("sid") and cookie.value not in self.proved:
                self.broken(f"generation {session.generation} was served and never proved")
            if cookie.name != self.decides:
                continue
            twice_at = process.denied.twice_at.get(cookie.value, float("inf"))
            if not self.town.alive(session.cookies) and twice_at + HEED_S < asked_at:
                self.broken(f"generation {session.generation} was served, refused twice before")

    def _denied(self, value: str) -> None:
        process = _PROCESS.get()
        if process is not None:
            process.denied.denied(value, self.town.now)

    def _unsaid(self, value: str) -> None:
        process = _PROCESS.get()
        if process is not None:
            process.denied.unsaid(value)

    def _accepted(self, value: str) -> None:
        self.proved.add(value)

    # who is there

    async def ask(self, process: Process) -> None:
        """One caller."""
        chance, keeper, town = self.chance, process.engine.keeper, self.town
        loop = asyncio.get_running_loop()
        wait_s = chance.choice((0.5, 5.0, 60.0, 300.0))
        began_s, asked_at = loop.time(), town.now
        what = chance.choice(("get", "get", "get", "use", "use", "lie", "refresh", "hard", "no"))
        try:
            match what:
                case "get":
                    served = await keeper.get(wait_s=wait_s, min_valid_s=chance.choice((0, 0, 300)))
                case "no":
                    served = await keeper.get(wait_s=wait_s, may_sign_in=False)
                case "refresh" | "hard":
                    served = await keeper.refresh(hard=what == "hard", wait_s=wait_s)
                case _:
                    served = await keeper.get(wait_s=wait_s)
                    self.check_served(process, served, asked_at)
                    if what == "lie" or (town.site_up() and not town.alive(served.session.cookies)):
                        began_s, asked_at = loop.time(), town.now
                        generation = max(1, served.session.generation - chance.randrange(2))
                        served = await keeper.report(generation=generation, wait_s=wait_s)
            self.check_served(process, served, asked_at)
        except HarvesterError as error:
            self.check_error(error)
        if loop.time() - began_s > wait_s + PATIENCE_SLACK_S:
            self.broken(f"{what} waited {loop.time() - began_s:.1f} s, asked for {wait_s}")

    async def callers(self, process: Process) -> None:
        await process.ready.wait()
        while True:
            await asyncio.sleep(
                self.chance.choice((1.0, 30.0, 300.0, 1200.0)) * self.chance.random()
            )
            burst = self.chance.choice((1, 1, 1, 5))
            await asyncio.gather(*(self.guarded(self.ask(process)) for _ in range(burst)))

    async def guarded(self, work: Coroutine[Any, Any, Any], patience_s: float = 900.0) -> None:
        try:
            async with asyncio.timeout(patience_s):
                await work
        except HarvesterError as error:
            self.check_error(error)
        except TimeoutError:
            self.broken("somebody waited for ever")
        except Exception as error:
            self.broken(f"an error of no class: {error!r}")

    def open(self, name: str = "default") -> Process:
        process = Process(self, name, self.known)
        self.processes.append(process)
        process.spawn(self.callers(process))
        return process

    async def close(self, process: Process, *, kindly: bool) -> None:
        self.processes.remove(process)
        if kindly:
            await self.by_hand(process, process.engine.keeper.close())
        await process.kill()

    async def trouble(self) -> None:
        """One thing happens."""
        chance, town = self.chance, self.town
        process = chance.choice(self.processes)
        keeper = process.engine.keeper
        match chance.randrange(15):
            case 0 | 1:
                name = process.who.name
                await self.close(process, kindly=False)
                self.open(name)
            case 2:
                name = process.who.name
                await self.close(process, kindly=True)
                self.open(name)
            case 3 if len(self.processes) < 3:
                self.open(chance.choice(("default", "default", "other")))
            case 4 if len(self.processes) > 1:
                await self.close(process, kindly=chance.random() < 0.5)
            case 5:
                town.clock.wall += chance.choice((-1, 1)) * chance.choice(
                    (3.0, HOUR_S, 365 * DAY_S)
                )
            case 6:
                town.clock.suspend(town.weather.span_s(10, DAY_S))
            case 7:
                town.revoke()
            case 8:
                town.remembered_until = 0.0
            case 9:
                town.password = f"new {chance.random()}"
                if chance.random() < 0.5:  # he corrects the settings too, or mistypes
                    self.known = town.password + chance.choice(("", "", " mistyped"))
                    name = process.who.name
                    await self.close(process, kindly=True)
                    self.open(name)
            case 10:
                await self.person(process)
            case 11:
                await self.by_hand(process, keeper.logout())
            case 12:
                for each in self.processes:
                    each.wires.sick = chance.choice((0.0, 0.02, 0.3, 1.0))
            case 13:
                for each in self.processes:
                    each.wires.sick = 0.0
            case 14:
                value = chance.choice(town.issue() if chance.random() < 0.5 else (None,))
                cookie = value or Cookie("sid", "made up " + "y" * 20, "knoq.one")
                await self.by_hand(process, keeper.take_in((cookie,), wait_s=120))

    async def person(self, process: Process) -> None:
        """Signs in himself, corrects the settings, and says so."""
        self.town.person_mends()
        self.known = self.town.password
        name = process.who.name
        await self.close(process, kindly=True)
        mended = self.open(name)
        async with asyncio.timeout(60):
            await mended.ready.wait()
        force = self.chance.random() < 0.8
        await self.by_hand(mended, mended.engine.keeper.unlock(force=force))

    async def by_hand(self, process: Process, work: Coroutine[Any, Any, Any]) -> None:
        await process.spawn(self.guarded(work, PERSON_PATIENCE_S))

    async def story(self, hours: float) -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_of_its_process)
        self.open()
        while loop.time() < hours * HOUR_S and not self.troubles:
            await asyncio.sleep(self.town.weather.span_s(1, HOUR_S / 2))
            await self.trouble()
            self.troubles += self.town.broken
        for process in tuple(self.processes):
            process.wires.sick = 0.0
            await self.close(process, kindly=True)
        left = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
        if left:
            self.broken(f"left over: {left}")


def _of_its_process(loop: Any, work: Any, context: Any = None) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    process = _PROCESS.get() if context is None else context.get(_PROCESS)
    if process is not None:
        process.tasks[task] = None
        task.add_done_callback(process.tasks.pop)
    return task


def one_run(seed: int, root: Path, *, hours: tuple[float, ...] = (1.0, 3.0, 8.0)) -> Run:
    random.seed(seed)  # the engine's own jitter
    run = Run(seed, root)
    story = run.story(run.chance.choice(hours))
    simulate(story, run.town.clock, chance=run.chance, until_s=30 * DAY_S)
    shutil.rmtree(root, ignore_errors=True)
    return run


@pytest.mark.parametrize("part", range(10))
def test_no_account_is_locked_and_nobody_is_lied_to(
    part: int, tmp_path: Path, size: Callable[[Any, Any], Any]
) -> None:
    runs = size(2, 100)
    submits = 0
    for seed in range(part * 1000, part * 1000 + runs):
        run = one_run(seed, tmp_path / str(seed), hours=size((1.0, 2.0), (1.0, 3.0, 8.0)))
        assert run.troubles == [], f"seed {seed}: " + "\n".join(run.troubles[:10])
        submits += run.town.counts["submit"]
    print(f"{runs} runs, {submits} submits")
    assert submits >= runs / 2, "too little happens in these worlds to prove anything"
