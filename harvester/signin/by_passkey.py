"""Where a page lets a passkey sign in, and how to get there.

Pure.  Only asked where a passkey of this machine fits the page's origin: elsewhere a passkey is
an offer to be declined (``interstitials.py``).  Pages that ask for it by themselves need nothing of
this: the browser answers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from harvester.passkeys import covers
from harvester.profile import origin_of
from harvester.signin import lexicon
from harvester.signin.decision import Decision, Fill, Known, Press
from harvester.signin.fields import Fields, in_banner
from harvester.signin.observe import Control, FrameView

STATE: Final = "use_passkey"
# A page that asks for a passkey and nothing else says little more; a longer one only mentions it.
_NOTICE_CHARS = 1500


def fits(frame: FrameView, known: Known) -> bool:
    """Whether a passkey at hand is for this page, and the page is one of those we sign in at."""
    origin = origin_of(frame.url)
    return (
        origin is not None
        and known.ours(frame)
        and any(covers(domain, origin) for domain in known.passkey_domains)
    )


def find_passkey(frame: FrameView, fields: Fields, known: Known) -> Decision | None:
    """The button that asks for a passkey; None where there is none, or none of ours fits."""
    if not fits(frame, known):
        return None
    button = _button(frame, fields)
    if button is None:
        return None
    if fields.user is not None and known.username is not None:
        # Some sites look up the account's passkeys by its name, and take it from this field.
        named = replace(fields, password=None, codes=(), submit=button)
        return Decision(STATE, Fill(named))
    return Decision(STATE, Press(button))


def find_detour(frame: FrameView, fields: Fields, known: Known) -> Decision | None:
    """The way to try another way, on a page that wants a secret where none is typed."""
    if known.types_secrets or not (fields.password or fields.codes) or not fits(frame, known):
        return None
    ways = [one for one in _buttons(frame) if lexicon.OTHER_WAY.search(one.label)]
    return Decision("another_way", Press(ways[0])) if len(ways) == 1 else None


def _buttons(frame: FrameView) -> list[Control]:
    return [
        one
        for one in frame.usable
        if one.is_button and not in_banner(one) and one.region not in ("header", "footer", "nav")
    ]


def _button(frame: FrameView, fields: Fields) -> Control | None:
    listed = _buttons(frame)
    said = [one for one in listed if _asks_for_one(one.label)]
    if said:
        return said[0]
    # "Use your passkey to go on", and a button that says no more than "Continue".
    told = frame.words if len(frame.text) <= _NOTICE_CHARS else frame.top_words
    if fields.any or not lexicon.USE_PASSKEY.search(told):
        return None
    if lexicon.OFFERS_PASSKEY.search(told):
        return None
    on = [
        one
        for one in listed
        if (lexicon.GO_ON.search(one.label) or "authenticate" in one.label)
        and not lexicon.LEAD_AWAY.search(one.label)
        and not lexicon.WITH_PROVIDER.search(one.label)
    ]
    return on[0] if len(on) == 1 else None


def _asks_for_one(label: str) -> bool:
    return bool(
        lexicon.BY_PASSKEY.search(label)
        and not lexicon.MAKES_PASSKEY.search(label)
        and not lexicon.NOT_NOW.search(label)
    )
