"""The audit: who was given a session, when, and with what result; one line for each hand-out.

    tell ──► queue, in memory ──► a thread of its own ──► vault/trail.py

Owns what a line holds and that writing it costs nobody anything: a disk that hangs, refuses or is
full delays no hand-out and stops none.  What could not be written is counted and said.  A line
never holds a cookie, but ``sid``: 8 hex digits of a keyed hash, by which two lines can be seen to
speak of one session, and by which nobody who lacks the sealing key learns anything.

More than ``LINES_A_SECOND`` are folded, so that nobody washes the trail away by asking often: those
of one caller, alike in all fields, become one line a second that says how many ``times``.
"""

from __future__ import annotations

import hmac
import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from harvester.errors import StoreError
from harvester.log import event, plain
from harvester.session import Session, cookie_header
from harvester.visitor import Visitor, ourselves

GIVEN = "given"
LINES_A_SECOND = 100
# Lines that wait for a slow disk, and different ones of a second that are folded.
WAITING_MOST = 10_000
_FOLDED_MOST = 1000
# What comes in this time is one write.  It is also what a kill -9 may take from the trail.
GATHER_S = 0.1
_SECOND_S = 1.0
# A disk that hangs must not keep a process from ending.
_FLUSH_S = 2.0
_SID_CHARS = 8


class Trail(Protocol):
    """Where lines are kept; ``vault/trail.py`` has one."""

    def add(self, lines: bytes) -> None: ...


class _Entry:
    """One line to be: one hand-out, or several that are alike."""

    __slots__ = ("at", "client", "operation", "profile", "result", "session", "times", "until",
                 "visitor")  # fmt: skip

    def __init__(
        self, at: float, operation: str, profile: str | None, visitor: Visitor, client: str | None,
        result: str, session: Session | None,
    ) -> None:  # fmt: skip
        self.at = self.until = at
        self.operation = operation
        self.profile = profile
        self.visitor = visitor
        self.client = client
        self.result = result
        self.session = session
        self.times = 1


class NoAudit:
    """Keeps nothing: switched off, or nothing is handed out here."""

    def tell(
        self, operation: str, profile: str | None, visitor: Visitor, client: str | None = None, *,
        result: str = GIVEN, session: Session | None = None,
    ) -> None:  # fmt: skip
        """That a session was handed out, or with which ``result`` (an error's code) it was not.
        Never raises, waits for nothing, and may be called from any thread."""

    def close(self) -> None:
        """Write what is not written yet, if the disk takes it soon."""

    def shown(self) -> dict[str, Any] | None:
        """For status: None where nothing is kept."""
        return None


class Audit(NoAudit):
    """``key`` is the audit's own (see ``vault.keys.audit_key``); ``path`` is for status."""

    def __init__(
        self, trail: Trail, key: bytes, *, path: str = "", now: Callable[[], float] = time.time
    ) -> None:
        self._trail = trail
        self._key = key
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._queue: list[_Entry] = []
        self._folded: dict[tuple[Any, ...], _Entry] = {}
        # Of these, the one that was added to last.
        self._last: _Entry | None = None
        self._second = 0
        self._room = 0
        self._lost = 0
        self._lost_told = 0
        self._trouble: StoreError | None = None
        self._woken = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._writer: threading.Thread | None = None
        # Of the session seen last: nearly always the next line's too.
        self._known: tuple[Session, str] | None = None

    def tell(
        self, operation: str, profile: str | None, visitor: Visitor, client: str | None = None, *,
        result: str = GIVEN, session: Session | None = None,
    ) -> None:  # fmt: skip
        at = self._now()
        with self._lock:
            last = self._last
            # Each request from memory comes by here: 0.8 us, 2 by the way below (measured).
            if (
                last is not None and last.visitor is visitor and last.session is session
                and last.client == client and last.result == result
                and last.operation == operation and last.profile == profile
                and self._second <= at < self._second + _SECOND_S
            ):  # fmt: skip
                last.times += 1
                last.until = at
                return
            if int(at) != self._second:
                self._turn(int(at))
            if self._room > 0:
                self._room -= 1
                self._put(_Entry(at, operation, profile, visitor, client, result, session))
            else:
                # By id: a session's own hash goes through all its cookies.  The entry keeps it.
                key = (operation, profile, visitor, client, result, id(session))
                alike = self._folded.get(key)
                if alike is not None:
                    alike.times += 1
                    alike.until = at
                    self._last = alike
                elif len(self._folded) < _FOLDED_MOST:
                    self._folded[key] = _Entry(
                        at, operation, profile, visitor, client, result, session
                    )
                else:
                    self._lost += 1
            if self._woken:
                return
            self._woken = True
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="audit", daemon=True)
                self._writer.start()
        self._wake.set()

    def close(self) -> None:
        if self._writer is not None:
            self._closing.set()
            self._wake.set()
            self._writer.join(_FLUSH_S)
            self._writer = None

    def shown(self) -> dict[str, Any] | None:
        why = None if self._trouble is None else self._trouble.message
        return {"path": self._path, "lost": self._lost, "trouble": why}

    def _turn(self, second: int) -> None:
        """Another second: what was folded becomes lines.  The lock is held."""
        self._second, self._room = second, LINES_A_SECOND
        folded, self._folded, self._last = self._folded, {}, None
        for entry in folded.values():
            self._put(entry)

    def _put(self, entry: _Entry) -> None:
        if len(self._queue) < WAITING_MOST:
            self._queue.append(entry)
        else:
            self._lost += entry.times

    # writing, in a thread of its own

    def _write(self) -> None:
        while True:
            self._wake.wait(_SECOND_S if self._folded else None)
            ends = self._closing.is_set()
            with self._lock:
                self._wake.clear()
                self._woken = False
                if ends or int(self._now()) != self._second:
                    self._turn(int(self._now()))
                entries, self._queue = self._queue, []
            self._keep(entries)
            if ends:
                return
            self._closing.wait(GATHER_S)

    def _keep(self, entries: list[_Entry]) -> None:
        lost = self._lost - self._lost_told
        if not entries and not lost:
            return
        lines = [self._line(entry) for entry in entries]
        if lost:
            now = self._now()
            gap = _Entry(now, "audit", None, ourselves(), None, "lost", None)
            gap.times = lost
            lines.append(self._line(gap))
        try:
            self._trail.add("".join(lines).encode("ascii"))
        except StoreError as error:
            with self._lock:
                self._lost += sum(entry.times for entry in entries)
            if self._trouble is None or self._trouble.message != error.message:
                event(
                    "audit.not_kept", level=logging.WARNING, code=error.code, why=error.message,
                    next=error.hint or None, lost=self._lost - self._lost_told,
                )  # fmt: skip
            self._trouble = error
            return
        if self._trouble is not None or lost:
            event("audit.kept_again", level=logging.WARNING, lost=lost)
        self._trouble = None
        self._lost_told += lost

    def _line(self, entry: _Entry) -> str:
        session = entry.session
        told: dict[str, Any] = {
            "time": _stamp(entry.at),
            "uid": entry.visitor.uid,
            "pid": entry.visitor.pid,
            "operation": entry.operation,
            "profile": entry.profile,
            "generation": None if session is None else session.generation,
            "result": entry.result,
            "sid": None if session is None else self._sid(session),
        }
        if entry.client is not None:
            told["client"] = plain(entry.client)
        if entry.times > 1:
            told |= {"times": entry.times, "until": _stamp(entry.until)}
        return json.dumps(told, separators=(",", ":")) + "\n"

    def _sid(self, session: Session) -> str:
        if self._known is None or self._known[0] is not session:
            self._known = (session, sid(self._key, session))
        return self._known[1]


def sid(key: bytes, session: Session) -> str:
    """What stands for a session's cookie in a line."""
    said = cookie_header(session.cookies).encode("utf-8", "surrogatepass")
    return hmac.digest(key, said, "sha256").hex()[:_SID_CHARS]


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
