"""The HTML of the identity provider's pages, one function for each stage of a sign-in."""

from __future__ import annotations

from collections.abc import Callable

from harvester.standin import idp_obstacles
from harvester.standin.exchange import Exchange
from harvester.standin.idp_scene import Scene, head
from harvester.standin.pages import (
    BANNER,
    BANNER_COOKIE,
    BANNER_SCRIPT,
    alert,
    card,
    document,
    esc,
    field,
    hidden,
)
from harvester.standin.switches import Switches
from harvester.standin.world import Account

# Buttons that a person who signs in has no reason to press here.
WRONG_ACTIONS = frozenset({"cancel", "not_you", "passkey", "text_me", "backup_code", "setup"})
SCOPE_TEXTS = {
    "openid": "Know who you are",
    "email": "See your e-mail address",
    "profile": "See your name and picture",
    "offline_access": "Keep access while you are away",
}


def _page(visit: Exchange, title: str, body: str, *, script: str = "") -> str:
    return document(title, body, nonce=visit.nonce, kind="identity", script=script)


def notice(visit: Exchange, title: str, text: str) -> str:
    return _page(visit, f"{title} - Acme ID", card(head(title, text), ""))


def _user_field(scene: Scene) -> str:
    if scene.switches.idp_user_field == "email":
        return field(
            "E-mail address",
            "username",
            kind="email",
            autocomplete="username",
            value=scene.user,
        )
    return field("User name", "username", autocomplete="username", value=scene.user)


def _password_field() -> str:
    return field("Password", "password", kind="password", autocomplete="current-password")


def _honeypot(scene: Scene) -> str:
    if not scene.switches.honeypot:
        return ""
    return (
        '<div class="away" aria-hidden="true"><label>Website<input type="text" name="website" '
        'tabindex="-1" autocomplete="off"></label></div>'
    )


_ENDS = (
    '<div class="row ends"><a href="/help?about=forgot_password">Forgot your password?</a>'
    '<a href="/help?about=need_help">Need help?</a></div>'
)
_PASSKEY = (
    '<div class="or">or</div><button class="plain" type="submit" name="action" value="passkey">'
    "Sign in with a passkey</button>"
)


def _login(scene: Scene) -> str:
    return card(
        head("Sign in", "to continue to Knoq"),
        alert(scene.error)
        + scene.form(
            f"{_user_field(scene)}{_password_field()}{_honeypot(scene)}"
            f'<label class="tick"><input type="checkbox" name="show"> Show password</label>'
            f'<button type="submit">Sign in</button>{_PASSKEY}{_ENDS}'
        ),
    )


def _identifier(scene: Scene) -> str:
    # The password field that stands off-screen is a trap of real identifier pages: programs that
    # take the first password field type into it.
    return card(
        head("Sign in", "to continue to Knoq"),
        alert(scene.error)
        + scene.form(
            f"{_user_field(scene)}{_honeypot(scene)}"
            '<input class="away" type="password" name="password" tabindex="-1" aria-hidden="true">'
            f'<button type="submit">Next</button>{_PASSKEY}{_ENDS}'
        ),
    )


def _password(scene: Scene) -> str:
    return card(
        head("Enter your password"),
        alert(scene.error)
        + scene.form(
            f'<div class="who"><input type="text" name="shown_user" aria-label="Account" readonly '
            f'autocomplete="username" value="{esc(scene.user)}"><button class="ghost" '
            'type="button" id="not-you">Not you?</button></div>'
            f"{_password_field()}"
            '<div class="row right"><button class="plain" type="button" id="show">Show</button>'
            f'<button type="submit" name="action" value="go">Sign in</button></div>{_ENDS}'
        )
        # A form of its own: inside the first one it would be what the Enter key presses.
        + scene.form('<input type="hidden" name="action" value="not_you">', name="not-you-form"),
    )


def _locked(scene: Scene) -> str:
    return card(
        head(
            "Your account is locked",
            "Too many sign-in attempts. Try again later or ask your administrator.",
        ),
        '<p class="foot"><a href="/help?about=unlock">Contact the help desk</a></p>',
    )


def _code(scene: Scene) -> str:
    if scene.switches.code_boxes == "six":
        box = (
            '<div class="boxes" role="group" aria-label="6-digit code">'
            + "".join(
                f'<input type="text" inputmode="numeric" maxlength="1" name="digit{n}" '
                f'aria-label="Digit {n}" autocomplete="{"one-time-code" if n == 1 else "off"}">'
                for n in range(1, 7)
            )
            + "</div>"
        )
    else:
        box = field(
            "One-time passcode",
            "code",
            autocomplete="one-time-code",
            extra='inputmode="numeric" maxlength="6"',
        )
    return card(
        head(
            "Two-step verification",
            "Enter the 6-digit code that your authenticator app shows for Acme ID.",
        ),
        alert(scene.error)
        + scene.form(
            f'{box}<button type="submit" name="action" value="go">Verify</button>'
            '<button class="ghost" type="submit" name="action" value="text_me">Text me a code '
            'instead</button><button class="ghost" type="submit" name="action" '
            'value="backup_code">Use a backup code</button>'
        ),
    )


def _sent_code(scene: Scene) -> str:
    where = "by text message to •••• ••42" if scene.stage == "sms_code" else "to a•••@acme.example"
    return card(
        head("Check your messages", f"We sent a code {where}."),
        alert(scene.error)
        + scene.form(
            field("Code", "code", autocomplete="one-time-code", extra='inputmode="numeric"')
            + '<button type="submit" name="action" value="go">Verify</button>'
        ),
    )


def _stay(scene: Scene) -> str:
    return card(
        head("Stay signed in?", "So that you are asked less often on this device."),
        scene.form(
            '<label class="tick"><input type="checkbox" name="never"> Do not show this again'
            '</label><div class="row right"><button class="plain" type="submit" name="action" '
            'value="no">No</button><button type="submit" name="action" value="yes">Yes</button>'
            "</div>"
        ),
    )


def _consent(scene: Scene) -> str:
    asks = "".join(f"<li>{esc(SCOPE_TEXTS.get(s, s))}</li>" for s in scene.scope.split())
    return card(
        head("Knoq wants to access your Acme account", f"Signed in as {scene.account.email}"),
        f'<ul class="asks">{asks}</ul>'
        + scene.form(
            '<div class="row right"><button class="plain" type="submit" name="action" '
            'value="deny">Cancel</button><button type="submit" name="action" value="allow">Allow'
            "</button></div>"
        ),
    )


def _accounts(scene: Scene) -> str:
    account = scene.account
    return card(
        head("Choose an account", "to continue to Knoq"),
        scene.form(
            '<button class="plain choice" type="submit" name="action" value="mine">'
            f'<span class="avatar">{esc(account.name[0])}</span><span>{esc(account.name)}<br>'
            f'<span class="small">{esc(account.email)}</span></span></button>'
            '<button class="plain choice" type="submit" name="action" value="other">'
            '<span class="avatar">+</span>Use another account</button>'
        ),
    )


_STAGES: dict[str, tuple[str, Callable[[Scene], str]]] = {
    "login": ("Sign in", _login),
    "identifier": ("Sign in", _identifier),
    "password": ("Sign in", _password),
    "locked": ("Account locked", _locked),
    "code": ("Two-step verification", _code),
    "sms_code": ("Check your messages", _sent_code),
    "email_code": ("Check your messages", _sent_code),
    "stay": ("Stay signed in?", _stay),
    "consent": ("Consent", _consent),
    "accounts": ("Choose an account", _accounts),
    "captcha": ("Security check", idp_obstacles.captcha),
    "number_match": ("Approve the sign-in", idp_obstacles.number_match),
    "expired_password": ("Update your password", idp_obstacles.expired_password),
    "enrolment": ("More information required", idp_obstacles.enrolment),
    "choose_method": ("Verify it's you", idp_obstacles.choose_method),
    "passkey_offer": ("Passkeys", idp_obstacles.passkey_offer),
    "device_refused": ("Access blocked", idp_obstacles.device_refused),
    "policy_refusal": ("Access denied", idp_obstacles.policy_refusal),
    "unknown": ("One more thing", idp_obstacles.unknown),
    "error_500": ("Error", idp_obstacles.error_500),
}

_SHOW = """
document.querySelector('input[name=show]')?.addEventListener('change',e=>{
  document.getElementById('password').type=e.target.checked?'text':'password'});
document.getElementById('show')?.addEventListener('click',()=>{
  const p=document.getElementById('password');p.type=p.type==='password'?'text':'password'});
document.getElementById('not-you')?.addEventListener('click',()=>{
  document.forms['not-you-form'].submit()});
"""
_BOXES = """
const boxes=[...document.querySelectorAll('.boxes input')];
boxes.forEach((b,i)=>b.addEventListener('input',()=>{if(b.value&&boxes[i+1])boxes[i+1].focus()}));
"""
_AUTOSUBMIT = """
const form=document.querySelector('form');let sent=false;
form.addEventListener('input',()=>{
  const typed=[...form.querySelectorAll('.boxes input,input[name=code]')].map(i=>i.value).join('');
  if(typed.length===6&&!sent){sent=true;form.requestSubmit(form.querySelector('[value=go]'))}});
"""
_WAIT = """
setInterval(async()=>{
  const a=await fetch('/signin/waiting');
  if(a.ok&&(await a.json()).approved)location.reload()},1000);
"""


def stage(
    visit: Exchange,
    name: str,
    *,
    switches: Switches,
    account: Account,
    csrf: str,
    user: str,
    error: str,
    scope: str,
    number: int,
) -> str:
    """The page of one stage."""
    title, draw = _STAGES[name]
    scene = Scene(switches, account, csrf, name, user, error, scope, number, visit.nonce)
    script = ""
    if name in ("login", "password"):
        script = _SHOW
    elif name == "code":
        script = (_BOXES if switches.code_boxes == "six" else "") + (
            _AUTOSUBMIT if switches.code_autosubmit else ""
        )
    elif name == "number_match":
        script = _WAIT
    body = draw(scene)
    if switches.idp_cookie_banner and BANNER_COOKIE not in visit.cookies:
        body, script = body + BANNER, script + BANNER_SCRIPT
    return _page(visit, f"{title} - Acme ID", body, script=script)


def form_post(visit: Exchange, target: str, *, code: str, state: str) -> str:
    """A page that sends itself on, as SAML and ``response_mode=form_post`` do."""
    body = (
        f'<form method="post" action="{esc(target)}">{hidden(code=code, state=state)}'
        '<noscript><button type="submit">Continue</button></noscript></form>'
    )
    script = "document.forms[0].submit()"
    return _page(visit, "Working…", card(head("Working…"), body), script=script)
