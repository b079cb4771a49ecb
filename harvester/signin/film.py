"""The film of a sign-in: each step at the moment it was taken, developed only if the sign-in fails.

While all goes well it costs a reference and a picture that nobody waits for (see ``camera.py``).
A page that shows a secret in its text is on no picture.  Knows no store; presses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from harvester import redact
from harvester.errors import BrowserFailed, HarvesterError
from harvester.evidence import Box, Evidence, Step
from harvester.signin.blanks import Blanks
from harvester.signin.browser import Moved
from harvester.signin.decide import Known, decide, host_of
from harvester.signin.dialogue import Job
from harvester.signin.observe import FrameView, View
from harvester.signin.skeleton import skeleton_of
from harvester.vault.seal import MAX_PLAINTEXT_BYTES, Seal

# Twice this must fit into the time that is left when a sign-in's own is up (see ``attempt.py``).
_LAST_PICTURE_S: Final = 0.6
# Twenty actions, and what passes between them; a page that flickers could make it thousands.
_STEPS_MOST: Final = 60
# What a drawing of a page can hold and still be read.
_BOXES_MOST: Final = 60
_LABEL_CHARS: Final = 60
# Shorter ones are found in any text.
_COOKIE_LEAST_CHARS: Final = 6


class Sees(Protocol):
    """What is needed of the browser."""

    def picture(
        self, hidden: Sequence[str], *, sharp: bool = False
    ) -> asyncio.Task[bytes | None]: ...

    async def cookies(self) -> list[dict[str, Any]]: ...


class Knows(Protocol):
    """What was typed, or may have been: ``act.Hand`` is one."""

    def typed(self) -> tuple[str, ...]: ...


@dataclass(slots=True)
class _Shot:
    state: str
    host: str
    path: str
    at_s: float
    view: View | None = None
    action: str = ""
    picture: asyncio.Task[bytes | None] | None = None


class Film:
    """Told by the walk: ``see`` each look, ``note`` each step, ``act`` before each action."""

    def __init__(self, job: Job, browser: Sees, hand: Knows) -> None:
        self._job = job
        self._browser = browser
        self._hand = hand
        self._began_at = time.monotonic()
        self._shots: list[_Shot] = []
        self._view: View | None = None

    def see(self, view: View | None) -> None:
        if view is not None:
            self._view = view

    def note(self, state: str) -> None:
        """A step begins, or was only passed through."""
        if len(self._shots) < _STEPS_MOST:
            frame = None if self._view is None else self._view.main
            self._shots.append(self._shot(state, frame))

    def act(self, state: str, view: View, frame: FrameView, action: str) -> None:
        """Something is about to be done in this step."""
        self._view = view
        last = self._shots[-1] if self._shots else None
        if last is None or last.action or last.state != state:
            last = self._shot(state, frame)
            self._shots.append(last)
        last.host, last.path, last.action, last.view = host_of(frame), frame.path, action, view
        last.picture = self._picture(view)

    async def sealed(self, error: HarvesterError, known: Known, seal: Seal) -> str | None:
        """All of it, sealed; None where nothing was ever seen."""
        if self._view is None:
            return None
        await self._last(known)
        now_s = time.time()
        evidence = await self._evidence(error, known, now_s)
        return seal.seal(
            evidence.to_bytes(MAX_PLAINTEXT_BYTES),
            profile=self._job.profile,
            purpose="evidence",
            generation=int(now_s),
            now_s=now_s,
        ).decode("ascii")

    async def _last(self, known: Known) -> None:
        """The page that ended it, with every pixel."""
        assert self._view is not None  # noqa: S101  asked by the only caller
        last = self._shots[-1] if self._shots else None
        if last is None or last.action:
            state = decide(self._view, known).state
            last = self._shot(state, self._view.main)
            self._shots.append(last)
        last.action, last.view = "stopped", self._view
        last.picture = self._picture(self._view, sharp=True)
        if last.picture is not None:
            await asyncio.wait({last.picture}, timeout=_LAST_PICTURE_S)

    async def _evidence(self, error: HarvesterError, known: Known, now_s: float) -> Evidence:
        secrets = self._hand.typed()
        skeleton = None
        try:
            async with asyncio.timeout(_LAST_PICTURE_S):
                cookies = [str(one["value"]) for one in await self._browser.cookies()]
        except (BrowserFailed, Moved, TimeoutError):
            # What a page may have shown of them cannot be told from its other words.
            cookies = None
        secrets += tuple(one for one in cookies or () if len(one) >= _COOKIE_LEAST_CHARS)
        blanks = Blanks(self._job.username, secrets)
        if cookies is not None and self._view is not None:
            skeleton = skeleton_of(self._view, known, blanks)
        ends = [*(one.at_s for one in self._shots[1:]), time.monotonic() - self._began_at]
        return Evidence(
            at=round(now_s, 3),
            rung=self._job.rung,
            code=error.code,
            message=blanks.out_of(error.message),
            steps=tuple(
                Step(
                    state=one.state,
                    host=blanks.without_secrets(one.host),
                    path=blanks.out_of(one.path),
                    action=one.action,
                    at_s=round(one.at_s, 3),
                    took_s=round(end - one.at_s, 3),
                    picture=_developed(one.picture),
                    outline=() if one.view is None else _outline(one.view, blanks),
                )
                for one, end in zip(self._shots, ends, strict=True)
            ),
            skeleton=skeleton,
        )

    def _shot(self, state: str, frame: FrameView | None) -> _Shot:
        at_s = time.monotonic() - self._began_at
        if frame is None:
            return _Shot(state, "", "", at_s)
        return _Shot(state, host_of(frame), frame.path, at_s)

    def _picture(self, view: View, *, sharp: bool = False) -> asyncio.Task[bytes | None] | None:
        if _shows(view, self._hand.typed()):
            return None
        hidden = (self._job.username,) if self._job.username else ()
        return self._browser.picture(hidden, sharp=sharp)


def _shows(view: View, secrets: Sequence[str]) -> bool:
    """Whether one of them can be read on the page, however it is written: in one piece, or a
    letter in each of several boxes."""
    shown = "\n".join(one.text for one in view.frames)
    if redact.scrub(shown, secrets) != shown:
        return True
    squeezed = "".join(shown.split()).casefold()
    return any("".join(one.split()).casefold() in squeezed for one in secrets)


def _outline(view: View, blanks: Blanks) -> tuple[Box, ...]:
    shown = [one for one in view.main.controls if one.visible and len(one.box) == 4]
    boxes = [
        Box(one.role, blanks.out_of(one.name)[:_LABEL_CHARS], *one.box)
        for one in shown[:_BOXES_MOST]
    ]
    frames = [Box("frame", "", *one.box) for one in view.main.insets if len(one.box) == 4]
    return (*boxes, *frames[:_BOXES_MOST])


def _developed(picture: asyncio.Task[bytes | None] | None) -> bytes | None:
    """The picture if it came to be one."""
    if picture is None or not picture.done() or picture.cancelled():
        return None
    return picture.result()
