"""The secrets that a test has: those recognised by a word, and values told while it runs.

A value is told where it is born: a sealing key, a cookie, a password that a setting names.  One
that could as well be an ordinary word, or that is too short, is left out and counted: it would be
found everywhere, and prove nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from canary.forms import forms
from canary.marks import FAKES, KINDS, PASSWORD, SEED_WORD, WORD

# A model that makes thousands of cookies shows with the first ones what the rest would show.
VALUES_MOST = 48
_LEAST_CHARS = 10
_STEP_S = 30


@dataclass(frozen=True, slots=True)
class Secret:
    kind: str
    patterns: dict[bytes, str] = field(repr=False)


def _always() -> list[Secret]:
    found = [
        Secret("token", forms(WORD.encode())),
        Secret("seed", forms(SEED_WORD.encode()) | forms(SEED_WORD.lower().encode())),
        Secret("seed", forms(base64.b32decode(SEED_WORD))),
        Secret("password", forms(PASSWORD.encode())),
    ]
    return found + [Secret(kind, forms(value.encode())) for value, kind in FAKES.items()]


ALWAYS = tuple(_always())


def kind_of(secret: Secret, data: bytes, end: int) -> str:
    """A token says what it is just after our word, where that is readable."""
    if secret.kind != "token":
        return secret.kind
    return KINDS.get(data[end + 1 : end + 2].decode("ascii", "replace"), "token")


class Known:
    """The values of one test.  Told from any thread."""

    def __init__(self) -> None:
        self.values: dict[bytes, str] = {}
        self.seeds: set[str] = set()
        self.left_out = 0
        self.began_at = time.time()

    def tell(self, kind: str, value: str | bytes) -> None:
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        if raw in self.values or any(raw in one.patterns for one in ALWAYS):
            return
        if len(self.values) >= VALUES_MOST or not recognisable(raw):
            self.left_out += 1
        elif WORD.encode() not in raw and SEED_WORD.encode() not in raw:
            self.values[raw] = kind

    def secrets(self) -> Iterator[Secret]:
        yield from ALWAYS
        for raw, kind in tuple(self.values.items()):
            yield Secret(kind, forms(raw))

    def codes(self) -> set[bytes]:
        """The one-time codes that a sign-in of this test could have typed."""
        first, last = int(self.began_at // _STEP_S) - 1, int(time.time() // _STEP_S) + 2
        return {code(seed, step) for seed in self.seeds for step in range(first, last + 1)}


def recognisable(raw: bytes) -> bool:
    """Whether finding it means something."""
    if len(raw) == 32 and len(set(raw)) > 1:
        return True  # a key
    if len(raw) < _LEAST_CHARS or len(set(raw)) < 5:
        return False
    text = raw.decode("latin-1")
    classes = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
    return sum(any(char in those for char in text) for those in classes) > 1


def code(seed: str, step: int) -> bytes:
    """RFC 6238, written once more: the product's would be as wrong here as there."""
    key = base64.b32decode(seed + "=" * (-len(seed) % 8), casefold=True)
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return b"%06d" % (number % 1_000_000)


def fingerprint(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
