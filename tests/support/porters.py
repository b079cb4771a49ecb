"""The porter's parts under a test's hand: an audit in a list, a pause and a person's word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harvester.audit import NoAudit
from harvester.errors import NeedsHuman, Paused
from harvester.pause import NoPause
from harvester.visitor import Caller, Visitor


class Told(NoAudit):
    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def tell(self, operation: str, profile: str | None, visitor: Visitor,
             client: str | None = None, **more: Any) -> None:  # fmt: skip
        session = more.get("session")
        generation = None if session is None else session.generation
        self.lines.append((operation, profile, client, more.get("result", "given"), generation))


class Stopped(NoPause):
    def __init__(self) -> None:
        self.paused = False

    def refusal(self, profile: str) -> Paused | None:
        return Paused("paused") if self.paused else None


class Asked:
    words: tuple[str, ...] = ("ask",)

    def __init__(self, pause: Stopped) -> None:
        self.says_no = False
        self.pauses = False
        self.questions = 0
        self._pause = pause

    async def ask(
        self, profile: str, operation: str, caller: Caller, *, check: Callable[[], None]
    ) -> None:
        self.questions += 1
        self._pause.paused = self._pause.paused or self.pauses
        if self.says_no:
            raise NeedsHuman("no")
