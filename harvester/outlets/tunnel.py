"""How a connection to a site is made: directly, or through a company's proxy.

Owns names of this machine, TLS and CONNECT.  What goes over the connection is not its concern: a
company's proxy gets to see the site's name and no byte of a request.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast
from urllib.parse import SplitResult, unquote, urlsplit

from harvester.outlets.site_answer import BrokeOff
from harvester.probe import loopback_address
from harvester.profile import is_loopback

# A line and some headers: one that says more than this is no proxy.
_TOLD_BYTES = 16 * 1024
_TOLD = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
# How long one address of a name is waited for before the next is tried beside it (RFC 8305).
_NEXT_ADDRESS_S = 0.25

End = TypeVar("End", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Way:
    """``https_proxy`` may hold a password."""

    https_proxy: str | None = field(repr=False)
    tls: ssl.SSLContext


async def connect(make: Callable[[], End], origin: str, way: Way) -> End:
    """Raises OSError, which ssl.SSLError is too, and BrokeOff where a proxy refuses."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    tls = way.tls if parts.scheme == "https" else None
    port = parts.port or (80 if tls is None else 443)
    # http:// is for names of this machine alone, and to them no proxy leads.
    if way.https_proxy is None or tls is None or is_loopback(host):
        return await _direct(make, host, port, tls)
    proxy = urlsplit(way.https_proxy)
    tunnel = await _direct(
        _Tunnel,
        proxy.hostname or "",
        proxy.port or (443 if proxy.scheme == "https" else 80),
        way.tls if proxy.scheme == "https" else None,
    )
    try:
        await tunnel.to(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", _login(proxy))
        end = make()
        inside = await asyncio.get_running_loop().start_tls(
            tunnel.transport, end, tls, server_hostname=host
        )
    except BaseException:
        tunnel.transport.abort()
        raise
    if inside is None:  # it was closed in the same moment
        raise ConnectionResetError
    # start_tls does not: it takes the protocol for one that is connected already.
    end.connection_made(inside)
    return end


async def _direct(make: Callable[[], End], host: str, port: int, tls: ssl.SSLContext | None) -> End:
    _, made = await asyncio.get_running_loop().create_connection(
        make,
        loopback_address(host) if is_loopback(host) else host,
        port,
        ssl=tls,
        server_hostname=None if tls is None else host,
        happy_eyeballs_delay=_NEXT_ADDRESS_S,
    )
    return made


def _login(proxy: SplitResult) -> str:
    """The header line that a proxy with a user name asks for."""
    if proxy.username is None:
        return ""
    said = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return f"Proxy-Authorization: Basic {base64.b64encode(said).decode('ascii')}\r\n"


class _Tunnel(asyncio.Protocol):
    """A connection to a company's proxy until it leads to the site."""

    def __init__(self) -> None:
        self._told = b""
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def to(self, authority: str, login: str) -> None:
        """Raises BrokeOff where the proxy will not."""
        self.transport.write(
            f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{login}\r\n".encode("ascii")
        )
        await self._answered
        found = _TOLD.match(self._told)
        if found is not None and not found[1].startswith(b"2"):
            raise BrokeOff(f"HARVESTER_HTTPS_PROXY answered {found[1].decode('ascii')}")
        # Nothing may follow: the site speaks second, and what is here would be taken for its words.
        if found is None or not self._told.endswith(b"\r\n\r\n"):
            raise BrokeOff("what HARVESTER_HTTPS_PROXY names does not answer as a proxy")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._told += data
        over = b"\r\n\r\n" in self._told or len(self._told) > _TOLD_BYTES
        if over and not self._answered.done():
            self._answered.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answered.done():
            # Nobody may be waiting yet, or any more.
            self._told = b""
            self._answered.set_result(None)
