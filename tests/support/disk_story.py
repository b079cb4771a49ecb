"""All that happens to a session, told over one disk that fails, and a provider that looks into the
books: no password may come to it that is not in the ledger on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from engine import KEY, Engine, FakeClock, World
from faultydisk import (
    FailingCalls,
    disk_of,
    store_on,
)
from harvester.budgets import SUBMITS_SINCE_SUCCESS
from harvester.errors import HarvesterError
from harvester.records import Records
from harvester.session import Cookie, Session
from harvester.signer import Overseer
from harvester.signin.dialogue import Job, SignedIn, Stopped
from harvester.steady import SteadyClock
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import Seal
from harvester.verdict import Verdict

_T = TypeVar("_T")

# A tick of the daemon's; within some of them what the disk did not take must be there.
TICK_S = 30.0
RECOVERS_S = 1800.0


class Bank(World):
    """A provider that looks into the books: each password must be there before it comes."""

    def __init__(self, clock: FakeClock, root: Path) -> None:
        super().__init__(clock)
        self.root = root
        self.proved: set[str] = set()
        self.unanswered = 0

    def stored(self) -> Records:
        """What any other process would find, on a disk that works."""
        store = store_on(self.root, Seal(KeyRing(MasterKey(KEY))))
        return Records(store, "default", SteadyClock(self.clock))

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        result = await super().run(job, _Audited(overseer, self))
        if isinstance(result, SignedIn) and result.secrets_sent:
            self.unanswered = 0
        return result

    def audit(self, fingerprint: str) -> None:
        self.unanswered += 1
        assert self.unanswered <= SUBMITS_SINCE_SUCCESS
        ledger = self.stored().ledger()
        assert not ledger.unread
        assert (ledger.submits[-1].fingerprint, ledger.submits[-1].outcome) == (fingerprint, "open")
        assert len(ledger.since_success()) <= SUBMITS_SINCE_SUCCESS


class _Audited:
    def __init__(self, overseer: Overseer, bank: Bank) -> None:
        self._overseer = overseer
        self._bank = bank

    def __getattr__(self, name: str) -> Any:
        return getattr(self._overseer, name)

    async def submit(self, fingerprint: str) -> HarvesterError | None:
        refusal = await self._overseer.submit(fingerprint)
        if refusal is None:
            self._bank.audit(fingerprint)
        return refusal

    async def candidate(self, cookies: tuple[Cookie, ...], user_agent: str) -> Verdict:
        verdict = await self._overseer.candidate(cookies, user_agent)
        if verdict is Verdict.ALIVE:
            self._bank.proved |= {cookie.value for cookie in cookies if cookie.name == "sid"}
        return verdict


def sid(session: Session) -> str:
    return next(cookie.value for cookie in session.cookies if cookie.name == "sid")


class Story:
    """Everything that happens to a session, told over one disk."""

    def __init__(self, root: Path, calls: FailingCalls, *, remembers: bool) -> None:
        self.clock = FakeClock()
        self.bank = Bank(self.clock, root)
        self.bank.remembers = remembers
        self._root = root
        self._calls = calls
        self.errors: set[str] = set()

    def engine(self) -> Engine:
        return Engine(self._root, self.bank, disk=disk_of(self._calls))

    async def told(self, work: Coroutine[Any, Any, _T], engine: Engine) -> _T | None:
        """What came of it; None for an honest error.  Then a look at what is there."""
        try:
            result = await work
        except HarvesterError as error:
            assert error.code != "bug", error.message
            assert error.message
            self.errors.add(error.code)
            result = None
        self.look(engine)
        return result

    def look(self, engine: Engine) -> None:
        current = engine.keeper.current
        standing = engine.keeper.standing()
        stored = self.bank.stored().session()
        if stored is not None:
            assert sid(stored) in self.bank.proved
        if current is not None:
            assert sid(current.session) in self.bank.proved
            if standing.durable:
                assert stored is not None
                assert stored.generation == current.session.generation
            else:
                assert standing.trouble is not None
        if not standing.durable:
            assert standing.trouble is not None

    async def tell(self) -> None:
        bank = self.bank
        engine = self.engine()
        keeper = engine.keeper
        await self.told(keeper.start(), engine)
        first = await self.told(keeper.get(), engine)
        if first is not None:
            assert await self.told(keeper.get(), engine) is not None
            bank.revoke()
            again = await self.told(keeper.report(generation=first.session.generation), engine)
            if again is not None:
                assert again.verdict == "refreshed"
                assert again.session.generation > first.session.generation
                assert sid(again.session) in bank.live
        await self.told(keeper.check(), engine)
        bank.rolls = Cookie("sid", f"rolled-{'y' * 20}", "knoq.one", http_only=True)
        bank.live.add(bank.rolls.value)
        bank.proved.add(bank.rolls.value)
        self.clock.sleep(400)
        await self.told(keeper.prove(within_s=0), engine)
        bank.rolls = None
        self.clock.sleep(400)
        await self.told(keeper.refresh(), engine)
        await self.told(keeper.refresh(hard=True), engine)
        await self.told(keeper.follow_store(), engine)
        before = keeper.current
        durable = keeper.standing().durable
        await keeper.close()
        engine = self.engine()
        await self.told(engine.keeper.start(), engine)
        after = engine.keeper.current
        if before is not None and after is not None and durable:
            assert after.session.generation == before.session.generation
        await self.told(engine.keeper.get(), engine)
        await self.recover(engine)

    async def recover(self, engine: Engine) -> None:
        """The disk works again; nobody does anything but the daemon's own looks."""
        self._calls.heal()
        if engine.keeper.ready:
            # What is at hand is stored at the next tick, not when something is due.
            await engine.keeper.follow_store()
            assert engine.keeper.standing().durable
        until = self.clock.awake + RECOVERS_S
        while not (engine.keeper.ready and engine.keeper.standing().durable):
            assert self.clock.awake < until, (engine.keeper.why_not, engine.keeper.standing())
            wait_s = await self.told(engine.keeper.check(), engine)
            await asyncio.sleep(min(TICK_S, wait_s or TICK_S))
            await self.told(engine.keeper.follow_store(), engine)
        served = engine.keeper.current
        assert served is not None
        self.look(engine)
        assert not self.bank.stored().ledger().unread
        sent = len(self.bank.submits)
        await engine.keeper.close()
        # Another process finds it, and does nothing about it.
        other = Engine(self._root, self.bank, disk=disk_of())
        await other.keeper.start()
        assert other.keeper.current is not None
        assert other.keeper.current.session.generation == served.session.generation
        assert sid((await other.keeper.get()).session) == sid(served.session)
        assert len(self.bank.submits) == sent
        await other.keeper.close()
