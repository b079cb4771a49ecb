"""From what is shown to what to do: the page state, and one action.

Pure: a ``View`` and what is known go in, a ``Decision`` comes out.  It presses nothing, and it
does not decide where a secret may be typed: that is asked of ``guard.py`` again, of the browser
itself, at the moment of typing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from harvester.errors import (
    Challenge,
    HarvesterError,
    IdentityMismatch,
    NeedsHuman,
    OrganizationNotFound,
    OriginNotAllowed,
)
from harvester.profile import origin_of
from harvester.signin import choices, lexicon
from harvester.signin.dialogue import Rung
from harvester.signin.fields import Fields, enter_leads_away, find_fields, in_banner
from harvester.signin.observe import Control, FrameView, View, plain
from harvester.signin.obstacles import APPROVAL, find_obstacle, number_shown


@dataclass(frozen=True, slots=True)
class Known:
    """What is known besides the page.  ``after_password``: a password was taken on this way."""

    rung: Rung
    site_origin: str
    identity_origins: tuple[str, ...]
    provider: str | None = None
    username: str | None = None
    organization: str | None = None
    has_code_seed: bool = False
    after_password: bool = False
    stay_signed_in: bool = True
    consent: bool = True

    @property
    def types_secrets(self) -> bool:
        return self.rung == "scripted"


@dataclass(frozen=True, slots=True)
class Press:
    """Press a control.  ``chosen`` is the name of the entry where one was chosen from a list."""

    control: Control
    chosen: str | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    fields: Fields


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do: the page goes on by itself."""


@dataclass(frozen=True, slots=True)
class Stop:
    """``asked``: this rung may not type, and the page wants something typed.  ``approval``: a
    person may still let it pass, on a telephone, with ``number`` where one is shown."""

    error: HarvesterError
    asked: bool = False
    approval: bool = False
    number: str | None = None


Action = Press | Fill | Wait | Stop


@dataclass(frozen=True, slots=True)
class Decision:
    """``frame`` is the place of the frame in the view.  ``unknown`` comes with ``Wait``."""

    state: str
    action: Action
    frame: int = 0


UNKNOWN = Decision("unknown", Wait())


def decide(view: View, known: Known) -> Decision:
    """The decision for the first frame, main document first, in which something is recognised."""
    for place, frame in enumerate(view.frames):
        found = _decide_frame(frame, known, main=place == 0)
        if place > 0 and isinstance(found.action, Press) and not _ours(frame, known):
            continue  # an advertisement's "Allow" is nobody's consent
        if found.state != UNKNOWN.state:
            return _uncover(view, replace(found, frame=place))
    return UNKNOWN


def _ours(frame: FrameView, known: Known) -> bool:
    return origin_of(frame.url) in (known.site_origin, *known.identity_origins)


def host_of(frame: FrameView) -> str:
    return urlsplit(frame.url).netloc.rpartition("@")[2] or "the page"


def _decide_frame(frame: FrameView, known: Known, *, main: bool) -> Decision:
    if frame.posts:
        return Decision("passing_on", Wait())
    origin = origin_of(frame.url)
    on_site = origin == known.site_origin
    fields = find_fields(frame, username=known.username, after_password=known.after_password)
    obstacle = find_obstacle(frame, fields)
    # The site's own pages hold anybody's words: there only a widget that bars the way counts.
    if obstacle is not None and (not on_site or (obstacle.state == "challenge" and frame.insets)):
        approval = obstacle.state == APPROVAL
        number = number_shown(frame) if approval else None
        error = obstacle.as_error(host_of(frame), number=number)
        return Decision(obstacle.state, Stop(error, approval=approval, number=number))
    if on_site and main:
        way = _way_in(frame, fields, known)
        if way is not None:
            return way
    if fields.any:
        return _ask(frame, fields, known, on_site=on_site)
    for look in (_organization, _account, _method, _passkey, _stay, _consent):
        found = look(frame, known)
        if found is not None:
            return found
    return (_landing(frame) if on_site and main else None) or UNKNOWN


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
    if not known.types_secrets and not harmless:
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
    return Decision(state, Fill(_without_prefilled(fields, known)))


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


def _buttons(frame: FrameView) -> list[Control]:
    return [one for one in frame.usable if one.is_button and not in_banner(one)]


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
    if other is not None and known.username is not None and known.types_secrets:
        return Decision("choose_account", Press(other.control))
    if not tiles:
        return None
    error = NeedsHuman(
        f"{host_of(frame)} offers several accounts", hint="set HARVESTER_USERNAME to one of them"
    )
    return Decision("choose_account", Stop(error, asked=not known.types_secrets))


def _method(frame: FrameView, known: Known) -> Decision | None:
    if not lexicon.CHOOSE_METHOD.search(frame.top_words):
        return None
    app = [one for one in _buttons(frame) if lexicon.METHOD_APP.search(one.label)]
    if known.has_code_seed and app:
        return Decision("choose_method", Press(app[0]))
    error = Challenge(
        f"{host_of(frame)} asks for a second factor",
        hint="set HARVESTER_TOTP_SECRET to the seed of the authenticator app",
    )
    return Decision("choose_method", Stop(error, asked=not known.types_secrets))


def _passkey(frame: FrameView, known: Known) -> Decision | None:
    if not lexicon.PASSKEY.search(frame.top_words):
        return None
    later = [one for one in _buttons(frame) if lexicon.NOT_NOW.search(one.label)]
    return Decision("passkey_offer", Press(later[0])) if later else None


def _stay(frame: FrameView, known: Known) -> Decision | None:
    return _agree(frame, "stay_signed_in") if lexicon.STAY.search(frame.top_words) else None


def _consent(frame: FrameView, known: Known) -> Decision | None:
    return _agree(frame, "consent") if lexicon.CONSENT.search(frame.top_words) else None


def _agree(frame: FrameView, state: str) -> Decision | None:
    agreed = [one for one in _buttons(frame) if lexicon.YES.fullmatch(one.label)]
    return Decision(state, Press(agreed[0])) if agreed else None


def _landing(frame: FrameView) -> Decision | None:
    """A page that is no sign-in page yet: the link that leads to one."""
    ways = [one for one in _buttons(frame) if lexicon.SIGN_IN.fullmatch(one.label)]
    if not ways:
        ways = [one for one in frame.usable if one.is_button and _says_sign_in(one)]
    return Decision("landing", Press(ways[0])) if ways else None


def _says_sign_in(control: Control) -> bool:
    return control.region in ("header", "nav", "") and bool(
        lexicon.SIGN_IN.fullmatch(control.label)
    )


def _uncover(view: View, decision: Decision) -> Decision:
    """If something lies over what we want, that comes first: a cookie banner is answered."""
    frame = view.frames[decision.frame]
    action = decision.action
    wanted: tuple[Control, ...] = ()
    if isinstance(action, Press):
        wanted = (action.control,)
    elif isinstance(action, Fill):
        submit = action.fields.submit
        wanted = (*action.fields.wanted, *((submit,) if submit else ()))
    if all(one.top is not False for one in wanted):
        return decision
    answer = _banner_answer(frame)
    if answer is None:
        return UNKNOWN
    return Decision("cookie_banner", Press(answer), decision.frame)


def _banner_answer(frame: FrameView) -> Control | None:
    """Reject where that is offered, else accept."""
    inside = [one for one in frame.usable if one.is_button and in_banner(one)]
    for words in (lexicon.REJECT, lexicon.ACCEPT):
        for one in inside:
            if words.search(one.label):
                return one
    return None
