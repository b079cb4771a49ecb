"""How a page says no: it asks for the same again.

HTTP statuses say nothing here and alerts are rare; what held on every page tried is that the same
step is shown after an answer of ours.  Words only refine the reason.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harvester import redact
from harvester.errors import (
    AccountLocked,
    CodeRejected,
    CredentialsRejected,
    HarvesterError,
    NeedsHuman,
    PageNotRecognised,
)
from harvester.signin.decide import host_of
from harvester.signin.fields import Fields
from harvester.signin.observe import FrameView, View, plain

_LOCKED = re.compile(
    r"\b(locked|disabled|suspended|blocked|deactivated|gesperrt|verrouillé|bloquead)"
    r"|too many .{0,20}(attempts|tries)"
)
# A line longer than this is prose, not a refusal.
_REASON_CHARS = 200
# Enough of a page to know it again, short enough for a message.
_SHOWN = 8


@dataclass(slots=True)
class Answered:
    """Which kinds of question were answered at which origin, and what was shown then."""

    _kinds: set[tuple[str | None, str]] = field(default_factory=set)
    shown: tuple[str, ...] = ()
    documents: tuple[float, ...] = ()
    seen: View | None = None
    _latest: set[tuple[str | None, str]] = field(default_factory=set)

    def covers(self, origin: str | None, fields: Fields) -> bool:
        """Whether all that is asked was answered before: a new kind of field is no refusal."""
        asked = kinds(fields)
        return bool(asked) and all((origin, kind) in self._kinds for kind in asked)

    def add(self, origin: str | None, fields: Fields, view: View) -> None:
        self._latest = {(origin, kind) for kind in kinds(fields)} - self._kinds
        self._kinds |= self._latest
        if fields.told is not None:
            self._kinds.add((origin, "user"))  # it went along
        self.shown = tuple(line for frame in view.frames for line in _lines(frame))
        self.documents = view.documents
        self.seen = view

    def forget_latest(self) -> None:
        self._kinds -= self._latest

    def forget_codes(self) -> None:
        self._kinds = {(origin, kind) for origin, kind in self._kinds if kind != "code"}


def kinds(fields: Fields) -> set[str]:
    found = {
        "organization": fields.organization,
        "user": fields.user,
        "password": fields.password,
        "code": fields.codes,
    }
    return {kind for kind, control in found.items() if control}


def _lines(frame: FrameView) -> list[str]:
    return [line.strip() for line in frame.text.splitlines() if line.strip()]


def new_words(before: tuple[str, ...], frame: FrameView) -> list[str]:
    """The lines that were not there when the answer was sent."""
    return [line for line in _lines(frame) if line not in before]


def said_by(frame: FrameView, fresh: Sequence[str], secrets: Sequence[str]) -> str:
    """The page's own words for its refusal, fit for a message, or nothing."""
    for line in (*frame.alerts, *fresh):
        if 3 < len(line) <= _REASON_CHARS:
            return redact.scrub(redact.clean(line, _REASON_CHARS), secrets)
    return ""


def refused(host: str, words: str, *, code: bool, skew_s: float) -> HarvesterError:
    """The error for an answer that was not accepted.  ``skew_s`` is our clock minus theirs."""
    because = f": {words}" if words else ""
    if _LOCKED.search(plain(words)):
        return AccountLocked(
            f"{host} says that the account is locked{because}",
            hint=f"have it unlocked, sign in once at {host} in your own browser, "
            "then run: harvester unlock",
        )
    if code:
        return CodeRejected(
            f"{host} refused the one-time code{because}; "
            f"our clock differs from its clock by {skew_s:+.0f} s",
            hint="check HARVESTER_TOTP_SECRET and this machine's clock, then run: harvester unlock",
        )
    return CredentialsRejected(
        f"{host} refused the user name or the password{because}",
        hint="correct HARVESTER_USERNAME or HARVESTER_PASSWORD; "
        "the refused ones are not sent again",
    )


def passkey_refused(host: str, name: str) -> HarvesterError:
    """The error where a passkey signed and did not help."""
    return NeedsHuman(
        f"{host} refused the passkey {name!r} of this machine",
        hint=f"if it was revoked at {host}, run: harvester passkey remove {name}; "
        "then: harvester unlock, and harvester passkey enroll",
    )


def passkey_unknown(host: str) -> HarvesterError:
    """The error where a page was asked for a passkey, and asked for none of ours."""
    return NeedsHuman(
        f"{host} did not ask for a passkey that this machine has",
        hint=f"see: harvester passkey list; if it was revoked at {host}, remove it, run: "
        "harvester unlock, and make a new one with: harvester passkey enroll",
    )


def unrecognised(view: View, what: str) -> HarvesterError:
    """The error for a page that leads nowhere: what it shows, roles and labels only."""
    main = view.main
    shown = [*main.headings[:2], *(one.name for one in main.usable if one.name)][:_SHOWN]
    listed = ", ".join(repr(redact.clean(one, 40)) for one in shown)
    host = host_of(main)
    return PageNotRecognised(
        f"the page {host}{redact.clean(main.path, 60)} {what}; it shows: {listed or 'nothing'}"
        + "".join(f"; {one.misfit}" for one in view.frames if one.misfit),
        hint="run: harvester login --headed, and sign in yourself; it offers to note what it did "
        "not know",
    )
