"""What a lease covers: methods, and paths that every server reads in the same way.

A path is compared as it is written, byte for byte and by its case, and only if it has one reading:
whatever one server decodes, folds, cuts off or rewrites and another does not (dots, doubled and
encoded slashes, parameters, backslashes, an encoded percent sign, other than ASCII) is covered by
no pattern, ``/*`` included.  So what was compared is what the site acts on, however it reads.

A pattern is a path with ``*`` in it, one to a segment: within a segment it stands for any
characters but a slash; alone as the last segment for everything below, alone elsewhere for one
segment.

Pure: knows neither tokens nor requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

# CONNECT and TRACE never get through the proxy; what else there is (PROPFIND and its kin) is for
# file servers.
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
PATTERNS_MOST = 8
PATTERN_CHARS = 256

# What may stand in a path as it is (RFC 3986, 3.3), without ";": what follows it is a parameter to
# some and a part of the name to others.
_PLAIN = r"A-Za-z0-9_~!$&'()+,=:@\-"
# A segment holds something other than dots, and one star at most: two could be made to try long.
_STEP = rf"[{_PLAIN}.]*[{_PLAIN}*][{_PLAIN}.]*"
PATTERN = re.compile(rf"/(?:{_STEP}(?:/{_STEP})*/?)?")

_WRITTEN = re.compile(rf"/[{_PLAIN}.*/%]*")
# The only bytes that may come encoded: a blank, and ASCII signs that are no letter, digit or mark
# (encoded, those have two spellings) and build no path.  A pattern holds no percent sign, so these
# can only stand where a star does: for who decodes them as for who does not.
_ENCODED = re.compile(r"%(?:2[01246789ABC]|3[ACDE]|40|5[BDE]|60|7[BCD])", re.IGNORECASE)
_PERCENT = re.compile(r"%.{0,2}", re.DOTALL)
_NOTHING_BUT_DOTS = re.compile(r"[ +.]*")

# Each makes some server take a request for another one: another method, another path.
_OVERRIDES = frozenset(
    {
        "x-http-method", "x-http-method-override", "x-method-override", "x-method",
        "x-original-method", "x-forwarded-method", "x-rewrite-method", "x-original-url",
        "x-original-uri", "x-original-path", "x-rewrite-url", "x-rewrite-uri", "x-rewrite-path",
        "x-override-url", "x-override-path", "x-forwarded-uri", "x-forwarded-url",
        "x-forwarded-path", "x-forwarded-prefix", "x-envoy-original-path", "x-waws-unencoded-url",
        "x-request-uri", "x-real-url", "x-script-name", "x-path-info", "x-accel-redirect",
    }
)  # fmt: skip
# Query fields that frameworks take for the method, beside the names of headers.
_FIELDS = _OVERRIDES | {"-method", "$httpmethod", "httpmethod", "-httpmethod"}


@dataclass(frozen=True, slots=True)
class Scope:
    """``methods`` in capitals; ``paths`` are patterns.  A path need only fit one of them."""

    methods: tuple[str, ...]
    paths: tuple[str, ...]

    def allows(self, method: str) -> bool:
        """HEAD goes with GET: it tells nothing that GET does not."""
        return method in self.methods or (method == "HEAD" and "GET" in self.methods)

    def covers(self, path: str) -> bool:
        """Whether it is written in the one way that all read alike, and fits a pattern."""
        return has_one_reading(path) and any(fits(path, pattern) for pattern in self.paths)


def has_one_reading(path: str) -> bool:
    """Whether every server finds the same segments in it."""
    if not _WRITTEN.fullmatch(path):
        return False
    if "%" in path and not all(_ENCODED.fullmatch(one) for one in _PERCENT.findall(path)):
        return False
    steps = path[1:].split("/")
    # An empty one at the end is a trailing slash, and a pattern says whether there is one.
    return all(not _NOTHING_BUT_DOTS.fullmatch(unquote(step)) for step in steps[:-1]) and (
        steps[-1] == "" or not _NOTHING_BUT_DOTS.fullmatch(unquote(steps[-1]))
    )


def fits(path: str, pattern: str) -> bool:
    """Whether this path, which has one reading, is one of those that the pattern stands for."""
    wanted, given = pattern[1:].split("/"), path[1:].split("/")
    if wanted[-1] == "*":
        # Everything below, which is not the place itself: there must be something.
        depth = len(wanted)
        if len(given) < depth or not given[depth - 1]:
            return False
        wanted, given = wanted[:-1], given[: depth - 1]
    return len(wanted) == len(given) and all(map(_step_fits, given, wanted))


def _step_fits(given: str, wanted: str) -> bool:
    before, star, after = wanted.partition("*")
    if not star:
        return given == wanted
    least = max(1, len(before) + len(after))
    return len(given) >= least and given.startswith(before) and given.endswith(after)


def overriding(header_names: Iterable[str], query: str) -> str | None:
    """What of a request asks a server to take it for another one, None where nothing does."""
    for name in header_names:
        # CGI and its heirs see no difference between the two.
        if name.lower().replace("_", "-") in _OVERRIDES:
            return f"the header {name}"
    if query:
        for pair in re.split("[&;]", query):
            field = unquote_plus(unquote_plus(pair.partition("=")[0]))
            if field.strip().lower().replace("_", "-") in _FIELDS:
                return "a method in the query"
    return None
