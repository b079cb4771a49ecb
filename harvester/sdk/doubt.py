"""Whether an answer says that the session is over, or looks as if it did.

Pure.  A 401 says so.  A site may also send whoever is not signed in to its sign-in page, and which
page that is nobody told us: not the session object, and not the site.  So this errs on the side of
suspicion, and a suspicion is only ever *reported*: the daemon's own probe, which knows this site's
picture of "denied", decides.  What it calls alive was an answer like any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from harvester.profile import origin_of

# A page larger than this is no sign-in page, and is not read for our curiosity.
PAGE_LIMIT_BYTES = 1024 * 1024

_WAY_IN = re.compile(
    r"/(?:(?:log|sign)[-_]?in|sso|saml2?|oauth2?|oidc|authori[sz]e|auth|sessions?/new)(?:/|\.|$)",
    re.IGNORECASE,
)
_PASSWORD_BOX = re.compile(r"type\s*=\s*[\"']?password", re.IGNORECASE)
_HEADED_SIGN_IN = re.compile(
    r"<(title|h1)\b[^>]*>[^<]{0,80}\b(?:sign|log)[\s-]?in\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Hop:
    """One request and its answer, reduced to what decides.

    ``request`` is the client's own object and means nothing here.  ``origin`` is where it went,
    ``path`` without query.  ``sent``: it carried the session.  ``location`` is a redirect's
    target as the site wrote it, ``page`` the text of an HTML answer; both empty where there is
    none.
    ``replayable``: its body can be sent once more, as it was.
    """

    request: Any
    method: str
    origin: str | None
    path: str
    status: int
    sent: bool
    location: str = ""
    page: str = ""
    replayable: bool = True


def is_refusal(hop: Hop) -> bool:
    """The answer says that there is no session.  A 403 never does: it is the plan, or a right."""
    return hop.status == 401


def looks_like_sign_in(hop: Hop) -> bool:
    """The answer leads to a sign-in, or is one, as far as can be told from outside."""
    if hop.status in (301, 302, 303, 307, 308) and hop.location:
        origin, path = target_of(f"{hop.origin}{hop.path}", hop.location)
        if origin != hop.origin:
            return True
        # Strangers are also sent to the front door; who stood there already was not.
        return bool(_WAY_IN.search(path)) or (path == "/" and hop.path != "/")
    if 200 <= hop.status < 300 and hop.page:
        return bool(_PASSWORD_BOX.search(hop.page) or _HEADED_SIGN_IN.search(hop.page))
    return False


def target_of(url: str, location: str) -> tuple[str | None, str]:
    """Origin and path of where a redirect from ``url`` leads; no origin where it is no URL."""
    try:
        target = urljoin(url, location)
        return origin_of(target), urlsplit(target).path or "/"
    except ValueError:  # a site may write anything there
        return None, "/"


def is_short_page(content_type: str, content_length: str) -> bool:
    """Whether an answer is an HTML page that is worth reading for this."""
    if "html" not in content_type.lower():
        return False
    return not content_length.isdecimal() or int(content_length) <= PAGE_LIMIT_BYTES
