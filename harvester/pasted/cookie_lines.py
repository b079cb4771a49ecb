"""Cookies on lines: bare pairs, a Cookie header alone or among others, shell exports."""

from __future__ import annotations

from collections.abc import Iterator

from harvester import knoq
from harvester.errors import Usage
from harvester.pasted.cookies import (
    KINDS,
    Pasted,
    PastedCookie,
    agent,
    host_of,
    nothing_in_it,
)
from harvester.pasted.quoting import bash_words
from harvester.profile import origin_of


def pairs(header: str) -> Iterator[PastedCookie]:
    """The cookies of one Cookie header's value, byte for byte; what has no name is left out.

    A browser trims white space when it stores a value, so what stands around one is the header's.
    """
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        if equals and name.strip(" \t"):
            yield PastedCookie(name.strip(" \t"), value.strip(" \t"))


def read_bare(text: str) -> Pasted:
    cookies = [one for line in text.split("\n") for one in pairs(line)]
    return Pasted("cookie", tuple(cookies))


def read_headers(text: str) -> Pasted:
    """Headers, one a line; also as DevTools' panel copies them, the value on the next line."""
    told: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        line = line.strip(" \t")
        # HTTP/2's own headers begin with a colon.
        name, _, value = line[1:].partition(":")
        name = (line[:1] + name).strip(" \t").lower()
        if name in ("cookie", ":authority", "host", "origin", "user-agent"):
            value = value.strip(" \t") or next(lines, "").strip(" \t")
            # HTTP/2 may send the cookies one by one, and some tools show them so.
            told[name] = f"{told[name]}; {value}" if name == "cookie" and name in told else value
    return of_headers("header", told)


def of_headers(form: str, told: dict[str, str], url: str | None = None) -> Pasted:
    """``told`` has header names in lower case; ``url`` is the request's, where it is known."""
    cookies = tuple(pairs(told.get("cookie", "")))
    if not cookies:
        raise nothing_in_it(form)
    place = None if url is None else origin_of(url)
    if url is not None and place is None:
        raise Usage(
            f"this was read as {KINDS[form]}, and its address is none of a web site",
            hint="copy it again, from a request to the site itself",
        )
    if url is None:
        place = host_of(told.get(":authority") or told.get("host") or "")
        place = place or origin_of(told.get("origin", ""))
    return Pasted(form, cookies, place, agent(told.get("user-agent")))


def read_env(text: str) -> Pasted:
    """What our own `env` format writes."""
    found: dict[str, str] = {}
    try:
        words = bash_words(text)
    except ValueError:
        words = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            found.setdefault(name, value)
    told = {"cookie": found.get(knoq.COOKIE_VARIABLE, "")}
    return of_headers("env", {**told, "origin": found.get(knoq.ORIGIN_VARIABLE, "")})
