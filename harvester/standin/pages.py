"""How a page is put together: the frame around every page of both servers, and its parts.

Nothing here decides anything.  Everything that comes from outside goes through ``esc``.
"""

from __future__ import annotations

import html
from functools import cache
from importlib import resources

esc = html.escape

MARKS = {
    "knoq": (
        '<svg viewBox="0 0 28 28" aria-hidden="true"><rect width="28" height="28" rx="8" '
        'fill="#0f766e"/><path d="M9 7v14M19 7l-8 7 8 7" stroke="#fff" stroke-width="3" '
        'fill="none" stroke-linecap="round" stroke-linejoin="round"/></svg>'
    ),
    "acme": (
        '<svg viewBox="0 0 28 28" aria-hidden="true"><circle cx="14" cy="14" r="14" '
        'fill="#3538cd"/><path d="M8 20l6-13 6 13M10.5 15.5h7" stroke="#fff" stroke-width="2.6" '
        'fill="none" stroke-linecap="round" stroke-linejoin="round"/></svg>'
    ),
    "google": (
        '<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="7.5" fill="none" '
        'stroke="#4285f4" stroke-width="3" stroke-dasharray="36 11"/><path d="M10 10h7" '
        'stroke="#4285f4" stroke-width="3"/></svg>'
    ),
    "sso": (
        '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M4 9h12v8H4zM6.5 9V6.5a3.5 3.5 0 0 1 '
        '7 0V9" fill="none" stroke="#5b6478" stroke-width="1.8"/></svg>'
    ),
    "vercel": '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M10 3l8 14H2z"/></svg>',
    "email": (
        '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M3 5h14v10H3zM3 6l7 5 7-5" '
        'fill="none" stroke="#5b6478" stroke-width="1.6"/></svg>'
    ),
}
MARKS["acme_small"] = MARKS["acme"]


BANNER = (
    '<div class="banner" role="dialog" aria-label="Cookies"><p>We use cookies to run this site and,'
    " if you let us, to see how it is used. You can change your mind at any time.</p>"
    '<div class="row"><button class="plain" type="button" data-cookies="reject">Reject all</button>'
    '<button type="button" data-cookies="accept">Accept all</button></div></div>'
)
BANNER_COOKIE = "cookies_ok"
BANNER_SCRIPT = """
document.querySelectorAll('[data-cookies]').forEach(b=>b.onclick=()=>{
  document.cookie='cookies_ok='+b.dataset.cookies+';path=/;max-age=15552000;samesite=lax';
  document.querySelector('.banner').remove();});
"""


@cache
def style() -> str:
    return resources.files(__package__).joinpath("style.css").read_text("utf-8")


def document(title: str, body: str, *, nonce: str, kind: str, script: str = "") -> str:
    """A whole page; ``kind`` is the class of the body and picks the colours."""
    code = f'<script nonce="{nonce}">{script}</script>' if script else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{esc(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style nonce="{nonce}">{style()}</style></head>'
        f'<body class="{kind}">{body}{code}</body></html>'
    )


def mark(name: str, text: str) -> str:
    return f'<span class="mark">{MARKS[name]}{esc(text)}</span>'


def card(head: str, body: str) -> str:
    """The one card in the middle of a sign-in page."""
    return f'<main class="stage"><div class="card">{head}{body}</div></main>'


def alert(text: str) -> str:
    """An error line; as on most real pages it is no ARIA alert."""
    return f'<div class="alert">{esc(text)}</div>' if text else ""


def hidden(**fields: str) -> str:
    return "".join(
        f'<input type="hidden" name="{esc(name)}" value="{esc(value)}">'
        for name, value in fields.items()
    )


def field(
    label: str,
    name: str,
    *,
    kind: str = "text",
    autocomplete: str = "",
    value: str = "",
    readonly: bool = False,
    extra: str = "",
) -> str:
    marks = f' autocomplete="{autocomplete}"' if autocomplete else ""
    marks += f' value="{esc(value)}"' if value else ""
    marks += " readonly" if readonly else ""
    return (
        f'<label>{esc(label)}<input type="{kind}" name="{name}" id="{name}"{marks} {extra}></label>'
    )
