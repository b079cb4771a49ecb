"""Which button sends a form.  Pure; scores, like ``fields.py``."""

from __future__ import annotations

from typing import Final

from harvester.signin import lexicon
from harvester.signin.observe import Control, Form, FrameView, plain

# Two that are no further apart than this are alike: which one is right is not known.
CLOSE: Final = 2
# Points that a button needs before it is pressed; below it Enter in the last field is better.
_BUTTON_THRESHOLD = 3
_AGAINST = -12


def find_submit(frame: FrameView, form: int | None, last: Control) -> tuple[Control | None, bool]:
    """The button that sends ``form``, or None where pressing Enter is the better way; and whether
    it stands alone, without another that would do as well.

    Never "the first button" or "the last": a logout, a cancel or a theme switch stands there.
    """
    scored = [
        (_submit_score(one, form, last), one)
        for one in frame.controls
        if one.visible and one.is_button and one.role != "radio" and one.form in (form, None)
    ]
    points, best = max(scored, key=lambda pair: pair[0], default=(0, last))
    if points < _BUTTON_THRESHOLD:
        return None, True
    rivals = [
        one
        for score, one in scored
        if score >= max(_BUTTON_THRESHOLD, points - CLOSE)
        and (one.label, one.path, one.formaction, one.hints)
        != (best.label, best.path, best.formaction, best.hints)
    ]
    return best, not rivals


def enter_leads_away(form: Form) -> bool:
    """Whether Enter, which presses the form's first button, would press a wrong one."""
    label = plain(form.enter_name)
    return bool(lexicon.LEAD_AWAY.search(label) or lexicon.WITH_PROVIDER.search(label))


def _submit_score(button: Control, form: int | None, last: Control) -> int:
    label = button.label
    points = 3 if button.sends and button.form == form else 0
    points += 4 if lexicon.GO_ON.search(label) else 0
    if lexicon.LEAD_AWAY.search(label) or lexicon.WITH_PROVIDER.search(label):
        points += _AGAINST
    if button.form != form:
        points -= 1
    if button.region in ("header", "footer", "nav", "aside") and button.region != last.region:
        points += _AGAINST
    if button.zone != last.zone:
        points += _AGAINST
    if button.index < last.index:
        points -= 2
    if not label and _in_row(button, last):
        points += _AGAINST
    return points


def _in_row(button: Control, field: Control) -> bool:
    """Whether it stands beside the field, or in it: nameless ones there show a password or clear
    it, and many say that they send.  Enter sends as well, and presses none of them."""
    middle = button.box[1] + button.box[3] / 2
    return field.box[1] <= middle <= field.box[1] + field.box[3]
