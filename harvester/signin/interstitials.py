"""The pages between: lists of organisations and accounts, offers, "stay signed in?", consents.

Pure.  Each function knows one kind of page and says what to do there, or None: not mine.  Where
two answers look alike none is given: the page counts as unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from harvester.errors import (
    Challenge,
    HarvesterError,
    NeedsHuman,
    OrganizationNotFound,
    OriginNotAllowed,
)
from harvester.profile import origin_of
from harvester.signin import choices, lexicon
from harvester.signin.decision import Decision, Known, Press, Stop, host_of
from harvester.signin.fields import in_banner
from harvester.signin.observe import Control, FrameView


def find_interstitial(frame: FrameView, known: Known) -> Decision | None:
    """What to do on a page that asks for nothing to be typed.

    A press there decides something for the account: only the site's and the identity origins may
    ask for it.
    """
    for look in _LOOKS:
        found = look(frame, known)
        if found is None:
            continue
        if isinstance(found.action, Press) and not known.ours(frame):
            shown = origin_of(frame.url) or f"the page at {host_of(frame)}"
            barred = OriginNotAllowed(
                f"{shown} asks for a decision ({found.state.replace('_', ' ')}), "
                "and nothing may be pressed there",
                hint=f"if this is where you sign in, set HARVESTER_IDENTITY_ORIGINS={shown}",
            )
            return Decision(found.state, Stop(barred, asked=not known.types_secrets))
        return found
    return None


def buttons_of(frame: FrameView) -> list[Control]:
    return [one for one in frame.usable if one.is_button and not in_banner(one)]


def only(found: Iterable[Control]) -> Control | None:
    """The one button among these, where all that are alike say and do the same."""
    all_of_them = list(found)
    said = {(one.label, one.path, one.hints) for one in all_of_them}
    return all_of_them[0] if len(said) == 1 else None


def _organization(frame: FrameView, known: Known) -> Decision | None:
    if not lexicon.CHOOSE_ORGANIZATION.search(frame.top_words):
        return None
    entries = choices.organizations(frame)
    if not entries:
        return None
    host, names = host_of(frame), choices.listed(entries)
    if known.organization is not None:
        entry = choices.pick_organization(entries, known.organization)
        if entry is None:
            error: HarvesterError = OrganizationNotFound(
                f"{host} has no single organisation {known.organization!r}; it lists: {names}",
                hint="set HARVESTER_ORGANIZATION to one of these",
            )
            return Decision("choose_organization", Stop(error))
    elif len(entries) == 1:
        entry = entries[0]
    else:
        error = NeedsHuman(
            f"{host} lists several organisations: {names}",
            hint="set HARVESTER_ORGANIZATION to the one to use",
        )
        return Decision("choose_organization", Stop(error))
    return Decision("choose_organization", Press(entry.control, entry.name))


def _account(frame: FrameView, known: Known) -> Decision | None:
    if not lexicon.CHOOSE_ACCOUNT.search(frame.top_words):
        return None
    tiles, other = choices.accounts(frame)
    entry = choices.pick_account(tiles, known.username)
    if entry is not None:
        return Decision("choose_account", Press(entry.control, entry.name))
    # Ours is absent only where each of them shows an address of its own.
    absent = all(one.shows_address for one in tiles)
    if other is not None and known.username is not None and known.types_secrets and absent:
        return Decision("choose_account", Press(other.control))
    if not tiles or not absent:
        return None
    error = NeedsHuman(
        f"{host_of(frame)} offers several accounts", hint="set HARVESTER_USERNAME to one of them"
    )
    return Decision("choose_account", Stop(error, asked=not known.types_secrets))


def _method(frame: FrameView, known: Known) -> Decision | None:
    if not lexicon.CHOOSE_METHOD.search(frame.top_words):
        return None
    listed = buttons_of(frame)
    app = only(one for one in listed if lexicon.METHOD_APP.search(one.label))
    if app is None:
        # The only one that is left, when none of those that a program cannot answer is.
        app = only(
            one
            for one in listed
            if not one.region
            and not lexicon.NOT_OURS.search(one.label)
            and not lexicon.LEAD_AWAY.search(one.label)
        )
    if known.has_code_seed and app is not None:
        return Decision("choose_method", Press(app))
    error = Challenge(
        f"{host_of(frame)} asks for a second factor",
        hint="set HARVESTER_TOTP_SECRET to the seed of the authenticator app",
    )
    return Decision("choose_method", Stop(error, asked=not known.types_secrets))


def _passkey(frame: FrameView, known: Known) -> Decision | None:
    if not lexicon.PASSKEY.search(frame.top_words):
        return None
    return _decline(frame, "passkey_offer")


def decline_enrolment(frame: FrameView) -> Decision | None:
    """A second factor that may be set up later is not set up by a program."""
    return _decline(frame, "enrolment_offer")


def _decline(frame: FrameView, state: str) -> Decision | None:
    later = only(one for one in buttons_of(frame) if lexicon.NOT_NOW.search(one.label))
    return Decision(state, Press(later)) if later is not None else None


def _stay(frame: FrameView, known: Known) -> Decision | None:
    listed = buttons_of(frame)
    yes = only(one for one in listed if lexicon.YES.fullmatch(one.label))
    no = only(one for one in listed if lexicon.NO.fullmatch(one.label))
    # A heading says it, or the text above a yes and a no.
    asked = lexicon.STAY.search(frame.words if yes and no else frame.top_words)
    if not asked:
        return None
    answer = yes if known.stay_signed_in else no
    return Decision("stay_signed_in", Press(answer)) if answer is not None else None


def _consent(frame: FrameView, known: Known) -> Decision | None:
    if lexicon.TERMS.search(frame.top_words):
        return None  # a contract, which a program does not agree to
    listed = buttons_of(frame)
    agree = only(one for one in listed if lexicon.YES.fullmatch(one.label))
    refuse = any(lexicon.REFUSE.fullmatch(one.label) for one in listed)
    asked = lexicon.CONSENT.search(frame.words if agree and refuse else frame.top_words)
    if not asked or agree is None:
        return None
    if not known.consent:
        host = host_of(frame)
        error = NeedsHuman(
            f"{host} asks for a consent, and the settings leave that to a person",
            hint=f"answer it at {host} in your own browser, then run: harvester unlock",
        )
        return Decision("consent", Stop(error, asked=not known.types_secrets))
    return Decision("consent", Press(agree))


_LOOKS: Final[tuple[Callable[[FrameView, Known], Decision | None], ...]] = (
    _organization, _account, _method, _passkey, _stay, _consent,
)  # fmt: skip
