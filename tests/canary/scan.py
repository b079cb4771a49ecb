"""Searches what a test left for what it knew.

A place is a piece of what was left: of which kind it is, where it was, and its bytes.  A hit says
what was found there and in which form, and shows what stood around it without showing it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from canary.known import Known, Secret, kind_of

# A disk that is filled on purpose, a browser's cache: the beginning and the end say enough.
LOOKED_AT_BYTES = 4 << 20
_AROUND_BYTES = 60
# Where six digits are looked for: words of ours, and not what a browser or a cipher wrote.
_IN_WORDS = frozenset({"log", "exception", "error", "captured", "stdout", "stderr", "log file"})
_SIX_DIGITS = re.compile(rb"(?<![0-9A-Za-z.+/=_:-])[0-9]{6}(?![0-9A-Za-z.+/=_-])")


@dataclass(frozen=True, slots=True)
class Place:
    kind: str
    where: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hit:
    test: str
    place: str
    where: str
    secret: str
    form: str
    around: str

    def __str__(self) -> str:
        return f"{self.secret} ({self.form}) in {self.place} {self.where!r}: {self.around}"


@dataclass(slots=True)
class Searched:
    """What was looked through, for the report."""

    places: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    secrets: Counter[str] = field(default_factory=Counter)

    def counts(self, place: Place) -> None:
        self.places[place.kind] += 1
        self.bytes[place.kind] += len(place.data)


def search(test: str, places: Iterable[Place], known: Known, searched: Searched) -> list[Hit]:
    """Every secret of ``known`` in every place, once for each secret and place."""
    secrets, codes = list(known.secrets()), known.codes()
    searched.secrets.update(known.values.values())
    searched.secrets["seed"] += len(known.seeds)
    hits: dict[tuple[str, str, str], Hit] = {}
    for place in places:
        searched.counts(place)
        data = place.data
        if len(data) > 2 * LOOKED_AT_BYTES:
            data = data[:LOOKED_AT_BYTES] + b"\n...\n" + data[-LOOKED_AT_BYTES:]
        for secret in secrets:
            for hit in _hits(test, place, data, secret):
                hits.setdefault((hit.place, hit.where, hit.secret), hit)
        if codes and place.kind in _IN_WORDS:
            for found in _SIX_DIGITS.finditer(data):
                if found[0] in codes:
                    hit = Hit(
                        test, place.kind, place.where, "one-time code", "plain",
                        _around(data, found.start(), 6),
                    )  # fmt: skip
                    hits.setdefault((hit.place, hit.where, hit.secret), hit)
    return list(hits.values())


def _hits(test: str, place: Place, data: bytes, secret: Secret) -> Iterable[Hit]:
    kinds = set()
    for pattern, form in secret.patterns.items():
        at = data.find(pattern)
        while at >= 0:
            end = at + len(pattern)
            kind = kind_of(secret, data, end)
            if kind not in kinds:
                kinds.add(kind)
                around = _around(data, at, len(pattern))
                yield Hit(test, place.kind, place.where, kind, form, around)
            if secret.kind != "token" or len(kinds) > 3:
                break
            at = data.find(pattern, end)


def _around(data: bytes, at: int, length: int) -> str:
    before = data[max(0, at - _AROUND_BYTES) : at].decode("utf-8", "backslashreplace")
    after = data[at + length :][:16].decode("utf-8", "backslashreplace")
    # What follows a token's beginning is the token: four characters tell which one it was.
    return f"{before}<<HERE>>{after[:4]}..."
