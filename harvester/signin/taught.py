"""What a person taught about pages, laid over what a page shows: which control is what.

Rules are data and only name controls.  A secret goes where ``guard.py`` lets it go, a password into
nothing but a password field, and a button that makes an account or throws one out is pressed for
nobody's rule.  Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from harvester.errors import ConfigInvalid
from harvester.profile import PageRule
from harvester.redact import clean
from harvester.signin import lexicon
from harvester.signin.decision import host_of
from harvester.signin.observe import Control, FrameView, plain

_QUOTED_CHARS = 40
# What stands behind a label to say that the field must be filled.
_MARKS = " *:"


@dataclass(frozen=True, slots=True)
class Taught:
    """All rules of a profile, for any page."""

    rules: tuple[PageRule, ...] = ()

    @property
    def selectors(self) -> list[str]:
        """What the page is asked: which of its controls match each of these."""
        return list(dict.fromkeys(one.selector for one in self.rules if one.selector))

    def mark(self, view: FrameView, selected: Sequence[Sequence[int] | None]) -> FrameView:
        """The view with the kinds that rules name; ``selected`` answers ``selectors``, None for
        what is no selector.  Raises ConfigInvalid for that."""
        fitting = [rule for rule in self.rules if fits(rule, view)]
        if not fitting:
            return view
        by_selector = dict(zip(self.selectors, selected, strict=True))
        kinds: dict[int, str] = {}
        misfit = ""
        for rule in fitting:
            matched = _matched(rule, view, by_selector)
            able = [one for one in matched if not _objection(rule, one)]
            if len(able) == 1 or (able and rule.control == "code"):
                kinds.update((one.index, rule.control) for one in able)
            elif matched:
                misfit = _misfit(rule, matched, several=bool(able))
        controls = tuple(
            replace(one, taught=kinds[one.index]) if one.index in kinds else one
            for one in view.controls
        )
        return replace(view, controls=controls, misfit=misfit)


def fits(rule: PageRule, view: FrameView) -> bool:
    """Whether the page is of the rule's host, at its path or below."""
    if rule.host != host_of(view).lower():
        return False
    path, here = rule.path.rstrip("/"), urlsplit(view.url).path
    return not path or here == path or here.startswith(path + "/")


def _matched(
    rule: PageRule, view: FrameView, selected: dict[str, Sequence[int] | None]
) -> list[Control]:
    shown = [one for one in view.controls if one.visible]
    if rule.selector:
        found = selected[rule.selector]
        if found is None:
            raise ConfigInvalid(
                f"the selector of {rule.control} in pages.{rule.place} is no CSS selector",
                hint="correct it in config.toml; browsers' developer tools copy one for you",
            )
        return [one for one in shown if one.index in found]
    label = plain(rule.label).strip(_MARKS)
    return [
        one
        for one in shown
        if (not rule.role or one.role == rule.role)
        and (not label or one.label.strip(_MARKS) == label)
    ]


def _objection(rule: PageRule, control: Control) -> str:
    """Why a rule cannot mean this control."""
    match rule.control:
        case "password" if control.type != "password":
            return "which would show what is typed"
        case "user" | "organization" if not control.is_field or control.type == "password":
            return "which is no field for that"
        case "code" if not control.is_field:
            return "which is no field"
        case "submit" | "press" if control.is_field:
            return "which is a field"
        case "submit" | "press" if lexicon.NEVER_PRESSED.search(control.label):
            return "which is never pressed"
    return ""


def _misfit(rule: PageRule, matched: Sequence[Control], *, several: bool) -> str:
    if several:
        why = "several controls"
    else:
        named = clean(matched[0].label, _QUOTED_CHARS)
        why = f"{named!r}, {_objection(rule, matched[0])}"
    return f"the rule {rule.control} of pages.{rule.place} names {why}"
