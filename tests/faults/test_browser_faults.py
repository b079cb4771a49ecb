"""The browser in bad weather, at each of ten steps of a sign-in.

However it ends: the last good session is served, a password counts from the moment at which it may
have been sent, nothing is left of the sign-in, and the next one works.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvester import signer
from harvester.errors import BrowserFailed, HarvesterError, TimedOut
from harvester.ledger import AMBIGUOUS_WAIT_S, BACKOFF_FIRST_S, BACKOFF_MOST_S
from harvester.session import Served
from harvester.settle import BROWSER_TRIES
from runs import Home
from standin import StandInProcess
from weather import Weather, browsers, kill, mains, renderers, starve, watchers

_STEPS = (
    "launch", "first page", "provider", "user name", "password typed", "password sent",
    "code typed", "consent", "back at the site", "candidate probed",
)  # fmt: skip
_FAULTS = ("killed", "renderer killed", "stopped", "out of memory")
# What is tried in each run; the rest in the full size.
_REDUCED = (
    ("launch", "killed"), ("first page", "renderer killed"), ("provider", "killed"),
    ("password typed", "killed"), ("password sent", "stopped"), ("password sent", "out of memory"),
    ("consent", "renderer killed"), ("candidate probed", "killed"),
)  # fmt: skip
_AFTER_SUBMIT = _STEPS[4:]
# A stopped tree tells nothing and is ended by the clock: long enough to come to the last step.
_LIMIT_STOPPED_S = 8
_LIMIT_S = 40
# A code with less than 8 s left is not typed: the next one is waited for.
_CODE_WAIT_S = 10


def _does(fault: str, weather: Weather) -> Callable[[], None]:
    def act() -> None:
        family = weather.family()
        match fault:
            case "killed":
                kill(mains(browsers(family)))
            case "renderer killed":
                kill(renderers(browsers(family)))
            case "stopped":
                kill(family - watchers(family), signal.SIGSTOP)
            case _:
                starve(browsers(family))

    return act


def _ill_browser(place: Path, fault: str) -> str:
    """A browser that falls ill while it starts, once; then it is the usual one."""
    real = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert real is not None
    ill = {"killed": "kill -9 $$", "stopped": "kill -STOP $$", "out of memory": "ulimit -v 2000"}
    script = place / "ill-browser"
    script.write_text(
        f'#!/bin/sh\nif mkdir {place}/once 2>/dev/null; then {ill[fault]}; fi\nexec {real} "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


async def _at(step: str, act: Callable[[], None], weather: Weather) -> HarvesterError | None:
    """A new sign-in, and ``act`` at this step of it; why there was none."""
    world = weather.world
    slow = {"kind": "delay", "seconds": 2.0, "times": 1}
    waits: list[asyncio.Task[None]] = []

    def by_fault() -> None:
        waits.append(asyncio.create_task(weather.reached_by_fault(act)))

    match step:
        case "launch":
            pass  # the browser does it itself
        case "first page":
            world.fault(**slow, server="site", prefix="/", method="GET")
            by_fault()
        case "password sent":

            def once_more() -> None:
                world.fault(**slow, server="identity", method="POST")
                by_fault()

            weather.when["submit"] = once_more
        case "back at the site":
            world.fault(**slow, server="site", prefix="/auth/callback")
            by_fault()
        case _:
            point = {
                "provider": "choose_provider", "user name": "ask_identifier",
                "password typed": "submit", "code typed": "code", "consent": "consent",
                "candidate probed": "probe",
            }[step]  # fmt: skip
            weather.when[point] = act
    error = await weather.sign_in()
    for task in waits:
        await task
    assert not weather.when, f"never came to {step}: {weather.points}"
    return error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The cells of the tables: all of them in the full size."""
    full = metafunc.config.getoption("--full")
    if "fault" in metafunc.fixturenames:
        cells = list(_REDUCED)
        if full:
            cells = [(step, fault) for step in _STEPS for fault in _FAULTS]
            cells.remove(("launch", "renderer killed"))  # while it starts there is no page yet
        metafunc.parametrize(("step", "fault"), cells)
    if "wakes" in metafunc.fixturenames:
        metafunc.parametrize("wakes", [True, False] if full else [True])
    if "broken" in metafunc.fixturenames:
        metafunc.parametrize("broken", list(_NO_LAUNCH) if full else _NO_LAUNCH_REDUCED)


async def test_a_browser_that_falls_ill_costs_nobody_anything(
    tmp_path: Path, world: StandInProcess, step: str, fault: str
) -> None:
    limit_s = _LIMIT_STOPPED_S if fault == "stopped" else _LIMIT_S
    if step == "code typed":
        limit_s += _CODE_WAIT_S
    env = {"HARVESTER_SIGN_IN_TIMEOUT": f"{limit_s}s"}
    if step == "launch":
        env["HARVESTER_BROWSER"] = _ill_browser(tmp_path, fault)
    async with Weather(tmp_path, world, **env) as weather:
        before = await weather.bring()
        world.set(idp_mode="identifier_first", totp=step == "code typed", consent=True)
        arrived = world.state()["passwords_arrived"]
        error = await _at(step, _does(fault, weather), weather)
        await weather.nothing_left()
        if error is None:
            # What was proved before the browser died is as good as any.
            assert "probe" in weather.points and weather.accepted(await weather.keeper.get())
            assert (await weather.keeper.get()).session.generation == 2
            return
        await _is_told(error, weather, step, arrived)
        await _is_served(before, weather)
        # And the next one works, once it is due.
        world.set(totp=False)
        weather.clock.pass_by(AMBIGUOUS_WAIT_S + BACKOFF_FIRST_S)
        assert await weather.sign_in() is None
        now = await weather.keeper.get()
        assert now.session.generation == 2 and weather.accepted(now)
        assert weather.status()["budgets"]["submits_left_since_success"] == 2
        await weather.nothing_left()


async def _is_told(error: HarvesterError, weather: Weather, step: str, arrived: int) -> None:
    assert isinstance(error, BrowserFailed | TimedOut), error.as_dict()
    assert (error.exit_code, error.http_status, error.retryable) == (75, 503, True)
    assert error.hint and not error.latched
    ledger = await weather.ledger()
    sent = weather.world.state()["passwords_arrived"] - arrived
    counted = len(ledger.since_success())
    assert sent <= counted, "a password was sent that is not counted"
    # The fault may come a moment late: what counts is how often the signer asked for leave to type
    # (twice where nobody heard the first press).
    asked = weather.points.count("submit")
    assert counted == asked and (asked or step not in _AFTER_SUBMIT)
    if step in _AFTER_SUBMIT[1:]:
        assert sent == 1 and ledger.since_success()[-1].outcome == "lost"
    assert ledger.latch is None
    status = weather.status()
    assert (status["state"], status["ready"], status["latch"]) == ("live", True, None)
    assert status["backoff_code"] in (error.code, "timed_out", None)
    wait = ledger.waits(weather.clock.wall_s())
    assert wait is None or 0 < (wait.retry_after_s or 0) <= AMBIGUOUS_WAIT_S + 1
    if asked:
        assert wait is not None, "what is ambiguous waits for a code's step"
    if wait is not None:
        kind = status["trouble"]["class"]
        assert kind in (("ambiguous",) if asked else ("browser_fault", "provider_down"))
        assert status["trouble"]["next_try_at"] is not None


async def _is_served(before: Served, weather: Weather) -> None:
    served = await weather.keeper.get()
    assert served.session.cookies == before.session.cookies
    assert served.session.generation == 1 and weather.accepted(served)


async def test_a_tree_that_is_stopped_with_its_watcher_is_ended_all_the_same(
    tmp_path: Path, world: StandInProcess, monkeypatch: pytest.MonkeyPatch, *, wakes: bool
) -> None:
    monkeypatch.setattr(signer, "OVERTIME_S", 0.2)
    monkeypatch.setattr(signer, "GRACE_S", 0.5)
    if not wakes:
        monkeypatch.setattr(signer.Sitting, "_wake", lambda sitting: None)
    async with Weather(tmp_path, world, HARVESTER_SIGN_IN_TIMEOUT="5s") as weather:
        before = await weather.bring()
        weather.when["choose_provider"] = lambda: kill(weather.family(), signal.SIGSTOP)
        assert isinstance(await weather.sign_in(), TimedOut)
        assert len(weather.seen) > 5
        if not wakes:
            await weather.signer.close()
            # The private directory of a watcher that was killed is swept by the next one.
            assert list(weather.scratch.iterdir()) != []
            async with weather.signer.prepared(None):
                pass
        await weather.nothing_left()
        await _is_served(before, weather)


# -- browsers that do not start ------------------------------------------------------------------

_NO_LAUNCH = {
    "missing": (None, 0o755, "browser_missing", 69),
    "not executable": ("#!/bin/sh\n", 0o644, "browser_missing", 69),
    "exits at once": ("#!/bin/sh\nexit 3\n", 0o755, "browser_failed", 75),
    "killed by the kernel": ("#!/bin/sh\nkill -9 $$\n", 0o755, "browser_failed", 75),
    "prints rubbish": (
        "#!/bin/sh\nhead -c 4000 /dev/zero >&3 2>/dev/null; head -c 4000 /dev/zero >&2\n"
        "head -c 4000 /dev/zero >&4; exit 0\n",
        0o755, "browser_failed", 75,
    ),
    "no program at all": ("\x7fELF and no more", 0o755, "browser_failed", 75),
    "lacks a library": (
        "#!/bin/sh\necho 'error while loading shared libraries: libnss3.so: cannot open shared "
        "object file: No such file or directory' >&2\nexit 127\n",
        0o755, "browser_failed", 75,
    ),
}  # fmt: skip


_NO_LAUNCH_REDUCED = ("not executable", "prints rubbish", "lacks a library")


async def test_a_browser_that_does_not_start_is_told_with_what_helps(
    tmp_path: Path, world: StandInProcess, broken: str
) -> None:
    text, mode, code, exit_code = _NO_LAUNCH[broken]
    path = tmp_path / "no-browser"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    async with Weather(tmp_path, world, HARVESTER_BROWSER=str(path)) as weather:
        before = await weather.bring()
        error = await weather.sign_in()
        assert error is not None and (error.code, error.exit_code) == (code, exit_code)
        assert str(path) in error.message or "library" in error.message
        assert "scripts/setup" in error.hint or "doctor" in error.hint
        await weather.nothing_left()
        await _is_served(before, weather)
        assert (await weather.ledger()).submits == ()


async def test_a_browser_that_keeps_failing_is_tried_seldom_and_says_what_helps(
    tmp_path: Path, world: StandInProcess
) -> None:
    script = tmp_path / "no-browser"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    async with Weather(tmp_path, world, HARVESTER_BROWSER=str(script)) as weather:
        await weather.bring()
        for _ in range(BROWSER_TRIES):
            weather.clock.pass_by(BACKOFF_MOST_S)
            error = await weather.sign_in()
            assert isinstance(error, BrowserFailed)
        ledger = await weather.ledger()
        assert ledger.submits == () and ledger.latch is None
        wait = ledger.waits(weather.clock.wall_s())
        assert wait is not None and "harvester doctor" in wait.hint
        assert (wait.retry_after_s or 0) > BACKOFF_MOST_S - 30
        started = weather.signer.started
        again = await weather.sign_in()
        assert isinstance(again, BrowserFailed) and weather.signer.started == started
        trouble = weather.status()["trouble"]
        assert trouble["code"] == "browser_failed" and "doctor" in trouble["helps"]


@pytest.fixture
def home(tmp_path: Path, standin: StandInProcess) -> Iterator[Home]:
    yield Home(tmp_path, standin)


def test_the_command_exits_with_75_and_leaves_nothing(home: Home, tmp_path: Path) -> None:
    script = tmp_path / "no-browser"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    code, error = home.error("token", HARVESTER_BROWSER=str(script))
    assert (code, error["code"], error["retryable"]) == (75, "browser_failed", True)
    assert home.processes() == []
    assert list((home.place / "tmp").iterdir()) == []
