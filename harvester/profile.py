"""A profile: one account at one site in one organisation, by name.  Frozen values, no I/O.

``settings.py`` makes profiles; everything below it only reads them.  A profile never holds a
password: it holds *where the password comes from*, and the signer alone goes and looks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

PROFILE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
DEFAULT_PROFILE = "default"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret comes from.

    ``value``: it came by environment and is held until the signer gets it; ``file``: a path;
    ``command``: words to run without a shell, the first line of the output is the secret.
    ``name`` is the setting, for error messages.
    """

    kind: Literal["value", "file", "command"]
    name: str
    value: str = field(default="", repr=False)
    path: str = ""
    argv: tuple[str, ...] = field(default=(), repr=False)  # its words may hold a token

    def __reduce__(self) -> str:
        """Not pickled, and so not copied deeply either: only ``as_dict`` lets a value out."""
        raise TypeError("where a secret comes from is not pickled")

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "value": self.value,
            "path": self.path,
            "argv": list(self.argv),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SecretSource:
        return cls(
            kind=data["kind"],
            name=data["name"],
            value=data.get("value", ""),
            path=data.get("path", ""),
            argv=tuple(data.get("argv", ())),
        )

    def where(self) -> str:
        """For a person: where this comes from, never what it is."""
        if self.kind == "file":
            return f"file {self.path}"
        if self.kind == "command":
            return f"command {self.argv[0]}"
        return f"environment ({self.name})"

    def named(self) -> str:
        """The setting, and where its value comes from unless that is the setting itself."""
        return self.name if self.kind == "value" else f"{self.name} ({self.where()})"


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """Where the sealing key is kept, as the settings say it: at most one of these; none of them
    is the file in the store."""

    key: SecretSource | None = None
    passphrase: SecretSource | None = None
    keyring: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """What a site says of one kind of request: so many of a user within so many seconds."""

    method: str
    path: str
    times: int
    within_s: float


@dataclass(frozen=True, slots=True)
class Site:
    """What must be known of a web site.  Paths begin with ``/`` and may carry a query.

    ``switch_org_path`` takes ``switch_org_body``, a JSON template with ``$organization`` in it;
    an empty path: the site cannot switch.  ``whoami_identity`` and ``whoami_organization`` are
    JSON pointers (RFC 6901) into the answer to ``whoami_path``.  Below ``checked_first_prefix``
    the session is checked before anything else, so that a 401 means that nothing happened; empty:
    nowhere is that known.  ``limits`` are the site's own, for each user.
    """

    origin: str
    sign_in_url: str
    probe_path: str
    probe_denied_text: str | None = None
    sign_out_path: str | None = None
    whoami_path: str | None = None
    whoami_identity: str | None = None
    whoami_organization: str | None = None
    switch_org_path: str = ""
    switch_org_body: str = ""
    checked_first_prefix: str = ""
    limits: tuple[Limit, ...] = ()

    @property
    def host(self) -> str:
        return _host_of(self.origin)


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that always holds the current session, in one of the printable formats."""

    format: str
    path: str


@dataclass(frozen=True, slots=True)
class PageRule:
    """What a person taught about one control of one page.

    ``host`` is compared as browsers show it (with a port where there is one); ``path`` holds for
    it and all below.  ``control`` says what it is.  A control is found by ``role`` and ``label``
    (compared without case, either may be empty), or by the CSS ``selector``.  A rule only names
    a control: where a secret may be typed is not its to say.
    """

    host: str
    path: str
    control: Literal["user", "password", "code", "organization", "submit", "press"]
    role: str = ""
    label: str = ""
    selector: str = ""

    def as_dict(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def place(self) -> str:
        """The page as config.toml writes it."""
        return self.host + self.path


@dataclass(frozen=True, slots=True)
class Profile:
    """One account at one site.  Durations in seconds; None means "not said"."""

    name: str
    site: Site
    provider: str | None = None
    identity_origins: tuple[str, ...] = ()
    username: str | None = None
    password: SecretSource | None = None
    totp: SecretSource | None = None
    organization: str | None = None
    session_cookie: str | None = None
    refresh_every_s: float | None = None
    max_age_s: float | None = None
    submits_per_hour: int = 3
    submits_per_day: int = 30
    sign_in_timeout_s: float = 120.0
    approval_wait_s: float = 0.0
    stay_signed_in: bool = True
    consent: bool = True
    pages: tuple[PageRule, ...] = ()
    browser_hosts: tuple[str, ...] = ()
    tripwire: Literal["alert", "hold"] = "alert"

    @property
    def reachable_hosts(self) -> tuple[str, ...]:
        """All hosts that the browser of a sign-in may look up; empty where nothing is said."""
        if not self.browser_hosts:
            return ()
        needed = (self.site.origin, self.site.sign_in_url, *self.identity_origins)
        hosts = [urlsplit(one).hostname or "" for one in needed]
        return tuple(dict.fromkeys((*hosts, *self.browser_hosts)))

    @property
    def sign_in_limit_s(self) -> float:
        """How long a whole sign-in may take, a person's approval included."""
        return self.sign_in_timeout_s + self.approval_wait_s

    files: tuple[KeptFile, ...] = ()


@lru_cache
def _host_of(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def origin_of(url: str) -> str | None:
    """``https://host:port`` of a URL in the one spelling in which origins are compared.

    Lower case, no default port, no user info (a URL with one has no origin: it is a trick).
    None for anything that is not http or https.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    host = parts.hostname.lower()
    if any(char <= " " or char == "\x7f" for char in host):
        return None
    if ":" in host:
        host = f"[{host}]"
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


def is_loopback(host: str) -> bool:
    """Names and addresses that never leave the machine (RFC 6761 for ``.localhost``)."""
    host = host.lower().strip("[]")
    if host == "localhost" or host.endswith(".localhost") or host == "::1":
        return True
    return bool(re.fullmatch(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}", host))
