"""Cookies and tokens for tests, made of nothing."""

from __future__ import annotations

import base64
import json

from harvester.session import Cookie, Session


def cookie(name: str, value: str = "v" * 30, *, http_only: bool = False) -> Cookie:
    return Cookie(name, value, "knoq.one", http_only=http_only)


def jwt(**claims: object) -> str:
    """An unsigned token that says ``claims``."""

    def part(data: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part(claims)}.c2ln"


def session(life_s: float | None = None, *, generation: int = 1, **changes: object) -> Session:
    """A session that began at 0 and lives ``life_s``."""
    fields: dict[str, object] = {
        "profile": "default",
        "origin": "https://knoq.one",
        "generation": generation,
        "cookies": (cookie("sid"),),
        "jar": (cookie("sid"), cookie("theme", "dark")),
        "obtained_at": 0.0,
        "proved_at": 0.0,
        "renewed_at": 0.0,
        "expires_at": life_s,
        "expires_kind": "unknown" if life_s is None else "declared",
    }
    return Session(**{**fields, **changes})
