"""What a client asks of the proxy, and what of it may go to the site.

Pure: a request's method, target and headers in, an ``Asked`` or a ``Refused`` out.  Owns the list
of what is never forwarded, and the rule by which a request may be sent a second time.  Knows
nothing of sessions, and nothing of how a request is sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote_to_bytes

from multidict import CIMultiDict, MultiMapping

from harvester.errors import HarvesterError, Usage
from harvester.outlets import parameters
from harvester.profile import DEFAULT_PROFILE, Site
from harvester.visitor import CLIENT_HEADER, is_client_name

PROFILE_HEADER = "Harvester-Profile"

# RFC 9110, 7.6.1: they speak of one connection, not of the request.
HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate",
        "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
# Who asks is the profile and nobody else: a second credential beside its session would make one
# request of two people, and a token of ours that was sent in vain must not leave the machine.
_CREDENTIALS = frozenset({"cookie", "cookie2", "authorization"})
# Said anew by us.  Expect is answered here.
_OURS = frozenset({"host", "content-length", "expect", "origin"})
_DROPPED = HOP_BY_HOP | _CREDENTIALS | _OURS
# What speaks of us to a client, and of a client to us; a site neither hears it nor says it.
OWN_PREFIX = "harvester-"

_READS = frozenset({"GET", "HEAD"})
_HARMLESS = _READS | {"OPTIONS"}
# What a request's target may be made of (RFC 9112, 3.2.1; a fragment is never sent).
_TARGET = re.compile(r"/[!\"$-~]*", re.ASCII)
# A value with a control byte in it is a header that somebody smuggles in; a surrogate is a byte
# that is no UTF-8, which our writer would leave out without a word.
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_ENCODED_ONCE_MORE = 3


class Refused(Exception):
    """A request that goes nowhere, with a status of HTTP's own; its connection is closed."""

    def __init__(
        self, status: int, error: HarvesterError, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers


class Request(Protocol):
    """What is read of a request."""

    @property
    def method(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def headers(self) -> MultiMapping[str]: ...
    @property
    def version(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """``target`` is what follows the origin, byte for byte; ``headers`` are those that go on,
    without the session's.  ``client`` is the name that the client gave itself."""

    method: str
    target: str
    headers: CIMultiDict[str]
    profile: str
    client: str | None
    length: int | None
    expects: bool
    wrote_origin: bool

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def names_origin(self) -> bool:
        """Whether the site is told our origin: always with what may change something; a client's
        own would be foreign to it."""
        return self.wrote_origin or self.method not in _HARMLESS

    def may_be_sent_twice(self, site: Site) -> bool:
        """After a 401, that is: a read always, all else where the check comes before the deed."""
        if self.method in _READS:
            return True
        prefix = site.checked_first_prefix
        # By the path as it is written: one that a server might read as another is no such path.
        return bool(prefix) and self.path.startswith(prefix) and plain(self.path) == self.path

    def switches_organization(self, site: Site) -> bool:
        """Whether any way of reading the path is the site's switch of the organisation."""
        where = site.switch_org_path
        return bool(where) and plain(self.path).lower().rstrip("/") == where.lower().rstrip("/")


def read(request: Request) -> Asked:
    """Raises Refused for what is not plain HTTP/1.1 to an origin, Usage for a bad profile name."""
    headers = request.headers
    _check_method(request)
    _check_target(request.target)
    _check_framing(request)
    named = headers.getall(PROFILE_HEADER, [DEFAULT_PROFILE])
    if len(named) > 1:
        raise _wrong(f"the request has {len(named)} headers {PROFILE_HEADER}", "send one")
    client = headers.get(CLIENT_HEADER)
    if client is not None and not is_client_name(client):
        raise _wrong(
            f"{CLIENT_HEADER} is no name of a client", "1 to 64 letters, digits and signs, no blank"
        )
    return Asked(
        method=request.method,
        target=request.target,
        headers=_going_on(headers),
        profile=parameters.profile({"profile": named[0]}),
        client=client,
        length=_length(headers),
        # Of a client of HTTP/1.0 it asks nothing (RFC 9110, 10.1.1).
        expects="Expect" in headers and request.version >= (1, 1),
        wrote_origin="Origin" in headers,
    )


def _going_on(headers: MultiMapping[str]) -> CIMultiDict[str]:
    dropped = _DROPPED | named_by_connection(headers)
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lower = name.lower()
        if not (value.isascii() and value.isprintable()) and _BAD_VALUE.search(value):
            raise _wrong(
                "a header holds bytes that none may carry",
                "control bytes are never sent, other than ASCII only as UTF-8",
            )
        if lower not in dropped and not lower.startswith(OWN_PREFIX):
            kept.add(name, value)
    return kept


def named_by_connection(headers: MultiMapping[str]) -> frozenset[str]:
    """The headers that ``Connection`` says are for the next hop only, in lower case."""
    if "Connection" not in headers:
        return frozenset()
    said = ",".join(headers.getall("Connection"))
    return frozenset(name.strip().lower() for name in said.split(","))


def _check_method(request: Request) -> None:
    if request.method == "CONNECT":
        raise _wrong(
            "this proxy makes no tunnels: it sends requests to one site, with that site's session",
            "send the request itself to the proxy, as to a web server: not as to HTTPS_PROXY",
            status=405,
        )
    if request.method == "TRACE":
        # The answer to it would hold the cookie.
        raise _wrong("TRACE is not passed on", "ask with another method", status=405)
    headers = request.headers
    if "Upgrade" in headers or "upgrade" in named_by_connection(headers):
        raise _wrong(
            "this proxy passes no upgrade on: no WebSocket, no HTTP/2",
            "take plain HTTP/1.1; for a WebSocket take the session itself (harvester token)",
            status=501,
        )


def _check_target(target: str) -> None:
    if not target.startswith("/"):
        raise _wrong(
            "the request's target is not a path on the site",
            "ask the proxy as you would ask the site, with a path alone; it is not to be set as "
            "http_proxy",
        )
    if not _TARGET.fullmatch(target):
        raise _wrong("the request's target holds bytes that none may", "percent-encode it")


def _check_framing(request: Request) -> None:
    """What our parser lets through must be read by every server in the same way."""
    if request.version not in ((1, 0), (1, 1)):
        raise _wrong("the request is of no version of HTTP that is spoken here", "speak HTTP/1.1")
    headers = request.headers
    hosts = headers.getall("Host", [])
    if len(hosts) > 1 or (not hosts and request.version >= (1, 1)):
        raise _wrong("the request has not exactly one Host", "send one")
    codings = [one.strip().lower() for one in headers.getall("Transfer-Encoding", [])]
    lengths = headers.getall("Content-Length", [])
    if codings and (codings != ["chunked"] or lengths or request.version < (1, 1)):
        raise _wrong(
            "the request's body is framed in a way that servers read differently",
            "send Content-Length, or Transfer-Encoding: chunked and nothing else",
        )
    if len(lengths) > 1 or any(not one.isascii() or not one.isdigit() for one in lengths):
        raise _wrong("the request has not exactly one length", "send one Content-Length, in digits")
    if headers.get("Expect", "100-continue").lower() != "100-continue":
        raise _wrong("Expect may be 100-continue only", "leave it out", status=417)


def _length(headers: MultiMapping[str]) -> int | None:
    """Of the body, where it is told; 0 where there is none."""
    if "Transfer-Encoding" in headers:
        return None
    return int(headers.get("Content-Length", "0"))


def plain(path: str) -> str:
    """The path as the most generous server would read it: decoded, without dots and doubled
    slashes, without parameters."""
    for _ in range(_ENCODED_ONCE_MORE):
        decoded = unquote_to_bytes(path).decode("utf-8", "replace")
        if decoded == path:
            break
        path = decoded
    steps: list[str] = []
    for step in path.replace("\\", "/").split("/"):
        step = step.partition(";")[0].partition("\0")[0].strip()
        if step == "..":
            del steps[-1:]
        elif step not in ("", "."):
            steps.append(step)
    return "/" + "/".join(steps)


def _wrong(message: str, hint: str, *, status: int = 400) -> Refused:
    return Refused(status, Usage(message, hint=hint))
