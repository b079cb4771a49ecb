"""Reading ``Set-Cookie`` as a browser does, byte for byte.

Not ``http.cookies``: one cookie that it dislikes and it drops the whole header; it also decodes
quoted values, and a session cookie must go back exactly as it came.  Source: RFC 6265, 5.2-5.4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from harvester.session import Cookie

LONGEST_NUMBER = 12
# Browsers cut a cookie's life to 400 days.
LONGEST_AGE_S = 400 * 24 * 3600.0


def parse_set_cookie(
    header: str, *, host: str, path: str, now_s: float, ahead_s: float = 0.0
) -> Cookie | None:
    """The cookie of one ``Set-Cookie`` header, or None if a browser would ignore it.

    ``host`` and ``path`` are the request's: they decide the default scope, and a ``Domain`` that
    does not cover the host is a cookie for somebody else.  ``expires_at`` is in seconds since
    1970; a cookie that is being removed comes back with a time in the past.  ``ahead_s`` is how
    far our clock is ahead of the site's, which an ``Expires`` means: browsers reckon so too.
    """
    pair, _, rest = header.partition(";")
    name, equals, value = pair.partition("=")
    if not equals:
        return None
    attributes: dict[str, str] = {}
    for part in rest.split(";"):
        key, _, text = part.partition("=")
        attributes[key.strip().lower()] = text.strip()
    domain = attributes.get("domain", "").lstrip(".").lower()
    if domain and host != domain and not host.endswith("." + domain):
        return None
    scope = attributes.get("path", "")
    if not scope.startswith("/"):
        scope = path.partition("?")[0].rpartition("/")[0] or "/"
    try:
        return Cookie(
            name=name.strip(),
            value=value.strip(),
            domain=f".{domain}" if domain else host,
            path=scope,
            expires_at=_expiry(attributes, now_s, ahead_s),
            http_only="httponly" in attributes,
            secure="secure" in attributes,
            same_site=attributes.get("samesite", "Lax").capitalize() or "Lax",
        )
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Brought:
    """The ``Set-Cookie`` headers of an answer, as they came; ``path`` is the request's."""

    status: int
    path: str
    location: str | None
    set_cookies: tuple[str, ...] = field(repr=False)

    def cookies(self, host: str, now_s: float, ahead_s: float) -> tuple[Cookie, ...]:
        """Those that a browser would take."""
        read = (
            parse_set_cookie(one, host=host, path=self.path, now_s=now_s, ahead_s=ahead_s)
            for one in self.set_cookies
        )
        return tuple(cookie for cookie in read if cookie is not None)


def _expiry(attributes: dict[str, str], now_s: float, ahead_s: float) -> float | None:
    max_age = attributes.get("max-age", "")
    if max_age.isascii() and max_age.removeprefix("-").isdigit():
        # More than a browser keeps is kept as long as a browser would; int() has its limits.
        return now_s + (int(max_age) if len(max_age) < LONGEST_NUMBER else LONGEST_AGE_S)
    if "expires" in attributes:
        try:
            return parsedate_to_datetime(attributes["expires"]).timestamp() + ahead_s
        except (ValueError, OverflowError):
            return None
    return None


def take_in(jar: Iterable[Cookie], fresh: Iterable[Cookie], *, now_s: float) -> tuple[Cookie, ...]:
    """The jar after an answer: new values in their old places, unknown cookies at the end.

    A cookie that is emptied or already over is ignored: when a page's refresh fails for good it
    deletes its cookies, and an emptied jar must never replace one that may still work.

    A cookie of a whole domain takes the place of the host's own of that name and path: a jar
    that was pasted holds such ones, since a Cookie header says nothing of domains, and the old
    value would be sent before the new one.
    """
    kept = {(cookie.name, cookie.domain, cookie.path): cookie for cookie in jar}
    for cookie in fresh:
        if not cookie.value or (cookie.expires_at is not None and cookie.expires_at <= now_s):
            continue
        key = (cookie.name, cookie.domain, cookie.path)
        if key not in kept:
            for narrow in [one for one in kept if _is_narrower(one, key)]:
                del kept[narrow]
        kept[key] = cookie
    return tuple(kept.values())


def _is_narrower(one: tuple[str, str, str], wide: tuple[str, str, str]) -> bool:
    """Keys of cookies: name, domain, path."""
    name, domain, path = wide
    same = (one[0], one[2]) == (name, path) and domain.startswith(".")
    return same and not one[1].startswith(".") and f".{one[1]}".endswith(domain)
