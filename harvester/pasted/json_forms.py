"""Cookies as JSON: our own session object, a storage state, what browser extensions export.

{"cookies": [...], ...}     ours, or a storage state
[{"name", "value", ...}]    EditThisCookie, Cookie-Editor, Puppeteer, Selenium
{"name": "value", ...}      names and values
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from harvester.clock import parse_rfc3339
from harvester.errors import Usage
from harvester.pasted.cookies import (
    Pasted,
    PastedCookie,
    agent,
    nothing_in_it,
    same_site,
    seconds,
)
from harvester.profile import origin_of


def read(text: str) -> Pasted:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise Usage(
            "this was read as JSON, and it is broken off or not JSON",
            hint="copy the whole of it, from the first brace to the last",
        ) from None
    origin, user_agent = None, ""
    found: Any = told
    if isinstance(told, dict) and isinstance(told.get("cookies"), list | dict):
        found = told["cookies"]
        origin = origin_of(told["origin"]) if isinstance(told.get("origin"), str) else None
        user_agent = agent(told.get("user_agent"))
    if isinstance(found, dict):
        return Pasted("json", tuple(_named(found)), origin, user_agent)
    return Pasted("json", tuple(listed(found)), origin, user_agent)


def listed(found: Any) -> Iterable[PastedCookie]:
    """A list of cookie objects, in any of the spellings.  Raises Usage."""
    if not isinstance(found, list) or not found:
        raise nothing_in_it("json")
    return [_one(entry, place) for place, entry in enumerate(found, 1)]


def _named(found: dict[str, Any]) -> Iterable[PastedCookie]:
    if not found or not all(isinstance(value, str) for value in found.values()):
        raise nothing_in_it("json")
    return [PastedCookie(name, value) for name, value in found.items()]


def _one(entry: Any, place: int) -> PastedCookie:
    name = entry.get("name") if isinstance(entry, dict) else None
    value = entry.get("value") if isinstance(entry, dict) else None
    domain = entry.get("domain") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not isinstance(value, str):
        raise _odd(place, "has no name or no value that is text")
    if domain is not None and not isinstance(domain, str):
        raise _odd(place, "has a domain that is no text")
    if domain and entry.get("hostOnly") is False and not domain.startswith("."):
        domain = f".{domain}"
    path = entry.get("path")
    secure = entry.get("secure")
    return PastedCookie(
        name=name,
        value=value,
        domain=domain or None,
        path=path if isinstance(path, str) else "/",
        expires_at=_ends(entry),
        http_only=_first(entry, "httpOnly", "http_only") is True,
        secure=secure if isinstance(secure, bool) else None,
        same_site=same_site(_first(entry, "sameSite", "same_site")),
    )


def _ends(entry: dict[str, Any]) -> float | None:
    ours = entry.get("expires_at")
    if isinstance(ours, str):
        try:
            return parse_rfc3339(ours)
        except (ValueError, OverflowError):
            return None
    return seconds(_first(entry, "expires_at", "expires", "expirationDate", "expiry"))


def _first(entry: dict[str, Any], *names: str) -> Any:
    return next((entry[name] for name in names if entry.get(name) is not None), None)


def _odd(place: int, why: str) -> Usage:
    return Usage(
        f"this was read as a list of cookies, and entry {place} {why}",
        hint='each is an object, such as {"name": "...", "value": "...", "domain": "..."}',
    )
