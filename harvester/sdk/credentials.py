"""Credentials: the live session of one profile, for a program, blocking and async.

Owns what this process remembers of the session, and that any number of callers cost one question.
Each question is asked in a thread of its own, with the blocking client: one text for both kinds of
callers, the event loop never waits for a socket, and the loop's own pool of threads, in which
names are resolved too, is not filled up by a sign-in that takes a minute.

Must not know: how a session is found (``source.py``), nor any HTTP client.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

from harvester.errors import HarvesterError, Missing, NotNow, Usage
from harvester.profile import DEFAULT_PROFILE, PROFILE_NAME
from harvester.sdk.session import Session
from harvester.sdk.source import Source

T = TypeVar("T")
Flow = Generator[Future[Session], Session, T]

DEFAULT_MIN_VALID_S = 60.0
# A whole sign-in takes 120 s at most, unless set otherwise; the rest is for a loaded machine.
DEFAULT_WAIT_S = 150.0
# How long an answer is good before the same is asked again.  A daemon answers from memory in a
# millisecond, so this is only so that a loop does not ask thousands of times in a second; the
# store costs an engine and perhaps a request to the site, so it is asked as seldom as a session
# proved by it is believed.
ASK_DAEMON_EVERY_S = 5.0
ASK_STORE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was told last.  ``asked_at_s`` is monotonic; ``asked_for_s`` the validity asked for;
    ``refused``: it was reported since, and not found alive."""

    session: Session
    asked_at_s: float
    asked_for_s: float
    by_daemon: bool
    refused: bool = False


class Credentials:
    """The session of a profile: from the daemon if one runs, else from the sealed store.

    ``profile`` is its name.  ``origin`` is what you believe the profile's origin to be (default:
    what the environment names, else whatever it is); another one is an error.  ``socket`` is the
    path of the daemon's socket (default: ``HARVESTER_SOCKET``, else the usual places).
    ``sign_in``: where no daemon runs, sign in from this process if nothing else helps; a daemon
    signs in by its own rules, that is what it runs for.  ``wait_s``: the most seconds (up to 300)
    that one call waits for a refresh.

    Safe to share between threads, event loops and forked processes.  All methods raise
    ``harvester.errors.HarvesterError``: its ``code`` says what happened, ``hint`` what helps.
    """

    def __init__(
        self,
        profile: str = DEFAULT_PROFILE,
        *,
        origin: str | None = None,
        socket: str | None = None,
        sign_in: bool = False,
        wait_s: float = DEFAULT_WAIT_S,
    ) -> None:
        if not PROFILE_NAME.fullmatch(profile):
            raise Usage(
                "`profile` is not a profile's name",
                hint="names are lower-case letters, digits and hyphens, at most 32 of them",
            )
        self.profile = profile
        self._source = Source(profile, origin=origin, socket=socket, sign_in=sign_in, wait_s=wait_s)
        self._kept: _Kept | None = None
        self._reports = 0
        self._start_anew()
        _LIVING.add(self)

    def __repr__(self) -> str:
        return f"Credentials({self.profile!r})"

    @property
    def origin(self) -> str | None:
        """The only origin that the session may be sent to, as it was told last; None while that is
        not known yet."""
        kept = self._kept
        return self._source.origin if kept is None else kept.session.origin

    def session(self, min_valid_s: float = DEFAULT_MIN_VALID_S) -> Session:
        """A session that stays valid for ``min_valid_s`` more seconds, if one can be had.

        Answers from memory for a few seconds; one that was reported is never given again before
        it was judged.
        """
        return _blocking(self.session_flow(min_valid_s))

    def headers(self, min_valid_s: float = DEFAULT_MIN_VALID_S) -> dict[str, str]:
        """``Cookie`` and ``Origin`` for a request to the session's origin, and to no other."""
        return dict(self.session(min_valid_s).headers)

    def report(self, session: Session) -> Session:
        """Tell that ``session`` got a 401; the session to go on with, its ``verdict`` set.

        All who report one session share one refresh.  Raises what stopped the refresh; then no
        session is left.  Never report a 403: it says nothing about the session.
        """
        return _blocking(self.report_flow(session))

    async def asession(self, min_valid_s: float = DEFAULT_MIN_VALID_S) -> Session:
        """As ``session``, for asyncio."""
        return await _awaited(self.session_flow(min_valid_s))

    async def aheaders(self, min_valid_s: float = DEFAULT_MIN_VALID_S) -> dict[str, str]:
        """As ``headers``, for asyncio."""
        return dict((await self.asession(min_valid_s)).headers)

    async def areport(self, session: Session) -> Session:
        """As ``report``, for asyncio."""
        return await _awaited(self.report_flow(session))

    # the two flows: what is yielded is waited for, its result is sent back in

    def session_flow(self, min_valid_s: float = DEFAULT_MIN_VALID_S) -> Flow[Session]:
        """``session`` without the waiting."""
        kept = self._kept
        if kept is not None and self._still_good(kept, min_valid_s):
            return kept.session
        # After a report nobody joins a question that was asked before it.
        key = ("session", min_valid_s, self._reports)
        asked, _ = self._join(key, lambda: self._ask(min_valid_s))
        return (yield asked)

    def report_flow(self, session: Session) -> Flow[Session]:
        """``report`` without the waiting."""
        if session.profile != self.profile:
            raise Usage(
                f"this session is of profile {session.profile}, not of {self.profile}",
                hint="report it to the Credentials that gave it",
            )
        with self._lock:
            kept = self._kept
            if kept is not None:
                newer = kept.session.generation > session.generation
                if newer and self._still_good(kept, 0.0):
                    return replace(kept.session, verdict="superseded")
                if kept.session.headers == session.headers:
                    self._kept = replace(kept, refused=True)
            self._reports += 1
        key = ("report", session.generation)
        asked, ours = self._join(key, lambda: self._report(session.generation))
        told = yield asked
        if not ours and told.verdict in ("alive", "unreachable"):
            # Somebody asked before our 401 came, and it may have died in between: ask once more.
            asked, _ = self._join(key, lambda: self._report(session.generation))
            told = yield asked
        return told

    # in a thread of their own

    def _ask(self, min_valid_s: float) -> Session:
        began_s = time.monotonic()
        kept = self._kept
        # While a daemon restarts, its last word is better than an engine of our own.
        only_daemon = kept is not None and kept.by_daemon and _is_usable(kept)
        try:
            told, by_daemon = self._source.session(min_valid_s, only_daemon=only_daemon)
        except (NotNow, Missing) as error:
            last = self._kept
            if last is None or not _is_usable(last):
                raise
            return replace(last.session, stale=True, error=error)
        self._keep(_Kept(told, began_s, min_valid_s, by_daemon))
        return told

    def _report(self, generation: int) -> Session:
        began_s = time.monotonic()
        told, by_daemon = self._source.report(generation)
        kept = _Kept(replace(told, verdict=None), began_s, 0.0, by_daemon)
        self._keep(replace(kept, refused=told.verdict == "unreachable"), judged=True)
        return told

    def _keep(self, told: _Kept, *, judged: bool = False) -> None:
        """An answer that comes late does not take the place of one that was asked for later, and
        what was refused stays so until it is ``judged``.  By generation nothing is compared: in a
        new store they begin anew."""
        with self._lock:
            kept = self._kept
            if kept is not None and kept.refused and not judged:
                told = replace(told, refused=kept.session.headers == told.session.headers)
            if kept is None or kept.refused or told.asked_at_s >= kept.asked_at_s:
                self._kept = told

    @staticmethod
    def _still_good(kept: _Kept, min_valid_s: float) -> bool:
        every_s = ASK_DAEMON_EVERY_S if kept.by_daemon else ASK_STORE_EVERY_S
        enough = kept.session.lasts(min_valid_s, time.time()) or kept.asked_for_s >= min_valid_s
        young = time.monotonic() - kept.asked_at_s < every_s
        return young and enough and _is_usable(kept)

    def _join(self, key: Hashable, work: Callable[[], Session]) -> tuple[Future[Session], bool]:
        """The one flight for ``key``, and whether it began with this call."""
        with self._lock:
            flight = self._up.get(key)
            if flight is not None:
                return flight, False
            flight = self._up[key] = Future()
            # From here on nobody who leaves can cancel it for the others.
            flight.set_running_or_notify_cancel()
        fly = threading.Thread(
            target=self._fly, args=(key, flight, work), name="harvester-sdk", daemon=True
        )
        try:
            fly.start()
        except RuntimeError:  # the interpreter is ending, and starts no more threads
            self._fly(key, flight, work)
        return flight, True

    def _fly(self, key: Hashable, flight: Future[Session], work: Callable[[], Session]) -> None:
        try:
            told = work()
        except BaseException as error:  # whoever waits gets it; it ends here
            if isinstance(error, HarvesterError) and error.hint:
                error.add_note(f"What helps: {error.hint}")  # a traceback shows notes, not fields
            self._landed(key)
            flight.set_exception(error)
        else:
            self._landed(key)
            flight.set_result(told)

    def _landed(self, key: Hashable) -> None:
        """Over, before it is told: who comes later asks anew."""
        with self._lock:
            self._up.pop(key, None)

    def _start_anew(self) -> None:
        """No thread of the parent lives on in a forked child: not who holds the lock, and not
        who would have brought the answers."""
        self._lock = threading.Lock()
        self._up: dict[Hashable, Future[Session]] = {}


def _is_usable(kept: _Kept) -> bool:
    """It was not refused, and is not over."""
    return not kept.refused and kept.session.lasts(0.0, time.time())


_LIVING: weakref.WeakSet[Credentials] = weakref.WeakSet()


def _after_fork() -> None:
    for credentials in tuple(_LIVING):
        credentials._start_anew()


os.register_at_fork(after_in_child=_after_fork)


def _blocking(flow: Flow[T]) -> T:
    try:
        asked = next(flow)
        while True:
            asked = flow.send(asked.result())
    except StopIteration as end:
        found: T = end.value
        return found


async def _awaited(flow: Flow[T]) -> T:
    try:
        asked = next(flow)
        while True:
            # A caller who is cancelled leaves; the flight goes on for the others.
            told = await asyncio.wrap_future(asked, loop=asyncio.get_running_loop())
            asked = flow.send(told)
    except StopIteration as end:
        found: T = end.value
        return found
