"""How a secret may be written: the byte strings that are searched for.

Plain (UTF-8), in base64 (standard and URL-safe, at each of the three places where it can begin in
something longer), base64 of that base64, percent-encoded, as JSON and HTML escape it, in hex, and
UTF-16 (browsers and crash dumps keep texts so).  Written apart from ``harvester.redact``, which
hides some of these: one mistake in both would hide a leak.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# Six bytes are 48 bits: in the gigabyte that a run leaves, chance makes one hit in 260,000 runs.
LEAST_BYTES = 6


def forms(secret: bytes) -> dict[bytes, str]:
    """Every byte string to search for, with the name of its form."""
    found: dict[bytes, str] = {}
    for name, written in _written(secret):
        if len(written) >= LEAST_BYTES:
            found.setdefault(written, name)
    return found


def _written(secret: bytes) -> Iterator[tuple[str, bytes]]:
    yield "plain", secret
    for place, core in enumerate(base64_cores(secret)):
        yield f"base64 at {place}", core
        yield f"base64url at {place}", core.translate(bytes.maketrans(b"+/", b"-_"))
        for inner in base64_cores(core):
            yield "base64 twice", inner
    yield "hex", secret.hex().encode()
    yield "hex", secret.hex().upper().encode()
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield "URL", quoted.encode()
        yield "URL", _lower_escapes(quoted)
    yield "URL twice", quote(quote(secret, safe=""), safe="").encode()
    escaped = json.dumps(text)[1:-1]
    yield "JSON", escaped.encode()
    yield "JSON", json.dumps(text, ensure_ascii=False)[1:-1].encode()
    yield "JSON", escaped.replace("/", "\\/").encode()
    yield "JSON twice", json.dumps(escaped)[1:-1].encode()
    yield "HTML", html.escape(text).encode()
    yield "repr", repr(text)[1:-1].encode()
    yield "UTF-16", text.encode("utf-16-le")
    yield "UTF-16", text.encode("utf-16-be")


def base64_cores(secret: bytes) -> list[bytes]:
    """Of each place where it can begin, the characters that depend on the secret alone."""
    cores = []
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + secret).rstrip(b"=")
        whole = (shift + len(secret)) * 8 // 6
        cores.append(coded[(0, 2, 3)[shift] : whole])
    return cores


def _lower_escapes(quoted: str) -> bytes:
    parts = quoted.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])]).encode()
