"""Leases at the API: who asks here owns the account, and may make, see and end them.

Reads what is asked strictly, and says what the answer is made of.  That nobody but the owner gets
here is the socket's doing: a lease opens the proxy, never this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from harvester import wire
from harvester.errors import ConfigInvalid, HarvesterError, NotConfigured, Usage
from harvester.lease import (
    DEFAULT_S,
    ID,
    LONGEST_S,
    NAME,
    SHORTEST_S,
    USES_MOST,
    Lease,
    Rate,
    Terms,
    scope_of,
)
from harvester.outlets import parameters

LEASES = "/v1/leases"
REVOKE = "/v1/leases/revoke"
ALL = "all"


class Book(Protocol):
    """All leases (see ``harvester.leases``)."""

    @property
    def trouble(self) -> HarvesterError | None: ...

    async def make(self, terms: Terms) -> tuple[Lease, str]: ...

    async def revoke(self, lease_id: str) -> bool: ...

    async def revoke_all(self) -> list[str]: ...

    def listed(self) -> list[Lease]: ...


class House(Protocol):
    """``keeper`` raises UnknownProfile; ``status`` tells where the proxy is."""

    def keeper(self, name: str) -> object: ...

    def status(self) -> Mapping[str, Any]: ...


class LeaseDesk:
    """``book``: None where this process holds no leases."""

    def __init__(self, house: House, book: Book | None) -> None:
        self._house = house
        self._book = book

    async def answer(self, method: str, path: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises HarvesterError."""
        if self._book is None:
            raise NotConfigured("no leases are held here", hint="run: harvester serve")
        if path == REVOKE:
            return await _revoke(self._book, asked)
        if method == "POST":
            return await self._new(self._book, asked)
        return _list(self._book)

    async def _new(self, book: Book, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        terms = terms_of(asked)
        self._house.keeper(terms.profile)
        proxy = self._house.status().get("proxy")
        if proxy is None:
            raise ConfigInvalid(
                "a lease is for the proxy, and the proxy is off",
                hint="set HARVESTER_PROXY=unix (or 127.0.0.1:PORT) and restart the daemon",
            )
        lease, token = await book.make(terms)
        where = {"unix": proxy["unix"], "tcp": proxy["tcp"]}
        return {"version": wire.VERSION, "token": token, "lease": lease.shown(), "proxy": where}


def _list(book: Book) -> Mapping[str, Any]:
    trouble = book.trouble
    return {
        "version": wire.VERSION,
        "leases": [one.shown() for one in book.listed()],
        "trouble": None if trouble is None else trouble.as_dict(),
    }


async def _revoke(book: Book, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    lease_id = asked.get("id")
    if not isinstance(lease_id, str) or not (lease_id == ALL or ID.fullmatch(lease_id)):
        raise Usage("`id` is no lease's id", hint='send the id of one, or "all"')
    revoked: Sequence[str]
    if lease_id == ALL:
        revoked = await book.revoke_all()
    else:
        revoked = [lease_id] if await book.revoke(lease_id) else []
    return {"done": True, "revoked": list(revoked)}


def terms_of(asked: Mapping[str, Any]) -> Terms:
    """Raises Usage."""
    for_s = parameters.seconds(asked, "for_s", default=DEFAULT_S, most=LONGEST_S)
    if for_s < SHORTEST_S or isinstance(asked.get("for_s"), str):
        raise Usage(
            f"`for_s` is no number of seconds from {SHORTEST_S:.0f} to {LONGEST_S:.0f}",
            hint="a lease lasts 30 days at most; make another one then",
        )
    rate = asked.get("rate")
    if rate is not None and not isinstance(rate, str):
        raise Usage("`rate` is no text", hint='write it as "60/m"')
    name = asked.get("name")
    if name is not None and not (isinstance(name, str) and NAME.fullmatch(name)):
        raise Usage(
            "`name` is no name of a lease",
            hint="letters, digits, dots, dashes and underscores, at most 64",
        )
    return Terms(
        profile=parameters.profile(asked),
        scope=scope_of(asked.get("methods"), asked.get("paths")),
        for_s=for_s,
        rate=None if rate is None else Rate.read(rate),
        uses=_uses(asked.get("uses")),
        name=name,
    )


def _uses(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # to JSON 7.0 is as whole a number as 7
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= USES_MOST:
        raise Usage(f"`uses` is no whole number from 1 to {USES_MOST}", hint="write it plainly")
    return value
