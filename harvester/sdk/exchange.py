"""What is done with one request of a client: attach, send, report a 401, send once more.

A flow without I/O: it yields what is to be done and is sent what came of it, so that one text of
the rules serves clients that block and clients that do not, and a test plays them by hand.

    Future        → wait for it (blocking or not), send its result back in, or throw its error
    Send          → send this request with this session; send the hops back in

A client that follows redirects by itself tells several hops; it knows nothing of us on the way,
and sends the later ones without the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from harvester.errors import HarvesterError
from harvester.sdk.binding import SAFE
from harvester.sdk.credentials import Credentials
from harvester.sdk.doubt import Hop, is_refusal, looks_like_sign_in
from harvester.sdk.session import Session


@dataclass(frozen=True, slots=True)
class Send:
    """Send ``request`` (the client's own object) with this session; None: without any."""

    request: Any
    session: Session | None


Step = Future[Session] | Send
Exchange = Generator[Step, Any, None]


class NotReplayed(HarvesterError):
    """A 401 came, the session was refreshed, and the request was **not** sent again, because its
    body can be read only once.  Nothing happened at the site: make the request anew."""

    code = "not_replayed"
    retryable = True


def exchange(credentials: Credentials, request: Any, *, origin: str | None) -> Exchange:
    """The whole life of one request that goes to ``origin``.

    Raises what stopped a refresh (HarvesterError), and NotReplayed.
    """
    bound = credentials.origin
    if bound is not None and bound != origin:
        yield Send(request, None)
        return
    session = yield from credentials.session_flow()
    if session.origin != origin:
        yield Send(request, None)
        return
    hops = yield Send(request, session)
    yield from answered(credentials, session, hops)


def answered(
    credentials: Credentials, session: Session, hops: Sequence[Hop], *, retried: bool = False
) -> Exchange:
    """What follows on the answer to a request that was sent with ``session``.

    Sends a refused request once more, never twice (``retried``: it was, on its way here); and what
    a client sent on inside the origin without the session, with it.
    """
    while True:
        again: Hop | None = None
        for hop in hops:
            if hop.origin != session.origin:
                continue
            if not hop.sent:
                if hop.replayable and (hop.method in SAFE or is_refusal(hop)):
                    again = hop
                break
            if retried or not (is_refusal(hop) or looks_like_sign_in(hop)):
                continue
            fresh = yield from _refreshed(credentials, session, hop)
            if fresh is not None:
                _check_replayable(hop)
                session, again, retried = fresh, hop, True
                break
        if again is None:
            return
        hops = yield Send(again.request, session)


def advance(flow: Exchange, hops: Sequence[Hop] | None = None) -> Send | None:
    """Tell the flow what came of its last Send (None: it begins here), and wait for what it waits
    for until it sends again; None when it is over.  Blocks."""
    try:
        step = flow.send(hops)
        while isinstance(step, Future):
            error = step.exception()  # what went wrong is the flow's to judge
            step = flow.send(step.result()) if error is None else flow.throw(error)
    except StopIteration:
        return None
    return step


async def advance_async(flow: Exchange, hops: Sequence[Hop] | None = None) -> Send | None:
    """As ``advance``, for asyncio.  A caller who is cancelled ends nothing for the others."""
    try:
        step = flow.send(hops)
        while isinstance(step, Future):
            try:
                told = await asyncio.wrap_future(step, loop=asyncio.get_running_loop())
            except Exception as error:
                step = flow.throw(error)
            else:
                step = flow.send(told)
    except StopIteration:
        return None
    return step


def _refreshed(
    credentials: Credentials, session: Session, hop: Hop
) -> Generator[Future[Session], Session, Session | None]:
    """Report the session; the one to send ``hop`` again with, or None: its answer stands."""
    try:
        fresh = yield from credentials.report_flow(session)
    except HarvesterError:
        if is_refusal(hop):
            raise
        return None  # it only looked like a sign-in page: what it is, the caller sees best
    if fresh.origin != session.origin or fresh.headers == session.headers:
        return None
    # After a 401 nothing has happened (RFC 9110).  Whoever was led to a sign-in page may have
    # been so after the work was done.
    return fresh if is_refusal(hop) or hop.method in SAFE else None


def _check_replayable(hop: Hop) -> None:
    if hop.replayable:
        return
    raise NotReplayed(
        f"{hop.method} {hop.origin}{hop.path} was answered with {hop.status}; the session is "
        "refreshed, but the request's body can be read only once",
        hint="make the request anew; bytes, or a file that can seek, are sent again by themselves",
    )
