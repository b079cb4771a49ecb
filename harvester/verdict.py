"""What an answer of the site means for the session: alive, denied, or nothing can be said.

Pure: ``probe.py`` makes the request, this judges the answer.  The rules are the contract's ("The
probe's verdict"); the one idea behind them is that network trouble is never "denied".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urljoin, urlsplit

from harvester.profile import origin_of
from harvester.session import Cookie


class Verdict(Enum):
    ALIVE = "alive"
    DENIED = "denied"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Answer:
    """The site's answer to one probe, reduced to what decides.

    ``status`` is 0 when there was no answer; then ``trouble`` says what happened (a class of
    trouble, never a URL with its query).  ``location`` is absolute, for a redirect.  ``words``
    are the site's own (an ``error`` field), cut to a line.  ``set_cookies`` are new values that
    the answer carried.  ``ahead_s`` is how far our clock is ahead of the site's, by its ``Date``;
    None where it told none.
    """

    status: int = 0
    location: str | None = None
    body: str = ""
    content_type: str = ""
    words: str = ""
    trouble: str = ""
    retry_after_s: float | None = None
    set_cookies: tuple[Cookie, ...] = ()
    ahead_s: float | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """How this site answers somebody without a session (from the control probe).

    ``asked`` names origin and probe settings, so that a change of either makes a new picture.
    """

    asked: str
    status: int
    target: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"asked": self.asked, "status": self.status, "target": self.target}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Picture:
        return cls(str(data["asked"]), int(data["status"]), data.get("target"))


def absolute(base: str, location: str | None) -> str | None:
    """Where a redirect leads; a ``Location`` that is no address leads nowhere."""
    try:
        return None if location is None else urljoin(base, location)
    except ValueError:
        return None


def target_of(answer: Answer) -> str | None:
    """Where a redirect leads, by origin and path: queries differ from one request to the next."""
    if not answer.location or not 300 <= answer.status < 400:
        return None
    return (origin_of(answer.location) or "") + (urlsplit(answer.location).path or "/")


def picture_of(answer: Answer, asked: str) -> Picture | None:
    """The picture of "denied", or None where the answer is none (429, 5xx, silence)."""
    if answer.status in (401, 403, 404) or target_of(answer):
        return Picture(asked, answer.status, target_of(answer))
    return None


def _is_sign_in_page(answer: Answer) -> bool:
    if "html" not in answer.content_type:
        return False
    body = answer.body.lower()
    return 'type="password"' in body or "type='password'" in body or "type=password" in body


def judge(
    answer: Answer,
    *,
    picture: Picture | None,
    denied_text: str | None,
    identity_origins: tuple[str, ...],
    sign_in_url: str,
) -> Verdict:
    """The verdict of one probe with cookies.

    2xx is ALIVE unless its body says otherwise; 401 is DENIED; a redirect is DENIED where it
    leads to an identity origin, to the sign-in page, or where the control probe was sent; 403,
    404 and 409 are DENIED only if they are this site's picture.  All else is UNREACHABLE.
    """
    if 200 <= answer.status < 300:
        if denied_text and denied_text in answer.body:
            return Verdict.DENIED
        return Verdict.DENIED if _is_sign_in_page(answer) else Verdict.ALIVE
    if answer.status == 401:
        return Verdict.DENIED
    target = target_of(answer)
    if target is not None and answer.location is not None:
        to_identity = origin_of(answer.location) in identity_origins
        sign_in = (origin_of(sign_in_url) or "") + (urlsplit(sign_in_url).path or "/")
        # A sign-in that starts at the bare origin has no page of its own to compare with.
        to_sign_in = target == sign_in and (urlsplit(sign_in_url).path or "/") != "/"
        to_picture = picture is not None and picture.target == target
        return Verdict.DENIED if to_identity or to_sign_in or to_picture else Verdict.UNREACHABLE
    if answer.status in (403, 404, 409) and picture is not None and picture.status == answer.status:
        return Verdict.DENIED
    return Verdict.UNREACHABLE
