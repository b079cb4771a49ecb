"""Evidence of failed sign-ins, made by hand: what the signer would have sealed."""

from __future__ import annotations

from typing import Any

from harvester.evidence import Box, Evidence, Step
from harvester.signin.blanks import Blanks
from harvester.signin.decide import Known
from harvester.signin.observe import Control, Form, FrameView, View
from harvester.signin.skeleton import skeleton_of
from harvester.vault.seal import MAX_PLAINTEXT_BYTES, Seal
from storekit import SEAL

SITE, IDENTITY = "https://knoq.one", "https://login.acme.example"
# A JPEG as far as anybody looks: its first bytes and its last.
PICTURE = b"\xff\xd8\xff\xe0 a picture \xff\xd9"


def known(**about: Any) -> Known:
    told: dict[str, Any] = {
        "rung": "scripted",
        "site_origin": SITE,
        "identity_origins": (IDENTITY,),
        "username": "ada@acme.example",
        **about,
    }
    return Known(**told)


def control(index: int, role: str, name: str, **about: Any) -> Control:
    return Control(index=index, role=role, name=name, box=(10, 20 * index, 200, 18), **about)


def frame(*controls: Control, **about: Any) -> FrameView:
    told: dict[str, Any] = {
        "url": f"{IDENTITY}/in?flow=c4n4ry",
        "born": 1.0,
        "origin": IDENTITY,
        "path": "/in",
        "title": "Sign in",
        "headings": ("Sign in",),
        "controls": controls,
        "forms": (Form(f"{IDENTITY}/in?flow=c4n4ry", "post"),),
        **about,
    }
    return FrameView(**told)


def form(**about: Any) -> FrameView:
    """A user name, a password and a button."""
    return frame(
        control(0, "textbox", "E-mail", type="email", autocomplete=("username",), form=0),
        control(1, "textbox", "Password", type="password", form=0),
        control(2, "button", "Sign in", type="submit", sends=True, form=0),
        **about,
    )


def evidence(*, title: str = "Sign in", label: str = "E-mail", **about: Any) -> Evidence:
    shown = form(title=title)
    shown = frame(*(shown.controls[1:]), control(0, "textbox", label), title=title)
    told: dict[str, Any] = {
        "at": 1_763_900_000.0,
        "rung": "scripted",
        "code": "page_not_recognised",
        "message": "the page login.acme.example/in is not one we know",
        "steps": (
            Step("landing", "knoq.one", "/", "press", 0.1, 0.4, PICTURE),
            Step("choose_provider", "knoq.one", "/login", "press", 0.5, 0.5, None,
                 (Box("button", label, 10, 10, 200, 30),)),
            Step("unknown", "login.acme.example", "/in", "stopped", 1.0, 4.1, PICTURE),
        ),
        "skeleton": skeleton_of(View((shown,)), known(), Blanks("ada@acme.example", ())),
        **about,
    }  # fmt: skip
    return Evidence(**told)


def sealed(
    told: Evidence | None = None, *, profile: str = "default", seal: Seal = SEAL, at: int = 1
) -> bytes:
    return seal.seal(
        (told or evidence()).to_bytes(MAX_PLAINTEXT_BYTES),
        profile=profile,
        purpose="evidence",
        generation=at,
        now_s=float(at),
    )
