"""One-time codes: the seed as people write it, and which step's code may be typed when.

Pure but for ``pyotp``.  Providers refuse a code that was used before, so a step is used once, ever;
and a code that is about to end may be refused by the time it arrives.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

import pyotp

from harvester.errors import ConfigInvalid

# Typing, sending and a slow provider: with less than this left the next code is waited for.
LEAST_LEFT_S = 8.0
# Beyond this a refused code says nothing about the seed: our clock is wrong, or theirs.
CLOCK_TOLERANCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Seed:
    """The secret behind the codes.  ``period_s`` is the length of a step."""

    totp: pyotp.TOTP = field(repr=False)

    @property
    def period_s(self) -> int:
        return int(self.totp.interval)

    @property
    def digits(self) -> int:
        return int(self.totp.digits)

    def code(self, step: int) -> str:
        return self.totp.generate_otp(step)


def read_seed(text: str, setting: str) -> Seed:
    """A base32 seed, with or without spaces and padding, or an ``otpauth://totp/`` address.

    Raises ConfigInvalid naming ``setting``, never a part of the seed.
    """
    totp = _parsed(text)
    if totp is None:
        raise ConfigInvalid(
            f"{setting} is no seed for one-time codes",
            hint="give the base32 text or the otpauth:// address that the provider showed",
        )
    return Seed(totp)


def _parsed(text: str) -> pyotp.TOTP | None:
    text = text.strip()
    # Errors of the library may quote the text: nothing of them leaves this function.
    try:
        if text.startswith("otpauth://"):
            parsed = pyotp.parse_uri(text)
            if not isinstance(parsed, pyotp.TOTP):
                return None
            totp = parsed
        else:
            totp = pyotp.TOTP(text.replace(" ", "").replace("-", "").rstrip("=").upper())
        totp.generate_otp(0)
    except (ValueError, binascii.Error, TypeError):
        return None
    return totp if totp.secret and totp.interval > 0 else None


def choose_step(now_s: float, period_s: int, last_step: int | None) -> tuple[int, float]:
    """The step whose code to type, and how long to wait before typing it, in seconds.

    Always later than ``last_step``.
    """
    step = int(now_s // period_s)
    if (step + 1) * period_s - now_s < LEAST_LEFT_S:
        step += 1
    if last_step is not None and step <= last_step:
        step = last_step + 1
    return step, max(0.0, step * period_s - now_s)
