"""A site's answer is read in one way or not at all."""

from __future__ import annotations

import asyncio

import pytest

from harvester.outlets import site_answer
from harvester.outlets.site_answer import BrokeOff, SiteAnswer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SIZED = OK + b"Content-Length: 3\r\n\r\n"


class Line:
    """Our end of a connection: whether it waits, and whether somebody gave up."""

    def __init__(self) -> None:
        self.held: list[bool] = []
        self.let_go_of: list[SiteAnswer] = []

    def hold(self, answer: SiteAnswer, *, full: bool) -> None:
        self.held.append(full)

    def let_go(self, answer: SiteAnswer) -> None:
        self.let_go_of.append(answer)


def fed(*pieces: bytes, head_only: bool = False) -> SiteAnswer:
    answer = SiteAnswer(Line(), head_only=head_only)
    for piece in pieces:
        answer.feed(piece)
    return answer


@pytest.mark.parametrize("at_once", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (SIZED + b"abc", b"abc"),
        (CHUNKS + b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\nX-Sum: 1\r\n\r\n", b"abc"),
        (b"HTTP/1.1 103 Hints\r\nX-A: no\r\n\r\nHTTP/1.1 100 C\r\n\r\n" + SIZED + b"abc", b"abc"),
        (b"HTTP/1.1 204 No Content\r\nX-B: 1\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_however_the_bytes_come_it_is_the_same_answer(
    raw: bytes, body: bytes, at_once: int
) -> None:
    answer = fed(*(raw[at : at + at_once] for at in range(0, len(raw), at_once)))
    assert (answer.whole, answer.may_go_on, answer.read_now()) == (True, True, body)
    assert "X-A" not in answer.headers and "X-Sum" not in answer.headers


# What one reader takes for the end of an answer, another for its middle.
REFUSED = {
    "chunks and a length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "a length and chunks": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": OK + b"Content-Length: 3, 3\r\n\r\nabc",
    "a length with a sign": OK + b"Content-Length: +3\r\n\r\nabc",
    "a length that overflows": OK + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "a coding before chunks": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks twice": OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "lines that end in LF": b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc",
    "one line that ends in LF": OK + b"X-A: b\nContent-Length: 3\r\n\r\nabc",
    "one line that ends in CR": OK + b"X-A: b\rContent-Length: 3\r\n\r\nabc",
    "a folded header": OK + b"X-A: b\r\n c\r\nContent-Length: 3\r\n\r\nabc",
    "a blank before the colon": OK + b"Content-Length : 3\r\n\r\nabc",
    "a header without a colon": OK + b"nonsense\r\n\r\n",
    "a zero byte": OK + b"X-A: b\x00c\r\nContent-Length: 3\r\n\r\nabc",
    "a control byte": OK + b"X-A: b\x1b[2J\r\nContent-Length: 3\r\n\r\nabc",
    "a zero byte in the reason": b"HTTP/1.1 200 O\x00K\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/0.9": b"hello",
    "another protocol": b"SSH-2.0-OpenSSH\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a switch without a word": b"HTTP/1.1 101 Switching\r\n\r\n",
    "a status below all": b"HTTP/1.1 099 No\r\nContent-Length: 3\r\n\r\nabc",
    "a chunk whose size has a prefix": CHUNKS + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk whose size ends in LF": CHUNKS + b"3\nabc\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKS + b"2\r\nabc\r\n0\r\n\r\n",
    "a chunk whose size overflows": CHUNKS + b"fffffffffffffffff\r\nabc\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_readers_may_read_differently_is_no_answer(name: str) -> None:
    with pytest.raises(BrokeOff) as told:
        fed(REFUSED[name])
    assert "X-A" not in told.value.why


@pytest.mark.parametrize(
    "raw",
    [
        SIZED + b"abcd",
        SIZED + b"abc" + SIZED + b"xyz",
        CHUNKS + b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        OK + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_after_an_answer_that_something_follows_or_that_is_the_last_no_request_is_sent(
    raw: bytes,
) -> None:
    answer = fed(raw)
    assert (answer.whole, answer.may_go_on) == (True, False)
    assert answer.read_now() in (b"abc", b"")


def test_the_answer_to_head_ends_at_its_head_whatever_it_says() -> None:
    for framing in (b"Content-Length: 1234\r\n", b"Transfer-Encoding: chunked\r\n"):
        answer = fed(OK + framing + b"\r\n", head_only=True)
        assert (answer.whole, answer.may_go_on) == (True, True)
        answer = fed(OK + framing + b"\r\n1\r\nabc", head_only=True)
        assert (answer.whole, answer.may_go_on, answer.read_now()) == (True, False, b"")


@pytest.mark.parametrize(
    "endless",
    [
        OK + b"X-A: " + b"a" * 3000,
        b"HTTP/1.1 103 Hints\r\n\r\n" * 200,
        CHUNKS + b"0\r\n" + b"X-A: b\r\n" * 400,
        CHUNKS + b"1;" + b"a" * 3000,
    ],
    ids=["head", "interim answers", "trailers", "a chunk's extension"],
)
def test_what_goes_on_without_a_body_has_an_end(
    endless: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_answer, "HEAD_BYTES", 2000)
    with pytest.raises(BrokeOff):
        fed(endless)


async def test_who_does_not_read_holds_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_answer, "HELD_BYTES", 10)
    line = Line()
    answer = SiteAnswer(line, head_only=False)
    answer.feed(CHUNKS + b"b\r\n" + b"a" * 11 + b"\r\n")
    assert line.held == [True]
    assert await answer.read() == b"a" * 11
    assert line.held == [True, False]


async def test_what_had_come_before_it_broke_is_read_and_then_it_is_told() -> None:
    answer = fed(CHUNKS + b"3\r\nabc\r\n")
    answer.broken(ConnectionResetError("with an address in it"))
    assert await answer.read() == b"abc"
    for _ in range(2):
        with pytest.raises(BrokeOff, match=r"^the connection broke \(ConnectionResetError\)$"):
            await answer.read()


async def test_an_end_without_a_mark_is_an_end_only_if_nothing_broke() -> None:
    answer = fed(OK + b"\r\nabc")
    assert not answer.may_go_on
    answer.ended()
    assert (await answer.read(), await answer.read()) == (b"abc", b"")
    broken = fed(OK + b"\r\nabc")
    broken.broken(ConnectionResetError())
    broken.ended()
    assert (await broken.read(), broken.whole) == (b"abc", False)
    sized = fed(SIZED + b"ab")
    sized.ended()
    assert not sized.whole


async def test_who_waits_is_woken_by_the_head_and_by_the_end() -> None:
    answer = SiteAnswer(Line(), head_only=False)
    waiting = asyncio.create_task(answer.head())
    await asyncio.sleep(0)
    answer.feed(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    await asyncio.sleep(0)
    assert not waiting.done()
    answer.feed(b"Content-Length: 1\r\n\r\n")
    await waiting
    reading = asyncio.create_task(answer.read())
    await asyncio.sleep(0)
    answer.feed(b"x")
    assert (await reading, await answer.read()) == (b"x", b"")
