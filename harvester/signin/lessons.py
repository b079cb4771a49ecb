"""What a person's own sign-in teaches: rules for the pages that the engine would not have passed.

Told of each press with the page as it was then, and of the fields typed into.  Where the engine
would have done the same there is nothing to learn.  Pure; keeps labels and names, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal
from urllib.parse import urlsplit

from harvester.profile import PageRule, origin_of
from harvester.signin import lexicon
from harvester.signin.decide import Fill, Known, Stop, decide
from harvester.signin.decision import host_of
from harvester.signin.fields import code_score, in_banner
from harvester.signin.observe import Control, FrameView, View, plain

Kind = Literal["user", "password", "code", "organization", "submit", "press"]

_LABEL_CHARS = 80
_CODE = re.compile(r"\d{4,8}")
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w-]{0,60}")
# A part of a path that is another one tomorrow: a number, a key.
_PASSING = re.compile(r"\d{4}|.{33}")
_MARKS = " *:"


class Lessons:
    """``known`` is what the engine would know if it signed in with the secrets."""

    def __init__(self, known: Known) -> None:
        self._known = replace(known, rung="scripted", has_code_seed=True)
        self._rules: dict[tuple[str, str, str], PageRule] = {}
        self._after_password = False

    @property
    def rules(self) -> tuple[PageRule, ...]:
        return tuple(self._rules.values())

    def heard(self, view: FrameView, pressed: int, filled: Sequence[int], name: str = "") -> None:
        """``pressed`` and ``filled`` are places in ``view.controls``; -1: Enter, or with a ``name``
        (an id) something that looks like no control."""
        if origin_of(view.url) not in (self._known.site_origin, *self._known.identity_origins):
            return
        typed = [view.controls[one] for one in dict.fromkeys(filled)]
        button = view.controls[pressed] if pressed >= 0 else None
        if button is not None and (button.is_field or _leads_away(button)):
            return
        if not self._would_do(view, typed):
            self._learn(view, typed, button, name)
        self._after_password |= any(one.type == "password" for one in typed)

    def _would_do(self, view: FrameView, typed: Iterable[Control]) -> bool:
        known = replace(self._known, after_password=self._after_password)
        action = decide(View((view,)), known)
        if action.state == "unknown":
            return False
        if isinstance(action.action, Fill):
            fields = action.action.fields
            ours = {one.index for one in (*fields.wanted, fields.told) if one}
            return all(one.index in ours for one in typed)
        return not any(one.is_field for one in typed) or isinstance(action.action, Stop)

    def _learn(
        self, view: FrameView, typed: Sequence[Control], button: Control | None, name: str
    ) -> None:
        fields = [one for one in typed if one.is_field]
        for one in fields:
            kind = self._kind_of(one, fields)
            if kind is not None:
                self._add(view, one, kind)
        if button is not None and button.is_button:
            self._add(view, button, "submit" if fields else "press")
        elif not fields and _lasts(name):
            self._keep(view, "press", selector=f"#{name}")

    def _kind_of(self, field: Control, fields: Sequence[Control]) -> Kind | None:
        """What a field is, by what stands in it: looked at here, and kept nowhere."""
        if field.type == "password":
            code = code_score(field, after_password=self._after_password)
            return "code" if self._after_password and code > 0 else "password"
        value = plain(field.value)
        if self._known.username is not None and value == plain(self._known.username):
            return "user"
        if self._known.organization is not None and value == plain(self._known.organization):
            return "organization"
        if _CODE.fullmatch(value):
            return "code"
        only = len([one for one in fields if one.type != "password"]) == 1
        return "user" if "@" in value or (only and not self._after_password) else None

    def _add(self, view: FrameView, control: Control, kind: Kind) -> None:
        how = _found_by(view, control)
        if how is None:
            return
        self._keep(view, kind, *how)

    def _keep(
        self, view: FrameView, kind: Kind, role: str = "", label: str = "", selector: str = ""
    ) -> None:
        host, path = host_of(view).lower(), _lasting(urlsplit(view.url).path)
        self._rules[host, path, kind] = PageRule(host, path, kind, role, label, selector)


def _leads_away(button: Control) -> bool:
    label = button.label
    away = lexicon.LEAD_AWAY.search(label) or lexicon.NEVER_PRESSED.search(label)
    return bool(away) or in_banner(button)


def _found_by(view: FrameView, control: Control) -> tuple[str, str, str] | None:
    """Role, label and selector by which this control alone is found again."""
    label = control.label.strip(_MARKS)
    role = "" if control.is_field else control.role
    alike = [
        one
        for one in view.controls
        if one.visible and one.label.strip(_MARKS) == label and role in ("", one.role)
    ]
    if label and len(label) <= _LABEL_CHARS and len(alike) == 1:
        return role, label, ""
    for name, selector in ((control.id, "#{}"), (control.field_name, '[name="{}"]')):
        attribute = "id" if selector == "#{}" else "field_name"
        same = [one for one in view.controls if getattr(one, attribute) == name]
        if _lasts(name) and len(same) == 1:
            return "", "", selector.format(name)
    return None


def _lasts(name: str) -> bool:
    return bool(_PLAIN_NAME.fullmatch(name)) and not _PASSING.search(name)


def _lasting(path: str) -> str:
    """The path as far as it will be the same tomorrow."""
    kept: list[str] = []
    for part in path.split("/"):
        if _PASSING.search(part):
            break
        kept.append(part)
    return "/".join(kept) or "/"
