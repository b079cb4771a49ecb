"""The proxy's way to the sites: one request out, one answer in, nothing repeated.

Keeps connections, keeps no cookies, follows no redirect, decodes nothing, and never sends a request
a second time: whether it may be is for others to say.  Its errors name a class of trouble, never an
address with a query.
"""

from __future__ import annotations

import asyncio
import os
import ssl

from multidict import CIMultiDict

from harvester.errors import SiteDown, TimedOut
from harvester.outlets.sent_body import Sent
from harvester.outlets.site_answer import BrokeOff, Late, SiteAnswer
from harvester.outlets.site_end import CHUNKED, SiteEnd
from harvester.outlets.tunnel import Way, connect
from harvester.outlets.writing import head
from harvester.probe import trusted
from harvester.profile import Site
from harvester.redact import clean

# A site that is there answers a connection at once; with TLS, and through a company's proxy.
CONNECT_S = 10.0
# For the head of an answer, from the last piece of the body on: what thinks for longer than this
# streams meanwhile.  A body may take as long as it likes, with any pauses.
ANSWER_S = 120.0
# An idle connection is left before the site leaves it (servers wait 15 to 75 s): a request that
# meets the site's goodbye fails, since nobody knows whether it was heard.
_IDLE_S = 10.0
_DOWN_RETRY_S = 5.0
# Methods that need not say that they bring no body.
_BARE = ("GET", "HEAD", "OPTIONS", "TRACE")


class Upstream:
    """``change`` takes up other settings of the way; requests under way end on the old one."""

    def __init__(self, *, https_proxy: str | None, ca_file: str | None) -> None:
        self._way = (https_proxy, ca_file)
        self._pool: _Pool | None = None
        # Closing one would break off what is under way on it; left alone, it soon holds nothing.
        self._left: list[_Pool] = []

    def change(self, *, https_proxy: str | None, ca_file: str | None) -> None:
        if self._way != (https_proxy, ca_file):
            self._way = (https_proxy, ca_file)
            self._leave()

    async def close(self) -> None:
        self._leave()
        for pool in self._left:
            await pool.close()

    def _leave(self) -> None:
        if self._pool is not None:
            self._pool.leave()
            self._left = [*(pool for pool in self._left if pool.ends), self._pool]
            self._pool = None

    async def ask(
        self, site: Site, method: str, target: str, headers: CIMultiDict[str], body: Sent
    ) -> SiteAnswer:
        """The answer's head; its body is still to come.  Raises SiteDown, TimedOut."""
        written, length = _written(site, method, target, headers, body)
        end = await self._end(site)
        answer = end.ask(
            written, body, length=length, head_only=method == "HEAD", patience_s=ANSWER_S
        )
        try:
            await answer.head()
        except Late:
            raise TimedOut(
                f"{site.host} did not answer in {ANSWER_S:.0f} s; the request may have been heard",
                hint="look whether it was carried out before you send it again",
            ) from None
        except BrokeOff as broken:
            raise _down(site, broken.why) from None
        except BaseException:
            answer.close()
            raise
        return answer

    async def _end(self, site: Site) -> SiteEnd:
        """A connection that carries nothing.  Raises ConfigInvalid for a CA file that is none."""
        pool = self._pool
        if pool is None:
            pool = self._pool = _Pool(self._way[0], self._way[1])
        kept = pool.kept(site.origin)
        if kept is not None:
            return kept
        try:
            async with asyncio.timeout(CONNECT_S):
                return await pool.connected(site.origin)
        except TimeoutError:
            raise _down(site, f"no connection in {CONNECT_S:.0f} s") from None
        except (OSError, BrokeOff) as error:
            raise _down(site, _in_words(error)) from None


class _Pool:
    """The connections of one way, by where they lead."""

    def __init__(self, https_proxy: str | None, ca_file: str | None) -> None:
        tls = trusted(ca_file)
        if not isinstance(tls, ssl.SSLContext):
            tls = ssl.create_default_context()
        tls.set_alpn_protocols(["http/1.1"])
        self.ends: set[SiteEnd] = set()
        self._way = Way(https_proxy, tls)
        self._resting: dict[str, list[SiteEnd]] = {}
        self._left = False
        self._timer: asyncio.TimerHandle | None = None

    def kept(self, origin: str) -> SiteEnd | None:
        """The one that rested last: the others are left to end."""
        resting = self._resting.get(origin, [])
        now_s = asyncio.get_running_loop().time()
        while resting:
            end = resting.pop()
            if end.is_open and now_s - end.rested_s < _IDLE_S:
                return end
            end.close()
        return None

    async def connected(self, origin: str) -> SiteEnd:
        """Raises OSError, BrokeOff."""
        end = await connect(lambda: SiteEnd(self, origin), origin, self._way)
        if not end.closed.done():
            self.ends.add(end)
        return end

    def rests(self, end: SiteEnd) -> None:
        if self._left:
            end.close()
            return
        self._resting.setdefault(end.origin, []).append(end)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_IDLE_S, self._sweep)

    def gone(self, end: SiteEnd) -> None:
        self.ends.discard(end)
        resting = self._resting.get(end.origin, [])
        if end in resting:
            resting.remove(end)

    def leave(self) -> None:
        """No new requests; those under way end."""
        self._left = True
        if self._timer is not None:
            self._timer.cancel()
        for resting in self._resting.values():
            for end in resting:
                end.close()
        self._resting.clear()

    async def close(self) -> None:
        ends = tuple(self.ends)
        for end in ends:
            end.close()
        await asyncio.gather(*(end.closed for end in ends))

    def _sweep(self) -> None:
        """Close those that rested for long."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for origin, resting in list(self._resting.items()):
            for end in resting:
                if loop.time() - end.rested_s >= _IDLE_S:
                    end.close()
            if not resting:
                del self._resting[origin]
        if self._resting:
            self._timer = loop.call_later(_IDLE_S / 2, self._sweep)


def _written(
    site: Site, method: str, target: str, headers: CIMultiDict[str], body: Sent
) -> tuple[bytes, int]:
    """The request's head as it is sent, and the length of its body."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {site.origin.partition('://')[2]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    told = headers.get("Content-Length")
    length = CHUNKED
    if told is not None:
        length = int(told)
    elif body is None:
        length = 0
        if method not in _BARE:
            lines.append("Content-Length: 0")
    elif isinstance(body, bytes):
        length = len(body)
        lines.append(f"Content-Length: {length}")
    else:
        lines.append("Transfer-Encoding: chunked")
    return head(lines), length


def _in_words(error: OSError) -> str:
    """What went wrong on the way to a connection: its class, never an address."""
    match error:
        case BrokeOff():
            return error.why
        case ssl.SSLCertVerificationError():
            return "its certificate is not trusted"
        case ssl.SSLError():
            return "TLS failed"
    # asyncio's own words hold the address that it tried.
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return clean(error.strerror or "no connection")


def _down(site: Site, trouble: str) -> SiteDown:
    return SiteDown(
        f"no answer from {site.host}: {trouble}",
        hint="where a connection broke the request may have been heard: look before you send it "
        "again",
        retry_after_s=_DOWN_RETRY_S,
    )
