"""Pictures of the window in front, with nothing in them that was typed.

A picture costs a sign-in next to nothing: it is begun and not waited for, while the hand does what
takes longer, and is half as wide as the window (measured: a press takes as long with it as
without).  Only before something secret is typed it is waited for, because a page may write that
out once more elsewhere; one that is not ready soon is thrown away.

Not Playwright's own screenshot: that takes twice as long, and 23 ms from a press.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from playwright.async_api import CDPSession, Frame, Page
from playwright.async_api import Error as PlaywrightError

_MASK: Final = (Path(__file__).parent.parent / "mask.js").read_text("utf-8")
# A sign-in form can be read in it, and it is 10 to 20 KB.
_SMALL: Final = 0.5
_QUALITY: Final = 50
# One picture takes 30 ms; a machine with all hands full, ten times as long.
_PATIENCE_S: Final = 0.3
# A page that paints nothing any more would have us wait for ever.
_LIMIT_S: Final = 3.0


class Camera:
    """One picture at a time; to begin the next one gives the last one up."""

    def __init__(self) -> None:
        self._sessions: dict[Page, CDPSession] = {}
        self._gone: dict[Page, int] = {}
        self._pending: asyncio.Task[bytes | None] | None = None
        self._unmaskings: set[asyncio.Task[None]] = set()

    def begin(
        self, page: Page, frames: Sequence[Frame], hidden: Sequence[str], *, sharp: bool = False
    ) -> asyncio.Task[bytes | None]:
        """A JPEG to come; None, or a task that was cancelled, where it came to nothing.

        ``hidden`` are words of the text that are covered.  ``sharp`` gives every pixel.
        """
        if self._pending is not None:
            self._pending.cancel()
        self._pending = asyncio.create_task(self._take(page, frames, hidden, sharp=sharp))
        return self._pending

    async def still(self) -> None:
        """Return when no picture is being taken: what is shown from now on is on none."""
        if self._pending is not None and not self._pending.done():
            _, late = await asyncio.wait({self._pending}, timeout=_PATIENCE_S)
            for one in late:
                one.cancel()

    async def _take(
        self, page: Page, frames: Sequence[Frame], hidden: Sequence[str], *, sharp: bool
    ) -> bytes | None:
        try:
            async with asyncio.timeout(_LIMIT_S):
                # A frame that cannot be masked makes no picture.
                masked = await asyncio.gather(
                    *(one.evaluate(_MASK, list(hidden)) for one in frames)
                )
                left, top, width, height = masked[0]
                clip = {"x": left, "y": top, "width": width, "height": height}
                session = await self._session(page)
                gone = self._gone[page]
                told = await session.send(
                    "Page.captureScreenshot",
                    {
                        "format": "jpeg",
                        "quality": _QUALITY,
                        "optimizeForSpeed": True,
                        "clip": {**clip, "scale": 1 if sharp else _SMALL},
                    },
                )
                if self._gone[page] != gone:
                    return None  # the next page, or half of it
                return base64.b64decode(told["data"])
        except (PlaywrightError, TimeoutError, ValueError, TypeError, binascii.Error):
            return None  # the page went on, or bent the answer: the step has no picture
        finally:
            unmasking = asyncio.create_task(_unmask(frames))
            self._unmaskings.add(unmasking)
            unmasking.add_done_callback(self._unmaskings.discard)

    async def _session(self, page: Page) -> CDPSession:
        if page not in self._sessions:
            self._gone[page] = 0
            page.on("framenavigated", self._navigated)
            self._sessions[page] = await page.context.new_cdp_session(page)
        return self._sessions[page]

    def _navigated(self, frame: Frame) -> None:
        if frame.parent_frame is None:
            self._gone[frame.page] += 1


async def _unmask(frames: Sequence[Frame]) -> None:
    for frame in frames:
        try:
            await frame.evaluate(_MASK, None)
        except PlaywrightError:
            continue  # the mask went with its document
