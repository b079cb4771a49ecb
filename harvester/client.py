"""The daemon's socket API from a program's side: blocking, and of the standard library only.

Owns finding the socket, judging who answers there, and HTTP/1.1 over it.  Speaks it by hand
because ``http.client`` costs more time to import than the whole request takes, and a shell loop
calls ``harvester token`` thousands of times.  Knows no setting and no store.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harvester.errors import (
    Bug,
    Busy,
    ConfigUnsafe,
    HarvesterError,
    NoDaemon,
    TimedOut,
    from_dict,
)
from harvester.paths import socket_candidates

# Something local that does not even accept within this time hangs.
_CONNECT_S = 2.0
# The daemon answers at `wait_s` at the latest; the rest is for a loaded machine.
_GRACE_S = 10.0
# An answer from memory is there in milliseconds; after this long somebody wonders what goes on.
_PATIENCE_S = 0.7
# The largest answer is the status of some hundred profiles.
_ANSWER_LIMIT_BYTES = 8 * 1024 * 1024
DEFAULT_WAIT_S = 60.0
# A person or a CI job waits for a whole sign-in, which takes 120 s unless set otherwise: the most
# that the contract allows.
TOKEN_WAIT_S = 300.0

_NOBODY_LISTENS = frozenset(
    {errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR, errno.ENOTSOCK, errno.EPROTOTYPE}
)


class Answer:
    """One HTTP answer: ``headers`` in lower case, ``body`` as it came (it may be the secret)."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Client:
    """The daemon of this user.  Every call is a connection of its own, and safe in any thread.

    ``explicit`` is a socket that a flag named; ``on_wait`` is called once in each request whose
    answer does not come at once.  All calls raise the error that the daemon told (a
    ``HarvesterError``), NoDaemon when nobody listens, TimedOut when no answer came.
    """

    def __init__(
        self,
        explicit: str | None = None,
        *,
        store: Path | None = None,
        environ: Mapping[str, str] | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self._on_wait = on_wait
        self._named = bool(explicit or environ.get("HARVESTER_SOCKET"))
        self._paths = socket_candidates(explicit, store, environ)
        self.path: Path | None = None
        """Where the last call found the daemon."""

    def session(
        self,
        profile: str = "default",
        *,
        min_valid_s: float = 0.0,
        wait_s: float = DEFAULT_WAIT_S,
        form: str = "json",
        origin: str | None = None,
        sign_in: bool = True,
    ) -> str:
        """The session as text in one of ``wire.FORMATS``, without the final newline.

        ``origin`` is what the caller believes the profile's origin to be: the daemon refuses
        (``origin_mismatch``) if it is another.
        """
        query = f"profile={quote(profile, safe='')}&wait_s={wait_s:g}&min_valid_s={min_valid_s:g}"
        if not sign_in:
            query += "&sign_in=false"
        if form != "json":
            query += f"&format={quote(form, safe='')}"
        if origin is not None:
            query += f"&origin={quote(origin, safe='')}"
        answer = self.request("GET", f"/v1/session?{query}", wait_s=wait_s)
        return answer.body.decode().rstrip("\n")

    def token(
        self,
        profile: str = "default",
        *,
        min_valid_s: float = 0.0,
        form: str = "cookie",
        origin: str | None = None,
        wait_s: float = DEFAULT_WAIT_S,
        sign_in: bool = True,
    ) -> tuple[str, list[str]]:
        """What `harvester token` prints, and warnings for a person.

        Always asks for the session object first: the printable formats cannot say that the
        session is stale or shorter than wanted.
        """
        text = self.session(
            profile, min_valid_s=min_valid_s, wait_s=wait_s, origin=origin, sign_in=sign_in
        )
        try:
            told = json.loads(text)
            cookie = told["headers"]["Cookie"]
            warnings = warnings_of(told)
        except (ValueError, KeyError, TypeError, AttributeError):
            cookie = ""
        if not cookie or not isinstance(cookie, str):
            raise _not_ours()
        if form == "json":
            return text, warnings
        if form == "cookie":
            return cookie, warnings
        again = self.session(profile, wait_s=wait_s, form=form, origin=origin, sign_in=sign_in)
        return again, warnings

    def report(
        self, profile: str, generation: int, *, wait_s: float = DEFAULT_WAIT_S
    ) -> dict[str, Any]:
        """ "This generation got a 401": the session object, with ``verdict``."""
        body = {"profile": profile, "generation": generation, "wait_s": wait_s}
        return self._object("POST", "/v1/session/report", body, wait_s=wait_s)

    def refresh(
        self, profile: str, *, hard: bool = False, wait_s: float = DEFAULT_WAIT_S
    ) -> dict[str, Any]:
        """The session object of a refresh made now; ``hard`` is a whole new sign-in."""
        body = {"profile": profile, "hard": hard, "wait_s": wait_s}
        return self._object("POST", "/v1/session/refresh", body, wait_s=wait_s)

    def bring(
        self,
        profile: str,
        cookies: Sequence[Mapping[str, Any]],
        *,
        user_agent: str = "",
        origin: str | None = None,
        wait_s: float = DEFAULT_WAIT_S,
    ) -> dict[str, Any]:
        """The session object of a session that a person brings: proved, and now the current one.

        ``cookies`` are objects as the session object has them; ``origin`` is the one that they
        are for.
        """
        body: dict[str, Any] = {"profile": profile, "cookies": list(cookies), "wait_s": wait_s}
        if user_agent:
            body["user_agent"] = user_agent
        if origin is not None:
            body["origin"] = origin
        return self._object("POST", "/v1/session/import", body, wait_s=wait_s)

    def logout(self, profile: str) -> dict[str, Any]:
        return self._object("POST", "/v1/logout", {"profile": profile}, wait_s=DEFAULT_WAIT_S)

    def unlock(self, profile: str, *, force: bool = False) -> dict[str, Any]:
        body = {"profile": profile, "force": force}
        return self._object("POST", "/v1/unlock", body, wait_s=DEFAULT_WAIT_S)

    def status(self) -> dict[str, Any]:
        return self._object("GET", "/v1/status", None, wait_s=0.0)

    def history(self, profile: str, *, limit: int = 100) -> dict[str, Any]:
        """The last ``limit`` (1 to 1000) things that happened, the newest last, and why."""
        path = f"/v1/history?profile={quote(profile, safe='')}&limit={limit}"
        return self._object("GET", path, None, wait_s=0.0)

    def _object(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, wait_s: float
    ) -> dict[str, Any]:
        answer = self.request(method, path, body, wait_s=wait_s)
        try:
            told = json.loads(answer.body)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise _not_ours()
        return told

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        wait_s: float = 0.0,
    ) -> Answer:
        """One request; an answer of 400 and above becomes the error that it tells."""
        ends_at = time.monotonic() + wait_s + _GRACE_S
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: harvester\r\nConnection: close\r\n"
        if data:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        with self._connected() as connection:
            raw = _exchange(connection, head.encode() + b"\r\n" + data, ends_at, self._on_wait)
        answer = _parsed(raw)
        if answer.status >= 400:
            raise _told(answer)
        return answer

    def connected(self) -> socket.socket:
        """A connection to the daemon, for what is more than one answer (``watching.py``)."""
        return self._connected()

    def _connected(self) -> socket.socket:
        for path in self._paths:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.settimeout(_CONNECT_S)
                connection.connect(os.fspath(path))
                _check_peer(connection, path)
            except OSError as error:
                connection.close()
                if error.errno in _NOBODY_LISTENS:
                    continue
                if isinstance(error, PermissionError):
                    if self._named:
                        raise _not_allowed(path) from None
                    continue  # a daemon of another user in a shared place: not ours to use
                raise _hangs(f"the daemon at {path} does not accept a connection") from None
            except BaseException:
                connection.close()
                raise
            self.path = path
            return connection
        where = self._paths[0] if self._named and self._paths else "any of its usual places"
        raise NoDaemon(f"no daemon listens at {where}", hint="start one with `harvester serve`")


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end of a unix socket, as the kernel tells it."""
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return int(struct.unpack("3i", raw)[1])
    # macOS: LOCAL_PEERCRED (1) on SOL_LOCAL (0) gives a struct xucred: version, uid, groups.
    raw = connection.getsockopt(0, 1, 76)
    return int(struct.unpack_from("II", raw)[1])


def _check_peer(connection: socket.socket, path: Path) -> None:
    """Who answers must be us, root, or the owner of the socket's directory (a service's user in
    the /run/harvester that systemd made for it).  Anybody can bind a socket in /tmp."""
    uid = peer_uid(connection)
    if uid in (0, os.geteuid()) or uid == os.stat(os.path.dirname(path)).st_uid:
        return
    raise ConfigUnsafe(
        f"user {uid} answers at {path}, who is neither you nor root nor the directory's owner",
        hint="point HARVESTER_SOCKET at the socket of a daemon that you trust",
    )


def _exchange(
    connection: socket.socket,
    request: bytes,
    ends_at: float,
    on_wait: Callable[[], None] | None,
) -> bytes:
    received = bytearray()
    try:
        connection.sendall(request)
        if on_wait is not None and not select.select([connection], [], [], _PATIENCE_S)[0]:
            on_wait()
        while len(received) <= _ANSWER_LIMIT_BYTES:
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                break
            connection.settimeout(left_s)
            chunk = connection.recv(65536)
            if not chunk:
                return bytes(received)
            received += chunk
    except TimeoutError:
        pass
    except OSError:
        # The daemon went away, or closed the door on our user: an empty answer tells which.
        return bytes(received)
    if len(received) > _ANSWER_LIMIT_BYTES:
        raise _not_ours()
    raise _hangs("the daemon gave no answer in time")


def _parsed(raw: bytes) -> Answer:
    if not raw:
        raise Busy(
            "the daemon closed the connection without an answer",
            hint="it is stopping, or does not serve your user: see HARVESTER_ALLOW_UIDS",
        )
    head, blank, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not blank or len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise _not_ours()
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not length.isdigit():
        raise _not_ours()
    if len(body) < int(length):
        # Half a cookie must never be printed.
        raise _hangs("the daemon's answer was cut short")
    return Answer(int(words[1]), headers, body[: int(length)])


def _told(answer: Answer) -> HarvesterError:
    try:
        problem = json.loads(answer.body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        return _not_ours()
    return from_dict(problem)


def _not_ours() -> HarvesterError:
    return Bug(
        "what answers at the socket does not speak as a harvester daemon",
        hint="check HARVESTER_SOCKET, and that daemon and command are of one version",
    )


def warnings_of(told: Mapping[str, Any]) -> list[str]:
    """What a person should hear beside the session: from the session object."""
    warnings = []
    if told.get("stale"):
        error = told.get("error") or {}
        why = f": {error['message']}" if error.get("message") else ""
        warnings.append(f"this is the last good session, a refresh did not succeed{why}")
    if told.get("min_valid_met") is False:
        warnings.append(f"this session ends before the time asked for, at {told.get('expires_at')}")
    return warnings


def _hangs(message: str) -> HarvesterError:
    return TimedOut(message, hint="look at the daemon's log; `harvester doctor` checks it")


def _not_allowed(path: Path) -> HarvesterError:
    return ConfigUnsafe(
        f"you may not connect to {path}",
        hint=f"let the daemon's owner add {os.geteuid()} to HARVESTER_ALLOW_UIDS",
    )
