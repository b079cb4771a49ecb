"""Who may use the proxy on TCP: a program of this machine that can read our token, no web page.

Any user of the machine and any page in the user's browser can reach a loopback port.  So a request
must carry the token, must be meant for this address by its ``Host`` (a name that was rebound to
127.0.0.1 carries its own), and must not come from a page of another origin.  No answer of ours
tells a browser that a page may read it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from multidict import MultiMapping

from harvester.errors import ConfigInvalid, Usage
from harvester.outlets.asked import Refused
from harvester.outlets.listen import BACKLOG

_ADDRESS = re.compile(r"(127\.0\.0\.1|\[::1\]):([0-9]{1,5})")
_FETCH_SITE = "Sec-Fetch-Site"
_FROM_HERE = frozenset({"none", "same-origin"})
CREDENTIALS = ("Proxy-Authorization", "Authorization")
_PAGES_HINT = "web pages have no business here; a program sends neither Origin nor Sec-Fetch-Site"
_CHALLENGES = ('Bearer realm="harvester"', 'Basic realm="harvester", charset="UTF-8"')


def bind(address: str) -> tuple[socket.socket, str]:
    """A listening socket and its address, the port chosen where it was 0.  Raises ConfigInvalid."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ConfigInvalid(
            f"the proxy may not listen at {address}", hint="HARVESTER_PROXY=127.0.0.1:PORT"
        )
    host = found[1].strip("[]")
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # A port that was ours a moment ago; on these systems it takes none from a live listener.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, int(found[2])))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigInvalid(
            f"the proxy cannot listen at {address}: {(error.strerror or 'no').lower()}",
            hint="set HARVESTER_PROXY to another port, or to unix",
        ) from None
    return sock, f"{found[1]}:{sock.getsockname()[1]}"


class Gate:
    """``authority`` is the address with its port, as a ``Host`` must name it."""

    def __init__(self, authority: str, token: str) -> None:
        self._authority = authority
        self._token = token.encode("ascii")

    def check(self, headers: MultiMapping[str], site_origins: Collection[str]) -> None:
        """Whether it was meant for us, and by a program.  Raises Refused.  ``site_origins``: what
        programs send that speak to a site itself."""
        hosts = headers.getall("Host", [])
        if hosts != [self._authority]:
            raise Refused(
                421,
                Usage(
                    "the request's Host is not this proxy's address",
                    hint=f"ask http://{self._authority}/, by address and port",
                ),
            )
        if any(one.strip().lower() not in _FROM_HERE for one in headers.getall(_FETCH_SITE, [])):
            raise Refused(400, Usage("the request comes from a web page", hint=_PAGES_HINT))
        own = (f"http://{self._authority}", *site_origins)
        if any(one not in own for one in headers.getall("Origin", [])):
            raise Refused(400, Usage("the request has a foreign Origin", hint=_PAGES_HINT))

    def check_token(self, headers: MultiMapping[str]) -> None:
        """Raises Refused for who does not show the proxy's own token."""
        if not self._knows_token(headers):
            raise Refused(
                407,
                Usage(
                    "the proxy's token is missing, or is not the one of its file",
                    hint="send `Proxy-Authorization: Bearer TOKEN`; `harvester status` names the "
                    "token's file",
                ),
                [("Proxy-Authenticate", one) for one in _CHALLENGES],
            )

    def _knows_token(self, headers: MultiMapping[str]) -> bool:
        # One said twice is read differently by two readers.
        if any(len(headers.getall(name, [])) > 1 for name in CREDENTIALS):
            return False
        # All are compared, each in constant time.  Basic in Authorization is a site's, not ours.
        found = False
        for one in shown(headers):
            if one.scheme and (one.header, one.scheme) != ("Authorization", "basic"):
                found |= hmac.compare_digest(one.secret, self._token)
        return found


@dataclass(frozen=True, slots=True)
class Shown:
    """One value of a header for credentials.  ``secret`` is the token or the password in it; the
    whole value where it is none that we read, and then ``scheme`` is empty.  ``user`` is what
    stands before a password."""

    header: str
    scheme: str
    secret: bytes = field(repr=False)
    user: bytes = field(default=b"", repr=False)


def shown(headers: MultiMapping[str]) -> Iterator[Shown]:
    """All credentials that the request shows."""
    for name in CREDENTIALS:
        for value in headers.getall(name, []):
            scheme, _, said = value.strip().partition(" ")
            scheme, raw = scheme.lower(), said.strip().encode("utf-8", "replace")
            if scheme == "bearer":
                yield Shown(name, scheme, raw)
                continue
            if scheme == "basic":
                try:
                    # Any user name: curl and others cannot send a password alone.
                    user, _, password = base64.b64decode(raw, validate=True).partition(b":")
                except (binascii.Error, ValueError):
                    pass
                else:
                    yield Shown(name, scheme, password, user)
                    continue
            yield Shown(name, "", value.encode("utf-8", "replace"))
