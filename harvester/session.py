"""The session: the only thing that is ever served, and the cookies it is made of.

Values only.  How a session is written for others (JSON, curl, cookies.txt) is ``wire.py``; how it
is found, proved and kept is the keeper's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harvester.errors import HarvesterError

ExpiresKind = Literal["declared", "learned", "unknown"]

# RFC 6265: a cookie's name is a token, its value is printable ASCII without `"`, `,`, `;`, `\`.
# Browsers store more than that (quotes and commas are common), so the value is checked for what
# would break a header or a terminal: control bytes, `;`, and anything outside ASCII.
_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_COOKIE_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e]{0,8192}")
# Browsers take no control bytes in one; in a cookies.txt they would begin a line of their own.
_COOKIE_PATH = re.compile(r"[^\x00-\x1f\x7f;]{0,4096}")


# A server may let a token live on for a minute or two, so that clocks need not agree.
ENDS_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie, its value exactly as the browser stores it.

    ``domain`` is as Playwright gives it: a leading dot means the cookie also goes to subdomains.
    ``expires_at`` is seconds since 1970, None for a cookie that lives as long as the browser.
    """

    name: str
    value: str = field(repr=False)
    domain: str
    path: str = "/"
    expires_at: float | None = None
    http_only: bool = False
    secure: bool = False
    same_site: str = "Lax"

    def __post_init__(self) -> None:
        if not _COOKIE_NAME.fullmatch(self.name):
            raise ValueError("a cookie name holds bytes that no header may carry")
        if not _COOKIE_VALUE.fullmatch(self.value):
            raise ValueError(
                f"the value of cookie {self.name} holds bytes that no header may carry"
            )
        if not _COOKIE_PATH.fullmatch(self.path):
            raise ValueError(f"the path of cookie {self.name} holds bytes that no browser takes")

    def goes_to(self, host: str, path: str) -> bool:
        """Whether a browser would send this cookie with a request for ``path`` on ``host``."""
        if self.domain.startswith("."):
            bare = self.domain[1:]
            if host != bare and not host.endswith("." + bare):
                return False
        elif host != self.domain:
            return False
        path = path.partition("?")[0]
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")

    def shifted(self, by_s: float) -> Cookie:
        """The same, by a clock that was set forward by ``by_s``."""
        return self if self.expires_at is None else replace(self, expires_at=self.expires_at + by_s)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": self.value,
            "domain": self.domain,
            "path": self.path,
            "expires_at": self.expires_at,
            "http_only": self.http_only,
            "secure": self.secure,
            "same_site": self.same_site,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Cookie:
        """Raises ValueError or KeyError when the data is no cookie."""
        expires = data.get("expires_at")
        return cls(
            name=str(data["name"]),
            value=str(data["value"]),
            domain=str(data["domain"]),
            path=str(data.get("path", "/")),
            expires_at=None if expires is None else float(expires),
            http_only=bool(data.get("http_only", False)),
            secure=bool(data.get("secure", False)),
            same_site=str(data.get("same_site", "Lax")),
        )


Jar = tuple[Cookie, ...]


def cookie_header(cookies: tuple[Cookie, ...]) -> str:
    """``name=value; name2=value2``, byte for byte as stored."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in session of one profile, proved by the probe.

    ``cookies`` are the ones the site needs, found by experiment: only they are served.
    ``jar`` is every cookie the site set; the browser needs it to renew, nobody else sees it.
    ``generation`` counts the sessions stored for this profile; it never goes back.
    Times are seconds since 1970.  ``renewed_at`` is when the present end was learned: the time
    of capture, or of the last touch that lengthened it.  ``organization_names`` are all the
    names (slug, id, name) that the site told for it.  ``confidence`` (0 to 1) belongs to
    ``expires_at``; ``declared_at`` is the end that the cookies declare where a learned one comes
    sooner.  ``longest_gap_s`` is the longest time between two proofs since ``renewed_at``.
    ``brought``: a person, or another store, has it too, and may end it there.
    """

    profile: str
    origin: str
    generation: int
    cookies: tuple[Cookie, ...] = field(repr=False)
    jar: tuple[Cookie, ...] = field(repr=False)
    obtained_at: float
    proved_at: float
    renewed_at: float
    expires_at: float | None = None
    expires_kind: ExpiresKind = "unknown"
    confidence: float = 0.0
    identity: str | None = None
    organization: str | None = None
    organization_proved: bool = False
    organization_names: tuple[str, ...] = ()
    user_agent: str = ""
    longest_gap_s: float = 0.0
    declared_at: float | None = None
    declared_confidence: float = 0.0
    brought: bool = False

    def proved(self, at: float) -> Session:
        """The same session, known alive at ``at``.

        One that lives on well after its end never had that end, and the next is not known.
        """
        gap_s = max(self.longest_gap_s, at - self.proved_at)
        alive = replace(self, proved_at=max(at, self.proved_at), longest_gap_s=gap_s)
        if self.expires_at is None or at <= self.expires_at + ENDS_WITHIN_S:
            return alive
        return replace(alive, expires_at=None, expires_kind="unknown", confidence=0.0)

    def shifted(self, by_s: float) -> Session:
        """The same session, by a clock that was set forward by ``by_s``: all its times move."""
        return replace(
            self,
            cookies=tuple(one.shifted(by_s) for one in self.cookies),
            jar=tuple(one.shifted(by_s) for one in self.jar),
            obtained_at=self.obtained_at + by_s,
            proved_at=self.proved_at + by_s,
            renewed_at=self.renewed_at + by_s,
            expires_at=None if self.expires_at is None else self.expires_at + by_s,
            declared_at=None if self.declared_at is None else self.declared_at + by_s,
        )

    def as_dict(self) -> dict[str, Any]:
        """The stored form (holds everything; it is sealed before it touches a disk)."""
        return {
            "profile": self.profile,
            "origin": self.origin,
            "generation": self.generation,
            "cookies": [cookie.as_dict() for cookie in self.cookies],
            "jar": [cookie.as_dict() for cookie in self.jar],
            "obtained_at": self.obtained_at,
            "proved_at": self.proved_at,
            "renewed_at": self.renewed_at,
            "expires_at": self.expires_at,
            "expires_kind": self.expires_kind,
            "confidence": self.confidence,
            "identity": self.identity,
            "organization": self.organization,
            "organization_proved": self.organization_proved,
            "organization_names": list(self.organization_names),
            "user_agent": self.user_agent,
            "longest_gap_s": self.longest_gap_s,
            "declared_at": self.declared_at,
            "declared_confidence": self.declared_confidence,
            "brought": self.brought,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Session:
        """Raises ValueError, KeyError or TypeError when the data is no session."""
        if data.get("expires_kind", "unknown") not in ("declared", "learned", "unknown"):
            raise ValueError("expires_kind")
        expires = data.get("expires_at")
        declared = data.get("declared_at")
        return cls(
            profile=str(data["profile"]),
            origin=str(data["origin"]),
            generation=int(data["generation"]),
            cookies=tuple(Cookie.from_dict(one) for one in data["cookies"]),
            jar=tuple(Cookie.from_dict(one) for one in data.get("jar", [])),
            obtained_at=float(data["obtained_at"]),
            proved_at=float(data["proved_at"]),
            renewed_at=float(data.get("renewed_at", data["obtained_at"])),
            expires_at=None if expires is None else float(expires),
            expires_kind=data.get("expires_kind", "unknown"),
            confidence=float(data.get("confidence", 0.0)),
            identity=data.get("identity"),
            organization=data.get("organization"),
            organization_proved=bool(data.get("organization_proved", False)),
            organization_names=tuple(str(one) for one in data.get("organization_names", ())),
            user_agent=str(data.get("user_agent", "")),
            # Sessions of before 0.4 have none of these.
            longest_gap_s=float(data.get("longest_gap_s", 0.0)),
            declared_at=None if declared is None else float(declared),
            declared_confidence=float(data.get("declared_confidence", 0.0)),
            # Of before 0.6.
            brought=bool(data.get("brought", False)),
        )


Verdict = Literal["superseded", "alive", "refreshed", "unreachable"]


@dataclass(frozen=True, slots=True)
class Served:
    """A session as it is handed to a caller, with what the caller should know about it.

    ``stale`` is true when a refresh was wanted and could not be had: the session is the last
    good one, and ``error`` says why.  ``verdict`` answers a report and is None otherwise;
    ``probed_s_ago`` is the age of the probe behind an ``alive`` that was not made now.
    """

    session: Session
    stale: bool = False
    error: HarvesterError | None = None
    min_valid_met: bool = True
    verdict: Verdict | None = None
    probed_s_ago: float | None = None
