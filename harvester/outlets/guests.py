"""Who is inside of one listening socket: who may be, how many, and who makes room for whom.

Owns the figures that hold for every client of ours, whoever reads what he says.  Knows neither
paths nor how a request is parsed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Protocol

from harvester.audit import NoAudit
from harvester.errors import Busy
from harvester.log import event
from harvester.outlets.peer import Connected, may_enter, visitor_of
from harvester.outlets.problems import raw_problem
from harvester.visitor import Visitor

# A client on this machine sends its header in one write; five seconds is a swapped-out one.
HEADER_DEADLINE_S = 5.0
# No request of ours carries more than a line of JSON; of one through the proxy, for each piece.
BODY_DEADLINE_S = 10.0
# Longer than the pause between two requests of a polling tool, shorter than anybody's patience
# with a daemon that holds 2,048 dead connections.
IDLE_S = 30.0
HEADER_LIMIT_BYTES = 16 * 1024
# RLIMIT_NOFILE is raised to hold them at start.  2,000 idle ones took 11 MB (measured).
CONNECTIONS_LIMIT = 2048
# How long what is left of a request is swallowed, so that its sender gets to read the answer.
LINGER_S = 2.0
# What the audit calls a caller whose uid may not connect.
PEER_REFUSED = "peer_refused"
# How soon a caller who found no room should knock again.
_FULL_RETRY_S = 1.0


class Guest(Protocol):
    """Whoever takes up room: on the doorstep, or inside."""

    def force_close(self) -> None: ...


class Guests:
    """Of one listening socket."""

    def __init__(self, allow_uids: Collection[int], audit: NoAudit | None = None) -> None:
        """``audit`` is told of who was not let in."""
        self.allow_uids = frozenset(allow_uids)
        self._audit = NoAudit() if audit is None else audit
        self.inside: set[Guest] = set()
        # Without a whole request, the one that has waited longest first.
        self.waiting: dict[Guest, None] = {}

    @property
    def header_s(self) -> float:
        return HEADER_DEADLINE_S

    @property
    def idle_s(self) -> float:
        return IDLE_S

    @property
    def linger_s(self) -> float:
        return LINGER_S

    def lets_in(self, connected: Connected) -> bool:
        """Whether the other end may open a connection at all; who may not is told nothing."""
        visitor = self.visitor(connected)
        if may_enter(visitor, self.allow_uids):
            return True
        event("socket.peer_refused", level=logging.WARNING, uid=visitor.uid, pid=visitor.pid)
        self._audit.tell("connect", None, visitor, result=PEER_REFUSED)
        return False

    def visitor(self, connected: Connected) -> Visitor:
        """Who is at the other end."""
        return visitor_of(connected)

    def room(self) -> int:
        """How many may be inside at once."""
        return CONNECTIONS_LIMIT

    def make_room(self) -> bool:
        """Whether one more may come in; closes the longest waiting one if that makes room."""
        if len(self.inside) < self.room():
            return True
        for oldest in self.waiting:
            del self.waiting[oldest]
            self.inside.discard(oldest)
            oldest.force_close()
            return True
        return False


FULL = raw_problem(
    Busy(
        "as many requests are being answered as there is room for",
        hint="try again in a moment; close connections that are not needed",
        retry_after_s=_FULL_RETRY_S,
    ),
    status=503,
)
