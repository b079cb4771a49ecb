"""A keeper with everything around it under the test's hand: the site, the signer, the time.

The store is a real one in a temporary directory; the rest is played.  ``World`` is both the site
(what the probe meets) and the identity provider (what the signer meets), and counts what was
asked of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harvester.bundle import Bundles
from harvester.climb import Climber
from harvester.errors import CredentialsRejected, HarvesterError, NeedsHuman
from harvester.held import Held
from harvester.keeper import Keeper
from harvester.outlets.files import Files
from harvester.profile import Profile, SecretSource, Site
from harvester.records import Records
from harvester.session import Cookie, Served
from harvester.sign_ins import SignIns
from harvester.signer import Overseer
from harvester.signin.dialogue import BrowserChoice, Job, SignedIn, Stopped
from harvester.staging import Staging
from harvester.steady import SteadyClock
from harvester.summons import Call, Summons
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.durable import Disk
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import Seal
from harvester.verdict import Answer, Verdict
from jars import jwt

KEY = bytes(range(32))
ORIGIN = "https://knoq.one"
START_S = 1_800_000_000.0


class FakeClock:
    """A machine's clocks, which move only when told."""

    def __init__(self) -> None:
        self.wall = START_S
        self.awake = 1000.0
        self.running = 500.0
        self.boot = "boot-1"

    def wall_s(self) -> float:
        return self.wall

    def awake_s(self) -> float:
        return self.awake

    def running_s(self) -> float:
        return self.running

    def boot_id(self) -> str | None:
        return self.boot

    def sleep(self, seconds: float) -> None:
        """Time passes (for whoever sleeps in a program; the machine does not)."""
        self.suspend(seconds)
        self.running += seconds

    def suspend(self, seconds: float) -> None:
        """The machine sleeps."""
        self.wall += seconds
        self.awake += seconds

    def reboot(self, *, off_s: float = 30.0) -> None:
        """The wall clock goes on by its battery, the others begin anew."""
        self.wall += off_s
        self.awake = self.running = 20.0
        self.boot += "'"


@dataclass
class World:
    """The site and the identity provider."""

    clock: FakeClock
    life_s: float | None = 3600.0
    remembers: bool = True
    password: str = "right"
    down: bool = False
    answer: Answer | None = None
    stops_with: HarvesterError | None = None
    stop_stage: str = "before_submit"
    evidence: str | None = None
    """What a signer that stops has sealed of it."""
    live: set[str] = field(default_factory=set)
    issued: int = 0
    probes: int = 0
    control_probes: int = 0
    sign_ins: list[str] = field(default_factory=list)
    submits: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)
    rolls: Cookie | None = None
    silent_after: int | None = None
    lands_in: str | None = None
    """The organisation that a session is of, told by a JWT beside it; None: nothing tells."""
    email: str = "ada@acme.example"
    switches: list[dict[str, str]] = field(default_factory=list)
    switch_answer: Answer | None = None

    def issue(self) -> tuple[Cookie, ...]:
        self.issued += 1
        value = f"session-{self.issued}-{'x' * 20}"
        self.live.add(value)
        ends = None if self.life_s is None else self.clock.wall_s() + self.life_s
        made = (
            Cookie("sid", value, "knoq.one", expires_at=ends, http_only=True),
            Cookie("theme", "dark", "knoq.one"),
        )
        if self.lands_in is None:
            return made
        claims = jwt(email=self.email, org=self.lands_in)
        return (*made, Cookie("sid_jwt", claims, "knoq.one", expires_at=ends))

    # the site, as staging.Client asks it

    async def probe(self, cookies: tuple[Cookie, ...]) -> Answer:
        if cookies:
            self.probes += 1
        else:
            self.control_probes += 1
        return self._answer(cookies)

    async def get(self, path: str, cookies: tuple[Cookie, ...]) -> Answer:
        return self._answer(cookies)

    async def post(self, path: str, cookies: tuple[Cookie, ...], body: bytes) -> Answer:
        if path == "/switch":
            return self._switch(cookies, json.loads(body))
        self.live.clear()
        return Answer(200)

    def _switch(self, cookies: tuple[Cookie, ...], body: dict[str, str]) -> Answer:
        """A new session of the organisation that is asked for, the old one dead."""
        self.switches.append(body)
        if self.switch_answer is not None:
            return self.switch_answer
        old = {cookie.value for cookie in cookies} & self.live
        if not old:
            return Answer(401, words="session expired")
        self.live -= old
        self.lands_in = body["organizationId"]
        return Answer(200, set_cookies=self.issue())

    def _answer(self, cookies: tuple[Cookie, ...]) -> Answer:
        if self.down:
            return Answer(trouble="no answer")
        if self.answer is not None:
            return self.answer
        if self.silent_after is not None and self.probes > self.silent_after:
            return Answer(trouble="no answer")
        alive = any(cookie.value in self.live for cookie in cookies)
        rolled = () if self.rolls is None else (self.rolls,)
        if alive:
            return Answer(200, body="[]", set_cookies=rolled)
        return Answer(401, words="session expired")

    # the signer, as climb.Climber runs it

    @asynccontextmanager
    async def prepared(self, browser: BrowserChoice | None) -> AsyncIterator[World]:
        yield self

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        self.sign_ins.append(job.rung)
        self.began.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.stops_with is not None:
            return Stopped(self.stops_with, self.stop_stage, evidence=self.evidence)
        if job.rung == "silent" and not self.remembers:
            return Stopped(NeedsHuman("it asks"), asked=True)
        fingerprint = None
        if job.rung == "scripted":
            assert job.password is not None
            fingerprint = f"key:fp-{job.password.value}"  # with its key's name, as ours have
            if fingerprint in job.rejected:
                return Stopped(CredentialsRejected("refused before", latched=True))
            refusal = await overseer.submit(fingerprint)
            if refusal is not None:
                return Stopped(refusal)
            self.submits.append(job.password.value)
            if job.password.value != self.password:
                return Stopped(CredentialsRejected("refused"), "answered", fingerprint=fingerprint)
        cookies = self.issue()
        assert await overseer.candidate(cookies, "browser") is Verdict.ALIVE
        return SignedIn(
            cookies,
            "browser",
            identity_state=self._sealed_state(job),
            secrets_sent=fingerprint is not None,
            fingerprint=fingerprint,
        )

    def _sealed_state(self, job: Job) -> str:
        seal = Seal(KeyRing(MasterKey(KEY)))
        return seal.seal(
            b"{}", profile=job.profile, purpose="identity-state", generation=self.issued, now_s=1.0
        ).decode()

    def revoke(self) -> None:
        self.live.clear()


def profile(**changes: object) -> Profile:
    fields: dict[str, object] = {
        "name": "default",
        "site": Site(
            ORIGIN,
            ORIGIN,
            "/api",
            sign_out_path="/logout",
            switch_org_path="/switch",
            switch_org_body='{"organizationId": "$organization"}',
        ),
        "identity_origins": ("https://login.acme.example",),
        "username": "ada",
        "password": SecretSource("value", "HARVESTER_PASSWORD", value="right"),
    }
    return Profile(**{**fields, **changes})


class Engine:
    """One process's keeper over a store; make another over the same path for a restart."""

    def __init__(
        self,
        root: Path,
        world: World,
        who: Profile | None = None,
        *,
        call: Call | None = None,
        disk: Disk | None = None,
        files: Files | None = None,
    ) -> None:
        """``call`` is what a daemon does when a person is needed; ``files`` are kept written."""
        prepare(root)
        self.store = DirectoryStore(root, Seal(KeyRing(MasterKey(KEY))), disk=disk)
        self.world = world
        self.changes: list[int] = []
        self.published: list[Served | None] = []
        who = who or profile()
        clock = SteadyClock(world.clock)
        self.records = Records(self.store, who.name, clock)
        staging = Staging(who, world, clock)
        self.bundles = Bundles(who, records=self.records, staging=staging, clock=clock)

        async def publish(served: Served | None) -> None:
            self.published.append(served)
            if files is not None:
                await asyncio.to_thread(*((files.publish, served) if served else (files.withdraw,)))

        held = Held(who, records=self.records, clock=clock, publish=publish)
        sign_ins = SignIns(
            who,
            records=self.records,
            staging=staging,
            signer=world,
            clock=clock,
            ring=KeyRing(MasterKey(KEY)).lines,
            browser=BrowserChoice(),
            on_step=lambda _: None,
        )
        self.keeper = Keeper(
            who,
            held=held,
            climber=Climber(
                who, records=self.records, staging=staging, sign_ins=sign_ins, clock=clock
            ),
            staging=staging,
            records=self.records,
            clock=clock,
            on_change=lambda: self.changes.append(1),
            summons=Summons(who.name, records=self.records, call=call),
        )
