"""What lies over the control that we want: a cookie banner, a newsletter, a message.

Pure.  A cover is answered with the least that takes it away, and only where nothing of the sign-in
stands in it: a dialog that holds a frame may be the sign-in itself.
"""

from __future__ import annotations

from harvester.signin import lexicon
from harvester.signin.decision import UNKNOWN, Decision, Fill, Press
from harvester.signin.fields import in_banner
from harvester.signin.observe import Control, FrameView, View


def uncover(view: View, decision: Decision) -> Decision:
    """If something lies over what we want, that comes first: a cookie banner is answered."""
    frame = view.frames[decision.frame]
    action = decision.action
    wanted: tuple[Control, ...] = ()
    if isinstance(action, Press):
        wanted = (action.control,)
    elif isinstance(action, Fill):
        submit = action.fields.submit
        # One that sleeps until something is typed often lets the pointer through.
        awake = (submit,) if submit is not None and submit.enabled else ()
        wanted = (*action.fields.wanted, *awake)
    if all(one.top is not False for one in wanted):
        return decision
    answer = _banner_answer(frame)
    if answer is not None:
        return Decision("cookie_banner", Press(answer), decision.frame)
    close = _close_of(frame, wanted)
    if close is not None:
        return Decision("notice", Press(close), decision.frame)
    return UNKNOWN


def _close_of(frame: FrameView, wanted: tuple[Control, ...]) -> Control | None:
    """What closes a message that floats above the page, a toast or a newsletter."""
    for words in (lexicon.CLOSE.fullmatch, lexicon.NOT_NOW.search):
        for one in frame.usable:
            floats = one.zone is not None and all(one.zone != other.zone for other in wanted)
            holds_frame = any(inset.zone == one.zone for inset in frame.insets)
            if one.is_button and one.top and floats and not holds_frame and words(one.label):
                return one
    return None


def _banner_answer(frame: FrameView) -> Control | None:
    """Reject where that is offered, else accept."""
    inside = [one for one in frame.usable if one.is_button and in_banner(one)]
    for words in (lexicon.REJECT, lexicon.ACCEPT):
        for one in inside:
            if words.search(one.label):
                return one
    return None
