"""What the signer and its parent say to each other: one JSON object a line, over one line.

    parent → signer (stdin)                    signer → parent (stdout)
    {"prepare": BrowserChoice}, if at all       (start a browser; the job follows)
    Job
                                               {"event": "step", "state", "host", "number",
                                                "elapsed_s"}
                                               {"ask": "submit", "fingerprint", "origin"}
    {"granted": true}                          (the parent has written the attempt down, durably)
    {"granted": false, "error": {...}}         (a budget or a latch says no: type nothing)
                                               {"ask": "code", "step"}
    {"granted": true} | {"granted": false,..}  (the step number is stored before it is typed)
                                               {"ask": "passkeys", "sealed"}
    {"granted": true} | {"granted": false,..}  (they are stored: a new sign count, a new passkey)
                                               {"ask": "candidate", "cookies", "user_agent"}
    {"verdict": "alive|denied|unreachable"}    (the parent's probe; the signer has no HTTP client)
                                               {"result": "signed_in", ...}  or
                                               {"result": "stopped", "error", "stage", ...}

The parent closing the signer's stdin means "stop now": the signer's whole process tree ends.
Secrets go one way, from the parent's environment into ``Job``, and the sealing keys with them; a
fingerprint is a keyed hash (see ``vault/keys.py``).  Identity state crosses sealed: the signer
opens it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from harvester.errors import HarvesterError
from harvester.profile import PageRule, SecretSource
from harvester.session import Cookie

# ``headed``: a person signs in, in a window.
Rung = Literal["renew", "silent", "scripted", "headed"]

# Where a sign-in stood when it stopped: decides whether it counts as an attempt.
#   before_submit  nothing secret was typed
#   after_submit   a secret was sent and no answer was seen (ambiguous)
#   answered       a secret was sent and the provider answered
Stage = Literal["before_submit", "after_submit", "answered"]


@dataclass(frozen=True, slots=True)
class BrowserChoice:
    """Which browser, and how.  ``browser`` is a path or channel, None means: find one.

    ``hosts`` are all that it may look up, patterns with a ``*`` among them; empty: any.
    """

    browser: str | None = None
    sandbox: Literal["auto", "on", "off"] = "auto"
    https_proxy: str | None = field(default=None, repr=False)  # may hold a password
    ca_file: str | None = None
    hosts: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BrowserChoice:
        return cls(**{**data, "hosts": tuple(data["hosts"])})

    def line(self) -> str:
        return json.dumps({"prepare": asdict(self)}) + "\n"


@dataclass(frozen=True, slots=True)
class Job:
    """One sign-in to do.  Times in seconds; origins as ``origin_of`` spells them.

    ``rejected`` are fingerprints that were refused before: if the secrets at hand have one of
    them, the signer stops with ``credentials_rejected`` before it starts a browser.
    ``totp_last_step`` is the last one-time-code step used; a code of it or before is never typed.
    ``identity_state`` is the sealed browser state for the identity provider; ``jar`` is the
    site's cookies, for a renewal.  ``ring`` is the sealing keys themselves
    (``KeyRing.lines``), never where they are kept.  ``approval_wait_s`` is
    how long an approval on a telephone is waited for; ``stay_signed_in`` and ``consent`` say
    whether those questions are answered with yes; ``passkeys`` is the sealed record of them, and
    ``passkey_name`` the name for one that a person is about to make.  ``plain``: headed, in an
    ordinary browser that no program holds, because the provider refuses any other.
    """

    rung: Rung
    profile: str
    origin: str
    sign_in_url: str
    probe_path: str
    identity_origins: tuple[str, ...]
    ring: tuple[str, ...] = field(repr=False)
    timeout_s: float
    provider: str | None = None
    username: str | None = None
    password: SecretSource | None = None
    totp: SecretSource | None = None
    organization: str | None = None
    rejected: tuple[str, ...] = ()
    totp_last_step: int | None = None
    identity_state: str | None = field(default=None, repr=False)
    jar: tuple[Cookie, ...] = field(default=(), repr=False)
    browser: BrowserChoice = BrowserChoice()
    approval_wait_s: float = 0.0
    stay_signed_in: bool = True
    consent: bool = True
    pages: tuple[PageRule, ...] = ()
    passkeys: str | None = field(default=None, repr=False)
    passkey_name: str | None = None
    plain: bool = False

    def line(self) -> str:
        data = {name: getattr(self, name) for name in self.__slots__}
        for name in ("password", "totp"):
            source = data[name]
            data[name] = None if source is None else source.as_dict()
        data["jar"] = [cookie.as_dict() for cookie in self.jar]
        data["browser"] = asdict(self.browser)
        data["pages"] = [rule.as_dict() for rule in self.pages]
        return json.dumps(data) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Job:
        data = json.loads(line)
        for name in ("password", "totp"):
            source = data[name]
            data[name] = None if source is None else SecretSource.from_dict(source)
        for name in ("identity_origins", "rejected"):
            data[name] = tuple(data[name])
        data["jar"] = tuple(Cookie.from_dict(one) for one in data["jar"])
        data["browser"] = BrowserChoice.from_dict(data["browser"])
        data["pages"] = tuple(PageRule(**one) for one in data["pages"])
        return cls(**data)


def order_of(line: str) -> BrowserChoice | Job:
    """A line that the signer is given.  Raises ValueError, KeyError or TypeError for another."""
    data = json.loads(line)
    if "prepare" in data:
        return BrowserChoice.from_dict(data["prepare"])
    return Job.from_line(line)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The signer's good news: the cookies it took from the browser, and whose they seem to be.

    ``cookies`` is the site's whole jar; which of them matter is found by the parent.
    ``identity_state`` is sealed.  ``identity`` and ``organization`` are what was typed, chosen
    or shown on the pages, None where nothing was.  ``secrets_sent`` tells whether a password was.
    """

    cookies: tuple[Cookie, ...] = field(repr=False)
    user_agent: str
    identity_state: str | None = field(default=None, repr=False)
    identity: str | None = None
    organization: str | None = None
    secrets_sent: bool = False
    fingerprint: str | None = None
    sandboxed: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        data = {name: getattr(self, name) for name in self.__slots__}
        data["cookies"] = [cookie.as_dict() for cookie in self.cookies]
        return {"result": "signed_in", **data}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SignedIn:
        known = {name: data[name] for name in cls.__slots__ if name in data}
        known["cookies"] = tuple(Cookie.from_dict(one) for one in data["cookies"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The signer's bad news.  ``asked`` is true when a rung that may type nothing met a page
    that wants a secret: no error at all, the next rung is due.

    ``clock_skew_s`` is our clock minus the provider's ``Date``, where it was seen.
    ``accepted``: the provider was content with the secret, and what stopped the sign-in is the
    site's question which organisation (``identity_state``, sealed, is then worth keeping), or a
    clock that is too wrong for the code that was asked for next.
    ``evidence`` (sealed) is what was seen, where something was (see ``evidence.py``).
    """

    error: HarvesterError
    stage: Stage = "before_submit"
    asked: bool = False
    fingerprint: str | None = None
    clock_skew_s: float | None = None
    accepted: bool = False
    identity_state: str | None = field(default=None, repr=False)
    evidence: str | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        return {
            "result": "stopped",
            "error": self.error.as_dict(),
            "stage": self.stage,
            "asked": self.asked,
            "fingerprint": self.fingerprint,
            "clock_skew_s": self.clock_skew_s,
            "accepted": self.accepted,
            "identity_state": self.identity_state,
            "evidence": self.evidence,
        }
