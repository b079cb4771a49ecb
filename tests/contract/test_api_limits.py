"""What the socket bears: slow, big, broken and too many callers, and none that are not allowed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
from pathlib import Path

import pytest

from fakehouse import FakeHouse, raw, serving
from harvester.outlets import doorstep, guests, question
from harvester.outlets.api import Api
from harvester.outlets.listen import Listener

GET = b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSING = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def code_of(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"no-store" in head
    return str(json.loads(body)["code"])


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"NOT HTTP AT ALL\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\nHost: h\n\n",
        b"GET /livez HTTP/1.1\nHost: h\n\r\n",
        b"GET /livez HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
        b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n{}",
    ],
)
async def test_what_is_not_http_gets_a_problem_and_nothing_happens(
    path: Path, house: FakeHouse, garbage: bytes
) -> None:
    answer = await raw(path, garbage)
    assert answer.startswith(b"HTTP/1.")
    assert answer.split()[1] in (b"400", b"431")
    assert code_of(answer) == "usage"
    assert house.default.calls == []
    assert (await raw(path, CLOSING)).startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_breaks_off_changes_nothing(path: Path, house: FakeHouse) -> None:
    head = b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n"
    answer = await raw(path, head + b'{"profile": "default"}', end=True)
    assert answer == b"" or answer.split()[1].startswith(b"4")
    assert house.default.calls == []


async def test_chunks_that_are_broken_change_nothing(path: Path, house: FakeHouse) -> None:
    head = b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await raw(path, head + b"zz\r\n{}\r\n0\r\n\r\n")
    assert code_of(answer) == "usage"
    assert house.default.calls == []


@pytest.mark.parametrize("waits", [False, True])
async def test_who_says_nothing_more_is_answered(path: Path, house: FakeHouse, waits: bool) -> None:
    """``nc -N`` and ``socat`` end their half; on an idle connection nobody waits for more."""
    house.default.gate = asyncio.Event()
    asking = asyncio.create_task(
        raw(path, b"GET /v1/session HTTP/1.1\r\nHost: h\r\n\r\n", end=True)
    )
    if waits:
        await house.default.knocked.wait()
        await asyncio.sleep(0.05)
    house.default.gate.set()
    async with asyncio.timeout(5):
        assert (await asking).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_body_over_64_kib_is_refused_and_its_sender_reads_why(
    path: Path, house: FakeHouse, framing: str
) -> None:
    body = b'{"profile": "' + b"a" * 100_000 + b'"}'
    if framing == "length":
        told = b"Content-Length: %d\r\n\r\n" % len(body) + body
    else:
        told = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    answer = await raw(path, b"POST /v1/logout HTTP/1.1\r\nHost: h\r\n" + told)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert code_of(answer) == "usage"
    assert house.default.calls == []


async def test_a_body_of_64_kib_is_read(path: Path, house: FakeHouse) -> None:
    body = b'{"profile": "default"}'.ljust(64 * 1024)
    request = b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    answer = await raw(path, request + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("ended", [True, False], ids=["whole", "endless"])
async def test_a_header_over_16_kib_is_refused_though_each_line_is_short(
    path: Path, house: FakeHouse, ended: bool
) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(20))
    request = b"GET /v1/session HTTP/1.1\r\nHost: h\r\n" + lines + (b"\r\n" if ended else b"")
    answer = await raw(path, request)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert code_of(answer) == "usage"
    assert house.default.calls == []


async def test_one_line_over_8_kib_is_refused(path: Path) -> None:
    answer = await raw(path, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.split()[1] == b"431"
    assert code_of(answer) == "usage"


async def test_a_header_that_trickles_is_cut_off_at_the_deadline(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "HEADER_DEADLINE_S", 0.2)
    reader, writer = await asyncio.open_unix_connection(path)
    begun = asyncio.get_running_loop().time()
    gone = asyncio.create_task(reader.read())
    for byte in GET[:-2] * 50:
        writer.write(bytes([byte]))
        done, _ = await asyncio.wait([gone], timeout=0.02)
        if done:
            break
    # A byte that was sent while the daemon hung up is refused: that is the end, too.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        assert await gone == b""
    assert gone.done()
    assert 0.15 < asyncio.get_running_loop().time() - begun < 2
    writer.close()


async def test_the_deadline_counts_again_for_the_second_header(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "HEADER_DEADLINE_S", 0.2)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(GET)
    assert b"alive" in await reader.readuntil(b"}\n")
    writer.write(GET[:10])
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("said", [b"", b"GET /v1/ses", b"\x16\x03\x01"])
async def test_who_says_nothing_whole_is_sent_away_in_silence(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(guests, "HEADER_DEADLINE_S", 0.2)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(said)
    begun = asyncio.get_running_loop().time()
    async with asyncio.timeout(5):
        told = await reader.read()
    assert told == b""
    assert 0.1 < asyncio.get_running_loop().time() - begun < 2
    writer.close()


async def test_a_header_begun_on_the_doorstep_has_no_more_time_inside(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "HEADER_DEADLINE_S", 0.4)
    reader, writer = await asyncio.open_unix_connection(path)
    begun = asyncio.get_running_loop().time()
    writer.write(b"GET /livez HTTP/1.1\r\n")
    await asyncio.sleep(0.3)
    writer.write(b"X: " + b"a" * 3000)  # more than is kept on the doorstep
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    assert asyncio.get_running_loop().time() - begun < 0.65
    writer.close()


async def test_without_descriptors_callers_wait_and_the_log_stays_short(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doorstep, "_RETRY_S", 0.1)
    real, failures = socket.socket.accept, [OSError(errno.EMFILE, "none left")] * 2

    def accept(listening: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop()
        return real(listening)

    monkeypatch.setattr(socket.socket, "accept", accept)
    assert (await raw(path, CLOSING)).startswith(b"HTTP/1.1 200 ")
    assert [record.message for record in caplog.records] == ["socket.cannot_accept"] * 2


async def test_who_hangs_up_within_his_body_is_no_mistake_of_ours(
    path: Path, house: FakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n{")
    await asyncio.sleep(0.05)
    writer.transport.abort()
    assert (await raw(path, CLOSING)).startswith(b"HTTP/1.1 200 ")
    await asyncio.sleep(0.05)
    assert [record.message for record in caplog.records] == []
    assert house.default.calls == []


async def test_a_body_that_does_not_come_is_not_waited_for(
    path: Path, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "BODY_DEADLINE_S", 0.1)
    request = b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n{"
    answer = await raw(path, request)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert code_of(answer) == "usage"
    assert house.default.calls == []


async def test_a_slow_answer_is_no_slow_request(
    path: Path, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "HEADER_DEADLINE_S", 0.05)
    house.default.gate = asyncio.Event()
    asking = asyncio.create_task(raw(path, CLOSING.replace(b"/livez", b"/v1/session")))
    await house.default.knocked.wait()
    asyncio.get_running_loop().call_later(0.2, house.default.gate.set)
    assert (await asking).startswith(b"HTTP/1.1 200 ")


async def test_who_expects_to_be_told_to_go_on_is_told(path: Path, house: FakeHouse) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(
        b"POST /v1/logout HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_requests_in_a_row_on_one_connection_are_answered_in_order(path: Path) -> None:
    answer = await raw(path, GET + GET.replace(b"/livez", b"/nothing") + GET)
    assert answer.count(b"HTTP/1.1 ") == 2, "the 404 closes, what came after it is not done"
    answer = await raw(path, GET * 3 + CLOSING)
    assert answer.count(b"HTTP/1.1 200 ") == 4


async def test_when_it_is_full_the_longest_idle_one_makes_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "CONNECTIONS_LIMIT", 3)
    inside = [await asyncio.open_unix_connection(path) for _ in range(3)]
    # The first has been answered since, so the second has waited longest.
    inside[0][1].write(GET)
    await inside[0][0].readuntil(b"}\n")
    assert (await raw(path, CLOSING)).startswith(b"HTTP/1.1 200 ")
    async with asyncio.timeout(5):
        assert await inside[1][0].read() == b""
    for reader, writer in (inside[0], inside[2]):
        writer.write(CLOSING)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    for _, writer in inside:
        writer.close()


async def test_when_all_wait_for_an_answer_the_newcomer_is_told_when_to_come_back(
    path: Path, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "CONNECTIONS_LIMIT", 2)
    house.default.gate, house.default.crowd = asyncio.Event(), 2
    request = CLOSING.replace(b"/livez", b"/v1/session")
    asking = [asyncio.create_task(raw(path, request)) for _ in range(2)]
    await house.default.knocked.wait()
    answer = await raw(path, CLOSING)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in answer
    assert code_of(answer) == "busy"
    house.default.gate.set()
    for asked in asking:
        assert (await asked).startswith(b"HTTP/1.1 200 ")
    assert (await raw(path, CLOSING)).startswith(b"HTTP/1.1 200 ")


async def test_callers_that_hang_up_leave_nothing_behind(tmp_path: Path, house: FakeHouse) -> None:
    where = tmp_path / "run" / "h.sock"
    async with serving(where, house) as served:
        house.default.gate, house.default.crowd = asyncio.Event(), 50
        writers = []
        for _ in range(50):
            _, writer = await asyncio.open_unix_connection(where)
            writer.write(GET.replace(b"/livez", b"/v1/session"))
            writers.append(writer)
        await house.default.knocked.wait()
        for writer in writers:
            writer.transport.abort()
        house.default.gate.set()
        assert (await raw(where, CLOSING)).startswith(b"HTTP/1.1 200 ")
        door = served._door
        assert door is not None
        async with asyncio.timeout(5):
            while door.inside or door.connections:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert not door.waiting


@pytest.mark.parametrize("allowed", [False, True], ids=["foreign", "allowed"])
async def test_another_uid_gets_in_only_if_named_whatever_the_modes_say(
    house: FakeHouse, allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "run" / "h.sock"
    ours = os.geteuid()
    with Listener(where) as sock:
        # Somebody loosened the modes: the kernel's word about the peer still holds.
        os.chmod(where.parent, 0o777)
        os.chmod(where, 0o666)
        served = Api(house, allow_uids=(ours,) if allowed else ())
        await served.start(sock)
        # From here on the daemon takes itself for another uid, so that ours is a foreign one.
        monkeypatch.setattr("harvester.outlets.peer.os.geteuid", lambda: ours + 1)
        reader, writer = await asyncio.open_unix_connection(where)
        try:
            writer.write(CLOSING)
            answer = await reader.read()
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
        writer.close()
        await served.stop(1)
    assert answer[:12] == (b"HTTP/1.1 200" if allowed else b"")
