"""A program that kills harvester in the middle of a sign-in, again and again:

    killed_sign_in ROOT SEED RESTARTS

Each restart is a fork of this process, which has one thread and all modules loaded.  The child runs
a keeper over the store that the one before left, and dies at a place that the seed chooses: in the
place of any system call of the store, or just before or after the password went out.  What the
provider got is in a file that it alone writes.  Prints one JSON line for each restart.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Literal

from engine import KEY, Engine, FakeClock, World
from faultydisk import DeadlyCalls, disk_of, store_on, temp_files
from harvester.errors import HarvesterError, TimedOut
from harvester.ledger import HOUR_S, Ledger
from harvester.records import Records
from harvester.session import Cookie
from harvester.signer import Overseer
from harvester.signin.dialogue import Job, SignedIn, Stopped
from harvester.steady import SteadyClock
from harvester.vault.directory import prepare
from harvester.vault.keys import KeyRing, MasterKey
from harvester.vault.seal import Seal
from simulated import simulate

# What the provider does with a password: takes it, refuses it, or never answers.
Mode = Literal["right", "wrong", "mute"]
MODES: tuple[Mode, ...] = ("right", "wrong", "mute")
# So many restarts, and then another account with an empty store.
LIFE_MOST = 12
NEVER = 10**9


class Wire(list[str]):
    """Passwords on their way.  One that was sent stays sent, whatever becomes of the sender."""

    def __init__(self, seen: Path, calls: DeadlyCalls) -> None:
        super().__init__()
        self._seen = seen
        self._calls = calls

    def append(self, password: str) -> None:
        self._calls.step()
        with self._seen.open("a") as file:
            file.write(password + "\n")
        self._calls.step()
        super().append(password)


class Outside(World):
    """Site and provider, whose memory is in files: it outlives us."""

    def begin(self, folder: Path, mode: Mode, calls: DeadlyCalls) -> None:
        self.remembers = False
        self.password = "right" if mode != "wrong" else "another"
        self.submits = Wire(folder / "sent", calls)
        self._alive = folder / "alive"
        self._mode = mode
        self._calls = calls
        self.live = set(lines(self._alive))
        self.issued = len(self.live) + 1000 * len(lines(folder / "sent"))

    def issue(self) -> tuple[Cookie, ...]:
        made = super().issue()
        with self._alive.open("a") as file:
            file.write(made[0].value + "\n")
        self._calls.step()
        return made

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        result = await super().run(job, overseer)
        self._calls.step()
        if self._mode == "mute" and isinstance(result, SignedIn) and result.secrets_sent:
            lost = TimedOut("nothing came back")
            return Stopped(lost, "after_submit", fingerprint=result.fingerprint)
        return result


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


class Account:
    """One store and what surrounds it."""

    def __init__(self, folder: Path, mode: Mode) -> None:
        self.folder = folder
        self.root = folder / "store"
        self.mode = mode
        self.passed_s = 0.0
        folder.mkdir()

    def clock(self) -> FakeClock:
        clock = FakeClock()
        clock.sleep(self.passed_s)
        return clock

    def restart(self, at: int) -> dict[str, Any]:
        """One process's life; it dies at its step ``at``, if it has so many."""
        out = self.folder / "out"
        out.unlink(missing_ok=True)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                out.write_text(json.dumps(self._live(at)))
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        told = json.loads(out.read_text()) if os.WIFEXITED(status) else {"killed": True}
        return {**told, **self._look()}

    def _live(self, at: int) -> dict[str, Any]:
        calls = DeadlyCalls(at)
        clock = self.clock()
        outside = Outside(clock)
        outside.begin(self.folder, self.mode, calls)

        async def tell() -> dict[str, Any]:
            engine = Engine(self.root, outside, disk=disk_of(calls))
            try:
                await engine.keeper.start()
                served = await engine.keeper.get()
                if not {cookie.value for cookie in served.session.cookies} & outside.live:
                    served = await engine.keeper.report(generation=served.session.generation)
            except HarvesterError as error:
                return {"code": error.code, "latched": error.latched}
            finally:
                await engine.keeper.close()
            alive = bool({cookie.value for cookie in served.session.cookies} & outside.live)
            return {"generation": served.session.generation, "alive": alive, "stale": served.stale}

        return {**simulate(tell(), clock), "steps": at - calls.left}

    def _look(self) -> dict[str, Any]:
        ledger = self.ledger()
        return {
            "mode": self.mode,
            "sent": len(lines(self.folder / "sent")),
            "written": len(ledger.submits),
            "accepted": sum(one.outcome == "accepted" for one in ledger.submits),
            "since_success": len(ledger.since_success()),
            "unread": ledger.unread,
        }

    def ledger(self) -> Ledger:
        store = store_on(self.root, Seal(KeyRing(MasterKey(KEY))))
        return Records(store, "default", SteadyClock(self.clock())).ledger()

    def revoke(self) -> None:
        (self.folder / "alive").write_text("")

    def swept(self) -> bool:
        """Whether the next start, a minute and more later, leaves no temp file."""
        prepare(self.root, disk=disk_of())
        for path in (self.root, *(self.root / "profiles").iterdir()):
            disk_of().sweep(path, now_s=time.time() + 3600)
        return not temp_files(self.root)


def steps_of(folder: Path, mode: Mode) -> int:
    """How many places to die at a life has."""
    account = Account(folder, mode)
    steps = int(account.restart(NEVER)["steps"])
    shutil.rmtree(folder)
    return steps


def main(top: Path, seed: int, restarts: int) -> None:
    chance = random.Random(seed)
    top.mkdir()
    places = {mode: steps_of(top / mode, mode) for mode in MODES}
    left = restarts
    number = 0
    while left > 0:
        number += 1
        mode = MODES[number % len(MODES)]
        account = Account(top / str(number), mode)
        for _ in range(min(left, LIFE_MOST)):
            left -= 1
            told = account.restart(chance.randint(1, places[mode]))
            print(json.dumps({"account": number, **told}), flush=True)
            account.passed_s += chance.choice((0.0, 1.0, 40.0, 400.0, HOUR_S))
            if chance.random() < 0.7:
                account.revoke()
        # Nobody kills it any more: it comes to its end, and stays there.
        for last in (1, 2, 3, 4):
            account.passed_s += 2 * HOUR_S
            account.revoke()
            told = account.restart(NEVER)
            print(json.dumps({"account": number, "last": last, **told}), flush=True)
        if not account.swept():
            raise SystemExit("temp files were left")
        shutil.rmtree(account.folder)
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return
    raise SystemExit("a process was left")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
