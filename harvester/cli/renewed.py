"""What `login` and `refresh` say at their end: about the session, never the session itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harvester.cli.call import Call
from harvester.errors import SiteDown, from_dict
from harvester.redact import clean

SECRET_FIELDS = frozenset({"headers", "cookies"})


def unless_stale(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The session object; raises what stopped the refresh where the last good one came instead."""
    if not told.get("stale"):
        return told
    error = told.get("error")
    if isinstance(error, Mapping):
        raise from_dict(error)
    raise SiteDown(
        "the refresh did not succeed; the last good session is still served",
        hint="`harvester status` tells why",
    )


def show(call: Call, told: Mapping[str, Any], verb: str) -> int:
    if call.json:
        return call.put_json({k: v for k, v in told.items() if k not in SECRET_FIELDS})
    who = told.get("identity")
    team = told.get("organization")
    until = told.get("expires_at")
    line = f"{verb} {told.get('origin')}"
    line += f" as {who}" if who else ""
    line += f" in {team}" if team else ""
    line += f", generation {told.get('generation')}"
    line += f", valid until {until}" if until else ""
    call.say(clean(line))
    return 0
