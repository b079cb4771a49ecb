"""A client's request is read in one way or not at all."""

from __future__ import annotations

import asyncio

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.outlets import client_request
from harvester.outlets.client_request import ClientRequest, Malformed, head_end

HOST = b"Host: k\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: k\r\n\r\n"


class Line:
    """Our end of a connection: only whether it waits is looked at here."""

    is_last = False

    def __init__(self) -> None:
        self.held: list[bool] = []

    def hold(self, *, full: bool) -> None:
        self.held.append(full)

    def write(self, data: bytes) -> None:
        raise AssertionError(data)

    async def drained(self) -> None:
        raise AssertionError

    def abort(self) -> None:
        raise AssertionError


def begun(raw: bytes) -> tuple[ClientRequest, bytes]:
    """As a connection would begin it, and what stands behind its head."""
    end = head_end(raw)
    assert end, "its head is not whole"
    return ClientRequest(Line(), raw[:end]), raw[end:]


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"GET /x HTTP/1.1\r\nHost: k\r\n\r\n", b""),
        (b"\r\nGET /x HTTP/1.1\r\nHost: k\r\n\r\n", b""),
        (b"GET /x HTTP/1.0\r\n\r\n", b""),
        (b"POST /x HTTP/1.1\r\nHost: k\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"POST /x HTTP/1.1\r\nHost: k\r\nContent-Length:\t3 \r\n\r\nabc", b"abc"),
        (b"POST /x HTTP/1.1\r\nHost: k\r\nContent-Length: 4\r\n\r\n\r\n\r\n", b"\r\n\r\n"),
        (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (CHUNKED + b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\nX-Sum: 1\r\n\r\n", b"abc"),
        (CHUNKED + b"9\r\n\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n0\r\n\r\n"),
        (CHUNKED + b"0\r\n\r\n", b""),
    ],
)  # fmt: skip
def test_however_the_bytes_come_it_is_the_same_request_and_the_next_stays_whole(
    raw: bytes, body: bytes, at_once: int
) -> None:
    said, request, behind = b"", None, b""
    stream = raw + NEXT
    for at in range(0, len(stream), at_once):
        piece = stream[at : at + at_once]
        if request is None:
            said += piece
            if end := head_end(said):
                request, piece = ClientRequest(Line(), said[:end]), said[end:]
        if request is not None:
            behind += piece if request.whole else request.feed(piece)
    assert request is not None
    assert (request.whole, request.malformed, request.target) == (True, False, "/x")
    assert request.read_now() == body
    assert behind == NEXT
    assert "X-Sum" not in request.headers


# Each is taken by some reader, and llhttp is one of them where it says so.
NO_HEADS = {
    "RTSP (llhttp takes it)": b"GET /x RTSP/1.1\r\nHost: k\r\n\r\n",
    "ICE (llhttp takes it)": b"SOURCE /x ICE/1.0\r\nHost: k\r\n\r\n",
    "blanks before the target (llhttp takes them)": b"GET  /x HTTP/1.1\r\nHost: k\r\n\r\n",
    "blanks behind the target (llhttp takes them)": b"GET /x  HTTP/1.1\r\nHost: k\r\n\r\n",
    "two empty lines first (llhttp takes them)": b"\r\n\r\nGET /x HTTP/1.1\r\nHost: k\r\n\r\n",
    "a bare LF first (llhttp takes it)": b"\nGET /x HTTP/1.1\r\nHost: k\r\n\r\n",
    "a bare CR first (llhttp takes it)": b"\rGET /x HTTP/1.1\r\nHost: k\r\n\r\n",
    "HTTP/0.9 (llhttp takes it)": b"GET /x HTTP/0.9\r\nHost: k\r\n\r\n",
    "HTTP/2.0 (llhttp takes it)": b"GET /x HTTP/2.0\r\nHost: k\r\n\r\n",
    "no version": b"GET /x\r\nHost: k\r\n\r\n",
    "a method in lower case": b"get /x HTTP/1.1\r\nHost: k\r\n\r\n",
    "a method that is none": b"BREW /x HTTP/1.1\r\nHost: k\r\n\r\n",
    "a method of RTSP": b"PLAY /x HTTP/1.1\r\nHost: k\r\n\r\n",
    "a tab for a blank": b"GET\t/x HTTP/1.1\r\nHost: k\r\n\r\n",
    "a blank at the line's end": b"GET /x HTTP/1.1 \r\nHost: k\r\n\r\n",
    "a raw byte in the target": b"GET /\xe9 HTTP/1.1\r\nHost: k\r\n\r\n",
    "a zero byte in the target": b"GET /\x00 HTTP/1.1\r\nHost: k\r\n\r\n",
    "a bare LF": b"GET /x HTTP/1.1\r\nX: a\nY: b\r\n\r\n",
    "a bare CR": b"GET /x HTTP/1.1\r\nX: a\rY: b\r\n\r\n",
    "a folded header": b"GET /x HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    "a folded header, by a tab": b"GET /x HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n",
    "a blank before the first header": b"GET /x HTTP/1.1\r\n X: a\r\n\r\n",
    "a blank before the colon": b"GET /x HTTP/1.1\r\nX : a\r\n\r\n",
    "no colon": b"GET /x HTTP/1.1\r\nX\r\n\r\n",
    "no name": b"GET /x HTTP/1.1\r\n: a\r\n\r\n",
    "a name in brackets": b"GET /x HTTP/1.1\r\n(X): a\r\n\r\n",
    "a name with a raw byte": b"GET /x HTTP/1.1\r\nX\x80: a\r\n\r\n",
    "a zero byte": b"GET /x HTTP/1.1\r\nX: a\x00\r\n\r\n",
    "an escape": b"GET /x HTTP/1.1\r\nX: \x1b[2J\r\n\r\n",
    "a delete": b"GET /x HTTP/1.1\r\nX: \x7f\r\n\r\n",
    "two lengths that agree": b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "a list of lengths": b"POST /x HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
    "a length with a sign": b"POST /x HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
    "a length in hex": b"POST /x HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n",
    "an empty length": b"POST /x HTTP/1.1\r\nContent-Length:\r\n\r\n",
    "a length that overflows": b"POST /x HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
    "a length with a zero first (llhttp takes it)": b"POST /x HTTP/1.1\r\nContent-Length: 01\r\n"
    b"\r\n",
    "a length of 5,000 digits (llhttp takes it)": b"POST /x HTTP/1.1\r\nContent-Length: "
    + b"0" * 5000
    + b"\r\n\r\n",
    "chunks and a length": b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 1\r\n\r\n",
    "a length and chunks": b"POST /x HTTP/1.1\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    "another coding": b"POST /x HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunks twice": b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", NO_HEADS)
def test_what_readers_may_read_differently_is_no_request(name: str) -> None:
    with pytest.raises(Malformed):
        begun(NO_HEADS[name])


@pytest.mark.parametrize("name", [name for name in NO_HEADS if "llhttp takes" in name])
def test_llhttp_alone_would_let_it_pass(name: str) -> None:
    """So that the form of a head is not looked at for nothing."""
    httptools.HttpRequestParser(object()).feed_data(NO_HEADS[name])


@pytest.mark.parametrize(
    "raw",
    [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\r\nX: a\n", b"GET / HTTP/1.1\rX", b"\x16\x03\x01\x02"],
)
def test_what_can_be_no_head_any_more_is_not_waited_for(raw: bytes) -> None:
    with pytest.raises(Malformed):
        head_end(raw)


@pytest.mark.parametrize("raw", [b"", b"\r", b"\r\n", b"GET", b"GET / HTTP/1.1\r\nHost: k\r"])
def test_what_may_still_become_one_is(raw: bytes) -> None:
    assert head_end(raw) == 0


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\nX: a\n", b"G\r\nX\rY", b"G\r\n\n", b"\rX"])
def test_what_is_no_head_is_found_wherever_a_read_ended(raw: bytes) -> None:
    for looked_at in range(len(raw)):
        with pytest.raises(Malformed):
            head_end(raw, looked_at)


@pytest.mark.parametrize("looked_at", range(len(NEXT)))
def test_a_heads_end_is_found_wherever_a_read_ended(looked_at: int) -> None:
    assert head_end(NEXT + b"G", looked_at) == len(NEXT)


# Behind the head, all of them; none of them makes a whole body.
NO_CHUNKS = [
    b"zz\r\n", b"+1\r\na\r\n", b"-1\r\n", b"0x1\r\na\r\n", b" 1\r\na\r\n", b"1 \r\na\r\n",
    b"1\na\n0\n\n", b"1\ra\r\n", b"1\r\naXX", b"1\r\na\n", b"1\r\nab\r\n0\r\n\r\n", b"\r\n1\r\n",
    b"fffffffffffffffff\r\n", b"1;x=\n\r\na\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\nX: a\nY: b\r\n\r\n",
    b"0\r\nX: a\r\n b\r\n\r\n", b"0\n\n", b"0\r\n\n", b"0\r\nX: \x00\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("at_once", [1, 1000])
@pytest.mark.parametrize("raw", NO_CHUNKS)
async def test_chunks_that_readers_read_differently_are_no_body(raw: bytes, at_once: int) -> None:
    request, _ = begun(CHUNKED)
    behind = b"".join(request.feed(raw[at : at + at_once]) for at in range(0, len(raw), at_once))
    assert (request.malformed, request.whole, behind) == (True, False, b"")
    assert request.feed(b"0\r\n\r\n" + NEXT) == b"", "and nothing mends it"
    request.read_now()
    with pytest.raises(Malformed):
        await request.read()


@pytest.mark.parametrize("mark", [b"0\r\n" + b"X: y\r\n" * 4000, b"1;" + b"x" * 20_000])
def test_trailers_and_marks_without_end_end(mark: bytes) -> None:
    request, _ = begun(CHUNKED)
    for at in range(0, len(mark), 1000):
        request.feed(mark[at : at + 1000])
    assert request.malformed


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40) | st.just(b"\r\n\r\n0\r\n\r\n"), max_size=6),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    behind=st.just(NEXT) | st.binary(max_size=20),
)
@settings(max_examples=300, deadline=None)
def test_where_a_body_in_chunks_ends_is_known_to_the_byte(
    pieces: list[bytes], cuts: list[int], behind: bytes
) -> None:
    request, _ = begun(CHUNKED)
    raw = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n" + behind
    at, turn, left = 0, 0, b""
    while at < len(raw):
        piece = raw[at : at + cuts[turn % len(cuts)]]
        at, turn = at + len(piece), turn + 1
        left += piece if request.whole else request.feed(piece)
    assert (request.whole, request.read_now(), left) == (True, b"".join(pieces), behind)


async def test_a_body_is_held_when_nobody_takes_it_and_goes_on_when_somebody_does() -> None:
    size = client_request.HELD_BYTES
    request, _ = begun(b"POST /x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (3 * size))
    line = request.end
    assert isinstance(line, Line)
    request.feed(b"a" * size)
    assert line.held == []
    request.feed(b"a")
    request.feed(b"a")
    assert line.held == [True]
    assert len(await request.read()) == size + 2
    assert line.held == [True, False]


async def test_who_waits_for_a_body_hears_that_the_client_is_gone() -> None:
    request, _ = begun(b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
    reading = asyncio.create_task(request.read())
    await asyncio.sleep(0)
    request.broken()
    with pytest.raises(Malformed):
        await reading


@pytest.mark.parametrize(
    ("raw", "keeps"),
    [
        (b"GET / HTTP/1.1\r\nHost: k\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: k\r\nConnection: x, Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_who_means_to_ask_again(raw: bytes, *, keeps: bool) -> None:
    assert begun(raw)[0].keeps is keeps
