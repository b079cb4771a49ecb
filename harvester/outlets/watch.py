"""``GET /v1/session/watch``: one server-sent event for each new generation and change of state.

    an event of the log, or a second gone by ──► how does it stand now? ──► changed? ──► watchers

What is told is how the profile stands, never a cookie: a stream is kept open for days, piped and
logged, and each giving-out of a secret is to be one that was asked for.  Who hears of a generation
asks for it.  Nobody is waited for: a watcher has room for a few events, and one that does not read
them is dropped.  Knows nothing of how a session comes about; whoever made it says how it stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from harvester import log, wire
from harvester.errors import Busy, HarvesterError
from harvester.outlets import parameters
from harvester.outlets.guests import CONNECTIONS_LIMIT

# Half of all connections: those who ask must find room whatever those who watch do.
WATCHERS_MOST = CONNECTIONS_LIMIT // 2
# A session grows stale by the clock alone, which no event tells.
LOOK_EVERY_S = 1.0
# Of a burst of events one look is made.
_SETTLE_S = 0.02
# Proxies and clients give up on a stream that is silent for half a minute.
KEEP_ALIVE_S = 15.0
# Changes come seconds apart; whoever is sixteen behind does not read.
BEHIND_MOST = 16
# What the kernel holds for a reader is his own; of our memory he gets this much.
_BUFFER_BYTES = 4096
_WRITE_S = 10.0

Glance = Callable[[str], Mapping[str, Any]]

# What makes two looks differ: a date that moves is no change of state.
_CHANGES = ("generation", "state", "ready", "code")
_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}


@dataclass(eq=False, slots=True)
class _Watcher:
    """One open stream, and how its profile stood when it was told last.  None in the queue ends
    it."""

    name: str
    request: web.BaseRequest
    told: Mapping[str, Any]
    queue: asyncio.Queue[Mapping[str, Any] | None] = field(
        default_factory=lambda: asyncio.Queue(BEHIND_MOST)
    )

    @property
    def gone(self) -> bool:
        transport = self.request.transport
        return transport is None or transport.is_closing()

    def give(self, now: Mapping[str, Any]) -> None:
        if all(now[what] == self.told[what] for what in _CHANGES):
            return
        self.told = now
        try:
            self.queue.put_nowait(now)
        except asyncio.QueueFull:
            log.event("watch.dropped", level=logging.WARNING, profile=self.name, why="too slow")
            self.drop()

    def drop(self) -> None:
        transport = self.request.transport
        if transport is not None:
            transport.abort()

    def end(self) -> None:
        """Let the stream end after what it was told; one with no room for that is dropped."""
        try:
            self.queue.put_nowait(None)
        except asyncio.QueueFull:
            self.drop()


class Watch:
    """All watchers of one outlet."""

    def __init__(self, glance: Glance) -> None:
        """``glance`` tells how a profile stands (see ``status.glance``), or raises
        UnknownProfile."""
        self._glance = glance
        self._watchers: set[_Watcher] = set()
        self._next: asyncio.TimerHandle | None = None
        self._deaf: Callable[[], None] | None = None

    async def stream(
        self, request: web.BaseRequest, asked: Mapping[str, str]
    ) -> web.StreamResponse:
        """Answer with events until either side ends it.  The first tells how things stand now,
        unless ``after`` is the generation that is served.  Raises Usage, Busy, UnknownProfile."""
        after = parameters.after(asked, request.headers.get("Last-Event-ID"))
        name = parameters.profile(asked)
        now = self._glance(name)
        if request.method == "HEAD":
            return web.Response(headers=_HEADERS)
        if len(self._watchers) >= WATCHERS_MOST:
            raise Busy(
                f"{WATCHERS_MOST} watch already", hint="close streams that nobody reads",
                retry_after_s=KEEP_ALIVE_S,
            )  # fmt: skip
        watcher = _Watcher(name, request, now)
        if not (now["ready"] and now["generation"] == after):
            watcher.queue.put_nowait(now)
        self._watchers.add(watcher)
        self._listen()
        try:
            return await self._tell(watcher, after)
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._stop()

    def close(self) -> None:
        """End all streams."""
        for watcher in self._watchers:
            watcher.end()
        self._stop()

    async def _tell(self, watcher: _Watcher, known: int | None) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(watcher.request)
        if watcher.request.transport is not None:
            watcher.request.transport.set_write_buffer_limits(high=_BUFFER_BYTES)
        # At once, so that a client knows that it is heard, though nothing may be new.
        text = ": watching\n\n"
        while True:
            try:
                async with asyncio.timeout(_WRITE_S):
                    await response.write(text.encode())
            except TimeoutError:
                watcher.drop()
                return response
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    told = await watcher.queue.get()
            except TimeoutError:
                text = ": nothing new\n\n"
                continue
            if told is None:
                return response
            text = _event(told, new=told["generation"] != known)
            known = told["generation"] or known

    # when something may have changed

    def _listen(self) -> None:
        if self._deaf is not None:
            return
        loop = asyncio.get_running_loop()

        def hear(name: str, level: int, fields: Mapping[str, Any]) -> None:
            # Events come from any thread, one of a loop that has just ended among them.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._soon, _SETTLE_S)

        self._deaf = log.listen(hear)
        self._soon(LOOK_EVERY_S)

    def _stop(self) -> None:
        if self._deaf is not None:
            self._deaf()
            self._deaf = None
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _soon(self, in_s: float) -> None:
        """Look in ``in_s`` seconds, or when that was due anyway."""
        if self._deaf is None:
            return  # an event of before the last one left
        loop = asyncio.get_running_loop()
        if self._next is not None:
            if self._next.when() <= loop.time() + in_s:
                return
            self._next.cancel()
        self._next = loop.call_later(in_s, self._look)

    def _look(self) -> None:
        self._next = None
        for name in {one.name for one in self._watchers}:
            watchers = [one for one in self._watchers if one.name == name]
            for gone in [one for one in watchers if one.gone]:
                gone.end()
            try:
                now = self._glance(name)
            except HarvesterError:  # the profile is gone from the settings
                for one in watchers:
                    one.end()
                continue
            for one in watchers:
                one.give(now)
        self._soon(LOOK_EVERY_S)


def _event(told: Mapping[str, Any], *, new: bool) -> str:
    """``id`` is the generation; a browser's EventSource gives it back as Last-Event-ID."""
    generation = told["generation"]
    lines = [] if generation is None else [f"id: {generation}"]
    lines.append("event: session" if new and generation is not None else "event: state")
    lines.append(f"data: {wire.as_json(told)}")
    return "\n".join(lines) + "\n\n"
