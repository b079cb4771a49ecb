"""Secrets that can be recognised by how they begin, whatever their rest.

The stand-in draws its tokens from ``secrets``.  Here those draws, and no others, are given a
beginning that nothing else has.  So one short word stands for thousands of secrets: the search
does not grow with them, a token of a process that was killed is found too, and so is one that was
cut short.  The word has no character that URLs, JSON, HTML or shells write otherwise.

Knows the stand-in's modules by name; the stand-in knows nothing of it.  Standard library only.
"""

from __future__ import annotations

import base64
import secrets
import sys
from typing import Any

WORD = "Kn4ryQuill"
# Ten bytes in base32, so that a seed can begin with them and still be a seed.
SEED_WORD = "KN4RYQUILL7SEEDS"
_SEED_BYTES = base64.b32decode(SEED_WORD)
PASSWORD = "Tulip-Anchor-Cobalt-42"
# What the fakes of tests/support have for a session, and a wizard's test for a password.
FAKES = {"canary-c00kie": "session", "canary-cookie": "session", "Canary-Tulip-42": "password"}

KINDS = {
    "s": "session",
    "i": "identity",
    "c": "callback code",
    "m": "intermediate session",
    "j": "session JWT",
}


def mark(kind: str) -> str:
    return f"{WORD}-{kind}-"


def make_recognisable() -> None:
    """From now on what the stand-in draws in this process begins with our word."""
    urlsafe, hexadecimal, raw = secrets.token_urlsafe, secrets.token_hex, secrets.token_bytes

    def caller() -> Any:
        return sys._getframe(2).f_globals.get("__name__", "")

    def token_urlsafe(nbytes: int | None = None) -> str:
        drawn, who = urlsafe(nbytes), caller()
        if not who.startswith("harvester.standin.") or nbytes not in (24, 32):
            return drawn
        of_provider, of_site = ("c", "m") if nbytes == 24 else ("i", "s")
        kind = of_provider if who.endswith(".idp") else of_site
        # As long as before: some readers have limits, and the odd lengths are in their tests.
        begin = mark(kind)
        return begin + drawn[len(begin) :]

    def token_hex(nbytes: int | None = None) -> str:
        drawn = hexadecimal(nbytes)
        # A JWT's number is inside it, so that its base64 begins our word at some place.
        return mark("j") + drawn if nbytes == 6 and caller() == "harvester.standin.world" else drawn

    def token_bytes(nbytes: int | None = None) -> bytes:
        drawn = raw(nbytes)
        if nbytes == 20 and caller() == "harvester.standin.serving":
            return _SEED_BYTES + drawn[len(_SEED_BYTES) :]
        return drawn

    secrets.token_urlsafe, secrets.token_hex = token_urlsafe, token_hex
    secrets.token_bytes = token_bytes
