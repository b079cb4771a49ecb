"""From what is shown to what to do: the page state, and one action.

Pure: a ``View`` and what is known go in, a ``Decision`` comes out.  It presses nothing, and it
does not decide where a secret may be typed: that is asked of ``guard.py`` again, of the browser
itself, at the moment of typing.
"""

from __future__ import annotations

from dataclasses import replace

from harvester.errors import (
    Challenge,
    HarvesterError,
    IdentityMismatch,
    NeedsHuman,
    OriginNotAllowed,
)
from harvester.profile import origin_of
from harvester.signin import choices, lexicon
from harvester.signin.by_passkey import find_detour, find_passkey, fits
from harvester.signin.covers import uncover
from harvester.signin.decision import (
    UNKNOWN,
    Action,
    Decision,
    Fill,
    Known,
    Press,
    Stop,
    Wait,
    host_of,
)
from harvester.signin.fields import Fields, find_fields
from harvester.signin.interstitials import buttons_of, decline_enrolment, find_interstitial, only
from harvester.signin.observe import FrameView, View, plain
from harvester.signin.obstacles import APPROVAL, ENROLMENT, find_obstacle, number_shown
from harvester.signin.submit import enter_leads_away

__all__ = ["Action", "Decision", "Fill", "Known", "Press", "Stop", "Wait", "decide", "host_of"]


def decide(view: View, known: Known) -> Decision:
    """The decision for the first frame, main document first, in which something is recognised.

    A form in a frame of an identity origin comes before a way in on the page around it: the page
    stands behind the dialog that it opened.
    """
    found = [
        replace(_decide_frame(frame, known, main=place == 0), frame=place)
        for place, frame in enumerate(view.frames)
    ]
    around = found[0]
    if isinstance(around.action, Press):
        for one in found[1:]:
            if isinstance(one.action, Fill):
                return uncover(view, one)
    for one in found:
        if one.state != UNKNOWN.state:
            return uncover(view, one)
    return _taught(view, known)


def _taught(view: View, known: Known) -> Decision:
    """What a person said is to be pressed where nothing is recognised."""
    for place, frame in enumerate(view.frames):
        named = [one for one in frame.usable if one.taught == "press"]
        if named and (place == 0 or known.ours(frame)):
            return uncover(view, Decision("taught", Press(named[0]), place))
    return UNKNOWN


def _decide_frame(frame: FrameView, known: Known, *, main: bool) -> Decision:
    if frame.posts:
        return Decision("passing_on", Wait())
    on_site = origin_of(frame.url) == known.site_origin
    fields = find_fields(frame, username=known.username, after_password=known.after_password)
    obstacle = find_obstacle(frame, fields)
    # The site's own pages hold anybody's words: there only a widget that bars the way counts.
    if obstacle is not None and (not on_site or (obstacle.state == "challenge" and frame.insets)):
        later = decline_enrolment(frame) if obstacle.state == ENROLMENT else None
        if later is not None and known.ours(frame):
            return later
        approval = obstacle.state == APPROVAL
        number = number_shown(frame) if approval else None
        error = obstacle.as_error(host_of(frame), number=number)
        return Decision(obstacle.state, Stop(error, approval=approval, number=number))
    passkey = find_passkey(frame, fields, known)
    if passkey is not None:
        return passkey
    if on_site and main and not any(one.taught for one in fields.wanted):
        way = _way_in(frame, fields, known)
        if way is not None:
            return way
    if fields.ambiguous:
        return UNKNOWN
    if fields.any:
        return _ask(frame, fields, known, on_site=on_site)
    if not main and not known.ours(frame):
        return UNKNOWN  # an advertisement's "Allow" is nobody's consent
    found = find_interstitial(frame, known)
    if found is None and main and known.ours(frame):
        found = (None if on_site else _connector(frame, known)) or _landing(frame)
        if found is None and on_site:
            found = _menu(frame)
    return found or UNKNOWN


def _way_in(frame: FrameView, fields: Fields, known: Known) -> Decision | None:
    """The site's own page with "Continue with ..." buttons."""
    entries = choices.providers(frame)
    if not entries or fields.codes:
        return None
    own = known.site_origin in known.identity_origins
    if fields.password and own and known.provider is None:
        return None
    entry = choices.pick_provider(
        entries, wanted=known.provider, identity_origins=known.identity_origins
    )
    if entry is None and known.provider is not None:
        entry = choices.pick_provider(
            choices.other_ways(frame), wanted=known.provider, identity_origins=()
        )
    if entry is not None:
        return Decision("choose_provider", Press(entry.control, entry.name))
    names = choices.listed(entries)
    if known.provider is None:
        told = f"{host_of(frame)} offers several ways to sign in: {names}"
    else:
        told = f"{host_of(frame)} does not offer {known.provider!r}; it offers: {names}"
    return Decision(
        "choose_provider",
        Stop(NeedsHuman(told, hint="set HARVESTER_PROVIDER to the text of the one to take")),
    )


def _ask(frame: FrameView, fields: Fields, known: Known, *, on_site: bool) -> Decision:
    state = _state_of(fields)
    origin = origin_of(frame.url)
    host = host_of(frame)
    harmless = on_site and state in ("ask_identifier", "ask_organization")
    named = state == "ask_identifier" and known.username is not None and fits(frame, known)
    if not known.types_secrets and not harmless and not named:
        detour = find_detour(frame, fields, known)
        if detour is not None:
            return detour
        error = NeedsHuman(f"{host} asks to sign in", hint="run: harvester login")
        return Decision(state, Stop(error, asked=True))
    if not harmless and origin not in known.identity_origins:
        shown = origin or f"the page at {host}"
        barred = OriginNotAllowed(
            f"{shown} asks for a user name, a password or a code, and nothing may be typed there",
            hint=f"if this is where you sign in, set HARVESTER_IDENTITY_ORIGINS={shown}",
        )
        return Decision(state, Stop(barred))
    form = None if fields.form is None else frame.forms[fields.form]
    if fields.submit is None and form is not None and enter_leads_away(form):
        return UNKNOWN
    missing = _missing(fields, known, host)
    if missing is not None:
        return Decision(state, Stop(missing))
    filled = _without_prefilled(fields, known)
    if not known.stay_signed_in:
        filled = replace(filled, ticks=())
    # A form without its button may still be building itself.
    return Decision(state, Fill(filled), sure=filled.submit is not None)


def _state_of(fields: Fields) -> str:
    if fields.codes:
        return "ask_code"
    if fields.password:
        return "ask_both" if fields.user else "ask_password"
    return "ask_identifier" if fields.user else "ask_organization"


def _missing(fields: Fields, known: Known, host: str) -> HarvesterError | None:
    """What the page asks for and the settings do not have."""
    if fields.codes and not known.has_code_seed:
        return Challenge(
            f"{host} asks for a one-time code",
            hint="set HARVESTER_TOTP_SECRET to the seed of the authenticator app",
        )
    if fields.user and known.username is None:
        return NeedsHuman(f"{host} asks for a user name", hint="set HARVESTER_USERNAME")
    if fields.organization and known.organization is None:
        return NeedsHuman(
            f"{host} asks which organisation signs in", hint="set HARVESTER_ORGANIZATION"
        )
    if fields.told and known.username and not _same_person(fields.told.value, known.username):
        return IdentityMismatch(
            f"{host} wants to go on as another user than HARVESTER_USERNAME",
            hint="check HARVESTER_USERNAME, or forget the remembered one with: harvester logout",
        )
    return None


def _same_person(shown: str, username: str) -> bool:
    """A shown name may be cut at the ``@`` or masked."""
    shown, username = plain(shown), plain(username)
    if not shown or any(mask in shown for mask in "•*…"):
        return True
    return shown == username or shown == username.partition("@")[0]


def _without_prefilled(fields: Fields, known: Known) -> Fields:
    user = fields.user
    if user is not None and fields.password and plain(user.value) == plain(known.username or ""):
        return replace(fields, user=None, told=user)
    return fields


def _connector(frame: FrameView, known: Known) -> Decision | None:
    """A provider's own list of ways in: the configured one, else the one that can be ours."""
    entries = choices.providers(frame)
    entry = None
    if known.provider is not None:
        entry = choices.pick_provider(entries, wanted=known.provider, identity_origins=())
    if entry is None:
        ours = choices.leading_to(entries, known.identity_origins)
        entry = ours[0] if len(ours) == 1 else None
    if entry is not None:
        return Decision("choose_provider", Press(entry.control, entry.name))
    if not entries:
        return None
    error = NeedsHuman(
        f"{host_of(frame)} offers several ways to sign in: {choices.listed(entries)}",
        hint="set HARVESTER_PROVIDER to the text of the one to take",
    )
    return Decision("choose_provider", Stop(error, asked=not known.types_secrets))


def _landing(frame: FrameView) -> Decision | None:
    """A page that is no sign-in page yet: the link that leads to one."""
    ways = [
        one
        for one in buttons_of(frame)
        if lexicon.SIGN_IN.fullmatch(one.label) and one.region != "footer"
    ]
    # The same link stands in the header and in the middle; two that lead apart are two doors.
    if len({one.path for one in ways if one.path}) > 1:
        return UNKNOWN
    return Decision("landing", Press(ways[0])) if ways else None


def _menu(frame: FrameView) -> Decision | None:
    """A closed menu, where nothing else leads on: the way in may be behind it."""
    closed = [
        one
        for one in buttons_of(frame)
        if lexicon.MENU.fullmatch(one.label) and one.expanded is not True and not one.path
    ]
    menu = only(closed) or only(one for one in closed if lexicon.ACCOUNT_MENU.search(one.label))
    return Decision("menu", Press(menu), sure=False) if menu is not None else None
