"""How a page says no: it asks for the same again.

HTTP statuses say nothing here and alerts are rare; what held on every page tried is that the same
step is shown after an answer of ours.  Words only refine the reason.  Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harvester.signin.fields import Fields
from harvester.signin.observe import FrameView, View, plain

_LOCKED = re.compile(
    r"\b(locked|disabled|suspended|blocked|deactivated|gesperrt|verrouillé|bloquead)"
    r"|too many .{0,20}(attempts|tries)"
)
# A line longer than this is prose, not a refusal.
_REASON_CHARS = 200


@dataclass(slots=True)
class Answered:
    """Which kinds of question were answered at which origin, and what was shown then."""

    _kinds: set[tuple[str | None, str]] = field(default_factory=set)
    shown: tuple[str, ...] = ()
    documents: tuple[float, ...] = ()

    def covers(self, origin: str | None, fields: Fields) -> bool:
        """Whether all that is asked was answered before: a new kind of field is no refusal."""
        asked = kinds(fields)
        return bool(asked) and all((origin, kind) in self._kinds for kind in asked)

    def add(self, origin: str | None, fields: Fields, view: View) -> None:
        self._kinds |= {(origin, kind) for kind in kinds(fields)}
        self.shown = tuple(line for frame in view.frames for line in _lines(frame))
        self.documents = view.documents

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


def reason_shown(frame: FrameView, fresh: list[str]) -> str:
    """The page's own words for its refusal, or nothing."""
    for line in (*frame.alerts, *fresh):
        if 3 < len(line) <= _REASON_CHARS:
            return line
    return ""


def says_locked(words: str) -> bool:
    return bool(_LOCKED.search(plain(words)))
