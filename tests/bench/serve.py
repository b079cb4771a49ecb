"""`GET /v1/session` on a kept connection, beside what else hands out secrets over a socket.

    scripts/bench serve [--rounds 15] [--at-most 3.0] [--at-least 0.08]

The peers, each asked in its own protocol by one load generator that is the same for all
(``load.py``, a process of its own): ssh-agent's list request, ``git credential-cache`` (a
connection for each question, as it has it), and nginx with a static file of the answer's size.
They take turns, so that a busy machine slows all alike.  Exit 1 where our p50 is more than
``--at-most`` times ssh-agent's, or our rate with 64 clients less than ``--at-least`` times its.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runs import Home
from standin import StandInProcess

REQUESTS_A_ROUND = 1000
CLIENTS = 64
SECONDS_A_ROUND = 0.5
OURS, AGENT = "GET /v1/session", "ssh-agent, list"
# A header line for each: its length and number are what parsing costs.
HTTP = "GET {path} HTTP/1.1\r\nHost: harvester\r\nAccept: */*\r\n\r\n"


@dataclass
class Way:
    """Somebody who answers on a socket; ``kept``: more than once for each connection."""

    path: Path
    request: str
    kept: bool = True
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)


class Load:
    """The generator's process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("load.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def do(self, way: Way, **job: Any) -> Any:
        told = {"path": str(way.path), "request": way.request, "kept": way.kept, **job}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"the load generator gave up on {way.path}")
        return json.loads(line)

    def stop(self) -> None:
        self._process.communicate()


@contextlib.contextmanager
def running(*words: str, path: Path) -> Iterator[None]:
    """A server in the foreground, from the moment that its socket is there."""
    quiet = subprocess.DEVNULL  # ssh-agent tells of every client that hangs up
    server = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        ends_at = time.monotonic() + 10
        while not path.exists():
            if server.poll() is not None or time.monotonic() > ends_at:
                sys.exit(f"{words[0]} does not serve")
            time.sleep(0.01)
        yield
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def peers(place: Path, size: int) -> Iterator[dict[str, Way]]:
    """Those of them that are installed; ssh-agent must be."""
    ways: dict[str, Way] = {}
    with contextlib.ExitStack() as stack:
        if shutil.which("ssh-agent") is None:
            sys.exit(
                "ssh-agent is the yardstick, and is not installed: apt-get install openssh-client"
            )
        agent = place / "agent.sock"
        stack.enter_context(running("ssh-agent", "-D", "-a", str(agent), path=agent))
        # Length 1, SSH_AGENTC_REQUEST_IDENTITIES.
        ways[AGENT] = Way(agent, "\x00\x00\x00\x01\x0b")
        if shutil.which("nginx"):
            socket = place / "nginx.sock"
            (place / "www").mkdir()
            (place / "www" / "session").write_bytes(b"x" * size)
            config = place / "nginx.conf"
            config.write_text(
                f"daemon off; user root; pid {place}/nginx.pid; error_log {place}/nginx.log;\n"
                "events {}\n"
                f"http {{ access_log off; keepalive_requests 100000000; root {place}/www;\n"
                f"server {{ listen unix:{socket}; }} }}\n"
            )
            words = ("nginx", "-p", str(place), "-c", str(config), "-e", str(place / "nginx.log"))
            stack.enter_context(running(*words, path=socket))
            ways["nginx, a static file"] = Way(socket, HTTP.format(path="/session"))
        if shutil.which("git"):
            (place / "git").mkdir(mode=0o700)
            socket = place / "git" / "cache.sock"
            asked = "protocol=https\nhost=knoq.example\nusername=ada\n"
            subprocess.run(
                ["git", "credential-cache", "--socket", str(socket), "store"],
                input=asked + "password=secret\n\n", text=True, check=True,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            stack.callback(
                subprocess.run, ["git", "credential-cache", "--socket", str(socket), "exit"],
                check=False, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            request = f"action=get\ntimeout=900\n{asked}\n"
            ways["git credential-cache, get"] = Way(socket, request, kept=False)
        yield ways


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--at-most", type=float, default=3.0, help="p50, of ssh-agent's")
    options.add_argument("--at-least", type=float, default=0.08, help="rate, of ssh-agent's")
    asked = options.parse_args()
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home = Home(place, stack.enter_context(StandInProcess()))
        daemon = stack.enter_context(home.daemon())
        size = len(daemon.client.session())
        ways = {
            OURS: Way(home.socket, HTTP.format(path="/v1/session")),
            "GET /livez (the ordinary way)": Way(home.socket, HTTP.format(path="/livez")),
            **stack.enter_context(peers(place, size)),
        }
        load = Load()
        stack.callback(load.stop)
        for turn in range(-1, asked.rounds):  # the first round warms up
            for way in list(ways.values())[:: 1 if turn % 2 else -1]:
                took = sorted(load.do(way, what="one", count=REQUESTS_A_ROUND))
                rate = None
                if way.kept:
                    rate = load.do(way, what="many", clients=CLIENTS, seconds=SECONDS_A_ROUND)
                if turn < 0:
                    continue
                way.p50.append(took[len(took) // 2])
                way.p99.append(took[len(took) * 99 // 100])
                if rate is not None:
                    way.rate.append(rate)
    return told(ways, at_most=asked.at_most, at_least=asked.at_least)


def told(ways: dict[str, Way], *, at_most: float, at_least: float) -> int:
    yardstick = ways[AGENT]
    print(f"{'':<32}{'p50 µs':>8}{'ratio':>7}{'p99 µs':>8}{'64 clients /s':>15}{'ratio':>7}")
    ratios = {}
    for name, way in ways.items():
        p50 = _ratio(way.p50, yardstick.p50)
        line = f"{name:<32}{statistics.median(way.p50) * 1e6:>8.1f}{p50:>7.2f}"
        line += f"{statistics.median(way.p99) * 1e6:>8.1f}"
        if way.rate:
            ratios[name] = p50, _ratio(way.rate, yardstick.rate)
            line += f"{statistics.median(way.rate):>15.0f}{ratios[name][1]:>7.2f}"
        print(line)
    p50, rate = ratios[OURS]
    print(f"p50 {p50:.2f} of ssh-agent's, at most {at_most}; rate {rate:.2f}, at least {at_least}")
    return 0 if p50 <= at_most and rate >= at_least else 1


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    sys.exit(main())
