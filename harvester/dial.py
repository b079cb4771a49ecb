"""One request to the daemon: who answers at the socket is judged, and then asked.

HTTP/1.1 by hand over ``_socket``, importing what a bare interpreter has loaded already: a shell
loop calls ``harvester token`` thousands of times, and ``http.client`` costs more than the request.
Not even ``__future__``; errors are imported where there is one.  Knows no command.
"""

import _socket
import errno
import os
import sys
import time

TYPE_CHECKING = False  # typing's own, without importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Something local that does not even accept within this time hangs.
_CONNECT_S = 2.0
_KNOCK_EVERY_S = 0.01
# The daemon answers at `wait_s` at the latest; the rest is for a loaded machine.
_GRACE_S = 10.0
# An answer from memory is there in milliseconds; after this long somebody wonders what goes on.
_PATIENCE_S = 0.7
# The largest answer is the status of some hundred profiles.
_ANSWER_LIMIT_BYTES = 8 * 1024 * 1024
# A person or a CI job waits for a whole sign-in, which takes 120 s unless set otherwise: the most
# that the contract allows.
TOKEN_WAIT_S = 300.0

# Headers beside a session that tell what a person should hear: ``wire.beside`` writes them.
STALE = "harvester-stale"
MIN_VALID_MET = "harvester-min-valid-met"
EXPIRES_AT = "harvester-expires-at"
WARNED_BY = frozenset({STALE, MIN_VALID_MET})

_NOBODY_LISTENS = frozenset(
    {errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR, errno.ENOTSOCK, errno.EPROTOTYPE}
)
_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


class Answer:
    """One HTTP answer: ``headers`` in lower case, ``body`` as it came (it may be the secret)."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


def quoted(text: str) -> str:
    """As a value in a query."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in raw)


def session_path(
    profile: str,
    *,
    min_valid_s: float,
    wait_s: float,
    form: str,
    origin: str | None,
    sign_in: bool = True,
) -> str:
    """What is asked for: the session object, or another one of ``wire.FORMATS``."""
    path = f"/v1/session?profile={quoted(profile)}&wait_s={_number(wait_s)}"
    path += f"&min_valid_s={_number(min_valid_s)}"
    if not sign_in:
        path += "&sign_in=false"
    if form != "json":
        path += f"&format={quoted(form)}"
    if origin is not None:
        path += f"&origin={quoted(origin)}"
    return path


def _number(seconds: float) -> str:
    # Not "g": its 1e+06 has a plus, which a query takes for a space.
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def session_text(answer: Answer) -> str:
    """The session in the form that was asked for, without its final newline.

    Every session that a daemon gives has its generation as ETag; what has none may be anything
    that answers 200, and is not printed.  Raises HarvesterError.
    """
    tag = answer.headers.get("etag", "")
    text = answer.body.decode("utf-8", "replace").rstrip("\n")
    if answer.status != 200 or not tag.strip('"').isdecimal() or not text:
        from harvester.unanswered import not_ours

        raise not_ours()
    return text


def ask(
    paths: "Sequence[str]",
    method: str,
    path: str,
    data: bytes = b"",
    *,
    named: bool,
    wait_s: float,
    on_wait: "Callable[[], None] | None" = None,
    client: str = "harvester",
) -> tuple[Answer, str] | None:
    """The answer of the first daemon among the sockets ``paths``, and where it listens; None
    where nobody does.

    ``named``: a person named the one path, so that he hears why he may not use it.  ``on_wait``
    is called once if the answer does not come at once; ``client`` is what the daemon's audit calls
    us.  Raises HarvesterError: what the daemon
    told, or what was wrong with its answer.
    """
    found = connected(paths, named=named)
    if found is None:
        return None
    connection, where = found
    try:
        head = f"{method} {path} HTTP/1.1\r\nHost: harvester\r\nHarvester-Client: {client}\r\n"
        if data:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        answer = _exchanged(connection, head.encode() + b"\r\n" + data, wait_s, on_wait)
    finally:
        connection.close()
    if answer.status >= 400:
        from harvester.unanswered import told

        raise told(answer.body)
    return answer, where


def connected(paths: "Sequence[str]", *, named: bool) -> tuple[_socket.socket, str] | None:
    """A connection to the first daemon among the sockets ``paths``, and where it listens; None
    where nobody does.  ``named``, and what is raised: as ``ask``."""
    for where in paths:
        connection = _connected(where, named=named)
        if connection is not None:
            return connection, where
    return None


def _connected(path: str, *, named: bool) -> _socket.socket | None:
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        _connect(connection, path)
        _check_peer(connection, path)
    except OSError as error:
        connection.close()
        if error.errno in _NOBODY_LISTENS:
            return None
        foreign = isinstance(error, PermissionError)
        if foreign and not named:
            return None  # a daemon of another user in a shared place: not ours to use
    except BaseException:
        connection.close()
        raise
    else:
        return connection
    from harvester.unanswered import hangs, not_allowed

    if foreign:
        raise not_allowed(path)
    raise hangs(f"the daemon at {path} does not accept a connection")


def _connect(connection: _socket.socket, path: str) -> None:
    """Raises OSError.  Where the daemon's queue of callers is full, the kernel turns away whoever
    has a time-out, at once: then it is knocked again."""
    connection.settimeout(_CONNECT_S)
    ends_s = time.monotonic() + _CONNECT_S
    while True:
        try:
            connection.connect(path)
            return
        except BlockingIOError:
            if time.monotonic() >= ends_s:
                raise
        time.sleep(_KNOCK_EVERY_S)


def peer_uid(connection: _socket.socket) -> int:
    """The user at the other end of a unix socket, as the kernel tells it."""
    if sys.platform == "darwin":
        # LOCAL_PEERCRED (1) on SOL_LOCAL (0): a struct xucred of version, uid, groups.
        raw = connection.getsockopt(0, 1, 76)
    else:
        # A struct ucred: pid, uid, gid.
        raw = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    return int.from_bytes(raw[4:8], sys.byteorder)


def _check_peer(connection: _socket.socket, path: str) -> None:
    """Who answers must be us, root, or the owner of the socket's directory (a service's user in
    the /run/harvester that systemd made for it).  Anybody can bind a socket in /tmp."""
    uid = peer_uid(connection)
    if uid in (0, os.geteuid()) or uid == os.stat(os.path.dirname(path)).st_uid:
        return
    from harvester.unanswered import stranger

    raise stranger(uid, path)


def _exchanged(
    connection: _socket.socket,
    request: bytes,
    wait_s: float,
    on_wait: "Callable[[], None] | None",
) -> Answer:
    ends_s = time.monotonic() + wait_s + _GRACE_S
    _send(connection, request)
    received = bytearray()
    answer: Answer | None = None
    body_at = length = 0
    while answer is None or len(received) < body_at + length:
        left_s = ends_s - time.monotonic()
        chunk = _next(connection, left_s if on_wait is None else min(left_s, _PATIENCE_S))
        if chunk is None and on_wait is not None:
            on_wait()
            on_wait = None
            continue
        on_wait = None
        if not chunk or len(received) > _ANSWER_LIMIT_BYTES:
            raise _unfinished(received, late=chunk is None)
        received += chunk
        if answer is None and (body_at := received.find(b"\r\n\r\n") + 4) > 3:
            answer, length = _begun(bytes(received[: body_at - 4]))
    answer.body = bytes(received[body_at : body_at + length])
    return answer


def _send(connection: _socket.socket, request: bytes) -> None:
    try:
        connection.sendall(request)
    except OSError:
        # The door was closed on our user, or the daemon hangs: what is read, or not, tells which.
        return


def _next(connection: _socket.socket, left_s: float) -> bytes | None:
    """What came; nothing where the other end is gone, None where nothing came in time."""
    if left_s <= 0:
        return None
    try:
        connection.settimeout(left_s)
        return connection.recv(65536)
    except TimeoutError:
        return None
    except OSError:
        return b""


def _begun(head: bytes) -> tuple[Answer, int]:
    """The answer without its body, and how long that is.  Raises Bug for what is none of ours."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "")
    if (
        len(words) > 1
        and words[0].startswith("HTTP/1.")
        and words[1].isdecimal()
        and length.isdecimal()
        and "transfer-encoding" not in headers
    ):
        return Answer(int(words[1]), headers, b""), int(length)
    from harvester.unanswered import not_ours

    raise not_ours()


def _unfinished(received: bytearray, *, late: bool) -> Exception:
    """Why there is no whole answer.  Half a cookie must never be printed."""
    from harvester.unanswered import hangs, not_ours, silent

    if len(received) > _ANSWER_LIMIT_BYTES:
        return not_ours()
    if late:
        return hangs("the daemon gave no answer in time")
    if not received:
        return silent()
    if b"\r\n\r\n" not in received:
        return not_ours()
    return hangs("the daemon's answer was cut short")
