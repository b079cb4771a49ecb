"""Which requests a session belongs to, and how its cookies stand beside the caller's own.

Pure.  The one rule behind it: the session goes to the origin it was made for, scheme, host and
port, and to nobody else.
"""

from __future__ import annotations

from harvester import knoq
from harvester.profile import origin_of
from harvester.sdk.session import Session

# Asking changes nothing; these may be sent once more whatever became of the first time.
SAFE = frozenset({"GET", "HEAD"})


def origin_at(scheme: str, host: str | None, port: int | None) -> str | None:
    """The origin of a URL that a client has taken apart, None for what is not http or https.

    The client's own parts and not the URL's text: two parsers may read one text as two hosts, and
    what counts is where the client will connect to.
    """
    if not host:
        return None
    host = host.strip("[]")
    shown = f"[{host}]" if ":" in host else host
    return origin_of(f"{scheme}://{shown}" + ("" if port is None else f":{port}"))


def cookie_line(session: Session, given: str) -> str:
    """The ``Cookie`` header of a request: the session's, byte for byte as served, then the
    caller's others.

    A caller's cookie that has the name of one of ours is left out.  It is what the site once set
    in the client's own jar: an older value of the same session, and of two values with one name
    a server takes whichever it likes.  The caller's other cookies are his, and stay.
    """
    ours = {cookie.name for cookie in session.cookies}
    others = [pair for pair in _pairs(given) if pair.partition("=")[0].strip() not in ours]
    return "; ".join((session.headers["Cookie"], *others))


def carries(session: Session, given: str) -> bool:
    """Whether a request with this ``Cookie`` header was sent with the session."""
    return set(_pairs(session.headers["Cookie"])) <= set(_pairs(given))


def origin_line(session: Session, method: str) -> str | None:
    """The ``Origin`` header that this method needs; None where the caller's own may stand.

    Sent with what changes something only: the site asks for it there, and on a GET it would go
    along to wherever a client follows a redirect.
    """
    return None if method.upper() in SAFE else session.headers[knoq.ORIGIN_HEADER]


def _pairs(line: str) -> list[str]:
    return [pair for part in line.split(";") if (pair := part.strip(" \t"))]
