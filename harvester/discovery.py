"""Which cookies matter: the smallest set that the site's probe accepts, found by experiment.

Pure, written as a flow without I/O: the generator yields a set of cookie names to try, is sent
whether the probe accepted it, and returns what it found.  A test can feed it by hand; the keeper
feeds it with real probes.  Names, not values, because a site may roll a value on any request.

The cost is counted in requests to somebody else's site, so guesses come first and are ordered by
what session cookies look like; only when no guess fits are cookies taken away one at a time.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from harvester.session import Cookie

# Guesses of one cookie before sets are tried: sites with one session cookie are the rule, and
# three wrong guesses cost less than one round of elimination over a usual jar of eight.
SINGLE_GUESSES = 3

_SESSION_WORDS = ("session", "sess", "auth", "sid", "token", "login", "identity", "jwt")
_NOISE_WORDS = (
    "_ga", "_gid", "_gcl", "_fbp", "_hj", "analytics", "amplitude", "theme", "consent", "locale",
    "lang", "device", "csrf", "xsrf", "intermediate", "pkce", "visitor", "banner", "tz",
)  # fmt: skip
_LONG_VALUE_CHARS = 20


@dataclass(frozen=True, slots=True)
class Found:
    """``complete`` is false when the site stopped answering: the set works but may be too large."""

    names: tuple[str, ...]
    complete: bool
    probes: int


class SiteSilent(Exception):
    """Sent into the search when the site no longer answers; it ends with the best set so far."""


def jwt_claims(value: str) -> dict[str, Any] | None:
    """The claims of a JWT, unverified, or None for anything that is no JWT.

    Read only from cookies that the site itself set over its own connection; good for learning a
    lifetime and for showing whose session it is, never for trusting a stranger.
    """
    parts = value.split(".")
    if len(parts) != 3 or not value.startswith("eyJ"):
        return None
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = json.loads(body)
    except (binascii.Error, ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def likelihood(cookie: Cookie) -> float:
    """How much a cookie looks like the session: only an order of guesses, never a verdict."""
    name = cookie.name.lower()
    score = 3.0 if any(word in name for word in _SESSION_WORDS) else 0.0
    if any(word in name for word in _NOISE_WORDS):
        score -= 4.0
    score += 2.0 if cookie.http_only else 0.0
    score += 1.0 if len(cookie.value) >= _LONG_VALUE_CHARS else 0.0
    # Where either of two would do, the opaque one lives as long as the session, a JWT minutes.
    score -= 0.5 if jwt_claims(cookie.value) is not None else 0.0
    return score


def search(
    jar: Iterable[Cookie], *, remembered: Iterable[str] = ()
) -> Generator[frozenset[str], bool, Found]:
    """Find the smallest set of names that the probe accepts.

    Precondition: the whole ``jar`` (already cut to what goes to the probe's URL) was accepted.
    ``remembered`` is what the site needed last time; it is tried first.
    Yields a set to try; send True when the probe said alive, False when it said no; throw
    ``SiteSilent`` when it said nothing.
    """
    ranked = [cookie.name for cookie in sorted(jar, key=likelihood, reverse=True)]
    ranked = list(dict.fromkeys(ranked))
    alive = tuple(ranked)
    probes = 0
    try:
        known = frozenset(remembered)
        if known and known < set(ranked):
            probes += 1
            if (yield known):
                return Found(tuple(name for name in ranked if name in known), True, probes)
        if len(ranked) == 1:
            return Found(alive, True, probes)
        refused: set[frozenset[str]] = {known} if known else set()
        for name in ranked[:SINGLE_GUESSES]:
            if frozenset({name}) in refused:
                continue
            probes += 1
            if (yield frozenset({name})):
                return Found((name,), True, probes)
            refused.add(frozenset({name}))
        size = 2
        while size < len(ranked):
            guess = frozenset(ranked[:size])
            if guess not in refused:
                probes += 1
                if (yield guess):
                    alive = tuple(ranked[:size])
                    break
                refused.add(guess)
            size *= 2
        # The least likely go first: each that may go makes the rest smaller.
        for name in reversed(alive):
            rest = tuple(kept for kept in alive if kept != name)
            if not rest or frozenset(rest) in refused:
                continue
            probes += 1
            if (yield frozenset(rest)):
                alive = rest
    except SiteSilent:
        return Found(alive, False, probes)
    return Found(alive, True, probes)
