"""Cookies as a browser's own tools write them down: for tests of what a person may paste."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

URL = "https://knoq.one/api/managed-agents/sessions"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0"
Pairs = Iterable[tuple[str, str]]


def header(pairs: Pairs) -> str:
    return "; ".join(f"{name}={value}" for name, value in pairs)


def bash(text: str) -> str:
    """A word for bash: plain quotes, or ``$'...'`` where those cannot hold it."""
    if not re.search(r"['!\n\r]|[^\x20-\x7e]", text):
        return f"'{text}'"
    out = []
    for letter in text:
        if letter in "\\'":
            out.append("\\" + letter)
        elif letter == "!" or not 0x20 <= ord(letter) <= 0x7E:
            out.append(f"\\u{ord(letter):04x}")
        else:
            out.append(letter)
    return "$'" + "".join(out) + "'"


def cmd(text: str) -> str:
    """A word for cmd: backslashes doubled, quotes escaped, a caret before what cmd may heed."""
    out = []
    for place, letter in enumerate(text):
        if letter in '\\"':
            out.append("^\\" + ("^" + letter))
        elif letter.isascii() and (letter.isalnum() or letter in " _-:=+~'/.,?;()*`"):
            out.append(letter)
        else:
            named = letter == "%" and re.match("[A-Za-z0-9_]", text[place + 1 : place + 2])
            out.append(f"^{letter}" + ("^" if named else ""))
    return '^"' + "".join(out) + '^"'


def curl(pairs: Pairs, *, quote: Callable[[str], str] = bash, end: str = " \\\n", flag: str = "-b",
         url: str = URL) -> str:  # fmt: skip
    cookies = header(pairs)
    given = f"-b {quote(cookies)}" if flag == "-b" else f"{flag} {quote('Cookie: ' + cookies)}"
    words = (
        f"curl {quote(url)}",
        f"  -H {quote('accept: */*')}",
        f"  {given}",
        f"  -H {quote('user-agent: ' + AGENT)}",
        "  --compressed",
    )
    return end.join(words)


def curl_for_windows(pairs: Pairs) -> str:
    return curl(pairs, quote=cmd, end=" ^\r\n")


def fetch(pairs: Pairs, *, with_cookies: bool = True) -> str:
    headers = {"accept": "*/*", "user-agent": AGENT}
    if with_cookies:
        headers["cookie"] = header(pairs)
    asked = {"headers": headers, "body": None, "method": "GET"}
    return f"fetch({json.dumps(URL)}, {json.dumps(asked, indent=2)});"


def powershell(pairs: Pairs, *, domain: str = "knoq.one") -> str:
    def text(value: str) -> str:
        return '"' + re.sub(r'([`$"])', r"`\1", value) + '"'

    lines = ["$session = New-Object Microsoft.PowerShell.Commands.WebRequestSession"]
    lines.append(f"$session.UserAgent = {text(AGENT)}")
    for name, value in pairs:
        words = ", ".join(text(one) for one in (name, value, "/", domain))
        lines.append(f"$session.Cookies.Add((New-Object System.Net.Cookie({words})))")
    lines.append(f"Invoke-WebRequest -UseBasicParsing -Uri {text(URL)} `\n-WebSession $session")
    return "\n".join(lines)


def netscape(pairs: Pairs, *, domain: str = "knoq.one", http_only: bool = True) -> str:
    mark = "#HttpOnly_" if http_only else ""
    whole = "TRUE" if domain.startswith(".") else "FALSE"
    lines = ["# Netscape HTTP Cookie File", "# made by a browser extension", ""]
    lines += [f"{mark}{domain}\t{whole}\t/\tTRUE\t0\t{name}\t{value}" for name, value in pairs]
    return "\n".join(lines) + "\n"


def storage_state(pairs: Pairs, *, domain: str = "knoq.one") -> str:
    about = {"domain": domain, "path": "/", "expires": -1, "httpOnly": True, "secure": True}
    cookies = [{"name": n, "value": v, **about, "sameSite": "Lax"} for n, v in pairs]
    return json.dumps(
        {"cookies": cookies, "origins": [{"origin": "https://x", "localStorage": []}]}
    )


def extension(pairs: Pairs, *, domain: str = "knoq.one", host_only: bool = True) -> str:
    """As the cookie editors among the extensions export them."""
    about: dict[str, Any] = {
        "domain": domain, "hostOnly": host_only, "httpOnly": True, "path": "/", "id": 1,
        "sameSite": "no_restriction", "secure": True, "session": False, "storeId": "0",
        "expirationDate": 1_900_000_000.25,
    }  # fmt: skip
    return json.dumps([{"name": name, "value": value, **about} for name, value in pairs], indent=1)


FORMS: dict[str, Callable[[Pairs], str]] = {
    "cookie": header,
    "header": lambda pairs: f"Cookie: {header(pairs)}",
    "curl": curl,
    "fetch": fetch,
    "powershell": powershell,
    "netscape": netscape,
    "json": storage_state,
}
