"""A ``requests`` session whose every host is one unix socket."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class _Connection(HTTPConnection):
    path: Path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self.path))


class _Adapter(HTTPAdapter):
    def __init__(self, path: Path) -> None:
        super().__init__()
        to_path = type("_ToPath", (_Connection,), {"path": path})
        self._pool = HTTPConnectionPool("harvester", timeout=20)
        self._pool.ConnectionCls = to_path

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


def session(path: Path) -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    made.mount("http://", _Adapter(path))
    return made
