"""One document of the browser, held: what it showed a moment ago, and its elements.

Playwright's errors never pass: it puts typed passwords and callback addresses into its messages, so
each is reduced to one of our own, raised after the ``except`` block (inside it Python would keep
the original as ``__context__``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Frame, JSHandle

from harvester.errors import BrowserFailed
from harvester.signin.observe import Control, FrameView, frame_view
from harvester.signin.taught import Taught

_T = TypeVar("_T")

# An element that cannot be pressed or filled by then is covered or gone: look again.
_ACTION_LIMIT_MS = 3000
# Smaller frames hold counters, not forms.
_FRAME_WIDTH, _FRAME_HEIGHT = 100, 40
# page.js cuts all it tells; more than this was not told by it.
TOLD_CHARS = 2_000_000
_SCRIPTS = Path(__file__).parent.parent
LOOK = (_SCRIPTS / "page.js").read_text("utf-8")
_TYPE = (_SCRIPTS / "type.js").read_text("utf-8")
# A second look at a held document, and where the elements of the first one are in it.
_AGAIN = (
    f"(held) => {{ const now = ({LOOK})(held.selectors);"
    " return [now.told, held.elements.map((one) => now.elements.indexOf(one)).join()]; }"
)


class Moved(Exception):
    """The document is gone, or the element cannot be acted on now: look again.

    ``unsure``: no answer came in time, so it may have been done all the same.
    """

    def __init__(self, step: str, *, unsure: bool = False) -> None:
        super().__init__(step)
        self.unsure = unsure


async def through(step: str, call: Awaitable[_T], frame: Frame | None = None) -> _T:
    """The result of ``call``; where Playwright fails, an error of ours that quotes nothing.

    Playwright says the same of a window that closed itself and of a browser that is gone:
    ``frame`` tells which it was.
    """
    failure: Exception
    try:
        return await call
    except PlaywrightError as error:
        failure = _translated(step, str(error))
    if isinstance(failure, BrowserFailed) and frame is not None and _only_closed(frame):
        failure = Moved(step)
    raise failure


def _only_closed(frame: Frame) -> bool:
    browser = frame.page.context.browser
    return frame.page.is_closed() and browser is not None and browser.is_connected()


def says_gone(text: str) -> bool:
    """Whether Playwright's words mean that the browser, or the page's own process, is no more."""
    return any(one in text for one in ("browser has been closed", "Target crashed", "Page crashed"))


def _translated(step: str, text: str) -> Exception:
    if says_gone(text):
        return BrowserFailed(f"the browser ended during: {step}", hint="see: harvester doctor")
    return Moved(step, unsure="Timeout" in text)


class Grip:
    """One document, held: what it showed a moment ago, and its elements."""

    def __init__(self, frame: Frame, view: FrameView, handle: JSHandle, taught: Taught) -> None:
        self._frame = frame
        self._taught = taught
        self._handle = handle
        self.view = view

    @classmethod
    async def take(cls, frame: Frame, taught: Taught) -> Grip:
        """Take hold of the document of a frame, and look at it.  Raises Moved."""
        handle = await through("look", frame.evaluate_handle(LOOK, taught.selectors), frame)
        told = await through("look", handle.evaluate("(look) => look.told"), frame)
        view = view_of(told, frame, taught)
        if view is None:
            raise Moved("look")
        return cls(frame, view, handle, taught)

    async def anew(self) -> Grip:
        """A hold of the same document and what it is made of now.  Raises Moved if it is gone."""
        grip = await Grip.take(self._frame, self._taught)
        if grip.view.born != self.view.born:
            raise Moved("look")
        return grip

    @property
    def chain(self) -> tuple[str, ...]:
        """The addresses of the frame and its parents now, as the browser knows them."""
        found: list[str] = []
        frame: Frame | None = self._frame
        while frame is not None:
            if frame.is_detached():
                return ()
            found.append(frame.url)
            frame = frame.parent_frame
        return tuple(found)

    async def framed_visibly(self) -> bool:
        """Whether the frame and those around it can be seen, and none is a sandbox.

        Asked of the pages around it, because a page in a sandbox can deny that it is in one.
        """
        frame = self._frame
        while frame.parent_frame is not None:
            element = await through("look at a frame", frame.frame_element(), self._frame)
            sandbox = await through(
                "look at a frame", element.get_attribute("sandbox"), self._frame
            )
            if sandbox is not None and "allow-same-origin" not in sandbox.lower().split():
                return False
            if not await through("look at a frame", element.is_visible(), self._frame):
                return False
            frame = frame.parent_frame
        return True

    async def _element(self, control: Control) -> Any:
        picked = await through(
            "find an element",
            self._handle.evaluate_handle("(look, index) => look.elements[index]", control.index),
            self._frame,
        )
        element = picked.as_element()
        if element is None:
            raise Moved("find an element")
        return element

    async def press(self, control: Control, seen: Control) -> None:
        """Press ``control``; ``seen`` is how it looked at another look, a moment ago or since.

        What stands on top at the same place both times does not move and is not covered: the
        pointer goes there and presses, without Playwright's own wait for that, which takes two
        more frames.  Unless something comes up under the pointer, as menus do: that would be
        pressed instead.
        """
        steady = control.box == seen.box and control.top is True and seen.top is True
        # In a frame within the page the pointer's place is not the element's own.
        if steady and seen.enabled and control.enabled and self._frame.parent_frame is None:
            mouse = self._frame.page.mouse
            place = await self._middle(control)
            await self._in_time("point", mouse.move(*place))
            _, now = await self.again()
            under = now.get(control.index)
            still = under is not None and under.top is True and under.box == control.box
            if still and await self._middle(control) == place:
                await self._in_time("press", mouse.down())
                await self._in_time("press", mouse.up())
                return
        element = await self._element(control)
        await through("press", element.click(timeout=_ACTION_LIMIT_MS), self._frame)

    async def _in_time(self, step: str, call: Awaitable[None]) -> None:
        """The pointer has no limit of its own, and a page that hangs takes none of its moves."""
        try:
            async with asyncio.timeout(_ACTION_LIMIT_MS / 1000):
                return await through(step, call, self._frame)
        except TimeoutError:
            late = Moved(step, unsure=True)
        raise late

    async def _middle(self, control: Control) -> tuple[float, float]:
        """Where the control's middle is now, in the window."""
        told = await through(
            "find an element",
            self._handle.evaluate(
                "(look, index) => { const box = look.elements[index].getBoundingClientRect();"
                " return [box.left + box.width / 2, box.top + box.height / 2]; }",
                control.index,
            ),
            self._frame,
        )
        try:
            x, y = told
            return float(x), float(y)
        except (TypeError, ValueError):
            bent = Moved("find an element")  # a page may answer for its elements what it likes
        raise bent

    async def type(self, control: Control, text: str) -> None:
        """Into the element of this document (see type.js), or nowhere."""
        given = [control.index, control.type, text]
        if await through("type", self._handle.evaluate(_TYPE, given), self._frame) is not True:
            raise Moved("type")

    async def again(self) -> tuple[FrameView, dict[int, Control]]:
        """What this same document shows now, and its controls by their index in ``view``."""
        told, places = await through("look again", self._handle.evaluate(_AGAIN), self._frame)
        view = view_of(told, self._frame, self._taught)
        if view is None or not isinstance(places, str):
            raise Moved("look again")
        found = {}
        for index, place in enumerate(places.split(",") if places else ()):
            if place.isdigit() and int(place) < len(view.controls):  # -1: it is gone
                found[index] = view.controls[int(place)]
        return view, found

    async def enter(self, control: Control) -> None:
        element = await self._element(control)
        await through("press Enter", element.press("Enter", timeout=_ACTION_LIMIT_MS), self._frame)

    async def show(self, control: Control) -> None:
        element = await self._element(control)
        await through(
            "scroll", element.scroll_into_view_if_needed(timeout=_ACTION_LIMIT_MS), self._frame
        )

    async def lengths(self, controls: Sequence[Control]) -> list[int]:
        """How long the value of each is now; -1 for an element that left the document."""
        found: list[int] = await through(
            "look at what was typed",
            self._handle.evaluate(
                "(look, all) => all.map((index) => look.elements[index].isConnected"
                " ? look.elements[index].value.length : -1)",
                [one.index for one in controls],
            ),
            self._frame,
        )
        return found


def view_of(told: object, frame: Frame, taught: Taught) -> FrameView | None:
    """What a frame told, or None if it is too small to matter or bent the answer.

    Raises ConfigInvalid for a rule of ``taught`` whose selector is none.
    """
    if not isinstance(told, str) or len(told) > TOLD_CHARS:
        return None
    try:
        data = json.loads(told)
        width, height = data["size"]
        if frame.parent_frame is not None and (width < _FRAME_WIDTH or height < _FRAME_HEIGHT):
            return None
        view = frame_view(data, frame.url)
        selected = [one if one is None else [int(i) for i in one] for one in data["selected"]]
        return taught.mark(view, selected)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
