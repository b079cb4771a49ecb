"""Asks Knoq's API with the session that harvester serves.  Nothing but the standard library.

python knoq.py /api/managed-agents/sessions
python knoq.py /api/managed-agents/session '{"text": "hello"}'
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

SOCKET = os.environ.get("HARVESTER_SOCKET") or os.path.join(
    os.environ.get("XDG_RUNTIME_DIR", "/run"), "harvester/harvester.sock"
)


class Harvester(http.client.HTTPConnection):
    """HTTP over the daemon's unix socket; the host's name does not matter."""

    def __init__(self) -> None:
        # A sign-in may be under way: the daemon makes us wait up to 60 s for it.
        super().__init__("harvester", timeout=90)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(SOCKET)
        except OSError as error:
            raise SystemExit(f"harvester: {SOCKET}: {error.strerror}: harvester serve") from None


def session(report: int | None = None) -> dict[str, Any]:
    """The session that is good now; ``report``: the generation that was refused."""
    daemon = Harvester()
    if report is None:
        daemon.request("GET", "/v1/session")
    else:
        daemon.request("POST", "/v1/session/report", json.dumps({"generation": report}))
    answer = daemon.getresponse()
    told: dict[str, Any] = json.load(answer)
    if answer.status != 200:
        raise SystemExit(f"harvester: {told['detail']} ({told['code']}): {told['hint']}")
    return told


def send(held: dict[str, Any], path: str, body: str | None) -> tuple[int, bytes]:
    """One request, to the session's own origin and nowhere else; redirects are not followed."""
    origin = urlsplit(held["origin"])
    secure = origin.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    site = connect(origin.netloc, timeout=30)
    headers = {**held["headers"], "Content-Type": "application/json"}
    site.request("GET" if body is None else "POST", path, body, headers)
    answer = site.getresponse()
    return answer.status, answer.read()


def ask(path: str, body: str | None = None) -> tuple[int, bytes]:
    """As a user of the API does it: a 401 is reported, and tried once more with what comes back."""
    held = session()
    status, answer = send(held, path, body)
    if status == 401:  # it came before anything was done, so a POST may be repeated too
        held = session(report=held["generation"])
        status, answer = send(held, path, body)
    return status, answer


if __name__ == "__main__":
    status, answer = ask(*sys.argv[1:3])
    print(answer.decode())
    sys.exit(0 if status < 400 else f"knoq answered {status}")
