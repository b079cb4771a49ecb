"""The daemon's stream of events from a program's side: blocking, and of the standard library only.

Owns reading server-sent events.  Whoever made the ``Client`` knows where the daemon is.
"""

from __future__ import annotations

import _socket
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

from harvester.client import Client
from harvester.errors import Bug, HarvesterError, NoDaemon, TimedOut, from_dict

# The daemon says something every 15 s; silent for three times as long, it hangs.
SILENCE_S = 45.0
# An event is one line of a few hundred bytes.
_LINE_BYTES = 64 * 1024


class Watching:
    """How one profile stands, as a stream of what changes."""

    def __init__(self, client: Client, profile: str) -> None:
        self._client = client
        self._profile = profile
        self._connection: _socket.socket | None = None
        self._closed = False

    def told(self, after: int | None = None) -> Iterator[dict[str, Any]]:
        """Each change, as ``data`` of the event has it: profile, generation, state, ready, ...

        The first tells how things stand now, unless ``after`` is the generation that is served.
        Ends when ``close`` was called.  Raises NoDaemon when the daemon is not there or goes away,
        TimedOut when it hangs, and what it tells otherwise.
        """
        query = f"profile={quote(self._profile, safe='')}"
        query += "" if after is None else f"&after={after}"
        connection = self._connection = self._client.connected()
        with closing(connection):
            if self._closed:
                return
            # HTTP/1.0, in which a body without a length is just what comes until the end.
            request = f"GET /v1/session/watch?{query} HTTP/1.0\r\nHost: harvester\r\n\r\n"
            connection.settimeout(SILENCE_S)
            try:
                connection.sendall(request.encode())
                lines = _lines(connection)
                _judge(lines)
                for line in lines:
                    if line.startswith(b"data: "):
                        yield _object(line.removeprefix(b"data: "))
            except TimeoutError:
                silent: HarvesterError = TimedOut(
                    "the daemon has gone silent",
                    hint="look at its log; `harvester doctor` checks it",
                )
            except OSError:
                silent = _over()
            else:
                silent = _over()
        if not self._closed:
            raise silent

    def close(self) -> None:
        """End ``told``, from any thread."""
        self._closed = True
        connection = self._connection
        if connection is not None:
            try:
                connection.shutdown(_socket.SHUT_RDWR)
            except OSError:
                return  # it is over already


def _lines(connection: _socket.socket) -> Iterator[bytes]:
    """What comes, line by line, without the line's end."""
    rest = b""
    while chunk := connection.recv(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE_BYTES:
            raise _not_ours()
        for line in whole:
            yield line.rstrip(b"\r")
    if rest:
        yield rest


def _judge(lines: Iterator[bytes]) -> None:
    """Read the header; raises the error that an answer other than 200 tells."""
    words = next(lines, b"").split(b" ", 2)
    while next(lines, b""):
        pass
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
        raise _not_ours()
    if words[1] != b"200":
        raise from_dict(_object(b"".join(lines)))


def _object(text: bytes) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise _not_ours()
    return told


def _over() -> NoDaemon:
    # It ends a stream also where its settings have the profile no more, and where nobody reads.
    return NoDaemon(
        "the daemon has ended, or has ended this stream",
        hint="`harvester status` shows whether it runs and has the profile; else: harvester serve",
    )


def _not_ours() -> Bug:
    return Bug(
        "what answers at the socket does not speak as a harvester daemon",
        hint="check HARVESTER_SOCKET, and that daemon and command are of one version",
    )
