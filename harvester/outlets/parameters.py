"""What a caller asked, read strictly: a wrong value is told, an unknown name is ignored.

Query strings and JSON bodies come in; plain values come out, or Usage with the name of the field
and how to write it.  Knows nothing of sessions and does no work: a request that is refused here
has changed nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from harvester import wire
from harvester.errors import OriginMismatch, Usage
from harvester.pasted import Pasted, json_forms
from harvester.pasted.cookies import agent
from harvester.profile import DEFAULT_PROFILE, PROFILE_NAME, Profile, origin_of
from harvester.timeline import DEFAULT_ENTRIES, MOST_ENTRIES

DEFAULT_WAIT_S = 60.0
LONGEST_WAIT_S = 300.0
# A generation counts stored sessions; beyond this a number is a mistake or an attack on our JSON.
_LARGEST_GENERATION = 2**53
_LONGEST_GENERATION = len(str(_LARGEST_GENERATION)) - 1


def from_query(pairs: list[tuple[str, str]]) -> Mapping[str, str]:
    """The query as a mapping; a name given twice is refused, since we could only guess."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise _twice(name)
        found[name] = value
    return found


def from_body(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a request; an empty body is an empty object."""
    if not body:
        return {}
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_constant)
    except (ValueError, RecursionError):
        # ValueError is the base of both the decoder's errors and of bad UTF-8.
        raise Usage(
            "the request's body is not JSON",
            hint='send an object, such as {"profile": "default"}',
        ) from None
    if not isinstance(found, dict):
        raise Usage(
            "the request's body is not a JSON object",
            hint='send an object, such as {"profile": "default"}',
        )
    return found


def profile(asked: Mapping[str, Any]) -> str:
    name = asked.get("profile", DEFAULT_PROFILE)
    if not isinstance(name, str) or not PROFILE_NAME.fullmatch(name):
        raise Usage(
            "`profile` is not a profile's name",
            hint="names are lower-case letters, digits and hyphens, at most 32 of them",
        )
    return name


def one_or_all(asked: Mapping[str, Any]) -> str | None:
    """The one profile that is meant, None for all: where it is left out, or null."""
    return None if asked.get("profile") is None else profile(asked)


def seconds(
    asked: Mapping[str, Any], name: str, *, default: float, most: float = math.inf
) -> float:
    """A number of seconds from 0 to ``most``; in a query it is the number's text."""
    value = asked.get(name, default)
    if isinstance(value, str):
        try:
            # float() also takes "1_000" and " 1 ", which nobody means.
            value = float(value) if value.isascii() and not set(value) & set("_ \t\r\n") else None
        except ValueError:
            value = None
    # No `float(value)` before the bound is checked: a JSON integer may be too long for one.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise _not_seconds(name, most)
    if value == math.inf or value > _LARGEST_GENERATION:
        raise _not_seconds(name, most)
    return float(value)


def wait_s(asked: Mapping[str, Any]) -> float:
    return seconds(asked, "wait_s", default=DEFAULT_WAIT_S, most=LONGEST_WAIT_S)


def generation(asked: Mapping[str, Any]) -> int:
    value = asked.get("generation")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # to JSON 7.0 is as whole a number as 7
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not 0 <= value < _LARGEST_GENERATION
    ):
        raise Usage(
            "`generation` is missing or is no whole number from 0 up",
            hint="send the `generation` of the session object whose use was answered with 401",
        )
    return value


def after(asked: Mapping[str, str], last_event_id: str | None) -> int | None:
    """The generation that a watcher knows already.  The header is a browser's, which comes back
    to the address that it was given first: it knows better."""
    value = asked.get("after") if last_event_id is None else last_event_id
    if value is None:
        return None
    if value.isascii() and value.isdecimal() and len(value) <= _LONGEST_GENERATION:
        return int(value)
    raise Usage(
        "`after` is no whole number from 0 up",
        hint="send the `generation` of the session that you have, or leave it out",
    )


def limit(asked: Mapping[str, str]) -> int:
    """How many entries of the timeline: 1 to 1000."""
    value = asked.get("limit", str(DEFAULT_ENTRIES))
    # int() also takes "1_000", " 1 " and digits of other scripts.
    if value.isascii() and value.isdecimal() and len(value) <= 4:
        found = int(value)
        if 1 <= found <= MOST_ENTRIES:
            return found
    raise Usage(
        f"`limit` is no whole number from 1 to {MOST_ENTRIES}",
        hint=f"write it plainly: limit={DEFAULT_ENTRIES}",
    )


def flag(asked: Mapping[str, Any], name: str) -> bool:
    value = asked.get(name, False)
    if not isinstance(value, bool):
        raise Usage(f"`{name}` is neither true nor false", hint=f'write "{name}": true')
    return value


def sign_in(asked: Mapping[str, str]) -> bool:
    """Whether a sign-in may be started for this caller: ``sign_in=false`` says no."""
    value = asked.get("sign_in", "true")
    if value not in ("true", "false"):
        raise Usage("`sign_in` is neither true nor false", hint="write sign_in=false")
    return value == "true"


def form(asked: Mapping[str, str]) -> str | None:
    """One of the printable formats, or None where the session object is wanted."""
    name = asked.get("format")
    if name is not None and name not in wire.FORMATS:
        raise Usage("`format` is no format of ours", hint="formats: " + ", ".join(wire.FORMATS))
    return name


def origin(asked: Mapping[str, Any]) -> str | None:
    """The origin that the caller expects, in the one spelling in which origins are compared."""
    if "origin" not in asked:
        return None
    told = asked["origin"]
    # Line ends and tabs within a URL are passed over by those who split it.
    found = origin_of(told) if isinstance(told, str) and told.isprintable() else None
    if found is None:
        raise Usage("`origin` is no origin", hint="write it as https://app.example")
    return found


def check_origin(profile: Profile, origin: str | None) -> None:
    """Raises OriginMismatch where the caller means another origin than the profile's."""
    held = profile.site.origin
    if origin is not None and origin != held:
        raise OriginMismatch(
            f"this daemon's profile {profile.name} is for {held}, not for {origin}",
            hint="choose the profile for that origin with --profile, or say that you mean this "
            f"one: HARVESTER_ORIGIN={held}",
        )


def brought(asked: Mapping[str, Any]) -> Pasted:
    """``cookies`` as the session object has them (only name and value must be there)."""
    if not isinstance(asked.get("cookies"), list) or not asked["cookies"]:
        raise Usage(
            "`cookies` is missing or is no list of cookies",
            hint='send them as the session object has them: [{"name": "...", "value": "..."}]',
        )
    return Pasted("json", tuple(json_forms.listed(asked["cookies"])))


def user_agent(asked: Mapping[str, Any]) -> str:
    """The browser that the cookies were made in; empty where that is not told."""
    value = asked.get("user_agent", "")
    if agent(value) != value:
        raise Usage(
            "`user_agent` is no line of printable ASCII",
            hint="send the browser's User-Agent, or leave it out",
        )
    return agent(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _twice(name)
        found[name] = value
    return found


def _constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _twice(name: str) -> Usage:
    shown = f"`{name}`" if name.isidentifier() and len(name) <= 32 else "a field"
    return Usage(f"{shown} is given twice", hint="give each field once")


def _not_seconds(name: str, most: float) -> Usage:
    upper = "up" if most == math.inf else f"to {most:.0f}"
    return Usage(
        f"`{name}` is no number of seconds from 0 {upper}", hint=f"write it plainly: {name}=60"
    )
