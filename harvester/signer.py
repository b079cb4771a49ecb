"""The parent's side of a sign-in: starts the signer, answers its questions, ends it.

The signer (``python -m harvester.signin``) holds the password and the browser; this side holds
the ledger and the probe.  What they say is in ``signin/dialogue.py``.  Closing the signer's stdin
ends its whole process tree, so that the death of this process ends it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from harvester import spawn
from harvester.descent import descendants
from harvester.errors import BrowserFailed, Bug, HarvesterError, TimedOut, from_dict
from harvester.session import Cookie
from harvester.signin.dialogue import BrowserChoice, Job, SignedIn, Stage, Stopped
from harvester.verdict import Verdict

# The signer keeps the time itself; this side waits a little longer before it stops believing it.
OVERTIME_S = 5.0
# After its stdin closes the signer kills its tree, which takes milliseconds; a machine that swaps
# may need seconds.  Then it is killed from here.
GRACE_S = 3.0
# A candidate carries a whole cookie jar (at most 180 cookies of 4 KiB in a browser).
LINE_BYTES = 4 * 1024 * 1024
_CHUNK_BYTES = 65536


class Overseer(Protocol):
    """Answers the signer's questions.  Each method may take its time; the signer waits."""

    def step(self, event: Mapping[str, Any]) -> None: ...

    async def submit(self, fingerprint: str) -> HarvesterError | None:
        """A secret is about to be sent: write it down, or say why not."""

    async def code(self, step: int) -> HarvesterError | None:
        """A one-time code of this step is about to be typed: store the step, or say why not."""

    async def passkeys(self, sealed: str) -> HarvesterError | None:
        """A passkey was used or made: store the record of all, or say why not."""

    async def candidate(self, cookies: tuple[Cookie, ...], user_agent: str) -> Verdict:
        """Does the site accept these cookies?"""


class Signer:
    """Runs sign-ins, each in a process of its own."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = spawn.inherited(os.environ if environ is None else environ)
        self._endings: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def prepared(self, browser: BrowserChoice | None) -> AsyncIterator[Sitting]:
        """A signer that makes itself ready; with ``browser``, it starts one of that kind.

        It ends behind the caller's back when this is left: a result is given on as soon as it is
        told.  A cancellation ends the signer's whole tree before it goes on.
        """
        spawned = spawn.take_early() or spawn.spawn(self._environ)
        reader, writer = await asyncio.open_unix_connection(sock=spawned.line, limit=LINE_BYTES)
        sitting = Sitting(spawned.process, reader, writer)
        try:
            if browser is not None:
                await sitting.say(browser.line())
            yield sitting
        finally:
            ending = asyncio.create_task(sitting.end())
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                await asyncio.shield(ending)

    async def close(self) -> None:
        """Wait until no signer of ours is left."""
        while self._endings:
            await asyncio.gather(*self._endings)


class Sitting:
    """One signer's process, and the line to it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    async def say(self, line: str) -> None:
        """Say it, if it can still be heard: a signer that died is noticed by its silence."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._writer.write(line.encode())
            await self._writer.drain()

    async def hear(self) -> bytes:
        """A line; empty where there will be none.  Raises ValueError for one that is too long."""
        try:
            return await self._reader.readline()
        except ConnectionResetError:
            return b""

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        """Do one sign-in.  Returns as soon as the result is told."""
        talk = _Talk(self, overseer)
        try:
            async with asyncio.timeout(job.timeout_s + OVERTIME_S):
                return await talk.until_result(job)
        except TimeoutError:
            return Stopped(
                TimedOut(
                    f"the sign-in took more than {job.timeout_s:.0f} s",
                    hint="raise HARVESTER_SIGN_IN_TIMEOUT if the pages are slow",
                ),
                stage=talk.stage,
                fingerprint=talk.fingerprint,
            )

    async def end(self) -> None:
        """Close its stdin, which ends its tree, and wait; what does not end is ended."""
        with contextlib.suppress(OSError):
            self._writer.write_eof()
        for harder in (self._wake, self._kill):
            try:
                async with asyncio.timeout(GRACE_S):
                    # Nobody else holds the other end: it closes when the last of them is gone.
                    while await self._reader.read(_CHUNK_BYTES):
                        pass
                    break
            except TimeoutError:
                harder()
            except ConnectionResetError:
                break
        await asyncio.to_thread(self._process.wait)
        self._writer.close()

    def _wake(self) -> None:
        """Ask the watcher once more, and wake it: whoever stopped the tree may have stopped it."""
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)

    def _kill(self) -> None:
        """Do the watcher's work: a tree whose root is killed alone would live on."""
        for pid in (*descendants(self._process.pid), self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class _Talk:
    """One dialogue.  ``stage`` follows what was sent, for the case that no result comes."""

    def __init__(self, sitting: Sitting, overseer: Overseer) -> None:
        self._sitting = sitting
        self._overseer = overseer
        self.stage: Stage = "before_submit"
        self.fingerprint: str | None = None

    async def until_result(self, job: Job) -> SignedIn | Stopped:
        await self._sitting.say(job.line())
        while True:
            try:
                line = await self._sitting.hear()
            except ValueError:
                return self._failed(Bug("the signer said more than a line may hold"))
            if not line:
                return self._failed(
                    BrowserFailed(
                        "the sign-in process ended without an answer",
                        hint="see: harvester doctor",
                    )
                )
            try:
                told = json.loads(line)
                result = await self._hear(told)
            except (ValueError, KeyError, TypeError) as error:
                return self._failed(Bug(f"the signer said something odd ({type(error).__name__})"))
            if result is not None:
                return result

    async def _hear(self, told: dict[str, Any]) -> SignedIn | Stopped | None:
        match told:
            case {"event": "step"}:
                self._overseer.step(told)
            case {"ask": "submit", "fingerprint": str(fingerprint)}:
                refusal = await self._overseer.submit(fingerprint)
                if refusal is None:
                    self.stage, self.fingerprint = "after_submit", fingerprint
                await self._grant(refusal)
            case {"ask": "code", "step": int(step)}:
                await self._grant(await self._overseer.code(step))
            case {"ask": "passkeys", "sealed": str(sealed)}:
                await self._grant(await self._overseer.passkeys(sealed))
            case {"ask": "candidate", "cookies": list(cookies)}:
                jar = tuple(Cookie.from_dict(one) for one in cookies)
                verdict = await self._overseer.candidate(jar, str(told.get("user_agent", "")))
                await self._sitting.say(json.dumps({"verdict": verdict.value}) + "\n")
            case {"result": "signed_in"}:
                return SignedIn.from_dict(told)
            case {"result": "stopped", "error": dict(error)}:
                return Stopped(
                    from_dict(error),
                    stage=told.get("stage", self.stage),
                    asked=bool(told.get("asked", False)),
                    fingerprint=told.get("fingerprint"),
                    clock_skew_s=told.get("clock_skew_s"),
                    accepted=bool(told.get("accepted", False)),
                    identity_state=told.get("identity_state"),
                    evidence=told.get("evidence"),
                )
            case _:
                raise ValueError("unknown word")
        return None

    async def _grant(self, refusal: HarvesterError | None) -> None:
        answer: dict[str, Any] = {"granted": refusal is None}
        if refusal is not None:
            answer["error"] = refusal.as_dict()
        await self._sitting.say(json.dumps(answer) + "\n")

    def _failed(self, error: HarvesterError) -> Stopped:
        return Stopped(error, stage=self.stage, fingerprint=self.fingerprint)
