"""The stand-in as a process of its own, with verbs: what tests of every kind drive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

STOP_S = 5.0
# So that a test may go to another directory and still start it from this checkout.
ROOT = Path(__file__).parents[2]


class ControlRefused(RuntimeError):
    """The control API said no; the text is its own."""


class StandInProcess:
    """A running stand-in.  Attributes are the fields of its one line of JSON.

    ``site``, ``identity``, ``username``, ``password``, ``totp_secret``, ``provider``,
    ``organizations``, ``control``, ``pid``.  Keyword arguments are switches.
    """

    site: str
    identity: str
    username: str
    password: str
    totp_secret: str
    provider: str
    organizations: list[str]
    control: str
    pid: int

    def __init__(self, *, port: int = 0, **switches: Any) -> None:
        # With secrets that the canary run can tell from all other texts.
        words = [sys.executable, str(ROOT / "tests/canary/marked_standin.py"), "--port", str(port)]
        for name, value in switches.items():
            words += ["--set", f"{name}={value}"]
        allowed = {k: v for k, v in os.environ.items() if not k.startswith("HARVESTER_")}
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=allowed,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._process.stdout.close()
            raise ControlRefused(f"the stand-in ended with {self._process.returncode}")
        for name, value in json.loads(line).items():
            setattr(self, name, value)
        self._first_password = self.password

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return int(self.site.rpartition(":")[2])

    def _ask(self, verb: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.control}/{verb}", data=data)
        # No proxy of the environment may stand between a test and loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            with error:
                text = json.load(error)["error"]
        raise ControlRefused(text)

    def state(self) -> dict[str, Any]:
        """All counters, and what lives now."""
        return self._ask("state")

    def log(self) -> list[dict[str, Any]]:
        """The last requests: server, method, path without query, status."""
        lines: list[dict[str, Any]] = self._ask("log")["log"]
        return lines

    def set(self, **switches: Any) -> None:
        self._ask("set", switches)

    def revoke(self, what: str = "sessions") -> None:
        """``sessions``, ``identity`` or ``all``."""
        self._ask("revoke", {"what": what})

    def advance(self, seconds: float) -> None:
        """Let lives age; the time of day that servers tell does not move (see its clock)."""
        self._ask("advance", {"seconds": seconds})

    def reset(self) -> None:
        """As it was at the start: sessions, counters, faults, switches, lock-outs, password."""
        self._ask("reset", {})
        self.password = self._first_password

    def change_password(self, password: str) -> None:
        self._ask("password", {"password": password})
        self.password = password

    def approve(self) -> None:
        """The person approves the number match, or solves the captcha."""
        self._ask("approve", {})

    def fault(self, kind: str, **fields: Any) -> None:
        """Add a fault: ``server``, ``prefix``, ``method``, ``status``, ``times``, ..."""
        self._ask("fault", {"kind": kind, **fields})

    def clear_faults(self) -> None:
        self._ask("clear_faults", {})

    def wait(self, timeout_s: float = STOP_S) -> int:
        """Wait for its end, which somebody else caused; its exit code."""
        return int(self._process.wait(timeout_s))

    def stop(self) -> int:
        """End it; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return int(self._process.returncode)
