"""The state of the little world: one account, its organisations, sessions and what was counted.

No HTTP here: the site and the identity provider ask it and tell it.  All moments are of
``StandInClock.now``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from harvester.standin.clock import StandInClock
from harvester.standin.switches import Switches

LOG_LINES = 500


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    slug: str
    name: str


ORGANIZATIONS = (
    Organization("organization-test-5b1c7a90-acme", "acme", "Acme Inc"),
    Organization("organization-test-c04e2d11-globex", "globex", "Globex Inc"),
    Organization("organization-test-97aa3f52-initech", "initech", "Initech"),
)


@dataclass(slots=True)
class Account:
    """The one user.  ``totp_last_step`` is why a code works once only."""

    email: str = "ada@acme.example"
    login: str = "ada"
    name: str = "Ada Byron"
    password: str = field(default="Tulip-Anchor-Cobalt-42", repr=False)
    totp_secret: str = field(default="", repr=False)
    totp_last_step: int = -1
    bad_passwords: int = 0
    locked_until: float = 0.0
    consents: set[tuple[str, str]] = field(default_factory=set)

    def is_called(self, typed: str) -> bool:
        return typed.strip().lower() in (self.email, self.login)


@dataclass(slots=True, eq=False)
class SiteSession:
    """A session at the site, of one organisation.  ``retired`` holds rotated tokens."""

    id: str
    token: str = field(repr=False)
    organization: Organization
    started_at: float
    ends_at: float
    retired: dict[str, float] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Minted:
    """What is remembered of a JWT that was handed out."""

    session: SiteSession
    ends_at: float


@dataclass(frozen=True, slots=True)
class Grant:
    """What the identity provider vouched for, once; ``silent`` when it asked for no password."""

    client_id: str
    redirect_uri: str
    ends_at: float
    silent: bool


class World:
    """Everything that a reset forgets."""

    def __init__(self, switches: Switches, clock: StandInClock, *, totp_secret: str) -> None:
        self.switches = switches
        self.clock = clock
        self._first_positions = switches.positions()
        self._jwt_key = secrets.token_bytes(32)
        self._empty(totp_secret)
        self.heed_switches()

    def reset(self) -> None:
        """As it was at the start: switches too; only the seed stays, since others were told it."""
        self.clock.advanced_s = 0.0
        self.switches.restore(self._first_positions)
        self.heed_switches()
        self._empty(self.account.totp_secret)

    def heed_switches(self) -> None:
        """Carry over the switches that are a state elsewhere."""
        self.clock.skew_s = self.switches.clock_skew_s

    def _empty(self, totp_secret: str) -> None:
        self.account = Account(totp_secret=totp_secret)
        self.sessions: list[SiteSession] = []
        self.minted: dict[str, Minted] = {}
        self.identity_sessions: dict[str, float] = {}
        self.grants: dict[str, Grant] = {}
        self.intermediate: dict[str, Grant] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        self.wrong_clicks: Counter[str] = Counter()
        self.passwords_seen: set[bytes] = set()
        self.calls: dict[str, deque[float]] = {}
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LINES)
        self.approved = False

    # organisations

    def organizations(self) -> list[Organization]:
        wanted = self.switches.organizations.split(",")
        return [one for one in ORGANIZATIONS if one.slug in wanted]

    def organization(self, called: str) -> Organization | None:
        """By id or slug, among the user's own."""
        return next((one for one in self.organizations() if called in (one.id, one.slug)), None)

    # sessions of the site

    def start_session(self, organization: Organization) -> SiteSession:
        now = self.clock.now()
        self.sessions = self.live_sessions()
        session = SiteSession(
            id=f"member-session-test-{secrets.token_hex(8)}",
            token=self.new_token(),
            organization=organization,
            started_at=now,
            ends_at=now + self.switches.session_life_s,
        )
        self.sessions.append(session)
        return session

    def new_token(self) -> str:
        token = secrets.token_urlsafe(32)
        # Bytes that browsers keep as they are and that careless readers unquote, cut or encode.
        return f'{token}=="a%2Fb" c+/,{{1}}=' if self.switches.odd_value else token

    def is_live(self, session: SiteSession) -> bool:
        return session in self.sessions and self.clock.now() < session.ends_at

    def by_token(self, token: str | None) -> SiteSession | None:
        now = self.clock.now()
        for session in self.sessions:
            if token is not None and (
                session.token == token or session.retired.get(token, 0.0) > now
            ):
                return session if self.is_live(session) else None
        return None

    def by_jwt(self, jwt: str | None, *, fresh: bool) -> SiteSession | None:
        """The live session of a JWT; ``fresh`` refuses one that has aged."""
        minted = self.minted.get(jwt or "")
        if minted is None or not self.is_live(minted.session):
            return None
        if fresh and self.clock.now() >= minted.ends_at:
            return None
        return minted.session

    def mint_jwt(self, session: SiteSession) -> str:
        """A JWT with the claims that the identity layer documents, times as told to others."""
        now = self.clock.now()
        ends_at = min(now + self.switches.jwt_life_s, session.ends_at)
        claims = {
            "iss": "stytch.com/project-test-standin",
            "aud": ["project-test-standin"],
            "sub": "member-test-ada",
            "email": self.account.email,
            "iat": int(self.clock.shown(now)),
            "nbf": int(self.clock.shown(now)),
            "exp": int(self.clock.shown(ends_at)),
            # Two JWTs of one second differ all the same.
            "jti": secrets.token_hex(6),
            "https://stytch.com/organization": {
                "organization_id": session.organization.id,
                "slug": session.organization.slug,
            },
            "https://stytch.com/session": {
                "id": session.id,
                "started_at": self.clock.http_date(session.started_at),
                "expires_at": self.clock.http_date(session.ends_at),
                "roles": ["stytch_member"],
            },
        }
        head = _b64(json.dumps({"alg": "HS256", "kid": "standin", "typ": "JWT"}).encode())
        body = f"{head}.{_b64(json.dumps(claims).encode())}"
        jwt = f"{body}.{_b64(hmac.new(self._jwt_key, body.encode(), hashlib.sha256).digest())}"
        self.minted[jwt] = Minted(session, ends_at)
        return jwt

    def end(self, session: SiteSession) -> None:
        if session in self.sessions:
            self.sessions.remove(session)

    def live_sessions(self) -> list[SiteSession]:
        return [one for one in self.sessions if self.is_live(one)]

    # the identity provider

    def opens(self, user: str, password: str) -> bool:
        """Whether this pair opens the account; counts it, and locks after too many wrong ones.

        A locked account opens to nothing, the right password included.
        """
        self.counts["password_submits"] += 1
        self.passwords_seen.add(hashlib.sha256(password.encode()).digest())
        right = hmac.compare_digest(password.encode(), self.account.password.encode())
        if right and self.account.is_called(user) and not self.is_locked():
            self.account.bad_passwords = 0
            return True
        self.counts["wrong_password_submits"] += 1
        if not self.is_locked():
            self.account.bad_passwords += 1
            if self.account.bad_passwords >= self.switches.lock_after:
                self.account.locked_until = self.clock.now() + self.switches.lock_s
        return False

    def is_locked(self) -> bool:
        if self.account.locked_until and self.clock.now() >= self.account.locked_until:
            self.account.locked_until, self.account.bad_passwords = 0.0, 0
        return self.account.locked_until > 0

    def revoke(self, what: str) -> None:
        if what in ("sessions", "all"):
            self.sessions.clear()
        if what in ("identity", "all"):
            self.identity_sessions.clear()

    # limits, counted for the user whatever the client

    def wait_s(self, kind: str, *limits: tuple[int, float]) -> int | None:
        """Count one call of a kind; seconds to wait if one of (how many, in seconds) is used up."""
        now = self.clock.now()
        calls = self.calls.setdefault(kind, deque())
        waits = []
        for many, within_s in limits:
            recent = [at for at in calls if at > now - within_s]
            if len(recent) >= many:
                waits.append(recent[-many] + within_s - now)
        if waits:
            return max(1, int(max(waits)) + 1)
        calls.append(now)
        return None

    # what tests read

    def state(self) -> dict[str, Any]:
        names = (
            "sign_ins", "silent_sign_ins", "password_submits", "wrong_password_submits",
            "code_submits", "wrong_code_submits", "replayed_code_submits", "api_requests",
            "api_401", "api_403", "api_429", "api_posts_executed", "page_loads",
            "identity_requests", "newsletter_posts", "signup_clicks", "signup_posts",
            "jwt_renewals", "organization_switches", "logouts", "consents_given",
            "passwords_arrived", "secrets_at_site", "honeypot_filled", "decoy_filled",
            "faults_applied",
        )  # fmt: skip
        now = self.clock.now()
        return {
            **{name: self.counts[name] for name in names},
            "distinct_passwords": len(self.passwords_seen),
            "locked": self.is_locked(),
            "sessions_live": len(self.live_sessions()),
            "identity_sessions_live": sum(end > now for end in self.identity_sessions.values()),
            "wrong_clicks": dict(self.wrong_clicks),
            "sessions": [
                {
                    "id": one.id,
                    "organization": one.organization.slug,
                    "age_s": round(now - one.started_at, 3),
                    "ends_in_s": round(one.ends_at - now, 3),
                }
                for one in self.live_sessions()
            ],
        }


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
