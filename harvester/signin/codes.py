"""One-time codes (RFC 6238): the seed as people write it, and which step's code to type when.

Pure.  Providers refuse a code that was used before, so a step is used once, ever; and a code that
is about to end may be refused by the time it arrives.

Computed here and not by ``pyotp``: its newest release refuses seeds under 112 bits, and
providers hand out seeds of 80 bits (16 letters) every day.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from harvester.errors import ConfigInvalid

# Typing, sending and a slow provider: with less than this left the next code is waited for.
LEAST_LEFT_S = 8.0
# A code further in the future than one can wait for was typed by a clock that was wrong then.
AHEAD_AT_MOST_STEPS = 3
_DIGITS = range(6, 11)
_PERIODS_S = range(15, 301)
_ALGORITHMS = ("SHA1", "SHA256", "SHA512")
# Shorter is a typing mistake, not a seed; the RFC's own lowest is 128 bits, the usual one 80.
_LEAST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Seed:
    """The secret behind the codes.  ``period_s`` is the length of a step."""

    key: bytes = field(repr=False)
    digits: int = 6
    period_s: int = 30
    algorithm: str = "SHA1"

    def code(self, step: int) -> str:
        digest = hmac.digest(self.key, step.to_bytes(8, "big"), self.algorithm.lower())
        offset = digest[-1] & 15
        number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
        return str(number % 10**self.digits).zfill(self.digits)


def read_seed(text: str, setting: str) -> Seed:
    """A base32 seed, with or without spaces and padding, or an ``otpauth://totp/`` address.

    Raises ConfigInvalid naming ``setting``, never a part of the seed.
    """
    seed = _parsed(text.strip())
    if seed is None:
        raise ConfigInvalid(
            f"{setting} is no seed for one-time codes",
            hint="give the base32 text or the otpauth://totp/ address that the provider showed",
        )
    return seed


def _parsed(text: str) -> Seed | None:
    try:
        if not text.lower().startswith("otpauth:"):
            return _checked(text, {})
        parts = urlsplit(text)
        if parts.netloc.lower() != "totp":
            return None  # a counter-based seed would be out of step after one use elsewhere
        query = {name.lower(): values[0] for name, values in parse_qs(parts.query).items()}
        return _checked(query.get("secret", ""), query)
    except (ValueError, binascii.Error):
        return None


def _checked(secret: str, options: dict[str, str]) -> Seed | None:
    letters = "".join(secret.split()).replace("-", "").rstrip("=").upper()
    key = base64.b32decode(letters + "=" * (-len(letters) % 8))
    digits, period_s = int(options.get("digits", "6")), int(options.get("period", "30"))
    algorithm = options.get("algorithm", "SHA1").upper().replace("-", "")
    right = digits in _DIGITS and period_s in _PERIODS_S and algorithm in _ALGORITHMS
    if not right or len(key) < _LEAST_BYTES:
        return None
    return Seed(key, digits, period_s, algorithm)


def choose_step(now_s: float, period_s: int, last_step: int | None) -> tuple[int, float]:
    """The step whose code to type, and how long to wait before typing it, in seconds.

    Always later than ``last_step``, unless the clock was set back since that was typed.
    """
    step = int(now_s // period_s)
    if (step + 1) * period_s - now_s < LEAST_LEFT_S:
        step += 1
    if last_step is not None and step <= last_step <= step + AHEAD_AT_MOST_STEPS:
        step = last_step + 1
    return step, max(0.0, step * period_s - now_s)
