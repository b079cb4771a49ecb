"""What a kind of sign-in page is, for the lab.

A kind answers every host but the site's, says what the site's landing page looks like, and states
the facts that the tests hold it to.  A wrong control leads to ``/wrong/WHAT`` on any host, by link,
form or script (``elsewhere('what')``): the house counts those.
"""

from __future__ import annotations

from html import escape
from typing import ClassVar

from house import NOT_FOUND, Answer, Ask, House

_SCRIPT = "function elsewhere(what) { navigator.sendBeacon('/wrong/' + what); }"


def page(title: str, body: str, *, style: str = "", script: str = "", lang: str = "en") -> str:
    """A document.  What differs between providers is all in ``body``, ``style`` and ``script``."""
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{style}</style><script>{_SCRIPT}</script></head><body>{body}"
        f"<script>{script}</script></body></html>"
    )


def posting(url: str, **fields: str) -> str:
    """A page of hidden fields that sends itself on, as SAML and form_post do."""
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in fields.items()
    )
    return page(
        "Working...",
        f'<form method="POST" name="hiddenform" action="{escape(url)}">{hidden}<noscript><p>Script'
        ' is disabled. Click Submit to continue.</p><input type="submit" value="Submit"></noscript>'
        "</form>",
        script="setTimeout(() => document.forms[0].submit(), 60);",
    )


class Kind:
    """``fewest``: the answers (a press, or a form filled and sent) that a person has to give.

    ``wants_code``: a one-time code is asked for.  ``hosts``: first labels of all identity hosts.
    """

    host: ClassVar[str] = "login"
    hosts: ClassVar[tuple[str, ...]] = ()
    fewest: ClassVar[int] = 2
    wants_code: ClassVar[bool] = False
    organization: ClassVar[str | None] = None
    provider: ClassVar[str | None] = None

    house: House

    @classmethod
    def name(cls) -> str:
        return cls.__name__

    def start(self) -> str:
        """Where the site sends a person who wants to sign in."""
        return f"{self.house.at(self.host)}/"

    def landing(self) -> str:
        return page(
            "Knots",
            '<header><a href="/wrong/home-link">Knots</a></header><main><h1>Tie your work together'
            '</h1><a class="button" href="/go">Continue with Acme</a></main>',
        )

    def home(self) -> str:
        return page("Knots", "<h1>Welcome back</h1><a href='/wrong/logout'>Log out</a>")

    def on_site(self, ask: Ask) -> Answer | None:
        """What this kind's site answers in place of the usual; None for the usual."""
        return None

    def answer(self, ask: Ask) -> Answer:
        return NOT_FOUND
