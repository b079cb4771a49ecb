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
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from harvester.errors import BrowserFailed, Bug, HarvesterError, TimedOut, from_dict
from harvester.session import Cookie
from harvester.signin.dialogue import Job, SignedIn, Stage, Stopped
from harvester.verdict import Verdict

# The signer keeps the time itself; this side waits a little longer before it stops believing it.
OVERTIME_S = 5.0
# After its stdin closes the signer kills its tree, which takes milliseconds; a machine that swaps
# may need seconds.  Then it is killed from here.
GRACE_S = 3.0
# A candidate carries a whole cookie jar (at most 180 cookies of 4 KiB in a browser).
LINE_BYTES = 4 * 1024 * 1024

# What the signer may inherit.  Everything else stays here: DEBUG, NODE_OPTIONS, LD_PRELOAD,
# SSLKEYLOGFILE and their like each print or redirect what a browser types.
_INHERITED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME",
    "PLAYWRIGHT_BROWSERS_PATH", "FONTCONFIG_PATH", "FONTCONFIG_FILE", "CREDENTIALS_DIRECTORY",
    "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "SystemRoot",
)  # fmt: skip


class Overseer(Protocol):
    """Answers the signer's questions.  Each method may take its time; the signer waits."""

    def step(self, event: Mapping[str, Any]) -> None: ...

    async def submit(self, fingerprint: str) -> HarvesterError | None:
        """A secret is about to be sent: write it down, or say why not."""

    async def code(self, step: int) -> HarvesterError | None:
        """A one-time code of this step is about to be typed: store the step, or say why not."""

    async def candidate(self, cookies: tuple[Cookie, ...], user_agent: str) -> Verdict:
        """Does the site accept these cookies?"""


class Signer:
    """Runs sign-ins, each in a process of its own."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._environ = {name: environ[name] for name in _INHERITED if name in environ}
        self._endings: set[asyncio.Task[None]] = set()

    async def run(self, job: Job, overseer: Overseer) -> SignedIn | Stopped:
        """Do one sign-in.  Returns as soon as the result is told; the signer ends behind it.

        Cancelling this ends the signer's whole tree before the cancellation goes on.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a playwright.py that lies in the working directory is not ours to run
            "-m",
            "harvester.signin",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environ,
            limit=LINE_BYTES,
            start_new_session=True,
        )
        talk = _Talk(process, overseer)
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
        finally:
            ending = asyncio.create_task(_end(process))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                await asyncio.shield(ending)

    async def close(self) -> None:
        """Wait until no signer of ours is left."""
        while self._endings:
            await asyncio.gather(*self._endings)


class _Talk:
    """One dialogue.  ``stage`` follows what was sent, for the case that no result comes."""

    def __init__(self, process: asyncio.subprocess.Process, overseer: Overseer) -> None:
        self._process = process
        self._overseer = overseer
        self.stage: Stage = "before_submit"
        self.fingerprint: str | None = None

    async def until_result(self, job: Job) -> SignedIn | Stopped:
        await self._say(job.line())
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101  a pipe was asked for
        while True:
            try:
                line = await stdout.readline()
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
            case {"ask": "candidate", "cookies": list(cookies)}:
                jar = tuple(Cookie.from_dict(one) for one in cookies)
                verdict = await self._overseer.candidate(jar, str(told.get("user_agent", "")))
                await self._say(json.dumps({"verdict": verdict.value}) + "\n")
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
                )
            case _:
                raise ValueError("unknown word")
        return None

    async def _grant(self, refusal: HarvesterError | None) -> None:
        answer: dict[str, Any] = {"granted": refusal is None}
        if refusal is not None:
            answer["error"] = refusal.as_dict()
        await self._say(json.dumps(answer) + "\n")

    async def _say(self, line: str) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101  a pipe was asked for
        # A signer that died is noticed where its silence is read, not where it is spoken to.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(line.encode())
            await stdin.drain()

    def _failed(self, error: HarvesterError) -> Stopped:
        return Stopped(error, stage=self.stage, fingerprint=self.fingerprint)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(GRACE_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(GRACE_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
