"""A keeper as the daemon has it, in this process, with a stand-in around it that can be made ill.

Everything is real: settings, store, requests, signer, browser.  Only the clock can be moved on, so
that a back-off need not be waited for; and a test may act at each point of a sign-in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from harvester import settings
from harvester.assembly import House
from harvester.clock import SystemClock
from harvester.errors import HarvesterError, PageNotRecognised, SiteDown
from harvester.keeper import Keeper
from harvester.ledger import Ledger
from harvester.session import Cookie, Served
from harvester.signer import Overseer, Signer, Sitting
from harvester.signin.dialogue import BrowserChoice, Job, SignedIn, Stopped
from harvester.signin.tree import descendants
from harvester.verdict import Verdict
from processes import ended
from standin import StandInProcess
from walker import Walker
from walks import sign_in

LOOK_S = 0.01
REACHED_S = 40.0


class MovableClock(SystemClock):
    """The machine's clocks, and how far a test has moved both on."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def wall_s(self) -> float:
        return super().wall_s() + self.ahead_s

    def awake_s(self) -> float:
        return super().awake_s() + self.ahead_s

    def pass_by(self, seconds: float) -> None:
        self.ahead_s += seconds


class _Watched:
    """Answers the signer as its overseer does, and tells the points of the way."""

    def __init__(self, overseer: Overseer, reach: Callable[[str], None]) -> None:
        self._overseer = overseer
        self._reach = reach

    def step(self, event: Mapping[str, Any]) -> None:
        self._overseer.step(event)
        self._reach(event["state"])

    async def submit(self, fingerprint: str) -> HarvesterError | None:
        refusal = await self._overseer.submit(fingerprint)
        self._reach("submit")
        return refusal

    async def code(self, step: int) -> HarvesterError | None:
        refusal = await self._overseer.code(step)
        self._reach("code")
        return refusal

    async def passkeys(self, sealed: str) -> HarvesterError | None:
        return await self._overseer.passkeys(sealed)

    async def candidate(self, cookies: tuple[Cookie, ...], user_agent: str) -> Verdict:
        self._reach("probe")
        return await self._overseer.candidate(cookies, user_agent)


class _Run:
    def __init__(self, sitting: Sitting, reach: Callable[[str], None]) -> None:
        self._sitting = sitting
        self._reach = reach

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        return await self._sitting.run(job, _Watched(overseer, self._reach))


class WatchedSigner(Signer):
    """The signer, each of whose sign-ins tells its points to ``reach``; ``started`` counts them."""

    def __init__(self, reach: Callable[[str], None]) -> None:
        super().__init__()
        self._reach = reach
        self.started = 0

    @asynccontextmanager
    async def prepared(self, browser: BrowserChoice | None) -> AsyncIterator[Any]:
        self.started += 1
        async with super().prepared(browser) as sitting:
            yield _Run(sitting, self._reach)


class Weather:
    """``keeper`` is the profile's; ``when`` maps points of a sign-in to what is done there, once.

    Points are the page states that a signer tells, and ``submit`` and ``code`` (written down, not
    typed yet) and ``probe`` (a candidate is about to be asked about).  The signer's private files
    go into ``scratch``, which must be empty afterwards.
    """

    keeper: Keeper

    def __init__(
        self, place: Path, world: StandInProcess, *, browser: bool = True, **env: str
    ) -> None:
        """``browser``: with a real one; else a sign-in is a walk by plain HTTP."""
        self.world = world
        self.clock = MovableClock()
        self.when: dict[str, Callable[[], None]] = {}
        self.points: list[str] = []
        self.seen: set[int] = set()
        self.scratch = place / "run"
        self.scratch.mkdir(mode=0o700, parents=True)
        self._before = os.environ.get("XDG_RUNTIME_DIR")
        os.environ["XDG_RUNTIME_DIR"] = str(self.scratch)
        self.signer: WatchedSigner | WalkingSigner = (
            WatchedSigner(self._reach) if browser else WalkingSigner(world)
        )
        environ = {
            "HARVESTER_ORIGIN": world.site,
            "HARVESTER_IDENTITY_ORIGINS": world.identity,
            "HARVESTER_PROVIDER": world.provider,
            "HARVESTER_USERNAME": world.username,
            "HARVESTER_PASSWORD": world.password,
            "HARVESTER_TOTP_SECRET": world.totp_secret,
            "HARVESTER_STORE": str(place / "store"),
            "HOME": str(place),
            **env,
        }
        self.house = House(settings.load(environ=environ), clock=self.clock)
        self.house._signer = self.signer  # type: ignore[assignment]  # one that tells where it is

    async def __aenter__(self) -> Self:
        await self.house.__aenter__()
        self.keeper = self.house.keeper("default")
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self.house.__aexit__(*reason)
        if self._before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = self._before

    # what there is to serve

    async def bring(self) -> Served:
        """A session that a person signed in to, without a browser of ours."""
        person = Walker()
        await asyncio.to_thread(sign_in, person, self.world)
        return await self.keeper.take_in(jar_of(person, self.world), user_agent="a person's")

    def accepted(self, served: Served) -> bool:
        """Whether the site takes what is served."""
        cookie = "; ".join(f"{one.name}={one.value}" for one in served.session.cookies)
        url = f"{self.world.site}/api/managed-agents/sessions"
        return Walker().ask(url, cookie=cookie, follow=False).status == 200

    async def sign_in(self) -> HarvesterError | None:
        """A new sign-in; why there was none, or None.  In any case something is served."""
        served = await self.keeper.refresh(hard=True, wait_s=120)
        assert served.stale is (served.error is not None)
        return served.error  # type: ignore[return-value]

    async def ledger(self) -> Ledger:
        await self.keeper.follow_store()
        return self.keeper.standing().ledger

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = self.house.status()["profiles"][0]
        return told

    async def nothing_left(self) -> None:
        """No process of a sign-in and no file of one is left."""
        await self.signer.close()
        left = [pid for pid in self.seen | self.family() if not await _gone(pid)]
        assert left == []
        assert list(self.scratch.iterdir()) == []

    # the sign-in under way

    def _reach(self, point: str) -> None:
        self.points.append(point)
        act = self.when.pop(point, None)
        if act is not None:
            self.seen |= self.family()
            act()

    async def reached_by_fault(self, act: Callable[[], None]) -> None:
        """Wait until the stand-in has met a request with a fault of its own, then act."""
        await asyncio.to_thread(self._until_a_fault)
        self.seen |= self.family()
        act()

    def _until_a_fault(self) -> None:
        ends_at = time.monotonic() + REACHED_S
        while self.world.state()["faults_applied"] == 0:
            assert time.monotonic() < ends_at, f"no fault was met: {self.points}"
            time.sleep(LOOK_S)

    def family(self) -> set[int]:
        """All processes of sign-ins of this process: whatever is below it, but for stand-ins."""
        below = descendants(os.getpid())
        return {one for one in below if b"standin" not in _line(one)}


def watchers(pids: Iterable[int]) -> set[int]:
    """Those that see to it that the others end: they are our own children."""
    return {one for one in pids if _parent(one) == os.getpid()}


def browsers(pids: Iterable[int]) -> set[int]:
    return {one for one in pids if b"chrom" in _line(one).partition(b"\0")[0]}


def kill(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def starve(pids: Iterable[int]) -> None:
    """No more memory than there is: the next piece that is asked for is refused."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))


def renderers(pids: Iterable[int]) -> set[int]:
    return {one for one in pids if b"--type=renderer" in _line(one)}


def mains(pids: Iterable[int]) -> set[int]:
    """The browsers themselves, not what they started."""
    return {one for one in pids if b"--type=" not in _line(one)}


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


async def _gone(pid: int) -> bool:
    return await asyncio.to_thread(ended, pid)


class WalkingSigner:
    """Signs in by plain HTTP, in place of a browser: for what happens around a sign-in."""

    def __init__(self, world: StandInProcess) -> None:
        self._world = world
        self.started = 0

    @asynccontextmanager
    async def prepared(self, browser: BrowserChoice | None) -> AsyncIterator[WalkingSigner]:
        self.started += 1
        yield self

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        refusal = await overseer.submit("fingerprint")
        if refusal is not None:
            return Stopped(refusal)
        person = Walker()
        await asyncio.to_thread(sign_in, person, self._world)
        jar = jar_of(person, self._world)
        match await overseer.candidate(jar, "walker"):
            case Verdict.ALIVE:
                return SignedIn(jar, "walker", secrets_sent=True, fingerprint="fingerprint")
            case Verdict.DENIED:
                return Stopped(PageNotRecognised("it does not accept the cookies"), "answered")
        return Stopped(SiteDown("it does not answer"), "answered")

    async def close(self) -> None:
        """Nothing runs."""


def jar_of(person: Walker, world: StandInProcess) -> tuple[Cookie, ...]:
    """The site's cookies of somebody who walked."""
    host = world.site.removeprefix("http://").partition(":")[0]
    return tuple(Cookie(name, value, host) for name, value in person.jars[host].items())
