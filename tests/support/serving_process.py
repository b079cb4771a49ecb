"""The API in a process of its own, for attackers and fuzzers to be let loose on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from harvester import dial

SUPPORT = Path(__file__).parent
REQUEST = b"GET /v1/session HTTP/1.1\r\nHost: h\r\n\r\n"
# What an attack may cost: as much as the contract says.
MORE_MEMORY_KB = 64 * 1024


class ServingProcess:
    """The API in a process of its own."""

    def __init__(self, place: Path) -> None:
        self.path = place / "run" / "h.sock"
        self.log = place / "log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(SUPPORT / "served.py"), str(self.path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", self.log.read_text()

    def memory_kb(self) -> int:
        """What this process would give back if it ended (PSS)."""
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def stop(self) -> int:
        self._process.communicate(timeout=20)
        return self._process.returncode

    def connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self.path))
        return connection

    def ask_anew(self) -> None:
        """As a command does."""
        found = dial.ask([str(self.path)], "GET", "/v1/session", named=True, wait_s=10)
        assert found is not None and found[0].status == 200


def ask(connection: socket.socket) -> None:
    connection.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"}\n"):
        chunk = connection.recv(65536)
        assert chunk, "hung up on somebody who behaves"
        answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 ")
