"""What whoever shows a lease's token to the proxy may do: less than whoever else is let in.

A lease is looked for in the headers for credentials alone, and one that is there always narrows:
beside the proxy's own token, and on the unix socket, where no token is asked for.  What looks like
one and is none is refused, never passed over: its sender believes himself narrowed.

    token? → live? → its methods, its paths, nothing that overrides them → never the session itself
    → rate and uses → the errand, for as long as the lease lasts

Each use and each refusal is told of in one place, ``_told``.  Knows nothing of how leases are made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from multidict import MultiMapping

from harvester.errors import (
    HarvesterError,
    LeaseEnded,
    LeaseForbids,
    LeaseUnknown,
    RateLimited,
    Usage,
)
from harvester.lease import Lease
from harvester.leases import TOKEN_PREFIX, Held
from harvester.log import event
from harvester.outlets.asked import PROFILE_HEADER, Asked, Refused, plain
from harvester.outlets.client_request import ClientRequest
from harvester.outlets.proxy_gate import CREDENTIALS, shown
from harvester.profile import Site
from harvester.scope import overriding

_HERE, _AT_THE_SITE = CREDENTIALS
_PREFIX = TOKEN_PREFIX.encode("ascii")
# The proxy's own token: random, so that ours may stand in the middle of it.
_OWN = b"hvp_"
_CHALLENGE = ("Proxy-Authenticate", 'Bearer realm="harvester lease", error="invalid_token"')


class Book(Protocol):
    """All leases (see ``harvester.leases``)."""

    def find(self, token: bytes) -> Held: ...

    def check(self, held: Held) -> None: ...

    async def take(self, held: Held) -> None: ...

    def left_s(self, held: Held) -> float: ...

    def running(self, held: Held, stop: Callable[[], None]) -> AbstractContextManager[None]: ...


class NoBook:
    """No leases are held here, so that none is live."""

    def find(self, token: bytes) -> Held:
        raise LeaseUnknown("this proxy holds no leases", hint="leave the token out")

    def check(self, held: Held) -> None: ...

    async def take(self, held: Held) -> None: ...

    def left_s(self, held: Held) -> float:
        return 0.0

    def running(self, held: Held, stop: Callable[[], None]) -> AbstractContextManager[None]:
        raise NotImplementedError


def lease_token(headers: MultiMapping[str]) -> bytes | None:
    """The lease's token that the request shows, None where it shows none.  Raises Refused for two
    of them, and for one where none is read."""
    # Nearly all who come show nothing: for them this is all that it costs.
    if _HERE not in headers and _AT_THE_SITE not in headers:
        return None
    found: set[bytes] = set()
    for one in shown(headers):
        if one.scheme and one.secret[: len(_PREFIX)].lower() == _PREFIX:
            found.add(one.secret)
        elif _PREFIX in one.secret and not one.secret.startswith(_OWN):
            found |= {b"", one.secret}  # in quotes, in another scheme, with something before it
        if one.user[: len(_PREFIX)].lower() == _PREFIX:
            found |= {b"", one.user}  # `curl -u TOKEN:`, where we take any name for none
    if len(found) > 1:
        wrong = Usage(
            "the request does not show one lease's token and nothing else like it",
            hint="send one: `Proxy-Authorization: Bearer TOKEN`",
        )
        raise Refused(400, wrong)
    return found.pop() if found else None


class LeaseGate:
    """In front of the errand, for requests that show a lease's token."""

    def __init__(self, book: Book | None) -> None:
        self._book: Book = NoBook() if book is None else book

    def find(self, token: bytes) -> Held:
        """Raises Refused, as a proxy refuses credentials; why no lease is honoured at all."""
        try:
            return self._book.find(token)
        except (LeaseUnknown, LeaseEnded) as error:
            raise _not_let_in(error) from None

    def narrowed(self, held: Held, asked: Asked, headers: MultiMapping[str]) -> Asked:
        """The request as the lease's: for its profile, and in turn with what else is asked under
        it.  Raises LeaseForbids."""
        terms = held.lease.terms
        query = asked.target.partition("?")[2]
        override = overriding(asked.headers, query)
        if not terms.scope.allows(asked.method):
            raise self._forbidden(held, asked, f"is not for {asked.method}")
        if not terms.scope.covers(asked.path):
            raise self._forbidden(held, asked, "does not cover this path as it is written")
        if override is not None:
            raise self._forbidden(held, asked, f"does not go with {override}")
        if PROFILE_HEADER in headers and asked.profile != terms.profile:
            raise self._forbidden(held, asked, f"is for the profile {terms.profile}")
        return replace(asked, profile=terms.profile, client=named(held.lease))

    async def let_in(self, held: Held, asked: Asked, site: Site) -> None:
        """It counts from here on.  Raises LeaseForbids, Refused, a StoreError."""
        if asked.switches_organization(site) or _signs_out(asked, site):
            # Whoever has a lease uses the session, and never changes whose it is or ends it.
            raise self._forbidden(held, asked, "is never for what changes the session itself")
        try:
            await self._book.take(held)
        except RateLimited as error:
            self._told(held, asked, error)
            raise Refused(429, error) from None
        except LeaseEnded as error:
            raise _not_let_in(error) from None
        self._told(held, asked, None)

    @asynccontextmanager
    async def while_it_lasts(self, held: Held, request: ClientRequest) -> AsyncIterator[None]:
        """What is under way ends with the lease: an answer that has begun breaks off, so that it
        does not look whole; else Refused is raised."""
        try:
            async with asyncio.timeout(self._book.left_s(held)) as scope:

                def stop() -> None:
                    if not scope.expired():
                        scope.reschedule(0)

                with self._book.running(held, stop):
                    yield
        except TimeoutError:
            if not scope.expired():
                raise
            if request.begun:
                request.end.abort()
                raise ConnectionResetError("the lease ended") from None
            raise _not_let_in(_ended_meanwhile(held)) from None

    def _forbidden(self, held: Held, asked: Asked, why: str) -> LeaseForbids:
        lease = held.lease
        error = LeaseForbids(
            f"the lease {lease.id} {why}",
            hint=f"it is for {', '.join(lease.terms.scope.methods)} of "
            f"{', '.join(lease.terms.scope.paths)}; a path is written plainly, by its case",
        )
        self._told(held, asked, error)
        return error

    def _told(self, held: Held, asked: Asked, refused: HarvesterError | None) -> None:
        """A use of a lease, or why there was none; the audit is told by ``proxy.py``.

        For debugging alone in the log: who has a lease must not be able to fill a disk with it."""
        event(
            "lease.used" if refused is None else "lease.refused",
            level=logging.DEBUG,
            lease=held.lease.id, profile=held.lease.terms.profile, method=asked.method,
            path=asked.path, code=None if refused is None else refused.code,
        )  # fmt: skip


def named(lease: Lease) -> str:
    """What the audit calls whoever shows this lease's token."""
    return f"lease {lease.id}"


def _signs_out(asked: Asked, site: Site) -> bool:
    where = (site.sign_out_path or "").partition("?")[0]
    return bool(where) and plain(asked.path).lower() == plain(where).lower()


def _not_let_in(error: HarvesterError) -> Refused:
    return Refused(407, error, [_CHALLENGE])


def _ended_meanwhile(held: Held) -> LeaseEnded:
    return LeaseEnded(
        f"the lease {held.lease.id} ended while the request was under way",
        hint="whether the site acted on it is not known; ask whoever gave it to you for another",
    )
