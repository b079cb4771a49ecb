"""A session as a program gets it: what the daemon's session object has, frozen.

Values only: no I/O, no clock.  Source: the session object of ``docs/protocol.md``; fields that
this release does not know are ignored, as the contract says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from harvester.clock import parse_rfc3339
from harvester.errors import Bug, HarvesterError, from_dict
from harvester.profile import origin_of
from harvester.session import Cookie, ExpiresKind, Verdict


@dataclass(frozen=True, slots=True)
class Session:
    """One live session of one profile.

    ``headers`` is what a request to ``origin`` needs: ``Cookie``, byte for byte as the browser
    stores it, and ``Origin``.  ``cookies`` are the same cookies one by one.  ``generation`` counts
    the sessions of this profile; two sessions with one generation are one session.

    All times are seconds since 1970 (UTC).  ``expires_at`` is None where the end is not known;
    ``expires_kind`` says how it is known (``declared``, ``learned``, ``unknown``) and
    ``confidence`` (0 to 1) how well.  ``stale``: a refresh was wanted and could not be had, this
    is the last good session, and ``error`` says why.  ``min_valid_met`` is false where even a new
    session is shorter than asked for.  ``verdict`` answers a report and is None otherwise:
    ``superseded``, ``alive``, ``refreshed`` or ``unreachable``; ``probed_s_ago`` is the age in
    seconds of the probe behind an ``alive`` that was not made now.
    """

    profile: str
    origin: str
    generation: int
    headers: Mapping[str, str] = field(repr=False)
    cookies: tuple[Cookie, ...] = field(repr=False)
    obtained_at: float | None = None
    proved_at: float | None = None
    expires_at: float | None = None
    expires_kind: ExpiresKind = "unknown"
    confidence: float = 0.0
    identity: str | None = None
    organization: str | None = None
    organization_proved: bool = False
    user_agent: str = ""
    stale: bool = False
    min_valid_met: bool = True
    verdict: Verdict | None = None
    probed_s_ago: float | None = None
    error: HarvesterError | None = None

    def lasts(self, seconds: float, now: float) -> bool:
        """Whether it is known to end no sooner than ``seconds`` after ``now`` (since 1970)."""
        return self.expires_at is None or self.expires_at - now >= seconds


def from_object(told: Any) -> Session:
    """The session of a session object.  Raises Bug for what is none."""
    try:
        return _read(told)
    except (KeyError, TypeError, ValueError, AttributeError):
        # The text of these may hold a cookie, and so may their context: both stay here.
        broken = Bug(
            "what answers at the socket gave no session object",
            hint="check HARVESTER_SOCKET, and that daemon and SDK are of one version",
        )
    raise broken


def from_text(text: str) -> Session:
    """The session of a session object in JSON.  Raises Bug for what is none."""
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    return from_object(told)


def _read(told: Mapping[str, Any]) -> Session:
    headers = {str(name): str(value) for name, value in told["headers"].items()}
    if not headers["Cookie"] or origin_of(str(told["origin"])) != told["origin"]:
        raise ValueError
    if any(not line.isprintable() for pair in headers.items() for line in pair):
        raise ValueError  # a line break in a header would be a header of somebody else's
    kind, verdict, error = told.get("expires_kind"), told.get("verdict"), told.get("error")
    confidence, age_s = told.get("confidence"), told.get("probed_s_ago")
    return Session(
        profile=str(told["profile"]),
        origin=told["origin"],
        generation=int(told["generation"]),
        headers=MappingProxyType(headers),
        cookies=tuple(_cookie(one) for one in told["cookies"]),
        obtained_at=parse_rfc3339(told.get("obtained_at")),
        proved_at=parse_rfc3339(told.get("proved_at")),
        expires_at=parse_rfc3339(told.get("expires_at")),
        expires_kind=kind if kind in ("declared", "learned") else "unknown",
        confidence=float(confidence or 0.0),
        identity=told.get("identity"),
        organization=told.get("organization"),
        organization_proved=bool(told.get("organization_proved")),
        user_agent=str(told.get("user_agent") or ""),
        stale=bool(told.get("stale")),
        min_valid_met=bool(told.get("min_valid_met", True)),
        verdict=verdict,
        probed_s_ago=None if age_s is None else float(age_s),
        error=None if error is None else from_dict(error),
    )


def _cookie(told: Mapping[str, Any]) -> Cookie:
    return Cookie.from_dict({**told, "expires_at": parse_rfc3339(told.get("expires_at"))})
