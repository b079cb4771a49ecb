"""The switchboard: everything about the stand-in that can be turned, with its meaning.

One dataclass, so that each switch has a type, a default and one sentence, and the control API,
``--set`` and the documentation read the same table.  It knows nothing of how a switch is obeyed.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field, fields
from typing import Any


class UnknownSwitch(ValueError):
    """No such switch, or a value that it does not take; the text says which would be right."""


# Larger numbers would put moments beyond what a date can say.
NUMBER_MAX = 1e9
_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def _switch(default: Any, means: str, *choices: str, words: tuple[str, ...] = ()) -> Any:
    """``choices``: it takes one of them; ``words``: it takes some of them, with commas between."""
    return field(default=default, metadata={"means": means, "choices": choices, "words": words})


_SLUGS = ("acme", "globex", "initech")


@dataclass(slots=True)
class Switches:
    """The positions of all switches; assigning happens through ``turn``, which checks."""

    # the site's pages
    providers: str = _switch(
        "google,sso",
        "which provider buttons there are",
        words=("google", "sso", "acme", "vercel", "email"),
    )
    landing_buttons: bool = _switch(False, "the landing page shows the provider buttons itself")
    widget: str = _switch("plain", "how the provider buttons are built", "plain", "shadow")
    sso_asks: str = _switch(
        "nothing", "what single sign-on asks on the site itself first", "nothing", "email", "slug"
    )
    cookie_banner: bool = _switch(True, "a banner lies over the lower part of the site's pages")
    sdk_every_s: float = _switch(180.0, "how often the app page renews the JWT by itself")
    organizations: str = _switch("acme", "the user's organisations", words=_SLUGS)
    strict_organizations: str = _switch(
        "",
        "organisations that demand a sign-in of their own: a switch to them gives no session",
        words=_SLUGS,
    )
    # the site's session
    session_life_s: float = _switch(3600.0, "how long a session lives")
    sliding: bool = _switch(False, "each authenticated request starts the session's life anew")
    renew_lengthens: bool = _switch(False, "the app page's renewal starts the life anew")
    declare_expiry: bool = _switch(True, "session cookies carry Expires; else they carry none")
    roll_cookies: bool = _switch(True, "a life that moved is told by sending the cookies again")
    rotate: bool = _switch(False, "each authenticated request gives a new opaque token")
    rotate_grace_s: float = _switch(10.0, "how long a rotated token still works")
    jwt_life_s: float = _switch(300.0, "how long a JWT is accepted")
    needed: str = _switch("opaque", "which session cookie the API checks", "opaque", "jwt", "both")
    cookies: str = _switch("both", "which session cookies are set", "both", "opaque", "jwt")
    opaque_name: str = _switch("stytch_session", "name of the opaque session cookie")
    jwt_name: str = _switch("stytch_session_jwt", "name of the JWT session cookie")
    http_only: bool = _switch(False, "session cookies are HttpOnly")
    secure: bool = _switch(False, "session cookies are Secure")
    host_prefix: bool = _switch(False, "session cookies are Secure and named __Host-...")
    domain_cookie: bool = _switch(False, "session cookies carry Domain")
    odd_value: bool = _switch(False, "the opaque value holds odd but legal bytes")
    cookie_before_sign_in: bool = _switch(
        False, "everyone gets a cookie with the opaque session's name that opens nothing"
    )
    lands_in: str = _switch(
        "",
        "the organisation that a sign-in ends in without asking, as if it was used last",
        "",
        "acme",
        "globex",
        "initech",
    )
    # the site's API
    alive_without_cookie: bool = _switch(False, "the API answers everyone as if signed in")
    denies_with: str = _switch(
        "401", "how the API says no", "401", "403", "404", "redirect", "page"
    )
    plan_lacks: bool = _switch(False, "the plan lacks the API: 403 to sessions that are alive")
    cost_cap: bool = _switch(False, "the month's cost cap is reached: 429 with the two sums")
    switch_org_key: str = _switch("organizationId", "the field that switch-org reads")
    # the identity provider
    idp_mode: str = _switch(
        "one_page", "how user and password are asked", "one_page", "identifier_first"
    )
    idp_user_field: str = _switch("email", "what the user is asked for", "email", "username")
    unknown_user: str = _switch(
        "at_password", "where an unknown user is told so", "at_password", "at_identifier"
    )
    totp: bool = _switch(False, "an authenticator code is asked after the password")
    code_boxes: str = _switch("one", "how the code is entered", "one", "six")
    code_autosubmit: bool = _switch(False, "the code page submits itself at the last digit")
    stay_signed_in: bool = _switch(False, "asks 'Stay signed in?'")
    consent: bool = _switch(False, "asks for consent, once for each client and set of scopes")
    scopes: str = _switch("openid email profile", "the scopes that the site asks for")
    account_chooser: bool = _switch(False, "a remembered user is offered as a tile, not taken")
    idp_page: str = _switch(
        "none",
        "a page in the way: captcha before the password, the others after it",
        "none",
        "captcha",
        "number_match",
        "expired_password",
        "enrolment",
        "sms_code",
        "email_code",
        "choose_method",
        "passkey_offer",
        "device_refused",
        "policy_refusal",
        "unknown",
        "error_500",
    )
    idp_cookie_banner: bool = _switch(
        False, "a banner covers the lower half of the identity provider's pages, its buttons too"
    )
    honeypot: bool = _switch(False, "the sign-in form holds a field that only programs fill")
    lock_after: int = _switch(5, "wrong passwords in a row that lock the account")
    lock_s: float = _switch(1800.0, "how long a locked account stays locked")
    idp_session_life_s: float = _switch(1209600.0, "how long the identity provider remembers")
    response_mode: str = _switch(
        "query", "how the code comes back: in the address or by a form", "query", "form_post"
    )
    # the machine room
    clock_skew_s: float = _switch(0.0, "how wrong the servers' time of day is")
    site_down: bool = _switch(False, "connections to the site are reset")
    identity_down: bool = _switch(False, "connections to the identity provider are reset")

    def turn(self, name: str, value: Any) -> None:
        """Set one switch; text is read as its type.  Raises UnknownSwitch."""
        known = {one.name: one for one in fields(self)}
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise UnknownSwitch(f"no switch {name!r}; the nearest is {near[0]!r}")
        read = _read(name, known[name].default, value)
        choices, words = known[name].metadata["choices"], known[name].metadata["words"]
        if choices and read not in choices:
            raise UnknownSwitch(f"{name} takes one of: {', '.join(choices)}")
        if words:
            given = [one.strip() for one in read.split(",") if one.strip()]
            if not set(given) <= set(words) or (known[name].default and not given):
                raise UnknownSwitch(f"{name} takes some of: {', '.join(words)}")
            read = ",".join(given)
        if name.endswith("_name") and not _COOKIE_NAME.fullmatch(read):
            raise UnknownSwitch(f"{name} takes a name that a cookie may have")
        setattr(self, name, read)

    def restore(self, positions: dict[str, Any]) -> None:
        """Back to positions that were read before."""
        for name, value in positions.items():
            setattr(self, name, value)

    def positions(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}


def table() -> list[dict[str, Any]]:
    """Every switch with its default, its choices and what it means."""
    return [
        {
            "name": one.name,
            "default": one.default,
            "choices": list(one.metadata["choices"]),
            "words": list(one.metadata["words"]),
            "means": one.metadata["means"],
        }
        for one in fields(Switches)
    ]


def _read(name: str, default: Any, value: Any) -> Any:
    wanted = type(default)
    if isinstance(value, str) and wanted is not str:
        try:
            value = json.loads(value.lower())
        except ValueError:
            raise UnknownSwitch(f"{name} takes {wanted.__name__}, like {default}") from None
    if wanted is str and not isinstance(value, str):
        value = ",".join(value) if isinstance(value, list) else json.dumps(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        raise UnknownSwitch(f"{name} takes {wanted.__name__}, like {default}")
    if wanted in (int, float) and not abs(value) <= NUMBER_MAX:
        raise UnknownSwitch(f"{name} takes a number up to {NUMBER_MAX:.0f}")
    return value
