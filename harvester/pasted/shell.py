"""Requests as DevTools copies them for a shell: cURL for bash and for cmd, fetch, PowerShell.

Nothing is ever run: the quoting is undone, and of the words only address and headers are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from harvester.errors import Usage
from harvester.pasted.cookie_lines import of_headers
from harvester.pasted.cookies import Pasted, PastedCookie, agent, nothing_in_it
from harvester.pasted.quoting import bash_words, cmd_words
from harvester.profile import origin_of

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
# Options of curl whose next word is theirs: an address in it is not the request's.
_VALUED = frozenset(
    (
        "-X", "--request", "-d", "--data", "--data-raw", "--data-binary", "--data-ascii",
        "--data-urlencode", "--json", "-F", "--form", "-e", "--referer", "-u", "--user",
        "-x", "--proxy", "-o", "--output", "-m", "--max-time", "--connect-timeout",
        "-c", "--cookie-jar", "-K", "--config", "-T", "--upload-file", "--cacert", "--cert",
        "--key", "--resolve", "--ciphers",
    )
)  # fmt: skip
_CONFIG_NAME = re.compile(r"-{0,2}([A-Za-z-]+)[ \t=:]+")
_CONFIG_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_CONFIG_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_FETCH_URL = re.compile(r'fetch\s*\(\s*(?=")')
_POWERSHELL_TEXT = r'"((?:[^"`]|`.|"")*)"'
_POWERSHELL_COOKIE = re.compile(
    r"System\.Net\.Cookie\(\s*" + r"\s*,\s*".join([_POWERSHELL_TEXT] * 4) + r"\s*\)", re.DOTALL
)
_POWERSHELL_URL = re.compile(rf"-Uri\s+{_POWERSHELL_TEXT}", re.IGNORECASE | re.DOTALL)
_POWERSHELL_AGENT = re.compile(rf"UserAgent\s*=\s*{_POWERSHELL_TEXT}", re.IGNORECASE | re.DOTALL)
_POWERSHELL_ESCAPE = re.compile(r'`(.)|\$\(\[char\]\s*(\d{1,6})\)|"(")', re.DOTALL)


def read_curl(text: str) -> Pasted:
    """A cURL command, or a file for `curl -K`."""
    if re.match(r"\s*(?:\$ +)?curl(?:\.exe)?\s", text, re.IGNORECASE):
        return _of_options(_options(_words(text)))
    return _of_options(_config(text))


def _words(text: str) -> list[str]:
    # cmd's quotes carry a caret, and so do its line ends; bash has neither.
    first = re.search(r"['\"]", text)
    before = text[: first.start()] if first else text
    cmd = before.endswith("^") or bool(re.search(r"\^[ \t]*\n", text))
    try:
        return cmd_words(text) if cmd else bash_words(text)
    except ValueError:
        raise Usage(
            "this was read as a cURL command, and a quote in it is not closed",
            hint="copy the whole of it again",
        ) from None


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """(what, value) of those words that say where and with which headers."""
    rest = iter(words)
    for word in rest:
        if word.lower() in ("curl", "curl.exe", "$"):
            continue
        short, attached = word[:2], word[2:]
        if word in ("-H", "--header"):
            yield "header", next(rest, "")
        elif word in ("-b", "--cookie"):
            yield "cookie", next(rest, "")
        elif word in ("-A", "--user-agent"):
            yield "user-agent", next(rest, "")
        elif word == "--url":
            yield "url", next(rest, "")
        elif word in _VALUED:
            next(rest, "")
        elif short in ("-H", "-b", "-A") and not word.startswith("--"):
            yield {"-H": "header", "-b": "cookie", "-A": "user-agent"}[short], attached
        elif _ADDRESS.match(word):
            yield "url", word


def _config(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        line = line.strip()
        name = _CONFIG_NAME.match(line)
        if name is None:
            continue
        quoted = _CONFIG_QUOTED.match(line, name.end())
        if quoted is not None:
            yield name[1].lower(), re.sub(r"\\(.)", _unescaped, quoted[1])
        else:
            yield name[1].lower(), line[name.end() :]


def _unescaped(found: re.Match[str]) -> str:
    return _CONFIG_ESCAPES.get(found[1], found[1])


def _of_options(options: Iterator[tuple[str, str]]) -> Pasted:
    told: dict[str, str] = {}
    cookies: list[str] = []
    url: str | None = None
    for what, value in options:
        name, colon, rest = value.partition(":")
        if what == "header" and colon and name.strip().lower() == "cookie":
            cookies.append(rest)
        elif what == "header" and colon:
            told.setdefault(name.strip().lower(), rest.strip(" \t"))
        elif what == "cookie" and "=" in value:
            cookies.append(value)
        elif what == "cookie":
            raise Usage(
                "this was read as a cURL command whose cookies are in a file",
                hint="give that file: harvester import FILE",
            )
        elif what == "user-agent":
            told.setdefault(what, value)
        elif what == "url":
            url = url or value
    return of_headers("curl", {**told, "cookie": ";".join(cookies)}, url)


def read_fetch(text: str) -> Pasted:
    """`fetch(...)` as copied for Node.js; a browser's own carries no cookies."""
    start = _FETCH_URL.search(text)
    decoder = json.JSONDecoder()
    try:
        url, end = decoder.raw_decode(text, start.end() if start else 0)
        brace = text.index("{", end)
        asked, _ = decoder.raw_decode(text, brace)
    except (ValueError, RecursionError):
        raise nothing_in_it("fetch") from None
    headers = asked.get("headers") if isinstance(asked, dict) else None
    if not isinstance(headers, dict) or not isinstance(url, str):
        raise nothing_in_it("fetch")
    told = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    return of_headers("fetch", told, url)


def read_powershell(text: str) -> Pasted:
    cookies = tuple(
        PastedCookie(
            name=_powershell(found[1]),
            value=_powershell(found[2]),
            path=_powershell(found[3]),
            domain=_powershell(found[4]),
        )
        for found in _POWERSHELL_COOKIE.finditer(text)
    )
    if not cookies:
        raise nothing_in_it("powershell")
    url, told = _POWERSHELL_URL.search(text), _POWERSHELL_AGENT.search(text)
    return Pasted(
        "powershell",
        cookies,
        origin_of(_powershell(url[1])) if url else None,
        agent(_powershell(told[1])) if told else "",
    )


def _powershell(quoted: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found[2] is not None:
            return chr(int(found[2])) if int(found[2]) < 0x110000 else ""
        return found[1] or found[3]

    return _POWERSHELL_ESCAPE.sub(plain, quoted)
