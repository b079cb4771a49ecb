"""A proxy of the oldest kind: for clients that cannot look up a name under ``.localhost``.

Browsers and curl know that such names are this machine; wget and Python ask the resolver, which on
most Linux systems does not.  What is asked here in absolute form is asked of 127.0.0.1.
"""

from __future__ import annotations

import socket
import threading
from typing import Self


class Forwarder:
    """Use as a context manager; ``url`` is what a client takes as its http_proxy."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A last connection wakes accept(); closing the socket would not.
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            client, _ = self._socket.accept()
            with client, client.makefile("rb") as stream:
                first = stream.readline()
                if not first:
                    return
                method, url, version = first.decode("latin-1").split()
                lines = [f"{method} /{url.split('/', 3)[3]} {version}\r\n".encode("latin-1")]
                while (line := stream.readline()).strip():
                    if not line.lower().startswith((b"connection:", b"proxy-connection:")):
                        lines.append(line)
                with socket.create_connection(("127.0.0.1", self._port)) as server:
                    server.sendall(b"".join((*lines, b"Connection: close\r\n\r\n")))
                    while chunk := server.recv(65536):
                        client.sendall(chunk)
