"""Making text fit to be shown or logged: no control bytes, no queries, no secrets.

Owns the three ways in which foreign text is cut down before anybody sees it.  Knows nothing of
logs, terminals or pages, and never decides whether something *should* be shown.
"""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, urlsplit

HIDDEN = "***"
# A line of a log or a terminal; a site's error text is rarely longer and never better for it.
TEXT_LIMIT_CHARS = 300
# Fewer base64 characters than this also occur by chance, and hiding them would garble the text.
_BASE64_CORE_LEAST_CHARS = 6

# Terminal sequences, in the order of ECMA-48: strings (OSC, DCS, APC, PM, SOS) with their end,
# then CSI, then two-byte escapes.  An unended string takes the rest: half of one still acts.
_TERMINAL_SEQUENCE = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
# Control bytes, lone surrogates, private use, line and paragraph separators.  Cf (invisible and
# direction-changing) goes without a trace: a space would split the word it hid in.
_UNSHOWN_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})


def clean(text: str, limit: int = TEXT_LIMIT_CHARS) -> str:
    """Foreign text as one line that cannot act on a terminal or forge a line of a log.

    Terminal sequences go, control and invisible characters become a space, runs of space one
    space; longer than ``limit`` characters is cut, with ``…`` as its last.
    """
    # A page can be megabytes; the answer is a line.  Eight times the limit leaves room for what
    # is taken out.
    start = text[: limit * 8]
    shown = "".join(_shown(char) for char in _TERMINAL_SEQUENCE.sub("", start))
    line = " ".join(shown.split())
    if len(line) > limit or len(text) > len(start):
        return line[: max(limit - 1, 0)].rstrip() + "…"
    return line


def _shown(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return " " if category in _UNSHOWN_CATEGORIES else char


def bare_url(url: str) -> str:
    """``scheme://host[:port]/path``: without query, fragment and user info, where secrets travel.

    A URL without a host (``data:``, ``blob:``, ``about:``) is shown as its scheme alone, since
    its body may be anything.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "(not a URL)"
    if not parts.scheme:
        return "(not a URL)"
    if not host:
        return clean(f"{parts.scheme}:")
    if ":" in host:
        host = f"[{host}]"
    at = f":{port}" if port is not None else ""
    return clean(f"{parts.scheme}://{host}{at}{parts.path}")


def _base64_forms(secret: bytes) -> Iterator[str]:
    """The secret in base64, also where it stands in the middle of something longer.

    ``user:secret`` in a Basic header shifts the secret by 0, 1 or 2 bytes; of each shift the
    characters that depend on the secret alone are the same whatever stands around it.
    """
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + secret).decode()
        first = (0, 2, 3)[shift]
        tail = len(text) - len(text.rstrip("="))
        # The last character before the padding holds bits of whatever comes next.
        core = text[first : len(text) - tail - (1 if tail else 0)]
        if len(core) >= _BASE64_CORE_LEAST_CHARS:
            yield core
            yield core.replace("+", "-").replace("/", "_")
    # Whole, so that no odd character of the end is left over.
    yield base64.b64encode(secret).decode()
    yield base64.urlsafe_b64encode(secret).decode()


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield from _base64_forms(raw)
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield html.escape(secret)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret replaced by ``***``, whichever way it is written.

    Plain, base64 (alone or inside something longer), URL-quoted, JSON-escaped, HTML-escaped.
    The last net, not the first: text that may hold a secret should not be kept at all.
    """
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    # The longest first, else a form that contains another leaves its ends behind.
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text
