"""A published program while it runs: started, waited for, asked over HTTP, ended by its pid."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.process import prctl

_PR_SET_PDEATHSIG = 1
# The slowest makes its database at its first start.
START_S = 120.0
STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class Account:
    """A program that runs, and somebody who may sign in to it.

    ``probe_path`` answers 200 with a session and something else without, or ``denied_text``.
    ``posts`` finds in the program's own log each password and code that reached it, where the log
    tells.
    """

    origin: str
    probe_path: str
    password: str
    username: str | None = None
    sign_in_url: str = ""
    identity_origins: tuple[str, ...] = ()
    totp: str | None = None
    denied_text: str | None = None
    log: Path | None = None
    posts: re.Pattern[str] | None = None

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def posted(self) -> int | None:
        """How many passwords and codes reached the program, as far as its log has it."""
        if self.log is None or self.posts is None:
            return None
        return len(self.posts.findall(self.log.read_text(errors="replace")))


def free_port() -> int:
    """A port that nobody listens on now; the program binds it a moment later."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextlib.contextmanager
def process(
    words: list[str], *, log: Path, port: int, cwd: Path, env: Mapping[str, str] | None = None,
    path: str = "/",
) -> Iterator[subprocess.Popen[bytes]]:  # fmt: skip
    """The program, from when it answers at ``path`` until it and its children are gone."""
    with log.open("ab") as out:
        running = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
            env={**os.environ, **(env or {})}, start_new_session=True,
            preexec_fn=_end_with_us if sys.platform == "linux" else None,
        )  # fmt: skip
    try:
        _until_answers(running, f"http://localhost:{port}", path, log)
        yield running
    finally:
        # The session is the program's own: its children are in it and nobody else's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def _end_with_us() -> None:
    """A test run that is killed leaves no program behind."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _until_answers(running: subprocess.Popen[bytes], origin: str, path: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and running.poll() is None:
        # An open port may be a server, or a proxy of its own before it, that is not ready.
        with contextlib.suppress(OSError, http.client.HTTPException):
            if Web(origin).ask("GET", path, limit_s=5).status not in (404, 502, 503):
                return
        time.sleep(0.05)
    raise RuntimeError(f"no answer at {origin}{path}:\n{log.read_text(errors='replace')[-6000:]}")


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Web:
    """A client for setting a program up: keeps its cookies, follows nothing.

    Python resolves no name below ``.localhost``: it dials 127.0.0.1 and says the name as Host.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.cookies: dict[str, str] = {}

    def ask(
        self, method: str, path: str, data: Any = None, *, form: str | None = None,
        headers: Mapping[str, str] | None = None, limit_s: float = 60,
    ) -> Answer:  # fmt: skip
        host = self.origin.partition("://")[2]
        said = {"Host": host, **(headers or {})}
        if self.cookies:
            said["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body: bytes | None = None
        if data is not None:
            body, said["Content-Type"] = json.dumps(data).encode(), "application/json"
        elif form is not None:
            body, said["Content-Type"] = form.encode(), "application/x-www-form-urlencoded"
        link = http.client.HTTPConnection(
            "127.0.0.1", int(host.rpartition(":")[2]), timeout=limit_s
        )
        try:
            link.request(method, path, body=body, headers=said)
            answer = link.getresponse()
            for one in answer.headers.get_all("Set-Cookie", []):
                name, _, value = one.partition(";")[0].partition("=")
                self.cookies[name.strip()] = value.strip()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            link.close()

    def must(self, method: str, path: str, data: Any = None, **more: Any) -> Answer:
        """Ask, and it has to be content."""
        answer = self.ask(method, path, data, **more)
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:800]!r}")
        return answer
