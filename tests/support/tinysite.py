"""A site of a few lines: answers as a test tells it to, and remembers what reached it.

Its API is at ``/api``; whoever brings ``sid`` of the live session is let in.  It listens on every
name below ``.localhost``, so that one process can be two hosts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Came:
    """One request as it came; header names in lower case."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def cookies(self) -> list[str]:
        line = self.headers.get("cookie", "")
        return [pair.strip() for pair in line.split(";") if pair.strip()]


@dataclass(frozen=True)
class Say:
    status: int = 200
    body: bytes = b"fine"
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "text/plain"


@dataclass
class TinySite:
    """A context manager.  ``routes`` maps a path to what it says; a path that is not there is the
    API: 200 for the live session, else ``denial``.  ``value`` is the live session's."""

    name: str = "tiny.localhost"
    routes: dict[str, Say | Callable[[Came], Say]] = field(default_factory=dict)
    denial: Say = Say(401, b"no")
    value: str = ""
    came: list[Came] = field(default_factory=list)
    begun: int = 0

    def __enter__(self) -> Self:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                site._answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 64
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a route that breaks off is the test's, and no news

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def origin(self) -> str:
        return f"http://{self.name}:{self.port}"

    def at(self, name: str) -> str:
        """The same server by another name."""
        return f"http://{name}:{self.port}"

    def begin(self) -> dict[str, str]:
        self.begun += 1
        self.value = f"v{self.begun}"
        return {"sid": self.value}

    def lives(self, cookies: Mapping[str, str]) -> bool:
        return bool(self.value) and cookies.get("sid") == self.value

    def end(self) -> None:
        """The live session is over."""
        self.value = ""

    def got(self, path: str) -> list[Came]:
        return [one for one in self.came if one.path == path]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(handler.rfile.readline(), 16):
                body += handler.rfile.read(size)
                handler.rfile.readline()
            handler.rfile.readline()
        else:
            body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        lower = {name.lower(): value for name, value in handler.headers.items()}
        path = handler.path.partition("?")[0]
        came = Came(handler.command, lower.get("host", ""), path, lower, body)
        self.came.append(came)
        said = self.routes.get(path)
        if said is None:
            said = Say() if f"sid={self.value}" in came.cookies and self.value else self.denial
        elif not isinstance(said, Say):
            said = said(came)
        handler.send_response(said.status)
        for name, value in said.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Type", said.content_type)
        handler.send_header("Content-Length", str(len(said.body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(said.body)
