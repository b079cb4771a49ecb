"""Where the proxy listens, as the settings say: bound at the start, beside the API's socket.

Owns the names beside that socket and what status tells of them.  Knows nothing of requests.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harvester.outlets import proxy_token
from harvester.outlets.listen import Listener
from harvester.outlets.proxy import Proxy
from harvester.outlets.proxy_gate import Gate, bind

SOCKET_NAME = "proxy.sock"


class Process(Protocol):
    """The settings that count here; ``settings.Process`` has them."""

    @property
    def proxy(self) -> str: ...

    @property
    def allow_uids(self) -> Collection[int]: ...


@dataclass(frozen=True, slots=True)
class ProxySockets:
    """Bound and not yet answered; ``shown`` is what status tells, None where there is no proxy."""

    unix: socket.socket | None
    tcp: tuple[socket.socket, Gate] | None
    shown: Mapping[str, str | None] | None

    async def open(self, proxy: Proxy) -> None:
        """Have the proxy answer here."""
        if self.unix is not None:
            await proxy.start(self.unix)
        if self.tcp is not None:
            await proxy.start_tcp(*self.tcp)


@contextmanager
def proxy_sockets(process: Process, api_socket: Path) -> Iterator[ProxySockets]:
    """For as long as the block lasts.  Raises ConfigInvalid, ConfigUnsafe."""
    if process.proxy == "off":
        yield ProxySockets(None, None, None)
        return
    path = api_socket.with_name(SOCKET_NAME)
    with ExitStack() as open_:
        unix = open_.enter_context(Listener(path, allow_uids=process.allow_uids))
        shown: dict[str, str | None] = {"unix": str(path), "tcp": None, "token": None}
        tcp = None
        if process.proxy != "unix":
            token = proxy_token.token(path.parent)
            sock, authority = bind(process.proxy)
            open_.callback(sock.close)
            tcp = (sock, Gate(authority, token))
            shown |= {"tcp": authority, "token": str(path.parent / proxy_token.NAME)}
        yield ProxySockets(unix, tcp, shown)
