"""A million requests that nobody would write: each is answered or hung up on, at once."""

from __future__ import annotations

import re
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import fuzz
from serving_process import MORE_MEMORY_KB, ServingProcess, ask

SEED = "harvester"
LONGEST_S = 1.0
TRIES = 3
# A whole request is answered in less.
PATIENCE_S = 0.02
BATCH = 500
STATUS = re.compile(rb"(?:^|\n)HTTP/1\.[01] (\d{3}) ")
# What is said to a wrong request, or to a good one: nothing behind the API fails here, so that any
# 5xx is a mistake of ours.
SAID = {100, 200, 304, 400, 404, 405, 408, 409, 413, 431}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServingProcess]:
    served = ServingProcess(tmp_path)
    yield served
    served.stop()


def met(served: ServingProcess, number: int) -> tuple[int, list[int]]:
    """The statuses of what came back until the daemon hung up, which it must.

    A machine that is busy with others may stall any request for a second; one that hangs the
    daemon does it again.
    """
    request = fuzz.request(SEED, number)
    for _ in range(TRIES):
        try:
            return number, [int(status) for status in STATUS.findall(_answer(served, request))]
        except TimeoutError:
            continue
    pytest.fail(f"request {number} of seed {SEED!r} hangs it: {request!r}")


def _answer(served: ServingProcess, request: bytes) -> bytes:
    answer = b""
    with served.connected() as connection:
        connection.settimeout(LONGEST_S)
        try:
            connection.sendall(request)
            # Half of one is waited for, and given up.
            if select.select([connection], [], [], PATIENCE_S)[0]:
                answer = connection.recv(65536)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass  # it had heard enough
    return answer


def test_no_request_crashes_it_hangs_it_or_finds_a_mistake_of_ours(
    served: ServingProcess, size
) -> None:
    seen: Counter[int] = Counter()
    before: tuple[int, int] | None = None
    with served.connected() as kept, ThreadPoolExecutor(16) as callers:
        for first in range(0, size(3_000, 1_000_000), BATCH):
            for number, statuses in callers.map(partial(met, served), range(first, first + BATCH)):
                seen.update(statuses)
                assert set(statuses) <= SAID, f"{statuses} to request {number} of seed {SEED!r}"
            began = time.monotonic()
            ask(kept)
            assert time.monotonic() - began < LONGEST_S
            before = before or (served.memory_kb(), served.descriptors())
        assert before is not None
        # It met good requests among them, and several kinds of bad ones.
        assert {200, 304, 400, 404, 405, 431} <= set(seen)
        assert served.memory_kb() - before[0] <= MORE_MEMORY_KB
        ends_at = time.monotonic() + 20
        while served.descriptors() > before[1] and time.monotonic() < ends_at:
            time.sleep(0.05)
        assert served.descriptors() <= before[1]
        ask(kept)
    assert served.stop() == 0
    log = served.log.read_text()
    assert '"bug"' not in log and "Traceback" not in log, log[-2000:]
    print(dict(sorted(seen.items())))
