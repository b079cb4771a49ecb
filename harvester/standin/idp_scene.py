"""What every page of the identity provider is made from."""

from __future__ import annotations

from dataclasses import dataclass

from harvester.standin.pages import esc, hidden, mark
from harvester.standin.switches import Switches
from harvester.standin.world import Account


@dataclass(frozen=True, slots=True)
class Scene:
    """What a page may show."""

    switches: Switches
    account: Account
    csrf: str
    stage: str
    user: str
    error: str
    scope: str
    number: int
    nonce: str

    def form(self, body: str, *, name: str = "") -> str:
        fields = hidden(csrf=self.csrf, stage=self.stage)
        called = f' name="{name}" class="flat"' if name else ""
        return f'<form method="post" action="/signin" novalidate{called}>{fields}{body}</form>'


def head(title: str, lead: str = "") -> str:
    text = f"<p>{esc(lead)}</p>" if lead else ""
    return f"{mark('acme', 'Acme ID')}<h1>{esc(title)}</h1>{text}"
