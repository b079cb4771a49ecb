"""A session as a person pastes it: a Cookie header, a cURL command, a cookie file, JSON.

Bytes go in, cookies come out, each value exactly as the browser stores it: nothing is decoded but
the quoting of the format itself.  Pure.  Knows nothing of probes and stores; whether the session
lives is not seen here.  No message ever quotes what was pasted.

    read → recognised → cookie_lines · shell · json_forms · cookies_txt → Pasted → for_origin
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from harvester import knoq
from harvester.errors import Usage
from harvester.pasted import cookie_lines, cookies_txt, json_forms, shell
from harvester.pasted.cookies import Pasted, PastedCookie, nothing_in_it

__all__ = ["FORMS", "LARGEST_BYTES", "VALUE", "Pasted", "PastedCookie", "read", "recognised"]

# A browser keeps at most 180 cookies of 4 KiB for a site, and nobody pastes the whole browser.
LARGEST_BYTES = 1024 * 1024

FORMS: Mapping[str, Callable[[str], Pasted]] = MappingProxyType(
    {
        "cookie": cookie_lines.read_bare,
        "header": cookie_lines.read_headers,
        "env": cookie_lines.read_env,
        "curl": shell.read_curl,
        "fetch": shell.read_fetch,
        "powershell": shell.read_powershell,
        "netscape": cookies_txt.read,
        "storage-state": json_forms.read,
        "json": json_forms.read,
    }
)

# Never recognised, since anything could be one: it must be said.
VALUE = "value"

# In this order: a cURL command holds a Cookie header, and a Cookie header holds bare cookies.
_SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("json", re.compile(r"\A\s*[{\[]")),
    ("curl", re.compile(r"\A\s*(?:\$ )?curl(?:\.exe)?\s", re.IGNORECASE)),
    ("fetch", re.compile(r"\A\s*(?:await )?fetch\s?\(")),
    ("powershell", re.compile(r"\A\s*(?:\$session ?=|Invoke-(?:Web|Rest))", re.IGNORECASE)),
    ("env", re.compile(rf"^(?:export )?{knoq.COOKIE_VARIABLE}=", re.MULTILINE)),
    ("curl", re.compile(r'^header ?[=:] ?"', re.MULTILINE | re.IGNORECASE)),
    ("netscape", re.compile(r"\A\s*# (?:Netscape )?HTTP Cookie File", re.IGNORECASE)),
    ("netscape", re.compile(r"^[^\t\n]+(?:\t[^\t\n]*){5,6}$", re.MULTILINE)),
    ("header", re.compile(r"^[ \t]{0,8}cookie[ \t]{0,8}(?::|$)", re.MULTILINE | re.IGNORECASE)),
)


def read(data: bytes, form: str | None = None, *, name: str | None = None) -> Pasted:
    """The cookies in ``data``; ``form`` is one of FORMS, or ``value`` for a bare value of the
    cookie ``name``.  None: found by looking.

    Raises Usage, which tells what it was taken for.
    """
    if len(data) > LARGEST_BYTES:
        raise Usage(
            f"that is over {LARGEST_BYTES // 1024} KiB, so it is no session",
            hint="give the cookies of one site only",
        )
    text = _text(data)
    if not text.strip():
        raise Usage("there is nothing in it", hint=nothing_in_it("cookie").hint)
    if form == VALUE:
        if name is None:
            raise Usage(
                "a bare value does not say which cookie it is of",
                hint="set HARVESTER_SESSION_COOKIE to its name, or give name=value",
            )
        return Pasted("cookie", (PastedCookie(name, text.strip("\n")),))
    return FORMS[form or recognised(text)](text)


def recognised(text: str) -> str:
    """The name of the form that ``text`` looks like; ``cookie`` for what has no sign of any."""
    return next((form for form, sign in _SIGNS if sign.search(text)), "cookie")


def _text(data: bytes) -> str:
    # PowerShell's `>` writes UTF-16 with a mark; editors on Windows put one before UTF-8.
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Usage("that is no text", hint=nothing_in_it("cookie").hint)
    return text.replace("\r\n", "\n").replace("\r", "\n")
