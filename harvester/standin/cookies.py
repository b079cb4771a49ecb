"""Cookies on the wire, read and written without ``http.cookies``.

That module drops the whole header at one odd cookie, and odd values are what the stand-in must be
able to hand out.  Values are passed on byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

SameSite = Literal["Lax", "Strict", "None"]


def read_cookies(header: str) -> dict[str, str]:
    """A ``Cookie`` header as names and values; the first of a name wins, as it is the nearest."""
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, equals, value = part.strip(" ").partition("=")
        if equals and name not in found:
            found[name] = value
    return found


def set_cookie(
    name: str,
    value: str,
    *,
    expires: str | None = None,
    http_only: bool = False,
    secure: bool = False,
    same_site: SameSite = "Lax",
    domain: str | None = None,
) -> str:
    """One ``Set-Cookie`` value; ``expires`` in HTTP-date form, None for a cookie without an end."""
    words = [f"{name}={value}", "Path=/"]
    if domain:
        words.append(f"Domain={domain}")
    if expires:
        words.append(f"Expires={expires}")
    if http_only:
        words.append("HttpOnly")
    if secure:
        words.append("Secure")
    words.append(f"SameSite={same_site}")
    return "; ".join(words)


def clear_cookie(name: str, *, secure: bool = False, domain: str | None = None) -> str:
    """The ``Set-Cookie`` value that deletes a cookie."""
    return set_cookie(
        name, "", expires="Thu, 01 Jan 1970 00:00:00 GMT", secure=secure, domain=domain
    )


def first(cookies: Mapping[str, str], *names: str) -> str | None:
    """The value of the first of these cookies that is there and not empty."""
    return next((cookies[name] for name in names if cookies.get(name)), None)
