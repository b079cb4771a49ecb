"""The whole story against the stand-in, told as it happens: the real daemon, a real browser.

Nothing here is played: the daemon is ``harvester serve`` in a process of its own, what is shown
of the site is what the site answered, and every claim is checked before it is printed.  Needs no
account, no network and no configuration, and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from harvester.client import Client
from harvester.errors import Bug, HarvesterError, from_dict

# A browser that starts for the first time on a slow machine; the sign-in itself has its own limit.
SIGN_IN_WAIT_S = 120.0
START_WAIT_S = 20.0
STOP_WAIT_S = 10.0
# Many tools notice the same 401 at once: that is the case the daemon is for.
REPORTERS = 20

Say = Callable[[str], None]


class Story:
    """Tells the story line by line to ``say``.  Raises HarvesterError if any of it is not so."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._began = time.monotonic()

    def tell(self) -> None:
        with tempfile.TemporaryDirectory(prefix="harvester-demo-") as place, _stand_in() as world:
            home = Path(place)
            self._line("a stand-in for Knoq and an identity provider is running")
            self._more(f"site      {world['site']}")
            self._more(f"identity  {world['identity']}")
            with self._daemon(home, world) as client:
                session = self._sign_in(client, world)
                self._sealed(home, session, world)
                self._serve(session, world, client)
                self._revoke(client, session, world)
            self._line("TERM: the daemon stopped, and no browser is left")

    # the chapters

    def _sign_in(self, client: Client, world: dict[str, Any]) -> dict[str, Any]:
        session: dict[str, Any] = json.loads(client.session(wait_s=SIGN_IN_WAIT_S))
        names = ", ".join(cookie["name"] for cookie in session["cookies"])
        self._line(f"signed in as {session['identity']} of {session['organization']}")
        self._more(f"the site needs one cookie of those it set: {names}")
        self._more(f"generation {session['generation']}, valid until {session['expires_at']}")
        return session

    def _sealed(self, home: Path, session: dict[str, Any], world: dict[str, Any]) -> None:
        files = [path for path in home.rglob("*") if path.is_file()]
        secrets = [session["cookies"][0]["value"], world["password"]]
        clear = [path for path in files for one in secrets if one.encode() in path.read_bytes()]
        loose = [path for path in files if path.stat().st_mode & 0o077]
        _check(not clear, "a secret stands in clear on the disk")
        _check(not loose, "a file is readable by others")
        self._line(
            f"sealed: {len(files)} files, all 0600; cookie and password stand in clear in none"
        )

    def _serve(self, session: dict[str, Any], world: dict[str, Any], client: Client) -> None:
        status = _ask_site(world, session)
        _check(status == 200, f"the site answered {status}")
        self._line("served on the socket; its cookie opens the API: 200")
        self._more(f"curl --unix-socket {client.path} http://harvester/v1/session")

    def _revoke(self, client: Client, session: dict[str, Any], world: dict[str, Any]) -> None:
        before = _control(world, "state")
        _control(world, "revoke", {"what": "sessions"})
        status = _ask_site(world, session)
        _check(status == 401, f"a revoked session was answered {status}")
        self._line("the site revoked the session: 401")
        began = time.monotonic()
        with ThreadPoolExecutor(REPORTERS) as pool:
            told = list(
                pool.map(
                    lambda _: client.report("default", session["generation"], wait_s=60.0),
                    range(REPORTERS),
                )
            )
        took_s = time.monotonic() - began
        after = _control(world, "state")
        generations = {one["generation"] for one in told}
        sign_ins = after["sign_ins"] - before["sign_ins"]
        typed = after["password_submits"] - before["password_submits"]
        _check(generations == {session["generation"] + 1}, "the callers got different sessions")
        _check(sign_ins == 1, f"{sign_ins} sign-ins for one refusal")
        _check(typed == 0, "the password was typed again")
        self._line(
            f"{REPORTERS} tools reported the 401 at once: one refresh in {took_s:.1f} s, "
            "no password typed"
        )
        status = _ask_site(world, told[0])
        _check(status == 200, f"the new session was answered {status}")
        self._line(f"all of them hold generation {told[0]['generation']}: 200")

    # the daemon

    @contextmanager
    def _daemon(self, home: Path, world: dict[str, Any]) -> Iterator[Client]:
        socket = home / "run" / "harvester.sock"
        kept = {name: value for name, value in os.environ.items() if name in _KEPT}
        environ = {
            **kept,
            "HARVESTER_ORIGIN": world["site"],
            "HARVESTER_IDENTITY_ORIGINS": world["identity"],
            "HARVESTER_PROVIDER": world["provider"],
            "HARVESTER_USERNAME": world["username"],
            "HARVESTER_PASSWORD": world["password"],
            "HARVESTER_STORE": str(home / "store"),
            "HARVESTER_SOCKET": str(socket),
            "HARVESTER_LOG_FORMAT": "json",
        }
        settings = home / "config.toml"
        settings.touch(mode=0o600)
        daemon = subprocess.Popen(
            [sys.executable, "-P", "-m", "harvester", "--json", "--config", settings, "serve"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert daemon.stdout is not None and daemon.stderr is not None  # noqa: S101  asked for
        listening = threading.Event()
        reader = threading.Thread(target=self._follow, args=(daemon.stderr, listening), daemon=True)
        reader.start()
        try:
            if not listening.wait(START_WAIT_S) or daemon.poll() is not None:
                raise _why(daemon)
            yield Client(str(socket))
        finally:
            daemon.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(STOP_WAIT_S)
            stopped = daemon.poll() is not None
            if not stopped:
                daemon.kill()
                daemon.wait()
            reader.join(STOP_WAIT_S)
            daemon.stdout.close()
            daemon.stderr.close()
        _check(stopped and daemon.returncode == 0, "the daemon did not stop cleanly")

    def _follow(self, stream: IO[str], listening: threading.Event) -> None:
        """Show the daemon's own account of the sign-in while it happens."""
        for line in stream:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            name = told.get("event")
            if name == "daemon.started":
                self._line("the daemon listens, and signs in with a headless browser")
                listening.set()
            elif name == "sign_in.step":
                words = str(told.get("state", "")).replace("_", " ")
                self._more(f"{words:<24} {told.get('host') or ''}")
            elif name == "sign_in.stopped":
                self._more(f"stopped: {told.get('why')}")
        listening.set()

    # the telling

    def _line(self, text: str) -> None:
        self._say(f"{time.monotonic() - self._began:5.1f} s  {text}")

    def _more(self, text: str) -> None:
        self._say(f"         {text}")


# What the daemon of the demo may know of the caller's environment: where programs are, and
# nothing of his own settings.
_KEPT = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PLAYWRIGHT_BROWSERS_PATH", "HARVESTER_BROWSER",
)  # fmt: skip


@contextmanager
def _stand_in() -> Iterator[dict[str, Any]]:
    words = ["idp_mode=identifier_first", "stay_signed_in=true", "consent=true"]
    turned = [part for word in words for part in ("--set", word)]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "harvester.standin", *turned],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101  a pipe was asked for
    try:
        line = process.stdout.readline()
        if not line:
            raise Bug("the stand-in did not start", hint="run: python -m harvester.standin")
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait(STOP_WAIT_S)
        process.stdout.close()


def _ask_site(world: dict[str, Any], session: dict[str, Any]) -> int:
    """The status of the site's API for a request with this session's headers."""
    site = urlsplit(world["site"])
    request = urllib.request.Request(
        f"http://127.0.0.1:{site.port}/api/managed-agents/sessions",
        headers={**session["headers"], "Host": site.netloc},
    )
    try:
        with _loopback().open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def _control(world: dict[str, Any], verb: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with _loopback().open(f"{world['control']}/{verb}", data=data, timeout=10) as answer:
        return json.load(answer)


def _loopback() -> urllib.request.OpenerDirector:
    """No proxy of the environment stands between us and loopback."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _check(so: bool, otherwise: str) -> None:
    if not so:
        raise Bug(f"the demo found that {otherwise}", hint="please report it")


def _why(daemon: subprocess.Popen[str]) -> HarvesterError:
    """The error that the daemon ended with."""
    daemon.terminate()
    said, _ = daemon.stdout.read() if daemon.stdout is not None else "", daemon.wait(STOP_WAIT_S)
    with contextlib.suppress(ValueError, KeyError):
        return from_dict(json.loads(said)["error"])
    return Bug("the daemon did not start", hint="run: harvester doctor")
