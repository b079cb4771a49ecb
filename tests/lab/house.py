"""The lab's house: one site, any number of identity hosts, and a count of all that is done to them.

The site is ``http://site.localhost:PORT``; every other first label belongs to the kind of sign-in
that stands in the house (``kind.py``).  A house serves one sign-in: what is counted here is what
the engine did.  Knows nothing of the engine.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, quote, urlsplit

import pyotp

if TYPE_CHECKING:
    from kind import Kind

PROBE = "/api/managed-agents/sessions"
COOKIE = "lab_session"


@dataclass(frozen=True)
class Ask:
    """One request that arrived.  ``host`` is the first label of the host name."""

    host: str
    method: str
    path: str
    query: dict[str, str]
    body: str = field(repr=False)
    cookie: str = field(repr=False)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body, True).items()}

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def line(self) -> tuple[str, str]:
        return self.method, self.path


@dataclass(frozen=True)
class Answer:
    text: str = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "text/html; charset=utf-8"


def go(url: str, *headers: tuple[str, str]) -> Answer:
    return Answer("", 303, (("Location", url), *headers))


def told(**data: Any) -> Answer:
    """An answer to a script."""
    return Answer(json.dumps(data), kind="application/json")


NOT_FOUND = Answer("<h1>Not found</h1>", 404)


class House:
    """``skew_s`` is how far this house's clock is ahead; ``period_s`` the length of a code's step.

    A step of two minutes (pyotp allows no longer one): a sign-in seldom has to wait for the next.
    """

    username = "ada@acme.example"
    password = "c4n4ry-Passw0rd"
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

    def __init__(self, kind: Kind, *, skew_s: float = 0.0, period_s: int = 120) -> None:
        self.kind = kind
        self.skew_s = skew_s
        self.period_s = period_s
        self.names: list[str] = []
        self.passwords: list[str] = []
        self.codes: list[str] = []
        self.wrong: Counter[str] = Counter()
        self.served: list[str] = []
        self.sessions: set[str] = set()
        self._tickets: set[str] = set()
        self._lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._door())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.site = self.at("site")
        kind.house = self
        self.identity = self.at(kind.host)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def at(self, host: str) -> str:
        return f"http://{host}.localhost:{self.port}"

    @property
    def totp_secret(self) -> str:
        return self.seed(self.secret)

    def seed(self, secret: str) -> str:
        return f"otpauth://totp/lab?secret={secret}&period={self.period_s}"

    # -- what a provider asks of its house -------------------------------------------------------

    def takes_name(self, name: str) -> bool:
        self.names.append(name)
        return name == self.username

    def takes_password(self, name: str, password: str) -> bool:
        self.passwords.append(password)
        return (name, password) == (self.username, self.password)

    def takes_code(self, code: str) -> bool:
        right = pyotp.TOTP(self.secret, interval=self.period_s).verify(code, valid_window=1)
        fresh = code not in self.codes
        self.codes.append(code)
        return right and fresh

    def ticket(self) -> str:
        """The address on the site that a provider sends a signed-in person back to."""
        with self._lock:
            ticket = f"t{len(self._tickets)}-{time.monotonic_ns()}"
            self._tickets.add(ticket)
        return f"{self.site}/callback?ticket={quote(ticket)}"

    def let_in(self) -> Answer:
        return go(self.ticket())

    def signed_in(self, ask: Ask) -> bool:
        return any(f"{COOKIE}={one}" in ask.cookie for one in self.sessions)

    def session(self) -> tuple[str, str]:
        """A new session: the header that gives it to the browser."""
        with self._lock:
            name = f"s{time.monotonic_ns()}"
            self.sessions.add(name)
        return ("Set-Cookie", f"{COOKIE}={name}; Path=/; HttpOnly; SameSite=Lax")

    # -- the site --------------------------------------------------------------------------------

    def answer(self, ask: Ask) -> Answer:
        if ask.path.startswith("/wrong/"):
            self.wrong[ask.path.removeprefix("/wrong/")] += 1
            return Answer("<!doctype html><title>Elsewhere</title><h1>You went elsewhere</h1>")
        if ask.host != "site":
            return self.kind.answer(ask)
        if ask.path == PROBE:
            return Answer("[]", 200 if self.signed_in(ask) else 401, kind="application/json")
        own = self.kind.on_site(ask)
        if own is not None:
            return own
        match ask.path:
            case "/":
                return go("/app") if self.signed_in(ask) else Answer(self.kind.landing())
            case "/go":
                return go(self.kind.start())
            case "/callback":
                return self.callback(ask)
            case "/app":
                return Answer(self.kind.home()) if self.signed_in(ask) else go("/")
        return NOT_FOUND

    def callback(self, ask: Ask) -> Answer:
        ticket = ask.query.get("ticket") or ask.form.get("ticket", "")
        with self._lock:
            known = ticket in self._tickets
            self._tickets.discard(ticket)
        return go("/app", self.session()) if known else Answer("<h1>No such ticket</h1>", 400)

    def _door(self) -> type[BaseHTTPRequestHandler]:
        house = self

        class Door(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                parts = urlsplit(self.path)
                ask = Ask(
                    host=(self.headers.get("Host") or "").partition(".")[0],
                    method=self.command,
                    path=parts.path,
                    query={name: one[-1] for name, one in parse_qs(parts.query).items()},
                    body=self.rfile.read(length).decode("utf-8", "replace"),
                    cookie=self.headers.get("Cookie") or "",
                )
                house.served.append(f"{ask.method} {ask.host}{ask.path}")
                answer = house.answer(ask)
                data = answer.text.encode()
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Type", answer.kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(OSError):  # the browser went away
                    self.wfile.write(data)

            do_GET = do_POST = _do

            def date_time_string(self, timestamp: float | None = None) -> str:
                now = time.time() + house.skew_s if timestamp is None else timestamp
                return formatdate(now, usegmt=True)

            def log_message(self, *words: object) -> None:
                """Not to the test's own output."""

        return Door
