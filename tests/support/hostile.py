"""Pages that mean harm, on loopback origins of their own, and a sink that keeps every request.

Has what ``job_for`` wants of a stand-in.  The site sends everybody to the provider's ``/``; what
stands at an address is set by the test.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

PROBE = "/api/managed-agents/sessions"
SESSION = "session=alive"


@dataclass(frozen=True)
class Asked:
    """One request that arrived."""

    host: str
    method: str
    path: str
    body: str
    headers: str = ""

    def holds(self, text: str) -> bool:
        return text in self.path or text in self.body


@dataclass(frozen=True)
class Answer:
    html: str = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Page = str | Answer | Callable[[Asked], "str | Answer"]


class Hostile:
    """``pages`` maps ``login /path`` to what is shown; the first word is
    the host without its ``.localhost``."""

    username = "ada@acme.example"
    password = "c4n4ryPassw0rd"
    totp_secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._door())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  a browser that hangs up
        if tls is not None:
            self.server.socket = tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self.server.server_address[1]
        self.site, self.identity, self.evil = (
            f"http{'s' * (tls is not None)}://{name}.localhost:{self.port}"
            for name in ("knoq", "login", "evil")
        )
        self.pages: dict[str, Page] = {
            "knoq /": self.go(self.identity + "/"),
            f"knoq {PROBE}": "",
            "login /in": self.go(self.site + "/home"),
            "knoq /home": Answer("<h1>Home</h1>", 200, (("Set-Cookie", SESSION + "; Path=/"),)),
        }
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    @staticmethod
    def go(url: str, *headers: tuple[str, str]) -> Answer:
        return Answer("", 303, (("Location", url), *headers))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def held(self, text: str, host: str | None = None) -> list[Asked]:
        """The requests that carried this text, to this host or to any."""
        return [one for one in self.asked if one.holds(text) and host in (None, one.host)]

    def answer(self, asked: Asked, cookie: str) -> Answer:
        path = asked.path.partition("?")[0]
        if asked.host == "knoq" and path == PROBE:
            return Answer(status=200 if SESSION in cookie else 401)
        page = self.pages.get(f"{asked.host} {path}", Answer("nothing here", 404))
        found = page if isinstance(page, str | Answer) else page(asked)
        return Answer(found) if isinstance(found, str) else found

    def _door(self) -> type[BaseHTTPRequestHandler]:
        hostile = self

        class Door(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                name = (self.headers.get("Host") or "").rpartition(":")[0]
                host = name.removesuffix(".localhost")
                body = self.rfile.read(length).decode("utf-8", "replace")
                asked = Asked(host, self.command, self.path, body, str(self.headers))
                hostile.asked.append(asked)
                answer = hostile.answer(asked, self.headers.get("Cookie") or "")
                data = answer.html.encode()
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(OSError):  # the browser went away
                    self.wfile.write(data)

            do_GET = do_POST = _do

            def log_message(self, *words: object) -> None:
                """Not to the test's own output."""

        return Door
