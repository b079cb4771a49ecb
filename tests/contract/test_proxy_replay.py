"""What a 401 leads to, and what leads to nothing: a request is sent twice after a 401 alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harvester import errors
from harvester.outlets import passing, sent_body, upstream
from harvester.outlets.errand import ERROR_HEADER, VERDICT_HEADER
from harvester.session import Served
from proxied import CHECKED, Proxied, ProxyHouse, Told, proxying
from rawsite import Seen, Site, plain, raw_site

MESSAGE = f"{CHECKED}message"
DENIED = plain(b'{"error": "unauthorized"}', "401 Unauthorized", "WWW-Authenticate: Session")


def live_from(generation: int, *, done: list[str] | None = None) -> Callable[[Seen], Awaitable]:
    """A site that knows sessions from this generation on; ``done`` is what it carried out."""

    async def answer(request: Seen) -> bytes:
        await request.read()
        cookie = request.one("cookie") or ""
        if int(cookie.rpartition("-")[2]) < generation:
            return DENIED
        if done is not None:
            done.append(request.body.decode())
        return plain(b"done:" + request.body)

    return answer


@asynccontextmanager
async def before(
    place: Path, answer: Callable[[Seen], Awaitable]
) -> AsyncIterator[tuple[Site, Proxied]]:
    async with (
        raw_site(answer) as site,
        proxying(place, ProxyHouse(site.origin)) as proxied,
    ):
        yield site, proxied


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
async def test_where_the_check_comes_first_a_request_is_sent_again_with_the_next_session(
    tmp_path: Path, method: str
) -> None:
    async with before(tmp_path, live_from(2)) as (site, proxied):
        told = await proxied.ask(MESSAGE, method, b'{"text": 1}')
        assert proxied.tally.proxy_replays() == {("default",): 1}
        assert proxied.tally.reports() == {("default", "refreshed"): 1}
    assert (told.status, told.body) == (200, b'done:{"text": 1}')
    assert [one.one("cookie") for one in site.seen] == ["sid=canary-1", "sid=canary-2"]
    assert proxied.house.default.reports == [1]


@pytest.mark.parametrize(("method", "twice"), [("GET", True), ("HEAD", True), ("POST", False)])
async def test_elsewhere_only_reads_are_sent_again(
    tmp_path: Path, method: str, *, twice: bool
) -> None:
    async with before(tmp_path, live_from(2)) as (site, proxied):
        told = await proxied.ask("/api/me", method, b"")
    assert (told.status, len(site.seen)) == ((200, 2) if twice else (401, 1))
    assert proxied.house.default.refreshes == 1, "the next request finds a live session"


@pytest.mark.parametrize(
    "path",
    [
        f"{CHECKED}../auth/x", f"{CHECKED}%2e%2e/auth/x", f"{CHECKED}a/..%2f..%2fx",
        f"{CHECKED}a//b",
        f"{CHECKED}..\\x", f"{CHECKED}a;b", f"{CHECKED}%252e%252e/x", "/API/managed-agents/x",
        "/api/managed-agentsx", f"{CHECKED}./x", f"{CHECKED}a%2fb",
    ],
)  # fmt: skip
async def test_a_path_that_a_server_may_read_as_another_is_not_one_of_those(
    tmp_path: Path, path: str
) -> None:
    async with before(tmp_path, live_from(2)) as (site, proxied):
        told = await proxied.ask(path, "POST", b"{}")
    assert (told.status, len(site.seen)) == (401, 1)


async def test_twenty_posts_on_a_dead_session_are_one_refresh_and_each_is_done_once(
    tmp_path: Path,
) -> None:
    done: list[str] = []
    async with before(tmp_path, live_from(2, done=done)) as (_, proxied):
        proxied.house.default.takes_s = 0.05
        told = await asyncio.gather(
            *(proxied.ask(MESSAGE, "POST", b"message %d" % number) for number in range(20))
        )
        assert {one.status for one in told} == {200}
        assert proxied.house.default.refreshes == 1
    assert sorted(done) == sorted(f"message {number}" for number in range(20))


async def test_a_second_401_is_passed_on_and_no_third_try_made(tmp_path: Path) -> None:
    async with before(tmp_path, live_from(99)) as (site, proxied):
        told = await proxied.ask(MESSAGE, "POST", b"{}")
    assert (told.status, told.body) == (401, b'{"error": "unauthorized"}')
    assert len(site.seen) == 2
    assert proxied.house.default.reports == [1]


@pytest.mark.parametrize("says", ["alive", "unreachable"])
async def test_with_the_same_session_nothing_is_sent_again_and_the_client_sees_why(
    tmp_path: Path, says: str
) -> None:
    async with before(tmp_path, live_from(2)) as (site, proxied):
        proxied.house.default.says = says
        told = await proxied.ask(MESSAGE, "POST", b"{}")
    assert (told.status, told.one("www-authenticate")) == (401, "Session")
    assert told.one(VERDICT_HEADER) == says
    assert told.body == b'{"error": "unauthorized"}'
    assert len(site.seen) == 1


@pytest.mark.parametrize("method", ["POST", "HEAD"])
async def test_where_no_session_can_be_had_the_sites_401_is_passed_on_with_the_code(
    tmp_path: Path, method: str
) -> None:
    async with before(tmp_path, live_from(2)) as (site, proxied):
        proxied.house.default.report_fails = errors.CredentialsRejected("no", hint="unlock")
        told = await proxied.ask(MESSAGE, method, b"")
        assert proxied.tally.reports() == {("default", "error"): 1}
    assert (told.status, told.one(ERROR_HEADER)) == (401, "credentials_rejected")
    assert told.one("content-length") == str(len(b'{"error": "unauthorized"}'))
    assert len(site.seen) == 1


async def test_a_session_that_was_proved_anew_with_the_same_value_is_tried_again(
    tmp_path: Path,
) -> None:
    """The site refused it for a moment: the next generation holds the same cookie."""

    async def answer(request: Seen) -> bytes:
        await request.read()
        return DENIED if len(site.seen) == 1 else plain(b"done")

    async with before(tmp_path, answer) as (site, proxied):
        keeper = proxied.house.default

        async def same() -> None:
            held = keeper.served.session
            keeper.served = Served(replace(held, generation=held.generation + 1))

        keeper._refresh = same  # type: ignore[method-assign]
        told = await proxied.ask(MESSAGE, "POST", b"{}")
    assert (told.status, told.body) == (200, b"done")


async def test_a_session_that_others_have_renewed_already_is_taken_at_once(tmp_path: Path) -> None:
    async def answer(request: Seen) -> bytes:
        if not proxied.house.default.refreshes:
            await proxied.house.default._refresh()
        return await live_from(2)(request)

    async with before(tmp_path, answer) as (_, proxied):
        told = await proxied.ask(MESSAGE, "POST", b"{}")
    assert told.status == 200
    assert proxied.house.default.refreshes == 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 429, 500, 502, 503, 504])
async def test_no_other_answer_is_a_reason_to_send_again_or_to_report(
    tmp_path: Path, status: int
) -> None:
    async def answer(request: Seen) -> bytes:
        await request.read()
        return plain(b"no", f"{status} No")

    async with before(tmp_path, answer) as (site, proxied):
        for method in ("GET", "POST"):
            told = await proxied.ask(MESSAGE, method, b"{}")
            assert (told.status, told.body) == (status, b"no")
    assert len(site.seen) == 2
    assert proxied.house.default.reports == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
async def test_a_connection_that_breaks_is_no_reason_to_send_again(
    tmp_path: Path, method: str
) -> None:
    """On a kept connection too, where an HTTP library would."""

    async def answer(request: Seen) -> bytes | None:
        await request.read()
        if len(site.seen) % 2:
            return plain(b"first")
        request.writer.transport.abort()
        return None

    async with before(tmp_path, answer) as (site, proxied):
        assert (await proxied.ask("/", "GET")).status == 200
        told = await proxied.ask(MESSAGE, method, b"")
        assert (told.status, len(site.seen), site.connections) == (503, 2, 1)
    if method != "HEAD":
        assert json.loads(told.body)["code"] == "site_down"
    assert int(told.one("retry-after") or 0) > 0


async def test_a_site_that_does_not_answer_in_time_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "ANSWER_S", 0.2)

    async def answer(request: Seen) -> None:
        await request.read()
        await request.gone()

    async with before(tmp_path, answer) as (site, proxied):
        told = await proxied.ask(MESSAGE, "GET", b"")
        await asyncio.wait_for(site.ended.wait(), 5)
    assert (told.status, json.loads(told.body)["code"]) == (503, "timed_out")
    assert len(site.seen) == 1


async def test_a_site_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    async with before(tmp_path, live_from(1)) as (site, proxied):
        pass
    async with proxying(tmp_path, ProxyHouse(site.origin)) as proxied:
        told = await proxied.ask("/?secret=canary")
    assert (told.status, json.loads(told.body)["code"]) == (503, "site_down")
    assert b"canary" not in told.body
    assert "site.localhost: Connection refused" in json.loads(told.body)["detail"]


async def test_a_body_that_is_too_large_to_keep_is_streamed_and_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_body, "KEPT_EACH_BYTES", 100_000)
    async with before(tmp_path, live_from(2)) as (site, proxied):
        told = await proxied.ask(MESSAGE, "POST", b"a" * 100_001)
        chunked = await proxied.raw(
            b"POST %s HTTP/1.1\r\nHost: k\r\nConnection: close\r\n" % MESSAGE.encode()
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"%x\r\n%s\r\n0\r\n\r\n" % (100_001, b"b" * 100_001)
        )  # fmt: skip
        assert Told.of(chunked).status == 200, "the session is the next one by now"
        kept = await proxied.ask(MESSAGE, "POST", b"a" * 100_000)
        assert proxied.proxy._means.shelf.free_bytes == sent_body.KEPT_IN_ALL_BYTES
    assert (told.status, kept.status) == (401, 200)
    assert [len(one.body) for one in site.seen] == [100_001, 100_001, 100_000]


@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_body_that_comes_slowly_is_kept_as_it_goes(
    tmp_path: Path, framing: str, size: int
) -> None:
    async with before(tmp_path, live_from(2)) as (site, proxied), proxied.talk() as (read, write):
        told = (
            f"Content-Length: {2 * size}" if framing == "length" else "Transfer-Encoding: chunked"
        )
        write.write(
            f"POST {MESSAGE} HTTP/1.1\r\nHost: k\r\nConnection: close\r\n{told}\r\n\r\n".encode()
        )
        for letter in (b"a", b"b"):
            piece = letter * size
            write.write(piece if framing == "length" else b"%x\r\n%s\r\n" % (size, piece))
            await write.drain()
            await site.asked.wait()
        write.write(b"" if framing == "length" else b"0\r\n\r\n")
        assert Told.of(await read.read()).status == 200
    assert [one.body for one in site.seen] == [b"a" * size + b"b" * size] * 2


async def test_a_401_before_the_body_was_sent_ends_that_sending_and_all_of_it_goes_again(
    tmp_path: Path,
) -> None:
    async def answer(request: Seen) -> bytes:
        if len(site.seen) == 1:
            return DENIED  # nothing of the body is read
        await request.read()
        return plain(b"done")

    body = bytes(range(256)) * 16_000
    async with before(tmp_path, answer) as (site, proxied):
        told = await proxied.ask(MESSAGE, "POST", body)
    assert told.status == 200
    assert site.seen[1].body == body


async def test_what_is_kept_of_all_bodies_together_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_body, "KEPT_IN_ALL_BYTES", 50_000)
    async with before(tmp_path, live_from(2)) as (_, proxied):
        proxied.house.default.takes_s = 0.1
        told = await asyncio.gather(
            *(proxied.ask(MESSAGE, "POST", b"a" * 20_000) for _ in range(4))
        )
        assert proxied.proxy._means.shelf.free_bytes == 50_000, "all of it was given back"
    assert sorted(one.status for one in told) == [200, 200, 401, 401]


async def test_a_refusal_with_an_endless_body_is_passed_on_as_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "REFUSAL_BYTES", 1000)

    async def answer(request: Seen) -> bytes:
        return plain(b"x" * 5000, "401 Unauthorized")

    async with before(tmp_path, answer) as (_, proxied):
        told = await proxied.ask("/")
    assert (told.status, told.body) == (401, b"x" * 5000)


async def test_the_client_that_waits_for_a_refresh_holds_no_place(tmp_path: Path) -> None:
    async with before(tmp_path, live_from(2)) as (_, proxied):
        proxied.house.default.takes_s = 0.3
        waiting = asyncio.create_task(proxied.ask(MESSAGE, "POST", b"{}"))
        await proxied.house.default.reported.wait()
        assert proxied.proxy._means.places._free == 64
        assert (await waiting).status == 200
