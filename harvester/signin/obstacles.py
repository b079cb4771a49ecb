"""Pages that no program should pass: what they say, and what a person must do about each.

Pure, and general: phrases that providers of every kind use.  A phrase counts only where the page
asks for nothing that we could answer, or where its title, headings or messages say it: help texts
mention locked accounts and expired passwords everywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from harvester.errors import (
    AccountLocked,
    Challenge,
    HarvesterError,
    NeedsHuman,
    ProviderDown,
    ProviderRefuses,
)
from harvester.signin.fields import Fields
from harvester.signin.observe import FrameView

# A verification widget that wants a click is at least this wide and high; badges are smaller.
_WIDGET_WIDTH, _WIDGET_HEIGHT = 250, 50
_WIDGET = re.compile(r"captcha|challenges\.|turnstile|arkose|funcaptcha|security check|i'm not a")
_NUMBER_ALONE = re.compile(r"^\s*(\d{1,3})\s*$", re.MULTILINE)
# More text than this is not a notice but a page that happens to hold the phrase.
_NOTICE_CHARS = 3000
# A page that shows a new seed asks for a code of it, and ours would be of another.
_SEED_SHOWN = re.compile(
    r"scan .{0,30}(qr|bar) ?-?code"
    r"|(copy|copying|enter|type) .{0,20}(secret|set-?up) (key|token|code)"
)

# What says that no program may sign in.
REFUSED: Final = "refused"

# The one obstacle that may pass while we look on.
APPROVAL: Final = "number_match"
# The one that may offer to be put off.
ENROLMENT: Final = "enrolment"
_AT_A_WINDOW: Final = (
    "run: harvester login --headed, sign in there, {what}; "
    "or do it at {host} in your own browser, then run: harvester unlock"
)
_BY_HAND: Final = "sign in once at {host} in your own browser, {what}, then run: harvester unlock"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """``state`` is the page state; ``said`` finds it; ``error``, ``told`` and ``todo`` answer it.

    ``with_fields`` says that it counts also where the page asks for a secret.
    """

    state: str
    said: re.Pattern[str]
    error: type[HarvesterError]
    told: str
    todo: str
    with_fields: bool = False

    def as_error(self, host: str, *, number: str | None = None) -> HarvesterError:
        told = self.told.format(host=host)
        if number:
            told += f" (the number shown is {number})"
        # A lock of the account is lifted by nobody's sign-in: see ``Ledger.with_success``.
        way = _BY_HAND if self.error is AccountLocked else _AT_A_WINDOW
        return self.error(told, hint=way.format(host=host, what=self.todo))


_TABLE: Final = (
    Obstacle(
        REFUSED,
        re.compile(
            r"browser or app may not be secure|(unsupported|outdated) browser"
            r"|browser (is |version is )?not supported|can't get there from here"
            r"|automated (access|requests?|software)|device .{0,40}(compliant|managed|policy)"
        ),
        ProviderRefuses,
        "{host} does not let this browser sign in",
        "or use another provider (HARVESTER_PROVIDER)",
        with_fields=True,
    ),
    Obstacle(
        "locked",
        re.compile(
            r"(account|user|profile|konto|compte|cuenta)\b.{0,30}"
            r"\b(locked|disabled|suspended|blocked|deactivated|gesperrt|bloqué|verrouillé|bloquead)"
            r"|temporarily (locked|disabled|blocked)|too many .{0,30}attempts"
            r"|zu viele .{0,20}versuche|trop de tentatives"
        ),
        AccountLocked,
        "{host} says that the account is locked",
        "or have it unlocked",
        with_fields=True,
    ),
    Obstacle(
        "expired_password",
        re.compile(
            r"password (has |is )?expired|(update|change|renew) your password"
            r"|must (change|update) .{0,20}password|kennwort .{0,20}abgelaufen"
        ),
        NeedsHuman,
        "{host} wants a new password",
        "choose one, put it where HARVESTER_PASSWORD comes from",
    ),
    Obstacle(
        ENROLMENT,
        re.compile(
            r"(set ?up|configure|enroll?|register|add) (your |an? |the |another )?.{0,20}"
            r"(authenticator|authentication|multi-?factor|two-?(step|factor)|mfa|2fa|verification"
            r"|security (key|method|info))"
            r"|(authenticator|authentication|multi-?factor|two-?(step|factor)|mfa|2fa) set-?up"
            r"|requires? more information|more information required"
            r"|scan (the|this|a) (qr|picture|bar-?code)"
        ),
        NeedsHuman,
        "{host} wants a second factor to be set up",
        "set it up",
        # Its box for the first code of a new seed looks like any other box for a code.
        with_fields=True,
    ),
    Obstacle(
        APPROVAL,
        re.compile(
            r"enter the number|(approve|confirm) (the|your|this|a) (sign|log|request)"
            r"|approve sign|push notification|(tap|match|select) .{0,40}on your (phone|device)"
            r"|check your (phone|authenticator)|sent a (push|notification)"
        ),
        Challenge,
        "{host} waits for an approval on a telephone",
        "or set HARVESTER_APPROVAL_WAIT=60s and be there, or let the account use an authenticator "
        "code (HARVESTER_TOTP_SECRET)",
    ),
    Obstacle(
        "mailbox",
        re.compile(
            r"check your (mailbox|e-?mail|inbox)|(sent|e-?mailed) (you )?a .{0,20}link|magic link"
        ),
        NeedsHuman,
        "{host} sent a link by e-mail",
        "or choose another provider (HARVESTER_PROVIDER)",
    ),
    Obstacle(
        "sent_code",
        re.compile(
            r"(we|we've|have|was|been) (just )?(sent|texted|e-?mailed|messaged)\b"
            r"|code (we |was )?sent|sent (you )?a .{0,20}code|by text message|haben .{0,30}gesendet"
            r"|avons envoyé|hemos enviado"
        ),
        Challenge,
        "{host} asks for a code that it sent by message",
        "answer it, or let the account use an authenticator app (HARVESTER_TOTP_SECRET)",
        with_fields=True,
    ),
    Obstacle(
        "challenge",
        re.compile(
            r"(verify|confirm|prove|make sure|check).{0,20}\b(you are|you're) (a )?(human|not a)"
            r"|(are you|not) a robot|captcha|unusual traffic|checking your browser"
            r"|security check|bestätigen .{0,20}mensch"
        ),
        Challenge,
        "{host} asks for a proof that a person is there",
        "answer the check",
        with_fields=True,
    ),
    Obstacle(
        "not_permitted",
        re.compile(
            r"access (is |was |has been )?(denied|blocked)|(do not|don't) have (access|permission)"
            r"|not (been )?assigned|not authori[sz]ed|contact your (administrator|admin)"
            r"|(need|requires?) admin(istrator)? approval|blocked by your"
        ),
        NeedsHuman,
        "{host} does not let this account in",
        "or ask the administrator for access",
    ),
    Obstacle(
        "broken",
        re.compile(
            r"something went wrong|internal server error|service unavailable|bad gateway"
            r"|unexpected error|temporarily unavailable"
        ),
        ProviderDown,
        "{host} shows an error page",
        "to see whether it works there",
    ),
)


def find_obstacle(frame: FrameView, fields: Fields) -> Obstacle | None:
    """The obstacle that this page is, or None."""
    if frame.path.rstrip("/").endswith("/rejected"):
        return _TABLE[0]
    if _has_widget(frame):
        return next(one for one in _TABLE if one.state == "challenge")
    asked = fields.any
    for one in _TABLE:
        if asked and not one.with_fields:
            continue
        if one.said.search(frame.top_words):
            return one
        # Where something is asked, a phrase in the small print is no notice; a code field's
        # "we sent you ..." stands in plain text though, and so does nothing else.
        readable = not asked or (one.state == "sent_code" and bool(fields.codes))
        if one.state == ENROLMENT and fields.codes and _SEED_SHOWN.search(frame.words):
            return one
        if readable and len(frame.text) <= _NOTICE_CHARS and one.said.search(frame.words):
            return one
    return None


def number_shown(frame: FrameView) -> str | None:
    found = _NUMBER_ALONE.search(frame.text)
    return found[1] if found else None


def _has_widget(frame: FrameView) -> bool:
    return any(
        _WIDGET.search(f"{one.source} {one.title}".lower())
        and one.box[2] >= _WIDGET_WIDTH
        and one.box[3] >= _WIDGET_HEIGHT
        for one in frame.insets
    )
