"""The HTML of the site's pages."""

from __future__ import annotations

import json
from collections.abc import Sequence

from harvester.standin.exchange import Exchange
from harvester.standin.pages import (
    BANNER,
    BANNER_SCRIPT,
    MARKS,
    alert,
    card,
    document,
    esc,
    field,
    hidden,
    mark,
    style,
)
from harvester.standin.world import Organization

PROVIDER_TEXTS = {
    "google": ("google", "Continue with Google"),
    "sso": ("sso", "Continue with SSO"),
    "acme": ("acme_small", "Continue with Acme"),
    "vercel": ("vercel", "Continue with Vercel"),
    "email": ("email", "Continue with email"),
}

# The theme button and nothing else: a page works without it.
_THEME_SCRIPT = """
document.querySelectorAll('[data-theme]').forEach(b=>b.onclick=()=>{
  fetch('/click?what=theme',{method:'POST'});
  document.cookie='theme='+(document.body.classList.toggle('dark')?'dark':'light')+';path=/';});
"""


def frame(
    visit: Exchange,
    title: str,
    body: str,
    *,
    csrf: str,
    banner: bool,
    signed_in: bool,
    script: str = "",
) -> str:
    """The site's header and footer around a page."""
    ways_in = (
        '<a href="/login">Sign in</a><a class="button" href="/signup">Get started</a>'
        if not signed_in
        else '<button class="plain" type="button" id="out">Sign out</button>'
    )
    header = (
        f'<header class="bar"><a href="/">{mark("knoq", "Knoq")}</a><nav><a href="/docs">Docs</a>'
        '<a href="/pricing">Pricing</a></nav><button class="plain icon" type="button" data-theme '
        f'aria-label="Switch theme">☾</button>{ways_in}</header>'
    )
    footer = (
        '<footer><div class="wide"><div>© Knoq · <a href="/docs">Docs</a> · '
        '<a href="/pricing">Pricing</a></div><form method="post" action="/newsletter">'
        "<b>News, once a month</b>"
        f'{hidden(csrf=csrf)}<input type="email" name="email" placeholder="Your e-mail" '
        'aria-label="E-mail for the newsletter" autocomplete="email">'
        '<button type="submit">Subscribe</button></form></div></footer>'
    )
    return document(
        title,
        header + body + footer + (BANNER if banner else ""),
        nonce=visit.nonce,
        kind="site",
        script=_THEME_SCRIPT + (BANNER_SCRIPT if banner else "") + script,
    )


def landing(buttons: str) -> str:
    way_in = buttons or '<a class="button" href="/signup">Get started</a>'
    return (
        '<section class="hero"><div><h1>Agents that answer when you knock</h1><p>Hand over the '
        "dull half of your week. Knoq runs your agents, keeps their transcripts and asks when it "
        f'is unsure.</p><div class="row">{way_in}<a class="button plain" href="/docs">Read the '
        'docs</a></div></div><div class="shot"><b>you</b>   Which invoices are still open?\n'
        "<b>agent</b> Three. Two are due this week;\n      shall I write to the customers?\n"
        "<b>you</b>   Yes, politely.\n<b>agent</b> Done. Drafts are in your outbox.</div></section>"
        '<section class="three"><div><h3>Sessions</h3><p>Every run is kept, from the first word '
        "to the last tool call.</p></div><div><h3>Organizations</h3><p>Work for several, switch "
        "with one click.</p></div><div><h3>Limits you set</h3><p>A cap on cost, a cap on time, a "
        "person to ask.</p></div></section>"
    )


def providers(names: Sequence[str], *, shadow: bool, nonce: str) -> str:
    """The provider buttons: links that look like buttons, or a custom element with a shadow."""
    links = "".join(
        f'<a class="button plain choice" role="button" href="/auth/start?provider={name}">'
        f"{MARKS[PROVIDER_TEXTS[name][0]]}<span>{PROVIDER_TEXTS[name][1]}</span></a>"
        for name in names
        if name in PROVIDER_TEXTS
    )
    if not shadow:
        return f'<div class="stack">{links}</div>'
    return (
        f'<b2b-sign-in><template shadowrootmode="open"><style nonce="{nonce}">{style()}</style>'
        f'<div class="stack">{links}</div></template></b2b-sign-in>'
    )


def login(buttons: str, error: str) -> str:
    return card(
        "<h1>Sign in to Knoq</h1><p>Use the account of your organization.</p>",
        f'{error}{buttons}<p class="small mid foot">New here? <a href="/signup">Create an '
        "account</a></p>",
    )


def ask_sso(asks: str, csrf: str, error: str) -> str:
    box = (
        field("Work e-mail", "email", kind="email", autocomplete="username")
        if asks == "email"
        else field("Organization slug", "slug", extra='placeholder="your-company"')
    )
    return card(
        "<h1>Single sign-on</h1><p>We take you to the sign-in page of your company.</p>",
        f'{alert(error)}<form method="post" action="/auth/sso">{hidden(csrf=csrf)}{box}'
        '<button type="submit">Continue</button></form>'
        '<p class="small mid foot"><a href="/login">Back to all options</a></p>',
    )


def signup(csrf: str) -> str:
    """The twin of a sign-in page, for those who have no account."""
    return card(
        "<h1>Create your account</h1><p>Free for two weeks, no card needed.</p>",
        f'<form method="post" action="/signup">{hidden(csrf=csrf)}'
        + field("Full name", "name", autocomplete="name")
        + field("Work e-mail", "email", kind="email", autocomplete="email")
        + field("Password", "password", kind="password", autocomplete="new-password")
        + field("Repeat password", "password2", kind="password", autocomplete="new-password")
        + '<button type="submit">Create account</button></form>'
        '<p class="small mid foot">Already with us? <a href="/login">Sign in</a></p>',
    )


def organizations(known: Sequence[Organization], csrf: str) -> str:
    """The list of the identity layer: each button's text begins with an avatar letter."""
    rows = "".join(
        f'<button class="plain choice" type="submit" name="organization" value="{esc(one.id)}">'
        f'<span class="avatar">{esc(one.name[0])}</span> <span>{esc(one.name)}</span></button>'
        for one in known
    )
    return card(
        "<h1>Choose an organization</h1><p>You belong to more than one.</p>",
        f'<form method="post" action="/auth/organizations">{hidden(csrf=csrf)}{rows}'
        '<div class="or">or</div><button class="plain" type="submit" name="organization" '
        'value="new">Create an organization</button></form>',
    )


def prose(what: str) -> str:
    texts = {
        "docs": ("Documentation", "Start a session, send it a message, read its transcript."),
        "pricing": ("Pricing", "Pay for what your agents do. A cap keeps the bill in sight."),
        "mailbox": ("Check your mailbox", "We sent a link to your e-mail address."),
    }
    title, text = texts[what]
    return card(f"<h1>{title}</h1><p>{text}</p>", "")


def app() -> str:
    return (
        '<div class="shell"><aside><a class="on" href="/app">Sessions</a><a href="/docs">Docs</a>'
        '<a href="/pricing">Billing</a></aside><section><h1 id="hello">Loading…</h1>'
        '<p class="small" id="org"></p>'
        '<table id="rows" hidden><thead><tr><th>Session</th><th>State</th></tr></thead>'
        "<tbody></tbody></table></section></div>"
    )


def sdk_script(names: Sequence[str]) -> str:
    """The identity layer's script: asks for a new JWT, and tidies up when that is refused for good.

    ``renew`` gives who is signed in, or null; anything but a refusal is tried again later.
    """
    return f"""
const names={json.dumps(list(names))};
async function renew(){{
  let a; try{{a=await fetch('/sdk/authenticate',{{method:'POST'}})}}catch{{return null}}
  if(a.status===401){{
    names.forEach(n=>document.cookie=n+'=;path=/;expires=Thu, 01 Jan 1970 00:00:00 GMT'
      +(n.startsWith('__Host-')?';secure':''));
    if(location.pathname!=='/')location.replace('/')}}
  return a.ok?a.json():null}}
"""


def app_script(*, every_s: float, names: Sequence[str]) -> str:
    """The app's own keeper of the session: renews the JWT at load and every few minutes."""
    return f"""{sdk_script(names)}
async function turn(){{
  const who=await renew(); if(!who)return false;
  document.getElementById('hello').textContent='Sessions';
  document.getElementById('org').textContent=who.organization+' · '+who.email;
  return true}}
turn().then(async signedIn=>{{
  if(!signedIn)return;
  const a=await fetch('/api/managed-agents/sessions');
  if(!a.ok)return;
  const rows=document.getElementById('rows');rows.hidden=false;
  for(const s of (await a.json()).sessions){{
    const r=rows.tBodies[0].insertRow();r.insertCell().textContent=s.title;
    r.insertCell().textContent=s.status}}
}});
setInterval(turn,{int(every_s * 1000)});
document.getElementById('out').onclick=async()=>{{
  await fetch('/api/auth/logout',{{method:'POST'}});location.replace('/')}};
"""
