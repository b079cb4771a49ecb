"""How a session, an error and an event look to everybody else: JSON and the printable formats.

Standard library only: the fast command and the SDK import it.  Source: the contract in
``docs/protocol.md``; fields are added, never renamed, and readers ignore what they do not know.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from harvester import knoq
from harvester.clock import parse_rfc3339, rfc3339
from harvester.errors import HarvesterError, Usage
from harvester.session import Cookie, Served, Session, cookie_header

VERSION = 1
DEFAULT_FORMAT = "cookie"

# cookies.txt readers drop a cookie whose expiry is 0.  Where nothing is known of the end, a year is
# written: a kept file is written again when the session changes, and one that just lives on does
# not; after a shorter time its readers would drop a cookie that is alive.
_NETSCAPE_UNKNOWN_LIFE_S = 365 * 24 * 3600


def session_object(served: Served) -> dict[str, Any]:
    """The session object of the contract.  Holds the secret: for outlets only."""
    session = served.session
    shown: dict[str, Any] = {
        "version": VERSION,
        "profile": session.profile,
        "origin": session.origin,
        "generation": session.generation,
        "headers": headers(session),
        "cookies": [cookie_object(cookie) for cookie in session.cookies],
        "obtained_at": rfc3339(session.obtained_at),
        "proved_at": rfc3339(session.proved_at),
        "expires_at": rfc3339(session.expires_at),
        "expires_kind": session.expires_kind,
        "confidence": round(session.confidence, 3),
        "identity": session.identity,
        "organization": session.organization,
        "organization_proved": session.organization_proved,
        "user_agent": session.user_agent,
        "stale": served.stale,
        "min_valid_met": served.min_valid_met,
    }
    if served.verdict is not None:
        shown["verdict"] = served.verdict
    if served.probed_s_ago is not None:
        shown["probed_s_ago"] = round(served.probed_s_ago, 1)
    if served.error is not None:
        shown["error"] = served.error.as_dict()
    return shown


def session_of(told: Mapping[str, Any]) -> Session:
    """The session of a session object, as far as one tells it.  Raises ValueError, KeyError or
    TypeError where it is none."""

    def dated(one: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, "expires_at": parse_rfc3339(one.get("expires_at"))}

    times = {name: parse_rfc3339(told.get(name)) or 0.0 for name in ("obtained_at", "proved_at")}
    cookies = [dated(cookie) for cookie in told["cookies"]]
    return Session.from_dict({**dated(told), **times, "cookies": cookies})


def beside(served: Served) -> dict[str, str]:
    """What a printable format cannot say, as headers of the answer beside it: when the session
    ends, and what a person should be warned of.  ASCII, whatever an error's message may hold."""
    told = {}
    if served.session.expires_at is not None:
        told["Harvester-Expires-At"] = rfc3339(served.session.expires_at) or ""
    if served.stale:
        error = {} if served.error is None else served.error.as_dict()
        brief = {name: error[name] for name in ("code", "message") if name in error}
        # JSON writes all control bytes but one as escapes.
        told["Harvester-Stale"] = json.dumps(brief).replace("\x7f", "\\u007f")
    if not served.min_valid_met:
        told["Harvester-Min-Valid-Met"] = "false"
    return told


def cookie_object(cookie: Cookie) -> dict[str, Any]:
    """One cookie of the session object.  Holds the secret too."""
    return {**cookie.as_dict(), "expires_at": rfc3339(cookie.expires_at)}


def headers(session: Session) -> dict[str, str]:
    """The headers that a request to the session's origin needs."""
    return {"Cookie": cookie_header(session.cookies), knoq.ORIGIN_HEADER: session.origin}


def problem(error: HarvesterError) -> dict[str, Any]:
    """An error as ``application/problem+json`` (RFC 9457)."""
    told = error.as_dict()
    told["detail"] = told.pop("message")
    return {
        "type": f"urn:harvester:error:{error.code}",
        "title": error.code.replace("_", " "),
        "status": error.http_status,
        **told,
    }


def as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _value(served: Served) -> str:
    cookies = served.session.cookies
    if len(cookies) != 1:
        raise Usage(
            f"the site needs {len(cookies)} cookies, so there is no single value to print",
            hint="use --format cookie, which prints all of them",
        )
    return cookies[0].value


def _header(served: Served) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers(served.session).items())


def _env(served: Served) -> str:
    given = headers(served.session)
    return "\n".join(
        (
            f"export {knoq.COOKIE_VARIABLE}={shlex.quote(given['Cookie'])}",
            f"export {knoq.ORIGIN_VARIABLE}={shlex.quote(given[knoq.ORIGIN_HEADER])}",
        )
    )


def _curl(served: Served) -> str:
    # In a curl config file a quoted string knows the escapes \\ and \".
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = (f"{name}: {value}" for name, value in headers(served.session).items())
    return "\n".join(f"header = {quoted(line)}" for line in lines)


def _netscape(served: Served) -> str:
    session = served.session
    # Plain http is a loopback origin's: browsers send Secure cookies there, these readers do not.
    encrypted = session.origin.startswith("https://")
    lines = ["# Netscape HTTP Cookie File"]
    for cookie in session.cookies:
        ends = cookie.expires_at or session.expires_at
        if ends is None:
            ends = session.proved_at + _NETSCAPE_UNKNOWN_LIFE_S
        whole_domain = cookie.domain.startswith(".")
        fields = (
            # Not `#HttpOnly_` before it, as some write: wget takes such a line for a comment.
            cookie.domain,
            "TRUE" if whole_domain else "FALSE",
            cookie.path,
            "TRUE" if cookie.secure and encrypted else "FALSE",
            str(int(ends)),
            cookie.name,
            cookie.value,
        )
        lines.append("\t".join(fields))
    return "\n".join(lines)


def _storage_state(served: Served) -> str:
    cookies = [
        {
            "name": cookie.name,
            "value": cookie.value,
            "domain": cookie.domain,
            "path": cookie.path,
            "expires": -1 if cookie.expires_at is None else cookie.expires_at,
            "httpOnly": cookie.http_only,
            "secure": cookie.secure,
            "sameSite": cookie.same_site,
        }
        for cookie in served.session.cookies
    ]
    return as_json({"cookies": cookies, "origins": []})


FORMATS: Mapping[str, Callable[[Served], str]] = MappingProxyType(
    {
        "value": _value,
        "cookie": lambda served: cookie_header(served.session.cookies),
        "header": _header,
        "json": lambda served: as_json(session_object(served)),
        "env": _env,
        "curl": _curl,
        "netscape": _netscape,
        "storage-state": _storage_state,
    }
)


def printable(served: Served, form: str) -> str:
    """The session in one of ``FORMATS``, without a final newline.

    Raises Usage for an unknown format, and for ``value`` when several cookies are needed.
    """
    try:
        write = FORMATS[form]
    except KeyError:
        raise Usage(f"there is no format {form!r}", hint="formats: " + ", ".join(FORMATS)) from None
    return write(served)
