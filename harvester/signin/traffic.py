"""What the main document's requests told: failures, statuses, clocks, who is slow.

Owns the bookkeeping; ``browser.py`` feeds it, the walk asks it.  Plain values only: addresses are
kept as origins, because their queries carry codes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

from harvester.errors import (
    AccountLocked,
    BrowserFailed,
    ConfigInvalid,
    HarvesterError,
    ProviderDown,
    RateLimited,
    SiteDown,
)
from harvester.profile import origin_of

# A document that has not begun to arrive after this long will not; the outage must be told in
# under 30 s, and no page of a sign-in that works was seen to take more than a few seconds.
NAVIGATION_PATIENCE_S = 20.0
# Requests older than this are long polls, not answers to what we did.
_REQUEST_INTEREST_S = 15.0
# What a press causes is sent within this, also where a script hashes or debounces first.
_CAUSED_S = 2.0
_RETRY_CAP_S = 24 * 3600.0
# What a machine without memory answers in the name of any server.
_OUR_OWN = ("ERR_INSUFFICIENT_RESOURCES", "ERR_OUT_OF_MEMORY")
_IGNORED_FAILURES = ("ERR_ABORTED", "ERR_CACHE_MISS")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an authorisation request asked for: the client, and the scopes."""

    client: str
    scopes: tuple[str, ...]


@dataclass(slots=True)
class Traffic:
    """``visited`` are the origins that the main document was sent to, in order.

    ``latest_at`` is when the latest request began (``time.monotonic``).  ``blocks`` says which
    hosts the browser may not look up; ``on_blocked`` hears of each that a page asked for, once.
    """

    site_origin: str
    visited: list[str] = field(default_factory=list)
    asked: Asked | None = None
    user_agent: str = ""
    trouble: HarvesterError | None = None
    latest_at: float = 0.0
    sockets: bool = False
    """A page has opened a web socket: it may say things that no request shows."""
    blocks: Callable[[str], bool] = lambda host: False
    on_blocked: Callable[[str], None] = lambda host: None
    _blocked: set[str] = field(default_factory=set)
    _skews: dict[str, float] = field(default_factory=dict)
    _repeated: set[tuple[str, ...]] = field(default_factory=set)
    _pending: dict[int, float] = field(default_factory=dict)
    _navigation: tuple[int, str, float] | None = None

    def started(self, key: int, url: str, *, navigation: bool, user_agent: str) -> None:
        now = time.monotonic()
        self._pending[key] = self.latest_at = now
        self.user_agent = user_agent or self.user_agent
        if not navigation:
            return
        origin = origin_of(url)
        if origin is None:
            return
        self._navigation = (key, origin, now)
        self.trouble = None
        if not self.visited or self.visited[-1] != origin:
            self.visited.append(origin)
        query = parse_qs(urlsplit(url).query)
        if "client_id" in query:
            scopes = " ".join(query.get("scope", [])).split()
            self.asked = Asked(query["client_id"][0], tuple(sorted(set(scopes))))

    def answered(
        self, key: int, url: str, status: int, headers: Mapping[str, str], *, navigation: bool
    ) -> None:
        origin = origin_of(url)
        if origin is not None:
            self._compare_clocks(origin, headers)
        if not navigation:
            return
        if self._navigation is not None and self._navigation[0] == key:
            self._navigation = None
        if origin is None:
            return
        self.trouble = self._judge(origin, status, headers.get("retry-after"))

    def finished(self, key: int) -> None:
        self._pending.pop(key, None)

    def failed(self, key: int, url: str, reason: str, *, navigation: bool) -> None:
        self._pending.pop(key, None)
        host = urlsplit(url).hostname or ""
        if "NAME_NOT_RESOLVED" in reason and host not in self._blocked and self.blocks(host):
            self._blocked.add(host)
            self.on_blocked(host)
        if not navigation:
            return
        if self._navigation is not None and self._navigation[0] == key:
            self._navigation = None
        origin = origin_of(url)
        if origin is None or any(one in reason for one in _IGNORED_FAILURES):
            return
        self.trouble = self.down(origin, reason)

    @property
    def last_but_site(self) -> str | None:
        """The last origin on the way that is not the site's: who signs us in."""
        return next((one for one in reversed(self.visited) if one != self.site_origin), None)

    def clock_skew_s(self, *origins: str | None) -> float | None:
        """Our clock minus that of the first of these origins that told its time, else the site's;
        None where nobody did."""
        for origin in (*origins, self.site_origin):
            if origin is not None and origin in self._skews:
                return self._skews[origin]
        return None

    @property
    def left_site(self) -> bool:
        return any(one != self.site_origin for one in self.visited)

    @property
    def in_flight(self) -> bool:
        now = time.monotonic()
        return self.navigating or any(
            now - since < _REQUEST_INTEREST_S for since in self._pending.values()
        )

    def answering(self, since: float) -> bool:
        """Whether a request that began just after ``since`` has no answer yet, or may still begin.

        A page that asks its server for news all the time always has something in flight; what
        answers an action of ours is a request that the action caused.
        """
        now = time.monotonic()
        if now - since < _CAUSED_S and not self.heard(since):
            return True
        return self.navigating or any(
            since <= begun <= since + _CAUSED_S and now - begun < _REQUEST_INTEREST_S
            for begun in self._pending.values()
        )

    def heard(self, since: float) -> bool:
        """Whether anything was said to a server since then, as far as can be seen."""
        return self.sockets or self.latest_at >= since

    def missed(self, action: tuple[str, ...], since: float) -> bool:
        """Whether an action of ours went unheard: the page asked no server of anything since.

        A page shows its form before its scripts listen to it, and a press is lost.  True at most
        once for each action, so that it is repeated once and no more.
        """
        early = time.monotonic() - since < _CAUSED_S
        if early or self.heard(since) or self.navigating or action in self._repeated:
            return False
        self._repeated.add(action)
        return True

    @property
    def navigating(self) -> bool:
        return self._navigation is not None

    def raise_trouble(self) -> None:
        """Raise what went wrong with the main document, if something did."""
        trouble = self.trouble or self.overdue()
        if trouble is not None:
            raise trouble

    def overdue(self) -> HarvesterError | None:
        """The error for a document that does not come."""
        if self._navigation is None:
            return None
        _, origin, since = self._navigation
        if time.monotonic() - since < NAVIGATION_PATIENCE_S:
            return None
        return self.down(origin, "no answer")

    def down(self, origin: str, reason: str) -> HarvesterError:
        host = urlsplit(origin).netloc
        hint = "it is tried again later by itself; see: harvester doctor"
        if any(one in reason for one in _OUR_OWN):
            return BrowserFailed(f"the browser has no memory left ({reason})", hint=hint)
        name = urlsplit(origin).hostname or ""
        if "NAME_NOT_RESOLVED" in reason and self.blocks(name):
            return ConfigInvalid(
                f"the sign-in leads to {name}, and HARVESTER_BROWSER_HOSTS keeps the browser "
                "from it",
                hint=f"if that place is yours, add {name} to HARVESTER_BROWSER_HOSTS",
            )
        if "CERT_AUTHORITY" in reason:
            hint = "if your company vouches for it, name its authority with HARVESTER_CA_FILE"
        elif "CERT" in reason or "SSL" in reason:
            hint = "the connection is not trusted by the browser: check the clock and the network"
        elif "NAME_NOT_RESOLVED" in reason:
            hint = "check the address in the settings, and the network"
        elif "PROXY" in reason or "TUNNEL" in reason:
            hint = "check HARVESTER_HTTPS_PROXY"
        cls = SiteDown if origin == self.site_origin else ProviderDown
        return cls(f"{host} could not be reached ({reason})", hint=hint)

    def _judge(self, origin: str, status: int, retry_after: str | None) -> HarvesterError | None:
        host = urlsplit(origin).netloc
        wait_s = _seconds(retry_after, self._skews.get(origin, 0.0))
        if status == 429 or (status == 503 and wait_s is not None):
            return RateLimited(
                f"{host} asks to slow down (status {status})",
                hint="it is tried again later by itself",
                retry_after_s=wait_s,
            )
        if status == 423 and origin != self.site_origin:
            return AccountLocked(
                f"{host} says that the account is locked",
                hint=f"have it unlocked, sign in once at {host} in your own browser, "
                "then run: harvester unlock",
            )
        if status >= 500:
            return self.down(origin, f"status {status}")
        return None

    def _compare_clocks(self, origin: str, headers: Mapping[str, str]) -> None:
        """A page that a cache kept bears an old date, so of all the least difference is true."""
        then = _moment(headers.get("date"))
        if then is None:
            return
        skew_s = round(time.time() - then - (_seconds(headers.get("age")) or 0.0), 1)
        self._skews[origin] = min(skew_s, self._skews.get(origin, skew_s))


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return then.timestamp()


def _seconds(retry_after: str | None, skew_s: float = 0.0) -> float | None:
    """``Retry-After`` in either form, as seconds from now.  A date is meant by the server's own
    clock: ``skew_s`` is ours minus that."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.strip().isdigit():
        return min(float(retry_after), _RETRY_CAP_S)
    then = _moment(retry_after)
    if then is None:
        return None
    return min(max(then - datetime.now(UTC).timestamp() + skew_s, 0.0), _RETRY_CAP_S)
