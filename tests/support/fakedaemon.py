"""A daemon made of cardboard: answers on a unix socket what a test tells it to, and remembers
what it was asked.  It is written by the contract alone and imports nothing of harvester."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SESSION: dict[str, Any] = {
    "version": 1,
    "profile": "default",
    "origin": "https://knoq.one",
    "generation": 7,
    "headers": {"Cookie": "sid=v1", "Origin": "https://knoq.one"},
    "cookies": [{"name": "sid", "value": "v1", "domain": "knoq.one", "path": "/"}],
    "expires_at": "2026-11-23T18:00:00Z",
    "identity": "ada@acme.example",
    "organization": "acme",
    "stale": False,
    "min_valid_met": True,
}


class Asked:
    """One request as it came."""

    def __init__(self, method: str, target: str, body: bytes) -> None:
        self.method = method
        self.path = urlsplit(target).path
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        self.body = json.loads(body) if body else None


class FakeDaemon:
    """Use as a context manager.  ``answers`` maps a path to (status, value); a value that is
    bytes is sent raw in the place of a whole answer.  A path in ``behind`` is answered only when
    the path that stands there has been asked so often."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[Asked] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.behind: dict[str, tuple[str, int]] = {}
        self._held: list[tuple[socket.socket, Asked]] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeDaemon:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._socket.bind(str(self.path))
        self._socket.listen(16)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing a socket does not wake its accept(): a last connection does.
        self._thread_stop = True
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
        self._thread.join(timeout=5)
        self._socket.close()
        for connection, _asked in self._held:
            connection.close()

    _thread_stop = False

    def set(self, path: str, value: Any, *, status: int = 200) -> None:
        self.answers[path] = (status, value)

    def problem(self, path: str, code: str, *, status: int, **more: Any) -> None:
        told = {"code": code, "detail": f"about {code}", "hint": f"mend {code}", **more}
        self.set(path, told, status=status)

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                if self._thread_stop:
                    return
                try:
                    self._answer(connection)
                except OSError:
                    continue  # the client went away

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            first = stream.readline()
            if not first:
                return  # the client did not like who answered, and hung up
            method, target, _ = first.decode().split(" ", 2)
            length = 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.decode().partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            asked = Asked(method, target, stream.read(length))
        self.asked.append(asked)
        if asked.path in self.behind:
            self._held.append((connection.dup(), asked))
            return
        self._say(connection, asked)
        for held in self._held[:]:
            path, times = self.behind[held[1].path]
            if sum(one.path == path for one in self.asked) >= times:
                self._held.remove(held)
                with held[0]:
                    self._say(*held)

    def _say(self, connection: socket.socket, asked: Asked) -> None:
        status, value = self.answers.get(asked.path, (404, {"code": "usage", "detail": "no"}))
        if isinstance(value, bytes):
            connection.sendall(value)
            return
        data = (
            _written(value, asked.query.get("format") if status < 400 else None) + "\n"
        ).encode()
        head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(data)}\r\n"
        if status < 400 and "generation" in value:
            head += f'ETag: "{value["generation"]}"\r\n'
            head += f"Harvester-Expires-At: {value['expires_at']}\r\n"
            if value["stale"]:
                head += f"Harvester-Stale: {json.dumps(value.get('error') or {})}\r\n"
            if not value["min_valid_met"]:
                head += "Harvester-Min-Valid-Met: false\r\n"
        connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + data)


def _written(value: Any, form: str | None) -> str:
    if form is None:
        return json.dumps(value)
    return str(value["headers"]["Cookie"]) if form == "cookie" else f"as {form}"
