"""The fast lane: the same bytes asked again are answered as they were, while the same session is
held and still good enough.

Owns a bounded memo from a request's exact bytes to the answer that the ordinary way gave them.  It
writes no answer of its own, so it cannot say anything else than the ordinary way: only the date is
today's.  Whether it may is the keeper's word and the porter's, each time; whatever it does not
know, or not any more, goes the ordinary way and is learned there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import HttpVersion11, web

from harvester.audit import GIVEN
from harvester.errors import UnknownProfile
from harvester.outlets.writing import Today
from harvester.porter import UNCHANGED, Porter
from harvester.session import Served, Session
from harvester.tally import Tally
from harvester.visitor import Visitor

# A tool asks in one or two ways, and there are eight formats: this many are no tools' any more.
ANSWERS_LIMIT = 128
# No plain request of ours is longer; what is, and any odd one, is not worth remembering.
ASKED_LIMIT_BYTES = 2048
ANSWER_LIMIT_BYTES = 32 * 1024
# What the audit calls a session that was asked for.
SESSION = "session"
_PLAIN = (b"GET /v1/session?", b"GET /v1/session ")


class Keeper(Protocol):
    """``at_hand``: what it would answer from memory now, or None."""

    def at_hand(self, min_valid_s: float) -> Served | None: ...


@dataclass(frozen=True, slots=True)
class Given:
    """What an answer was made from.  ``form`` is how it is counted, None where it is not;
    ``client`` is the name that the request gives."""

    profile: str
    keeper: Keeper
    served: Served
    min_valid_s: float
    form: str | None
    client: str | None = None


_GIVEN = web.RequestKey("given", Given)


@dataclass(frozen=True, slots=True)
class _Known:
    given: Given
    session: Session
    before_date: bytes = field(repr=False)
    after_date: bytes = field(repr=False)


def is_plain(data: bytes) -> bool:
    """Whether these bytes are one whole request for a session, however they are parsed: one header
    without a body, each line ended as HTTP says, nothing before it and nothing behind."""
    return (
        len(data) <= ASKED_LIMIT_BYTES
        and data.startswith(_PLAIN)
        and data.endswith(b"\r\n\r\n")
        and data.count(b"\r\n\r\n") == 1
        and data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    )


class Lane:
    """One outlet's.  ``keeper_of`` raises UnknownProfile."""

    def __init__(
        self, keeper_of: Callable[[str], Keeper], tally: Tally, porter: Porter | None = None
    ) -> None:
        self._keeper_of = keeper_of
        self._tally = tally
        self._porter = Porter() if porter is None else porter
        self._known: dict[bytes, _Known] = {}
        self._today = Today()

    def offer(self, request: web.BaseRequest, given: Given) -> None:
        """The answer to ``request`` is made from this, and from nothing else but its bytes."""
        if not given.served.stale and given.served.verdict is None:
            request[_GIVEN] = given

    def learn(self, asked: bytes, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """``response`` is what the ordinary way has just answered to the bytes ``asked``."""
        given = request.get(_GIVEN)
        if given is None or request.version != HttpVersion11:
            return
        if not isinstance(response, web.Response):
            return
        session = given.served.session
        for other, known in list(self._known.items()):
            if known.given.keeper is given.keeper and known.session is not session:
                del self._known[other]  # what is not served any more is not kept either
        if len(self._known) >= ANSWERS_LIMIT:
            self._known.clear()
        before, date, after = _written(response).partition(
            b"\r\nDate: " + response.headers["Date"].encode("ascii")
        )
        if date and len(after) <= ANSWER_LIMIT_BYTES:
            self._known[asked] = _Known(given, session, before + b"\r\nDate: ", after)

    def again(self, asked: bytes, visitor: Visitor) -> bytes | None:
        """The whole answer, if it is known and nothing has changed; None: the ordinary way."""
        known = self._known.get(asked)
        if known is None:
            return None
        given = known.given
        if not self._holds(known):
            del self._known[asked]
            return None
        if given.form is not None:
            self._tally.served("api", given.profile, given.form)
        self._porter.audit.tell(
            SESSION, given.profile, visitor, given.client,
            result=UNCHANGED if given.form is None else GIVEN, session=known.session,
        )  # fmt: skip
        return known.before_date + self._today.date().encode("ascii") + known.after_date

    def forget(self) -> None:
        """A person signed out: nothing that was given out is kept."""
        self._known.clear()

    def _holds(self, known: _Known) -> bool:
        given = known.given
        try:
            if self._keeper_of(given.profile) is not given.keeper:
                return False  # other settings since
        except UnknownProfile:
            return False
        if not self._porter.lets_at_once(given.profile):
            return False
        now = given.keeper.at_hand(given.min_valid_s)
        return (
            now is not None
            and now.session is known.session
            and not now.stale
            and now.min_valid_met == given.served.min_valid_met
        )


def _written(response: web.Response) -> bytes:
    """An answer as it went over the socket."""
    head = [f"HTTP/1.1 {response.status} {response.reason}"]
    head += [f"{name}: {value}" for name, value in response.headers.items()]
    body = response.body if isinstance(response.body, bytes) else b""
    return "\r\n".join([*head, "", ""]).encode("utf-8") + body
