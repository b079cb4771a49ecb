"""Where a secret may be typed.  Nothing else in the program may decide it.

Pure.  The facts come from the browser (the address of each frame, parents included) and, where
only the page knows (the form's target), from the page: those can only forbid, never allow.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from harvester.profile import is_loopback, origin_of

What = Literal["identifier", "password", "code"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something would be typed.

    ``chain`` holds the frame's address and those of its parents, the frame first.
    ``script_origin`` is what the document says of itself: ``null`` in a sandbox, whatever the
    address.  ``targets`` are the form's action and the button's own.  ``shows``: whoever looks at
    the screen, or at a picture of it, reads what is typed.
    """

    chain: tuple[str, ...]
    script_origin: str
    targets: tuple[str, ...] = ()
    visible: bool = True
    new_password: bool = False
    shows: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    site_origin: str
    identity_origins: tuple[str, ...]


def objection(place: Place, what: What, rules: Rules) -> str | None:
    """Why ``what`` must not be typed at ``place``, or None if it may be."""
    allowed = set(rules.identity_origins)
    if what == "identifier":
        allowed.add(rules.site_origin)
    if not place.chain:
        return "the page is gone"
    if not place.visible:
        return "the field cannot be seen"
    if place.shows and what == "password":
        return "the field would show it"
    if place.new_password and what != "identifier":
        return "the form is for a new password"
    origin = _trusted_origin(place.chain[0], allowed)
    if origin is None:
        return f"{origin_of(place.chain[0]) or 'a page without an origin'} is not allowed"
    if place.script_origin != origin:
        return "the frame is sandboxed or of another origin than its address"
    around = {rules.site_origin, *rules.identity_origins}
    for parent in place.chain[1:]:
        if _trusted_origin(parent, around) is None:
            return f"the form is framed by {origin_of(parent) or 'a page without an origin'}"
    for target in place.targets:
        # A form that answers to a script has no target of its own.
        if urlsplit(target).scheme == "javascript":
            continue
        if _trusted_origin(target, allowed) is None:
            return f"the form sends to {origin_of(target) or 'a place without an origin'}"
    return None


def _trusted_origin(url: str, allowed: Collection[str]) -> str | None:
    """The address's origin if it is allowed and its connection cannot be read by others."""
    origin = origin_of(url)
    if origin is None or origin not in allowed:
        return None
    parts = urlsplit(origin)
    if parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return origin
    return None
