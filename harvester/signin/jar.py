"""Cookies between the browser's words and ours.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harvester.session import Cookie


def is_for(host: str, domain: str) -> bool:
    """Whether a browser sends a cookie of ``domain`` to ``host``."""
    if domain.startswith("."):
        return host == domain[1:] or host.endswith(domain)
    return host == domain


def site_jar(cookies: Sequence[dict[str, Any]], host: str) -> tuple[Cookie, ...]:
    """The cookies that go to ``host``; those that no header may carry are left out."""
    jar = []
    for one in cookies:
        if not is_for(host, str(one["domain"])):
            continue
        try:
            jar.append(
                Cookie(
                    name=one["name"],
                    value=one["value"],
                    domain=one["domain"],
                    path=one["path"],
                    expires_at=one["expires"] if one["expires"] > 0 else None,
                    http_only=one["httpOnly"],
                    secure=one["secure"],
                    same_site=one["sameSite"],
                )
            )
        except ValueError:
            continue
    return tuple(jar)


def as_stored(cookie: Cookie) -> dict[str, Any]:
    """A cookie in the words of a storage state."""
    return {
        "name": cookie.name,
        "value": cookie.value,
        "domain": cookie.domain,
        "path": cookie.path,
        "expires": -1 if cookie.expires_at is None else cookie.expires_at,
        "httpOnly": cookie.http_only,
        "secure": cookie.secure,
        "sameSite": cookie.same_site,
    }
