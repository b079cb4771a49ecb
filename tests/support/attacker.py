"""Connections that mean no good: opened all at once, then silent, slow, half-open or without end.

    python tests/support/attacker.py SOCKET COUNT SECONDS

Opens COUNT connections as fast as it can, in turn of each kind, holds them for SECONDS while the
slow ones send a byte now and then, and tells how many were opened and how many the daemon closed.
"""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import sys
import time

KINDS = (
    b"",  # silent
    b"GET /v1/session HTTP/1.1\r\nHost: h\r\nX: ",  # a header that goes on for ever
    b"POST /v1/session/report HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\n\r\n{",  # a slow body
    b"GET /v1/session HTTP/1.1\r\nHost: h\r\n\r\n",  # asks, and does not read the answer
    b"\x16\x03\x01\x02\x00",  # no HTTP at all
)
HALF_OPEN_EVERY = 7


def opened(path: str) -> socket.socket:
    """One more; the kernel's queue of callers may be full for a while."""
    while True:
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        try:
            one.connect(path)
            return one
        except BlockingIOError:
            one.close()
            time.sleep(0.001)


def main() -> None:
    path, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    connections: list[socket.socket] = []
    for number in range(count):
        one, kind = opened(path), KINDS[number % len(KINDS)]
        connections.append(one)
        with contextlib.suppress(OSError):  # closed on us already, to make room
            one.send(kind)
            if number % HALF_OPEN_EVERY == 0:
                one.shutdown(socket.SHUT_WR)
    took = time.monotonic() - began
    while time.monotonic() - began < seconds:
        for one in connections[1 :: len(KINDS)]:
            with contextlib.suppress(OSError):
                one.send(b"a")
        time.sleep(0.5)
    poll = select.poll()
    for one in connections:
        poll.register(one, select.POLLIN)
    closed = sum(1 for _, event in poll.poll(0) if event & select.POLLHUP)
    print(json.dumps({"opened": len(connections), "took_s": took, "closed": closed}), flush=True)


main()
