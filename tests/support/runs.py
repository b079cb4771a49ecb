"""harvester as its users run it: commands and the daemon, in processes of their own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harvester.client import Client
from standin import StandInProcess

COMMAND_S = 150.0
START_S = 20.0


class Home:
    """One user's harvester: a store, a socket and settings for one stand-in.

    ``env`` may be changed between runs; a value of None takes a variable away.
    """

    def __init__(self, place: Path, world: StandInProcess, **env: str | None) -> None:
        self.place = place
        self.world = world
        self.store = place / "store"
        self.socket = place / "run" / "harvester.sock"
        self.log = place / "daemon.log"
        self.env: dict[str, str | None] = {
            "HARVESTER_ORIGIN": world.site,
            "HARVESTER_IDENTITY_ORIGINS": world.identity,
            "HARVESTER_PROVIDER": world.provider,
            "HARVESTER_USERNAME": world.username,
            "HARVESTER_PASSWORD": world.password,
            "HARVESTER_STORE": str(self.store),
            "HARVESTER_SOCKET": str(self.socket),
            "HARVESTER_LOG_FORMAT": "json",
            "HARVESTER_CONFIG": str(place / "config.toml"),
            "TMPDIR": str(place / "tmp"),
            **env,
        }
        (place / "tmp").mkdir(mode=0o700, parents=True)
        (place / "config.toml").touch(mode=0o600)

    def environ(self) -> dict[str, str]:
        # PYTHONPATH: a mutant of the program stands there (see tests/mutants).
        names = ("PATH", "HOME", "LANG", "PYTHONPATH")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        return {**kept, **{name: value for name, value in self.env.items() if value is not None}}

    def run(self, *words: str, **env: str | None) -> subprocess.CompletedProcess[str]:
        """One command, to its end."""
        self.env.update(env)
        return subprocess.run(
            [sys.executable, "-P", "-m", "harvester", *words],
            env=self.environ(), capture_output=True, text=True, timeout=COMMAND_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def error(self, *words: str, **env: str | None) -> tuple[int, dict[str, Any]]:
        """A command that is to fail: its exit code and the error object."""
        ended = self.run("--json", *words, **env)
        return ended.returncode, json.loads(ended.stdout)["error"]

    @contextmanager
    def daemon(self, *, ready: bool = True) -> Iterator[Daemon]:
        running = Daemon(self)
        try:
            if ready:
                running.client.session(wait_s=120)
            yield running
        finally:
            running.stop()

    def ask_site(self, cookie: str, path: str = "/api/managed-agents/sessions") -> int:
        """The status of the site's API for a request with this Cookie header."""
        connection = http.client.HTTPConnection("127.0.0.1", self.world.port, timeout=10)
        host = self.world.site.removeprefix("http://")
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", host)
        connection.putheader("Cookie", cookie)
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status

    def in_clear(self, *secrets: str) -> list[str]:
        """Files below this home in which one of the secrets stands as it is."""
        found = []
        for path in self.place.rglob("*"):
            if path.is_file():
                held = path.read_bytes()
                found += [f"{path}: {one[:4]}..." for one in secrets if one.encode() in held]
        return found

    def processes(self) -> list[str]:
        """Command lines of what a sign-in of this home left running (by its private TMPDIR)."""
        mark = str(self.place).encode()
        found = []
        for proc in Path("/proc").iterdir():
            if not proc.name.isdigit() or int(proc.name) == os.getpid():
                continue
            try:
                environ, line = (proc / "environ").read_bytes(), (proc / "cmdline").read_bytes()
            except OSError:
                continue
            words = line.replace(b"\0", b" ").decode()
            browser = "chrom" in words or "playwright" in words or "harvester.signin" in words
            if mark in environ or (browser and mark in line):
                found.append(words)
        return found


class Daemon:
    """A running ``harvester serve``."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._from = home.log.stat().st_size if home.log.exists() else 0
        log = home.log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harvester", "serve"],
            env=home.environ(), stderr=log, stdin=subprocess.DEVNULL, cwd=home.place,
        )  # fmt: skip
        log.close()
        self.client = Client(str(home.socket))
        self.wait_for("daemon.started")

    def wait_for(self, event: str) -> dict[str, Any]:
        """The first event of this name that this daemon logs; it must stay alive until then."""
        ends_at = time.monotonic() + COMMAND_S
        while time.monotonic() < ends_at:
            for told in self.events():
                if told["event"] == event:
                    return told
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no {event} in:\n{self.home.log.read_text()}")

    def events(self) -> list[dict[str, Any]]:
        lines = self.home.log.read_bytes()[self._from :].decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> float:
        """TERM, and the seconds until it was gone; it must have stopped cleanly."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=15)
            assert self.process.returncode == 0, self.home.log.read_text()
        return time.monotonic() - began
