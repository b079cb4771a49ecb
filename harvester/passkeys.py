"""Passkeys of this machine: what is kept of each, and at which sites it may be used.

Values, no I/O.  A private key in here never leaves the sealed record, the signer and the browser
that it starts; the daemon hands the record on unopened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

# It is shown in lists and typed on command lines, and the provider's page may ask for one too.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey.  Times are seconds since 1970.

    ``name`` is this machine's name for it; ``rp_id`` the domain it is for; ``credential_id``,
    ``private_key`` (PKCS#8) and ``user_handle`` are base64, as browsers tell them.
    ``discoverable``: the site need not name it to use it.  ``used_at``: None until it signed.
    """

    name: str
    rp_id: str
    credential_id: str
    private_key: str = field(repr=False)
    created_at: float
    user_handle: str = field(default="", repr=False)
    user_name: str = ""
    sign_count: int = 0
    discoverable: bool = True
    used_at: float | None = None

    def count_at(self, now_s: float) -> int:
        """The sign count to go on from.

        A site may refuse a count that is not above the last one it saw.  A count that was lost
        (the machine went down between the use and its record, or an old record was put back) does
        no harm: nobody signs in more than once a second, so the passkey's age in seconds is above
        every count that was ever used.
        """
        return max(self.sign_count, int(now_s - self.created_at))

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Passkey:
        known = {name: data[name] for name in cls.__slots__ if name in data}
        return cls(**known)


def covers(rp_id: str, origin: str) -> bool:
    """Whether a page of this origin may ask for a passkey of ``rp_id``: its host, or one below.

    >>> covers("acme.example", "https://login.acme.example")
    True
    >>> covers("acme.example", "https://notacme.example")
    False
    """
    host = (urlsplit(origin).hostname or "").lower()
    return bool(rp_id) and (host == rp_id or host.endswith(f".{rp_id}"))


def for_origins(passkeys: Iterable[Passkey], origins: Iterable[str]) -> tuple[Passkey, ...]:
    """Those that a page of one of these origins may ask for."""
    wanted = tuple(origins)
    return tuple(one for one in passkeys if any(covers(one.rp_id, origin) for origin in wanted))


def to_bytes(passkeys: Iterable[Passkey]) -> bytes:
    """What a sealed record of purpose ``passkey`` holds."""
    return json.dumps({"version": 1, "passkeys": [one.as_dict() for one in passkeys]}).encode()


def from_bytes(data: bytes) -> tuple[Passkey, ...]:
    """Raises ValueError, KeyError or TypeError for what is none."""
    return tuple(Passkey.from_dict(one) for one in json.loads(data)["passkeys"])
