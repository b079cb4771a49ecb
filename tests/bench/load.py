"""The load generator of the serving bench: raw sockets, one process, the same for everybody.

    echo '{"path": ..., "request": ..., ...}' | python tests/bench/load.py

Takes jobs as lines of JSON on standard input, and answers each with a line: ``one`` asks ``count``
times in a row over one connection (``kept``) or a new one each time and tells every time that it
took; ``many`` keeps 64 connections busy for ``seconds`` and tells how many answers came.  Knows no
protocol: an answer is as many bytes as the first one was.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from typing import Any

PATIENCE_S = 10.0


def connected(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE_S)
    connection.connect(path)
    return connection


def whole_answer(connection: socket.socket, request: bytes) -> int:
    """The length of an answer: all that comes before a tenth of a second of silence, or the end."""
    connection.sendall(request)
    length = len(connection.recv(1 << 20))
    connection.settimeout(0.1)
    try:
        while more := len(connection.recv(1 << 20)):
            length += more
    except TimeoutError:
        pass
    connection.settimeout(PATIENCE_S)
    return length


def one(path: str, request: bytes, count: int, *, kept: bool) -> list[float]:
    """Seconds of each of ``count`` requests."""
    connection = connected(path)
    length = whole_answer(connection, request)
    took = []
    for _ in range(count):
        began = time.perf_counter()
        if not kept:
            connection.close()
            connection = connected(path)
        connection.sendall(request)
        left = length
        while left > 0:
            chunk = connection.recv(65536)
            if not chunk:
                raise SystemExit(f"{path} hung up in the middle of an answer")
            left -= len(chunk)
        took.append(time.perf_counter() - began)
    connection.close()
    return took


def many(path: str, request: bytes, clients: int, seconds: float) -> float:
    """Answers a second."""
    connections = {}
    length = 0
    poll = select.epoll()
    for _ in range(clients):
        connection = connected(path)
        connections[connection.fileno()] = connection
        length = length or whole_answer(connection, request)
        poll.register(connection.fileno(), select.EPOLLIN)
    left = dict.fromkeys(connections, length)
    receive = {number: one.recv for number, one in connections.items()}
    send = {number: one.send for number, one in connections.items()}
    began = time.perf_counter()
    for number in connections:
        send[number](request)
    answers = 0
    while (now := time.perf_counter()) - began < seconds:
        for number, _ in poll.poll(PATIENCE_S):
            chunk = receive[number](65536)
            if not chunk:
                raise SystemExit(f"{path} hung up in the middle of an answer")
            left[number] -= len(chunk)
            if left[number] <= 0:
                answers += 1
                left[number] = length
                send[number](request)
    for connection in connections.values():
        connection.close()
    return answers / (now - began)


def main() -> None:
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        path, request = job["path"], job["request"].encode("latin-1")
        if job["what"] == "one":
            told: Any = one(path, request, job["count"], kept=job["kept"])
        else:
            told = many(path, request, job["clients"], job["seconds"])
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
