"""What was pasted, as values: the cookies, what is known of each, and where they were sent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from harvester.errors import OriginMismatch, Usage
from harvester.session import Cookie

# No server takes more in one header (nginx 8 KiB a line, Node.js 16 KiB in all).
LONGEST_HEADER_BYTES = 16 * 1024
# As many as a browser keeps for one site.
MOST_COOKIES = 180
# A User-Agent is a line; it goes into the session object.
LONGEST_AGENT = 512

KINDS = {
    "cookie": "`name=value` pairs",
    "header": "request headers",
    "env": "shell exports",
    "curl": "a cURL command",
    "fetch": "a JavaScript fetch",
    "powershell": "PowerShell",
    "netscape": "cookies.txt",
    "storage-state": "JSON",
    "json": "JSON",
}
_SAME_SITE = {"strict": "Strict", "none": "None", "no_restriction": "None"}


@dataclass(frozen=True, slots=True)
class PastedCookie:
    """One cookie.  ``domain`` and ``secure`` are None where nobody said: a Cookie header does
    not.  A leading dot of ``domain`` is kept; ``expires_at`` is seconds since 1970."""

    name: str
    value: str = field(repr=False)
    domain: str | None = None
    path: str = "/"
    expires_at: float | None = None
    http_only: bool = False
    secure: bool | None = None
    same_site: str = "Lax"


@dataclass(frozen=True, slots=True)
class Pasted:
    """``form`` is what it was taken for.  ``sent_to`` is the origin, or the bare host, of the
    request that it was copied from, where there was one."""

    form: str
    cookies: tuple[PastedCookie, ...] = field(repr=False)
    sent_to: str | None = None
    user_agent: str = ""

    def for_origin(self, origin: str) -> tuple[Cookie, ...]:
        """The cookies that a browser would send to ``origin``.

        Raises OriginMismatch where they belong to another host, and Usage where there is none
        that can be sent at all.
        """
        host = urlsplit(origin).hostname or ""
        if self.sent_to is not None and host_of(self.sent_to) != host:
            raise OriginMismatch(
                f"that was copied from a request to {self.sent_to}, not to {origin}",
                hint=f"copy a request to {origin}, or name the profile for the other site with "
                "--profile",
            )
        made = [_made(one, host, https=origin.startswith("https:")) for one in self.cookies]
        usable = [one for one in made if one is not None]
        ours: dict[tuple[str, str, str], Cookie] = {}
        for cookie in usable:
            if cookie.goes_to(host, cookie.path):
                # Of two, a browser sends the nearer first.
                ours.setdefault((cookie.name, cookie.domain, cookie.path), cookie)
        if usable and not ours:
            raise OriginMismatch(
                f"this was read as {self.kind}, and none of its {len(usable)} cookies goes to "
                f"{origin}",
                hint=f"copy the cookies of {origin}, or name the profile for the other site with "
                "--profile",
            )
        if not ours:
            raise nothing_in_it(self.form)
        size = sum(len(one.name) + len(one.value) + 3 for one in ours.values())
        if len(ours) > MOST_COOKIES or size > LONGEST_HEADER_BYTES:
            raise Usage(
                f"this was read as {self.kind}, with {len(ours)} cookies of {size} bytes for "
                f"{origin}: more than any site takes",
                hint="copy one request, from DevTools' Network panel",
            )
        return tuple(ours.values())

    @property
    def kind(self) -> str:
        return KINDS[self.form]


def host_of(place: str) -> str | None:
    """The host of an origin, or of a bare ``host:port``."""
    try:
        return urlsplit(place if "://" in place else f"//{place}").hostname
    except ValueError:
        return None


def nothing_in_it(form: str) -> Usage:
    """It has the shape of ``form``, or of nothing, and no cookie could be read from it."""
    hint = (
        "in the browser, signed in: DevTools, Network, a request to the site, Copy as cURL; or a "
        "Cookie header, cookies.txt, a storage state, JSON"
    )
    if form == "fetch":
        hint = "a browser's fetch carries no cookies: take Copy as cURL, or as fetch (Node.js)"
    return Usage(f"this was read as {KINDS[form]}, and no cookie was found in it", hint=hint)


def seconds(value: Any) -> float | None:
    """A moment as exports write it; 0, -1 and what is no number mean a session cookie."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        at = float(value)
    except (ValueError, OverflowError):
        return None
    return at if math.isfinite(at) and at > 0 else None


def agent(value: Any) -> str:
    """A User-Agent that may be shown and sent on; anything else is none."""
    fine = isinstance(value, str) and value.isascii() and value.isprintable()
    return value if fine and len(value) <= LONGEST_AGENT else ""


def same_site(value: Any) -> str:
    return _SAME_SITE.get(value.lower(), "Lax") if isinstance(value, str) else "Lax"


def _made(one: PastedCookie, host: str, *, https: bool) -> Cookie | None:
    secure = one.secure
    if secure is None:
        # A browser takes the prefixed ones back as Secure only.
        secure = https or one.name.startswith(("__Host-", "__Secure-"))
    try:
        return Cookie(
            name=one.name,
            value=one.value,
            domain=host if one.domain is None else one.domain.lower(),
            path=one.path if one.path.startswith("/") else "/",
            expires_at=one.expires_at,
            http_only=one.http_only,
            secure=secure,
            same_site=one.same_site if secure or one.same_site != "None" else "Lax",
        )
    except ValueError:
        return None  # bytes that no header may carry: the site cannot have asked for it
