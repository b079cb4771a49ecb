"""How the text of each kind of setting is read: durations, origins, paths, lists.

Each function takes what a source gave (text, or a TOML value) and returns the value, or raises
``Wrong`` with a sentence that completes "HARVESTER_X ...".  Neither sentence nor hint ever
repeats the text itself: somebody may have put a password into the wrong variable.  Knows nothing
of sources and of pydantic.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from harvester.clock import parse_duration
from harvester.profile import KeptFile, is_loopback, origin_of
from harvester.wire import FORMATS

# A year and a day: the longest session of the identity layer.  Beyond it a typing mistake
# (`90000d`) would overflow dates further down.
_LONGEST_S = 366 * 86400.0
# A sign-in that takes longer than this is hung; with more, `serve` could not stop in time either.
_LONGEST_SIGN_IN_S = 15 * 60.0
_SHORTEST_SIGN_IN_S = 5.0
_TEXT_LIMIT = 4096
_UIDS = 2**32 - 1
_PORTS = 65535

HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62}\.)*[a-z0-9._-]{0,62}|\[[0-9a-f:.]+\]")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_PATTERN = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL}){{0,9}}")
_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_CHANNELS = ("chrome", "msedge", "chromium")


class Wrong(ValueError):
    """A value that cannot be used: what is wrong with it, and how to write it right."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("must be text", "put it in quotes")
    if len(value) > _TEXT_LIMIT:
        raise Wrong(f"is longer than {_TEXT_LIMIT} characters", "shorten it")
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in value):
        raise Wrong("holds control characters or more than one line", "write it on one line")
    return value


def listed(value: Any) -> list[str]:
    """``a, b`` or a TOML array as a list of texts; empty entries are left out."""
    parts = value if isinstance(value, list | tuple) else text(str(value)).split(",")
    return [part for part in (text(str(one)).strip() for one in parts) if part]


def duration(value: Any) -> float:
    hint = "write a number and a unit: 90s, 15m, 12h or 7d"
    try:
        seconds = parse_duration(text(value))
    except ValueError:
        seconds = None
    if seconds is None:
        raise Wrong("is no duration", hint)
    if not 0 < seconds <= _LONGEST_S:
        raise Wrong("must be more than 0 and at most 366 days", hint)
    return seconds


def sign_in_duration(value: Any) -> float:
    seconds = duration(value)
    if not _SHORTEST_SIGN_IN_S <= seconds <= _LONGEST_SIGN_IN_S:
        raise Wrong("must lie between 5 seconds and 15 minutes", "the default is 120s")
    return seconds


def yes_or_no(value: Any) -> bool:
    said = str(value).strip().lower()
    if said not in ("yes", "no", "true", "false"):
        raise Wrong("is neither yes nor no", "write yes or no")
    return said in ("yes", "true")


def count(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,4}", str(value).strip()):
        raise Wrong("is no whole number from 0 to 9999", "write it in digits, such as 3")
    return int(value)


def _checked_url(value: Any, what: str) -> str:
    url = text(value).strip()
    bare = origin_of(url)
    if bare is None:
        if "@" in url:
            raise Wrong(
                f"is no {what}: it carries a user name", "leave out everything before the @"
            )
        raise Wrong(f"is no {what}", "write it with its scheme, such as https://knoq.one")
    host = bare.split("://", 1)[1]
    host = host if host.endswith("]") else re.sub(r":\d+$", "", host)
    if not host.isascii():
        # A browser compares the xn-- form; and letters that only look Latin must not pass here.
        raise Wrong(f"is no {what}: its host is not ASCII", "write the host in its xn-- form")
    if not HOST.fullmatch(host) or re.search(r"[\s\\]", url):
        raise Wrong(f"is no {what}", "write it with its scheme, such as https://knoq.one")
    if bare.startswith("http://") and not is_loopback(host):
        raise Wrong(
            "uses http, which anybody on the way can read",
            "use https; http is for localhost, *.localhost, 127.0.0.0/8 and ::1 only",
        )
    return url


def origin(value: Any) -> str:
    url = _checked_url(value, "origin")
    parts = urlsplit(url)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise Wrong(
            "is more than an origin", "write scheme, host and port only: https://login.example"
        )
    return origin_of(url) or url


def origins(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(origin(one) for one in listed(value)))


def hosts(value: Any) -> tuple[str, ...]:
    """Names, or ``*.`` and a name: all below it."""
    found = tuple(dict.fromkeys(one.lower() for one in listed(value)))
    if any(not _HOST_PATTERN.fullmatch(one) for one in found):
        raise Wrong(
            "is no list of hosts",
            "write names with commas, without scheme, port and path: cdn.acme.example, "
            "*.login.example",
        )
    return found


def page_url(value: Any) -> str:
    """A whole URL, or a path on the site's own origin (joined later)."""
    page = text(value).strip()
    return path_on_site(page) if page.startswith("/") else _checked_url(page, "URL")


def joined(site: str, page: str) -> str:
    return urljoin(site, page)


def path_on_site(value: Any) -> str:
    path = text(value).strip()
    if not path.startswith("/") or path.startswith("//"):
        raise Wrong("must be a path on the site", "begin it with one /, such as /api/me")
    if not path.isascii() or re.search(r"[\s#\\]", path):
        raise Wrong("holds characters that no request line may carry", "percent-encode them")
    return path


def pointer(value: Any) -> str:
    where = text(value)
    if not where.startswith("/"):
        raise Wrong("is no JSON pointer", "begin it with /, such as /user/email")
    return where


def json_template(value: Any) -> str:
    body = text(value)
    try:
        whole = isinstance(json.loads(body), dict)
    except ValueError:
        whole = False
    if not whole or "$organization" not in body:
        raise Wrong(
            "is no JSON object with $organization in it",
            """write it like '{"organizationId": "$organization"}'""",
        )
    return body


def cookie_name(value: Any) -> str:
    name = text(value).strip()
    if not _COOKIE_NAME.fullmatch(name):
        raise Wrong("is no cookie name", "write the one name alone, without = and value")
    return name


def proxy_url(value: Any) -> str:
    url = text(value).strip()
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise Wrong("is no proxy URL", "write it like http://proxy.example:3128")
    return url


def file_path(value: Any) -> str:
    """An absolute path (``~`` is the home); the layer has made relative ones absolute already."""
    path = os.path.expanduser(text(value))
    if path.startswith("~"):
        raise Wrong("names a home directory that does not exist", "write the whole path")
    return os.path.abspath(path)


def existing_file(value: Any) -> str:
    path = file_path(value)
    if not os.path.isfile(path):
        raise Wrong("names no file", "check the path")
    return path


def store(value: Any) -> Path:
    place = text(value)
    if re.match(r"postgres(ql)?://", place):
        raise Wrong(
            "names a PostgreSQL store, which is not in this release", "name a directory instead"
        )
    if "://" in place:
        raise Wrong("is no directory", "name a directory, such as /var/lib/harvester")
    return Path(file_path(place))


def browser(value: Any) -> str:
    which = text(value).strip()
    if "/" in which:
        return file_path(which)
    if which not in _CHANNELS:
        raise Wrong(
            "is neither a path nor a channel",
            "write the browser's whole path, or one of " + ", ".join(_CHANNELS),
        )
    return which


def proxy_listens(value: Any) -> str:
    """Where our own proxy listens: ``unix``, ``off``, or a loopback address beside ``unix``."""
    said = "off" if value is False else str(value).strip().lower()
    address = re.fullmatch(r"(127\.0\.0\.1|\[::1\]):([0-9]{1,5})", said)
    if address and int(address[2]) <= _PORTS:
        return f"{address[1]}:{int(address[2])}"
    if said not in ("unix", "off"):
        raise Wrong(
            "is no place where our own proxy may listen (it is no proxy to go through: that is "
            "HARVESTER_HTTPS_PROXY)",
            "write unix, off, 127.0.0.1:PORT or [::1]:PORT; no other machine may reach it",
        )
    return said


def uids(value: Any) -> tuple[int, ...]:
    found = listed(value)
    if any(not re.fullmatch(r"[0-9]{1,10}", one) or int(one) >= _UIDS for one in found):
        raise Wrong("is no list of user ids", "write numbers with commas: 1000,1001 (see `id -u`)")
    return tuple(int(one) for one in found)


def command(value: Any) -> tuple[str, ...]:
    """A program and its words: a TOML array, or text split as a shell would."""
    try:
        words = list(value) if isinstance(value, list | tuple) else shlex.split(text(value))
    except ValueError as error:
        if isinstance(error, Wrong):
            raise
        words = []
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise Wrong(
            "is no command",
            """write program and words, every quote closed: ["notify-me", "--urgent"]""",
        )
    program = os.path.expanduser(words[0])
    if not program or ("/" in program and not os.path.isabs(program)):
        # A daemon's working directory says nothing.
        raise Wrong("names no program", "write the program's name or whole path first")
    return (program, *words[1:])


def kept_files(value: Any) -> tuple[KeptFile, ...]:
    kept = []
    for one in listed(value):
        form, colon, path = one.partition(":")
        if not colon or form not in FORMATS or not path.strip():
            raise Wrong(
                "is no list of format:path",
                "write it like header:~/.knoq/header; formats: " + ", ".join(FORMATS),
            )
        kept.append(KeptFile(form, file_path(path.strip())))
    if len({one.path for one in kept}) < len(kept):
        raise Wrong("names one path twice", "give each format a path of its own")
    return tuple(kept)
