"""A parent for the signer: starts it, answers its questions, asks the site for verdicts.

What ``harvester/signer.py`` is in the program, without ledger and without engine.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harvester.errors import BudgetSpent, HarvesterError, from_dict
from harvester.profile import SecretSource
from harvester.session import Cookie, cookie_header
from harvester.signin.dialogue import Job
from standin import StandInProcess

KEY = base64.b64encode(b"k" * 32).decode()


def secret(name: str, value: str) -> SecretSource:
    return SecretSource("value", name, value=value)


def job_for(standin: StandInProcess, **changes: Any) -> Job:
    """A scripted sign-in at this stand-in; ``changes`` are fields of the job."""
    job = Job(
        rung="scripted",
        profile="default",
        origin=standin.site,
        sign_in_url=standin.site,
        probe_path="/api/managed-agents/sessions",
        identity_origins=(standin.identity,),
        ring=(KEY,),
        timeout_s=60.0,
        username=standin.username,
        password=secret("HARVESTER_PASSWORD", standin.password),
        totp=secret("HARVESTER_TOTP_SECRET", standin.totp_secret),
    )
    return replace(job, **changes)


@dataclass
class Outcome:
    """Everything that was said.  ``result`` is the last line; ``error`` is set where it stopped."""

    result: dict[str, Any] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    submits: list[dict[str, Any]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    passkeys: list[str] = field(default_factory=list)
    candidates: int = 0
    raw: bytes = b""
    stderr: bytes = b""
    took_s: float = 0.0
    exit_code: int = 0

    @property
    def error(self) -> HarvesterError | None:
        told = self.result.get("error")
        return None if told is None else from_dict(told)

    @property
    def jar(self) -> tuple[Cookie, ...]:
        return tuple(Cookie.from_dict(one) for one in self.result["cookies"])


class Spawned:
    """A signer that runs.  ``run`` talks to it until its result."""

    def __init__(self, job: Job, environ: Mapping[str, str] | None = None) -> None:
        self.job = job
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harvester.signin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "DEBUG": "pw:*", **(environ or {})},
            start_new_session=True,
        )
        self.say(job.line())

    def say(self, line: str) -> None:
        """Say it, if it can still be heard: a signer that ended is noticed by its silence."""
        stdin = self.process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):
            if not stdin.closed:
                stdin.write(line.encode())
                stdin.flush()

    def hear(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def run(
        self,
        *,
        refuse: HarvesterError | None = None,
        on_step: Callable[[str], None] = lambda state: None,
        verdict: str | None = None,
        ask: Callable[[Job, tuple[Cookie, ...]], str] | None = None,
    ) -> Outcome:
        outcome = Outcome()
        while (told := self.hear()) is not None:
            outcome.raw += json.dumps(told).encode()
            if told.get("event") == "step":
                outcome.steps.append(told["state"])
                on_step(told["state"])
            elif told.get("ask") in ("submit", "code"):
                if told["ask"] == "submit":
                    outcome.submits.append(told)
                else:
                    outcome.codes.append(told["step"])
                answer = {"granted": refuse is None}
                if refuse is not None:
                    answer["error"] = refuse.as_dict()
                self.say(json.dumps(answer) + "\n")
            elif told.get("ask") == "passkeys":
                outcome.passkeys.append(told["sealed"])
                self.say(json.dumps({"granted": True}) + "\n")
            elif told.get("ask") == "candidate":
                outcome.candidates += 1
                jar = tuple(Cookie.from_dict(one) for one in told["cookies"])
                said = verdict or (ask or probe)(self.job, jar)
                self.say(json.dumps({"verdict": said}) + "\n")
            else:
                outcome.result = told
                outcome.took_s = time.monotonic() - self.began
                break
        outcome.stderr = self.end()
        outcome.exit_code = self.process.returncode
        return outcome

    def end(self) -> bytes:
        """Close its stdin, which ends its whole tree; what it wrote to stderr."""
        process = self.process
        assert process.stdin and process.stdout and process.stderr
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(10)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            stderr = process.stderr.read()
            process.stdout.close()
            process.stderr.close()
        return stderr


def probe(job: Job, jar: tuple[Cookie, ...]) -> str:
    """The verdict of the site on these cookies; Python resolves no ``.localhost``."""
    host = job.origin.partition("://")[2]
    link = http.client.HTTPConnection("127.0.0.1", int(host.rpartition(":")[2]), timeout=5)
    try:
        sent = tuple(one for one in jar if one.goes_to(host.partition(":")[0], job.probe_path))
        link.request("GET", job.probe_path, headers={"Host": host, "Cookie": cookie_header(sent)})
        status = link.getresponse().status
    except OSError:
        return "unreachable"
    finally:
        link.close()
    if status == 200:
        return "alive"
    # To nobody, programs answer with a refusal, with their sign-in page, or with nothing at all.
    return "denied" if status in (302, 303, 401, 403, 404) else "unreachable"


def sign_in(standin: StandInProcess, **changes: Any) -> Outcome:
    """One whole sign-in at the stand-in."""
    return Spawned(job_for(standin, **changes)).run()


def no_budget() -> BudgetSpent:
    return BudgetSpent("no more today", hint="wait")
