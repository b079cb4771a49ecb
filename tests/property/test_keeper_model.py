"""The keeper and its ladder beside a model of a few lines, in stories that Hypothesis makes up.

The model knows which generation is held, whether the site said no to it, and what stands in the
way of a new one.  It tells what each call must answer and what must not have happened for it: a
sign-in that nobody needed, a second flight, a password that the ledger does not know.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine import Engine, profile
from harvester.errors import CredentialsRejected, HarvesterError, NotNow, Usage
from harvester.profile import SecretSource
from harvester.records import Records
from harvester.session import Cookie, Served
from harvester.signer import Overseer
from harvester.signin.dialogue import Job, SignedIn, Stopped
from harvester.vault.calls import Calls
from harvester.verdict import Answer
from simulated import SimulatedLoop
from town import DAY_S, HOUR_S, Town, TownClock

_T = TypeVar("_T")

LIFE_S = 8 * HOUR_S
# Well inside the time in which a session is served without a thought.
FRESH_S = 4 * HOUR_S
# So many that the site refused before their time, and how long one lives is a matter of doubt.
LEARNED_FROM = 2
# The rungs that make a new session; a touch is a look.
SIGN_INS = ("silent", "scripted", "headed")


class Watched(Town):
    """A town that looks over the shoulder of whoever signs in."""

    engine: Engine
    flying = 0
    rest_until = 0.0
    """The site asked to be left alone until then."""
    refused: set[str]
    """Passwords that are not sent again until a person says so."""

    async def _trouble(self) -> Answer | None:
        answer = await super()._trouble()
        if answer is not None and answer.retry_after_s is not None:
            self.rest_until = max(self.rest_until, self.now + answer.retry_after_s)
        return answer

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        self.flying += 1
        if self.flying > 1:
            self.broken.append("two sign-ins at once")
        try:
            return await super().run(job, overseer)
        finally:
            self.flying -= 1

    async def _types(self, job: Job, overseer: Overseer) -> Stopped | None:
        stopped = await super()._types(job, overseer)
        if stopped is not None and isinstance(stopped.error, CredentialsRejected):
            assert job.password is not None
            self.refused.add(job.password.value)
        return stopped

    def _received(self, profile: str) -> None:
        super()._received(profile)
        # As another process would read it: what is not on the disk would not survive us.
        ledger = Records(self.engine.store, profile, self.engine.records._clock).ledger()
        if not ledger.submits or ledger.submits[-1].outcome != "open":
            self.broken.append("a password was sent that the ledger does not know")

    @property
    def sign_in_count(self) -> int:
        return sum(self.counts[rung] for rung in SIGN_INS)


class KeeperModel(RuleBasedStateMachine):
    """``held`` is the generation that is served; ``dead`` that the site said no to it, proved."""

    root: Path

    def __init__(self) -> None:
        super().__init__()
        random.seed(1)
        clock = TownClock()
        self.town = Watched(clock, life_s=LIFE_S, chance=random.Random(1), remembers_s=14 * DAY_S)
        self.runner = asyncio.Runner(loop_factory=lambda: SimulatedLoop(clock))
        self.directory = tempfile.TemporaryDirectory(dir=self.root)
        self.known = "right"
        self.town.refused = set()
        self.held = 0
        self.highest = 0
        self.began_at = 0.0
        self.dead = False
        self.early_ends = 0
        self.cookies: tuple[Cookie, ...] = ()
        self.heard_at = float("-inf")
        """When the site last told a report that the session lives."""
        self.hindered = False
        """Something failed since the last success: a back-off, a latch or a budget may say no."""
        self.out = False
        self.open()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(work)

    def open(self) -> None:
        who = profile(password=SecretSource("value", "HARVESTER_PASSWORD", value=self.known))
        self.engine = Engine(Path(self.directory.name) / "store", self.town, who)
        self.town.engine = self.engine
        self.keeper = self.engine.keeper
        self.run(self.keeper.start())

    def teardown(self) -> None:
        self.run(self.keeper.close())
        self.runner.close()
        self.directory.cleanup()

    # what the model knows

    @property
    def alive(self) -> bool:
        served = self.keeper.current
        return served is not None and self.town.alive(served.session.cookies)

    @property
    def fresh(self) -> bool:
        if not self.held or self.dead or self.early_ends >= LEARNED_FROM:
            return False
        return self.town.now - self.began_at < FRESH_S

    @property
    def resting(self) -> bool:
        return self.town.now < self.town.rest_until

    @property
    def free(self) -> bool:
        """Nothing stands in the way of a sign-in."""
        recent = sum(1 for at in self.town.sent_at.get("default", ()) if at > self.town.now - DAY_S)
        return (
            self.town.site_up()
            and not self.resting
            and not self.hindered
            and self.known == self.town.password
            and self.known not in self.town.refused
            and recent < 3
            and self.town.counts["silent"] < 9
        )

    def died(self) -> None:
        self.dead = True
        self.ended()

    def ended(self) -> None:
        """The site refuses what was held; before its time, or only after it?"""
        self.early_ends += self.town.now - self.began_at < LIFE_S

    def went_without(self) -> None:
        """Nobody was given anything: then the site has said no to what was held."""
        self.hindered = True
        if self.held and not self.dead:
            assert not self.alive and self.keeper.current is None
            self.died()

    def note(self, served: Served) -> None:
        """What was handed out becomes what the model holds."""
        generation = served.session.generation
        assert generation >= self.held, "a generation went back"
        if generation > self.held:
            assert generation > self.highest, "a generation was given out twice"
            assert self.town.alive(served.session.cookies)
            if self.held and not self.dead and not self.town.alive(self.cookies):
                self.ended()  # and whoever found it got the next one at once
            self.cookies = served.session.cookies
            self.held = self.highest = generation
            self.began_at = self.town.now
            self.dead, self.hindered, self.out = False, False, False
        else:
            assert not self.dead, "what the site refused was served"

    def asked(self, work: Coroutine[Any, Any, Served]) -> Served | HarvesterError:
        before = self.town.sign_in_count
        try:
            served = self.run(work)
        except HarvesterError as error:
            assert error.code not in ("", "bug"), error.message
            self.hindered = self.hindered or self.town.sign_in_count > before
            return error
        self.hindered = self.hindered or served.error is not None
        return served

    # what callers do

    @rule(burst=st.integers(1, 4))
    def get(self, burst: int) -> None:
        before, probes, fresh, free = self.town.sign_in_count, self.probes(), self.fresh, self.free

        async def together() -> list[Served | BaseException]:
            asks = (self.keeper.get(wait_s=300) for _ in range(burst))
            return await asyncio.gather(*asks, return_exceptions=True)

        told = self.run(together())
        for each in told:
            if isinstance(each, Served):
                self.note(each)
                assert self.held == max(self.held, 1)
            else:
                assert isinstance(each, HarvesterError), each
                assert not free, f"nothing was in the way of a session: {each.code}"
                self.went_without()
        if fresh:
            assert (self.town.sign_in_count, self.probes()) == (before, probes), "work for nothing"
        # A silent one that is asked for a password leads to a scripted one: two, never more.
        assert self.town.sign_in_count - before <= 2

    @precondition(lambda self: self.held and not self.dead)
    @rule()
    def report_current(self) -> None:
        up, resting = self.town.site_up(), self.resting
        alive, before = self.alive, self.town.sign_in_count
        free, generation = self.free, self.held
        told = self.asked(self.keeper.report(generation=generation, wait_s=300))
        if not up:
            assert isinstance(told, Served)
            assert (told.verdict, told.stale) == ("unreachable", True)
        elif isinstance(told, Served) and resting and told.stale:
            assert told.verdict == "unreachable"
        elif alive:
            assert isinstance(told, Served)
            assert told.verdict == "alive"
            self.heard_at = self.town.now - (told.probed_s_ago or 0.0)
        elif isinstance(told, Served) and told.verdict == "alive":
            # So many reported that nobody may ask the site: an answer of just now stands for it.
            assert self.town.now - self.heard_at <= 10
        else:
            self.died()
            assert not free or isinstance(told, Served)
            if isinstance(told, Served):
                assert told.verdict == "refreshed"
                assert told.session.generation > generation
        if isinstance(told, Served):
            self.note(told)
        if not up or alive:
            assert self.town.sign_in_count == before, "a sign-in that nobody needed"

    @precondition(lambda self: self.held > 1 and not self.dead)
    @rule(data=st.data())
    def report_older(self, data: st.DataObject) -> None:
        counts = Counter(self.town.counts)
        older = data.draw(st.integers(1, self.held - 1))
        told = self.asked(self.keeper.report(generation=older))
        assert isinstance(told, Served)
        assert (told.verdict, told.session.generation) == ("superseded", self.held)
        assert self.town.counts == counts, "an old report was acted on"

    @rule(by=st.integers(1, 3))
    def report_newer(self, by: int) -> None:
        told = self.asked(self.keeper.report(generation=self.highest + by))
        assert isinstance(told, Usage)

    @precondition(lambda self: self.held and not self.dead)
    @rule()
    def refresh(self) -> None:
        submits = self.town.counts["submit"]
        alive = self.alive
        told = self.asked(self.keeper.refresh(wait_s=300))
        if isinstance(told, Served):
            self.note(told)
        elif self.town.site_up() and not alive:
            self.died()
        if alive:
            assert self.town.counts["submit"] == submits, "a password for a session that lives"

    @rule()
    def hard(self) -> None:
        free, before = self.free, self.held
        told = self.asked(self.keeper.refresh(hard=True, wait_s=300))
        if isinstance(told, Served):
            self.note(told)
            assert told.session.generation > before or told.stale
        else:
            assert not free, told.message
            self.went_without()

    @rule()
    def check(self) -> None:
        fresh, before, out = self.fresh and self.alive, self.town.sign_in_count, self.out
        was_refused = self.keeper.current is None
        next_s = self.run(self.keeper.check())
        assert next_s >= 0
        if fresh or out:
            assert self.town.sign_in_count == before, "a sign-in that nobody needed"
        served = self.keeper.current
        if served is not None:
            self.note(served)
        elif not out:
            self.hindered = True  # it tried, in vain
            if not was_refused:
                self.died()

    @rule()
    def bring(self) -> None:
        """A person pastes a session."""
        up, submits = self.town.site_up(), self.town.counts["submit"]
        told = self.asked(self.keeper.take_in(self.town.issue(), wait_s=300))
        assert self.town.counts["submit"] == submits
        if isinstance(told, Served):
            hindered = self.hindered
            self.note(told)
            self.hindered = hindered  # it opens no latch
        else:
            assert not up or isinstance(told, NotNow), told.code

    # what a person does

    @rule()
    def unlock(self) -> None:
        self.town.person_mends()
        self.run(self.keeper.unlock(force=True))
        self.town.refused.clear()
        self.hindered = self.known != self.town.password

    @rule()
    def logout(self) -> None:
        self.run(self.keeper.logout())
        assert self.keeper.current is None
        self.held, self.dead, self.out = 0, False, True

    @rule(tidy=st.booleans())
    def restart(self, tidy: bool) -> None:
        if tidy:
            self.run(self.keeper.close())
        held = self.keeper.current
        self.open()
        served = self.keeper.current
        assert (None if held is None else held.session.generation) == (
            None if served is None else served.session.generation
        ), "a restart lost the session, or served what was refused"
        self.out = False  # whoever starts it wants a session

    @rule()
    def correct_the_settings(self) -> None:
        self.known = self.town.password
        self.restart(True)

    # what happens

    @rule()
    def revoke(self) -> None:
        self.town.revoke()

    @rule()
    def site_goes_down(self) -> None:
        self.town.down = True

    @rule()
    def site_comes_up(self) -> None:
        self.town.down = False

    @rule()
    def provider_forgets(self) -> None:
        self.town.remembered_until = 0.0

    @rule(number=st.integers(1, 3))
    def password_changes(self, number: int) -> None:
        self.town.password = f"new {number}"

    @rule(seconds=st.sampled_from((1.0, 60.0, HOUR_S, 6 * HOUR_S, DAY_S, 20 * DAY_S)))
    def time_passes(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @invariant()
    def nothing_that_must_not_be(self) -> None:
        assert self.town.broken == []

    @invariant()
    def a_refused_session_is_not_shown(self) -> None:
        if self.dead:
            served = self.keeper.current
            assert served is None or served.session.generation > self.held

    def probes(self) -> int:
        return self.town.counts["probe"]


def test_the_keeper_does_what_the_model_says(
    tmp_path: Path, size: Callable[[int, int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Calls, "fsync", lambda self, fd: None)
    KeeperModel.root = tmp_path
    run_state_machine_as_test(
        KeeperModel,
        settings=settings(
            max_examples=size(30, 1500),
            stateful_step_count=size(30, 60),
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
