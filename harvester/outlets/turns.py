"""Whose turn it is: places at the site, its limits, and the rest that it asked for.

Fair: clients take turns, however many requests each of them has waiting.  Two things are waited
for here: one of the 64 places of requests under way (``Places``), and a request's turn below the
site's limits of its kind (``Pace``).  Knows neither HTTP nor sessions.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

from harvester.errors import Busy, RateLimited
from harvester.ledger import RETRY_AFTER_MOST_S
from harvester.profile import Limit, Profile

# The contract's: so many requests are under way to the site at once.
PLACES = 64
# For a turn below a limit: longer than the usual pause between two requests of a tool that polls,
# shorter than the patience of most HTTP clients: whoever would wait longer is told when to come.
PATIENCE_S = 20.0
# For a place: as long as for a session, since a site may take its time with each request.
PLACE_PATIENCE_S = 60.0
# The site counts when a request arrives, we when it leaves.
_MARGIN_S = 0.25

Client = object
_Waiter = asyncio.Future[None]


class Line:
    """Those who wait, by client; clients are served in turn."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Client, deque[_Waiter]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def stand(self, client: Client) -> _Waiter:
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(waiter)
        return waiter

    def leave(self, client: Client, waiter: _Waiter) -> None:
        own = self._waiting.get(client)
        if own is not None and waiter in own:
            own.remove(waiter)
            if not own:
                del self._waiting[client]

    def next(self) -> _Waiter | None:
        """Who comes next, taken out of the line; his client goes to its end."""
        if not self._waiting:
            return None
        client, own = next(iter(self._waiting.items()))
        waiter = own.popleft()
        if own:
            self._waiting.move_to_end(client)
        else:
            del self._waiting[client]
        return waiter


class Places:
    """So many at once."""

    def __init__(self, many: int = PLACES, *, patience_s: float = PLACE_PATIENCE_S) -> None:
        self._free = many
        self._many = many
        self._patience_s = patience_s
        self._line = Line()

    async def take(self, client: Client) -> None:
        """Raises Busy where none gets free in time.  ``give_back`` it."""
        if self._free > 0 and not self._line:
            self._free -= 1
        else:
            await self._wait(client)

    def give_back(self) -> None:
        waiter = self._line.next()
        while waiter is not None and waiter.done():
            waiter = self._line.next()
        if waiter is None:
            self._free += 1
        else:
            waiter.set_result(None)

    async def _wait(self, client: Client) -> None:
        waiter = self._line.stand(client)
        try:
            async with asyncio.timeout(self._patience_s):
                await waiter
        except BaseException as error:
            self._line.leave(client, waiter)
            if waiter.done() and not waiter.cancelled():
                self.give_back()  # it came in the same moment
            if isinstance(error, TimeoutError):
                raise Busy(
                    f"{self._many} requests are under way to the site already",
                    hint="try again in a moment; close streams that nobody reads",
                    retry_after_s=1.0,
                ) from None
            raise


class Lane:
    """Requests of one kind and one user: so many within so long, and none while the site rests.

    ``now_s`` is a clock that never steps.
    """

    def __init__(self, limits: tuple[Limit, ...], now_s: Callable[[], float]) -> None:
        self._limits = limits
        self._now_s = now_s
        self._sent: deque[float] = deque(maxlen=max((one.times for one in limits), default=0))
        self._rests_until = 0.0
        # Most lanes have no limit and no rest: then nothing is reckoned.
        self._hinders = bool(limits)
        self._line = Line()
        self._timer: asyncio.TimerHandle | None = None

    def rest(self, seconds: float) -> None:
        """The site wants no more of these for so long."""
        self._rests_until = max(self._rests_until, self._now_s() + seconds)
        self._hinders = True

    def wait_s(self) -> float:
        """Seconds until the next one may go; 0: now."""
        now_s = self._now_s()
        free_at = self._rests_until
        for limit in self._limits:
            if len(self._sent) >= limit.times:
                free_at = max(free_at, self._sent[-limit.times] + limit.within_s + _MARGIN_S)
        return max(0.0, free_at - now_s)

    def take_now(self) -> bool:
        """Whether it may go at once, and then it counts."""
        if self._line or (self._hinders and self.wait_s() > 0):
            return False
        if self._limits:
            self._sent.append(self._now_s())
        return True

    async def turn(self, client: Client, patience_s: float) -> None:
        """Wait for it.  Raises RateLimited where it will not come in time."""
        if self.take_now():
            return
        wait_s = self.wait_s()
        if wait_s > patience_s:
            raise _limited(wait_s)
        waiter = self._line.stand(client)
        self._look_later()
        try:
            async with asyncio.timeout(patience_s):
                await waiter
        except TimeoutError:
            raise _limited(self.wait_s()) from None
        finally:
            self._line.leave(client, waiter)

    def _look_later(self) -> None:
        if self._timer is None and self._line:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.wait_s(), self._look)

    def _look(self) -> None:
        self._timer = None
        while self._line and self.wait_s() <= 0:
            waiter = self._line.next()
            if waiter is not None and not waiter.done():
                self._sent.append(self._now_s())
                waiter.set_result(None)
        self._look_later()


class Pace:
    """How fast one may ask: the site's documented limits where ``governs``, and what it says by
    Retry-After always.  Limits are a user's, so profiles of one user share them."""

    def __init__(
        self, now_s: Callable[[], float], *, governs: bool, patience_s: float = PATIENCE_S
    ) -> None:
        self._governs = governs
        self._now_s = now_s
        self._patience_s = patience_s
        self._lanes: dict[tuple[str, ...], Lane] = {}

    async def turn(self, profile: Profile, method: str, path: str, client: Client) -> None:
        """Wait until a request of this kind may go.  Raises RateLimited."""
        for lane in (self._site(profile), self._lane(profile, method, path)):
            if not lane.take_now():
                await lane.turn(client, self._patience_s)

    def told(
        self, profile: Profile, method: str, path: str, *, status: int, retry_after_s: float
    ) -> None:
        """The site asked to be left alone: 503 in everything, 429 in what it was asked."""
        rest_s = min(retry_after_s, RETRY_AFTER_MOST_S)
        lane = self._site(profile) if status == 503 else self._lane(profile, method, path)
        lane.rest(rest_s)

    def _site(self, profile: Profile) -> Lane:
        return self._known(("site", profile.site.origin), ())

    def _lane(self, profile: Profile, method: str, path: str) -> Lane:
        site, user = profile.site, profile.username or f"profile {profile.name}"
        limits = tuple(one for one in site.limits if (one.method, one.path) == (method, path))
        if not limits:
            return self._known(("user", site.origin, user), ())
        key = ("kind", site.origin, user, method, path)
        return self._known(key, limits if self._governs else ())

    def _known(self, key: tuple[str, ...], limits: tuple[Limit, ...]) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(limits, self._now_s)
        return lane


def _limited(wait_s: float) -> RateLimited:
    return RateLimited(
        "the site's limit for this kind of request is reached, or it asked to be left alone",
        hint="come again after the time told; the limits are the account's, whoever asks",
        retry_after_s=max(1.0, wait_s),
    )
