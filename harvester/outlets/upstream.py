"""The proxy's way to the sites: one request out, one answer in, nothing repeated.

Keeps connections, keeps no cookies, follows no redirect, decodes nothing, and never sends a request
a second time: whether it may be is for others to say.  Its errors name a class of trouble, never an
address with a query.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from harvester.errors import SiteDown, TimedOut
from harvester.probe import LoopbackNames, in_words, trusted
from harvester.profile import Site, is_loopback

# A site that is there answers a connection at once.
CONNECT_S = 10.0
# For the head of an answer, from the last piece of the body on: what thinks for longer than this
# streams meanwhile.  A body may take as long as it likes, with any pauses.
ANSWER_S = 120.0
# Sites write long lines (Content-Security-Policy, Set-Cookie); aiohttp's 8 KiB are for requests.
_LINE_BYTES = 64 * 1024
# An idle connection is left before the site leaves it (servers wait 15 to 75 s): a request that
# meets the site's goodbye fails, since nobody knows whether it was heard.
_IDLE_S = 10.0
_DOWN_RETRY_S = 5.0


class Upstream:
    """``change`` takes up other settings of the way; requests under way end on the old one."""

    def __init__(self, *, https_proxy: str | None, ca_file: str | None) -> None:
        self._way = (https_proxy, ca_file)
        self._http: aiohttp.ClientSession | None = None
        # Closing one would break off what is under way on it; left alone, it soon holds nothing.
        self._left: list[aiohttp.ClientSession] = []

    def change(self, *, https_proxy: str | None, ca_file: str | None) -> None:
        if self._way != (https_proxy, ca_file):
            self._way = (https_proxy, ca_file)
            self._leave()

    async def close(self) -> None:
        self._leave()
        left, self._left = self._left, []
        for http in left:
            await http.close()

    def _leave(self) -> None:
        if self._http is not None:
            self._left.append(self._http)
            self._http = None

    async def ask(
        self,
        site: Site,
        method: str,
        target: str,
        headers: CIMultiDict[str],
        body: bytes | AsyncIterator[bytes] | None,
    ) -> aiohttp.ClientResponse:
        """The answer's head; its body is still to come.  Raises SiteDown, TimedOut."""
        scheme, _, authority = site.origin.partition("://")
        sending = None if body is None or isinstance(body, bytes) else _Sending(body)
        try:
            async with asyncio.timeout(ANSWER_S) as limit:
                if sending is not None:
                    sending.limit = limit
                answer = await self._client().request(
                    method,
                    # Built from its parts, so that no byte of the target is read or changed.
                    URL.build(scheme=scheme, authority=authority, path=target, encoded=True),
                    headers=headers,
                    data=body if sending is None else sending.pieces(),
                    allow_redirects=False,
                    proxy=None if is_loopback(site.host) else self._way[0],
                )
        except aiohttp.ConnectionTimeoutError:
            raise _down(site, f"no connection in {CONNECT_S:.0f} s") from None
        except TimeoutError:
            raise TimedOut(
                f"{site.host} did not answer in {ANSWER_S:.0f} s; the request may have been heard",
                hint="look whether it was carried out before you send it again",
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _down(site, in_words(error)) from None
        finally:
            if sending is not None:
                sending.limit = None
        if answer.status < 200:
            answer.close()
            raise _down(site, f"it answered {answer.status}, which nobody had asked for")
        return answer

    def _client(self) -> aiohttp.ClientSession:
        """Raises ConfigInvalid for a CA file that is none."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=LoopbackNames(),
                    ssl=trusted(self._way[1]),
                    limit=0,  # who may ask is counted before
                    keepalive_timeout=_IDLE_S,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                auto_decompress=False,
                max_line_size=_LINE_BYTES,
                max_field_size=_LINE_BYTES,
                trust_env=False,
            )
            # aiohttp sends GET, PUT and DELETE again when a kept connection breaks under them, and
            # offers no setting against it.  They may have been heard.
            self._http._retry_connection = False
        return self._http


class _Sending:
    """A body on its way; while pieces of it go out, the answer is not late.  ``limit`` is None
    once the head of the answer is there: it may come before the body is sent."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self.limit: asyncio.Timeout | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        async for piece in self._body:
            if self.limit is not None and not self.limit.expired():
                self.limit.reschedule(loop.time() + ANSWER_S)
            yield piece


def _down(site: Site, trouble: str) -> SiteDown:
    return SiteDown(
        f"no answer from {site.host}: {trouble}",
        hint="where a connection broke the request may have been heard: look before you send it "
        "again",
        retry_after_s=_DOWN_RETRY_S,
    )
