"""The hand asks, waits and looks before it types: in that order, for a password and for a code."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harvester.signin.act import Hand, Secrets
from harvester.signin.codes import Seed
from harvester.signin.dialogue import Job
from harvester.signin.fields import Fields

IDP = "https://login.acme.example"


class Scene:
    """Everything around the hand; ``done`` is what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.chain = (f"{IDP}/",)
        self.camera = self
        self.traffic = self

    async def still(self) -> None:
        self.done.append("no picture is being taken")

    async def may_submit(self, fingerprint: str, origin: str) -> None:
        self.done.append("asked")

    async def may_type_code(self, step: int) -> None:
        self.done.append("asked")

    def clock_skew_s(self, *of: str) -> None: ...

    async def type(self, control: Any, text: str) -> None:
        self.done.append("typed")


@pytest.mark.parametrize("what", ["password", "code"])
async def test_a_secret_is_typed_after_a_last_look_and_on_no_picture(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    scene: Any = Scene()

    async def check(self: Hand, *_: Any, **more: Any) -> None:
        assert not more
        scene.done.append("looked")

    monkeypatch.setattr(Hand, "_check", check)
    job = Job("scripted", "default", "https://knoq.one", "", "/", (IDP,), (), 60.0)
    secrets = Secrets("hunter2", "print", Seed(b"seed", period_s=3600))
    hand = Hand(job, scene, scene, secrets)
    # A code is typed with 8 s left in its step, so that the hour's last ones would be waited out.
    monkeypatch.setattr("harvester.signin.act.time.time", lambda: 1_800_000_000.0)
    fields: Any = SimpleNamespace(spec=Fields, codes=(object(),))
    if what == "password":
        await hand._password(scene, fields, fields.codes[0])
    else:
        await hand._code(scene, fields)
    assert scene.done == ["looked", "asked", "no picture is being taken", "looked", "typed"]
