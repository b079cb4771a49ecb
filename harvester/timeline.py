"""What happened to each profile and why, as it is kept and as it is told again.

    an event (log.py) ──► is it worth a line? ──► queue ──► a thread of its own ──► journal

Owns which events are kept, as which line, and that keeping them costs nobody anything: a disk that
hangs or refuses delays no caller and stops no sign-in.  Knows nothing of how a line is stored
(``vault/journal.py``) and nothing of what an event means.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, Protocol

from harvester import log
from harvester.clock import Clock, rfc3339
from harvester.errors import StoreError
from harvester.log import event
from harvester.vault.journal import LINE_BYTES

# What is told at most, and unless said otherwise.
MOST_ENTRIES = 1000
DEFAULT_ENTRIES = 100
# Lines that wait for a slow disk; of more, the newest are dropped: it hangs, and will for long.
_WAITING_MOST = 1000
# A disk that is well takes a thousand lines in this time; one that hangs must not keep a process
# from ending, nor a reader from what is there.
_FLUSH_S = 2.0

# What comes all the time, and what we tell of ourselves.
_NOT_KEPT = frozenset(
    {
        "sign_in.step",
        "file.written",
        "journal.not_kept",
        "proxy.replayed",
        "proxy.not_replayed",
        "proxy.not_refreshed",
        "lease.used",
        "lease.refused",
    }
)
# What may come every minute with the same news: kept when the news changes, or when something was
# tried in between.
_NEWS: Mapping[str, tuple[str, ...]] = {
    "probe": ("verdict",),
    "refresh.failed": ("why",),
    "climb.stopped": ("why",),
    "store.not_durable": ("code", "why"),
    "store.unreadable": ("code", "why"),
    "store.rolled_back": ("why",),
    "session.unusable": ("code", "why"),
    "proxy.no_answer": ("why",),
    "proxy.site_rests": ("method", "path", "status"),
}
_TRIED = "climb.rung"
# What happened to the process happened to every profile in it.
_OF_ALL = frozenset(
    {
        "daemon.started",
        "daemon.stopping",
        "clock.jumped",
        "machine.slept",
        "settings.rejected",
        "settings.need_restart",
        "settings.reloaded",
        "handing_out.paused",
        "handing_out.resumed",
    }
)
# What a line keeps when there is no room for all of it.
_CORE = ("at", "level", "event", "why", "next", "next_at", "code", "rung")


class Journal(Protocol):
    """Lines of one profile; ``vault/journal.py`` has one."""

    def add(self, line: bytes) -> None: ...
    def lines(self) -> Sequence[bytes]: ...


class Journals(Protocol):
    """Where they come from; ``vault/directory.py`` is one."""

    def journal(self, profile: str) -> Journal: ...


class Timeline:
    """What happened to the profiles of one store.

    Hears nothing before ``listen``; a timeline that only reads never writes.
    """

    def __init__(self, journals: Journals, clock: Clock) -> None:
        self._journals = journals
        self._clock = clock
        self._followed: dict[str, Journal] = {}
        self._news: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._queue: SimpleQueue[tuple[str, bytes] | threading.Event | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._deaf: Callable[[], None] = _nothing

    def follow(self, profile: str) -> None:
        """Keep what happens to this profile."""
        self._followed.setdefault(profile, self._journals.journal(profile))

    def listen(self) -> None:
        """From now on what happens to the followed profiles is kept."""
        self._deaf = log.listen(self._hear)

    def close(self) -> None:
        """Hear no more; what was heard is written, if the disk takes it soon."""
        self._deaf()
        self._deaf = _nothing
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join(_FLUSH_S)
            self._writer = None

    def entries(self, profile: str, limit: int = DEFAULT_ENTRIES) -> list[dict[str, Any]]:
        """The last ``limit`` things that happened, the newest last, times RFC 3339.

        Blocks for the disk.  Raises StoreError where it cannot be read; a line that is none (half
        of one after a crash, or of a later release) is left out.
        """
        self._flush()
        found: list[dict[str, Any]] = []
        for line in reversed(self._journals.journal(profile).lines()):
            if len(found) == limit:
                break
            entry = _entry(line)
            if entry is not None:
                found.append(entry)
        return found[::-1]

    # hearing

    def _hear(self, name: str, level: int, fields: Mapping[str, Any]) -> None:
        if name in _NOT_KEPT:
            return
        profile = fields.get("profile")
        if profile in self._followed:
            self._keep(str(profile), name, level, fields)
        elif profile is None and name in _OF_ALL:
            for each in tuple(self._followed):
                self._keep(each, name, level, fields)

    def _keep(self, profile: str, name: str, level: int, fields: Mapping[str, Any]) -> None:
        with self._lock:  # events come from any thread
            if name == _TRIED:
                for news in _NEWS:
                    if news != "probe":
                        self._news.pop((profile, news), None)
            if name in _NEWS:
                told = tuple(fields.get(one) for one in _NEWS[name])
                if self._news.get((profile, name)) == told:
                    return
                self._news[profile, name] = told
            if self._queue.qsize() >= _WAITING_MOST:
                return
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
                self._writer.start()
            self._queue.put((profile, _line(self._clock.wall_s(), name, level, fields)))

    # writing, in a thread of its own

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
                continue
            profile, line = item
            try:
                self._followed[profile].add(line)
            except StoreError as error:
                if profile not in self._refused:
                    self._refused.add(profile)
                    event(
                        "journal.not_kept",
                        level=logging.WARNING,
                        profile=profile,
                        code=error.code,
                        why=error.message,
                    )
            else:
                self._refused.discard(profile)

    def _flush(self) -> None:
        if self._writer is not None:
            written = threading.Event()
            self._queue.put(written)
            written.wait(_FLUSH_S)


def _nothing() -> None:
    """What ends hearing where nothing is heard."""


def _line(at: float, name: str, level: int, fields: Mapping[str, Any]) -> bytes:
    told: dict[str, Any] = {
        "at": round(at, 3),
        "level": logging.getLevelName(level).lower(),
        "event": log.plain(name),
    }
    told |= {
        key: log.plain(value)
        for key, value in fields.items()
        if key not in told and key != "profile"
    }
    line = _written(told)
    if len(line) > LINE_BYTES:
        line = _written({key: told[key] for key in _CORE if key in told})
    return line


def _written(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, separators=(",", ":"), default=str).encode()


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
        at, name, level = told["at"], told["event"], told["level"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    when = rfc3339(at) if isinstance(at, int | float) and not isinstance(at, bool) else None
    if when is None or not isinstance(name, str) or not isinstance(level, str):
        return None
    # Always there, so that a program need not ask.
    entry = {"at": when, "event": name, "level": level, "why": None, "next": None, "next_at": None}
    return {**told, **entry, **{key: told.get(key) for key in ("why", "next", "next_at")}}
