"""Authenticator codes as the identity provider checks them (RFC 6238, SHA-1, 6 digits, 30 s)."""

from __future__ import annotations

import base64
import hashlib
import hmac

STEP_S = 30
# One step either way: what most providers allow for clocks that differ.
WINDOW_STEPS = 1


def code_at(secret_base32: str, step: int) -> str:
    key = base64.b32decode(secret_base32 + "=" * (-len(secret_base32) % 8), casefold=True)
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    at = digest[-1] & 0x0F
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def step_of(secret_base32: str, code: str, *, at: float) -> int | None:
    """Which step near the time ``at`` has this code, or None."""
    now = int(at // STEP_S)
    for step in range(now - WINDOW_STEPS, now + WINDOW_STEPS + 1):
        if hmac.compare_digest(code_at(secret_base32, step), code):
            return step
    return None
