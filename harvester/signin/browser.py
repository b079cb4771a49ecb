"""The only door to Playwright: a headless browser with nothing of the user's in it.

Its errors never pass: Playwright puts typed passwords and callback addresses into its messages, so
each is reduced to one of our own, raised after the ``except`` block (inside it Python would keep
the original as ``__context__``).  Knows frames and elements; knows nothing of sign-ins.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from playwright.async_api import (
    Dialog,
    Frame,
    JSHandle,
    Page,
    Playwright,
    Request,
    Response,
    StorageState,
    ViewportSize,
    async_playwright,
)
from playwright.async_api import Error as PlaywrightError

from harvester.errors import BrowserFailed, HarvesterError
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import Found
from harvester.signin.launch import launch_failure
from harvester.signin.observe import Control, FrameView, View, frame_view
from harvester.signin.traffic import NAVIGATION_PATIENCE_S, Traffic
from harvester.signin.tree import command_lines, descendants

_T = TypeVar("_T")

LAUNCH_LIMIT_S = 30.0
# An element that cannot be pressed or filled by then is covered or gone: look again.
_ACTION_LIMIT_MS = 3000
# A frame that does not answer a look (an advertisement that hangs) is left out of it.
_FRAME_LIMIT_S = 2.0
# A window that our press opened shows itself within this.
_POPUP_S = 2.0
# Smaller frames hold counters, not forms.
_FRAME_WIDTH, _FRAME_HEIGHT = 100, 40
# page.js cuts all it tells; more than this was not told by it.
_TOLD_CHARS = 2_000_000
# Big enough that sign-in forms need no scrolling.
_WINDOW = ViewportSize(width=1280, height=1000)
_WAITED_FOR = ("document", "xhr", "fetch")
_LOOK = Path(__file__).with_name("page.js").read_text("utf-8")
_TYPE = Path(__file__).with_name("type.js").read_text("utf-8")
# A second look at a held document, and where the elements of the first one are in it.
_AGAIN = (
    f"(held) => {{ const now = ({_LOOK})();"
    " return [now.told, held.elements.map((one) => now.elements.indexOf(one)).join()]; }"
)
_NET = re.compile(r"net::(ERR_[A-Z_]+)")


class Moved(Exception):
    """The document is gone, or the element cannot be acted on now: look again."""


async def _through(step: str, call: Awaitable[_T]) -> _T:
    """The result of ``call``; where Playwright fails, an error of ours that quotes nothing."""
    failure: Exception
    try:
        return await call
    except PlaywrightError as error:
        failure = _translated(step, str(error))
    raise failure


def _translated(step: str, text: str) -> Exception:
    if "browser has been closed" in text or "Target crashed" in text or "Page crashed" in text:
        return BrowserFailed(f"the browser ended during: {step}", hint="see: harvester doctor")
    return Moved(step)


class Grip:
    """One document, held: what it showed a moment ago, and its elements."""

    def __init__(self, frame: Frame, view: FrameView, handle: JSHandle) -> None:
        self._frame = frame
        self._handle = handle
        self.view = view

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
            element = await _through("look at a frame", frame.frame_element())
            sandbox = await _through("look at a frame", element.get_attribute("sandbox"))
            if sandbox is not None and "allow-same-origin" not in sandbox.lower().split():
                return False
            if not await _through("look at a frame", element.is_visible()):
                return False
            frame = frame.parent_frame
        return True

    async def _element(self, control: Control) -> Any:
        picked = await _through(
            "find an element",
            self._handle.evaluate_handle("(look, index) => look.elements[index]", control.index),
        )
        element = picked.as_element()
        if element is None:
            raise Moved("find an element")
        return element

    async def press(self, control: Control) -> None:
        element = await self._element(control)
        await _through("press", element.click(timeout=_ACTION_LIMIT_MS))

    async def type(self, control: Control, text: str) -> None:
        """Into the element of this document (see type.js), or nowhere."""
        given = [control.index, control.type, text]
        if await _through("type", self._handle.evaluate(_TYPE, given)) is not True:
            raise Moved("type")

    async def again(self) -> tuple[FrameView, dict[int, Control]]:
        """What this same document shows now, and its controls by their index in ``view``."""
        told, places = await _through("look again", self._handle.evaluate(_AGAIN))
        view = _view(told, self._frame)
        if view is None or not isinstance(places, str):
            raise Moved("look again")
        found = {}
        for index, place in enumerate(places.split(",") if places else ()):
            if place.isdigit() and int(place) < len(view.controls):  # -1: it is gone
                found[index] = view.controls[int(place)]
        return view, found

    async def enter(self, control: Control) -> None:
        element = await self._element(control)
        await _through("press Enter", element.press("Enter", timeout=_ACTION_LIMIT_MS))

    async def show(self, control: Control) -> None:
        element = await self._element(control)
        await _through("scroll", element.scroll_into_view_if_needed(timeout=_ACTION_LIMIT_MS))

    async def lengths(self, controls: Sequence[Control]) -> list[int]:
        """How long the value of each is now; -1 for an element that left the document."""
        found: list[int] = await _through(
            "look at what was typed",
            self._handle.evaluate(
                "(look, all) => all.map((index) => look.elements[index].isConnected"
                " ? look.elements[index].value.length : -1)",
                [one.index for one in controls],
            ),
        )
        return found


class Browser:
    """One browser with one context, and the window in front."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.sandboxed: bool | None = None
        self._driver: Playwright | None = None
        self._windows: list[Page] = []
        self._frames: list[Frame] = []
        self._pressed_at = -_POPUP_S
        self._tasks: set[asyncio.Task[None]] = set()

    async def launch(
        self, found: Found, choice: BrowserChoice, cookies: Sequence[dict[str, Any]]
    ) -> None:
        """Start it with these cookies and no others.  Raises BrowserFailed."""
        sandbox = choice.sandbox == "on" or (choice.sandbox == "auto" and os.geteuid() != 0)
        failure: HarvesterError | None = None
        try:
            async with asyncio.timeout(LAUNCH_LIMIT_S):
                self._driver = await async_playwright().start()
                browser = await self._driver.chromium.launch(
                    executable_path=found.path,
                    headless=True,
                    chromium_sandbox=sandbox,
                    proxy={"server": choice.https_proxy} if choice.https_proxy else None,
                    handle_sigint=False,
                    handle_sigterm=False,
                    handle_sighup=False,
                    timeout=LAUNCH_LIMIT_S * 1000,
                )
                context = await browser.new_context(
                    storage_state=cast(StorageState, {"cookies": list(cookies), "origins": []}),
                    locale="en-US",
                    viewport=_WINDOW,
                    reduced_motion="reduce",
                    service_workers="block",
                    accept_downloads=False,
                )
                context.on("request", self._started)
                context.on("response", self._answered)
                context.on("requestfinished", lambda request: self.traffic.finished(id(request)))
                context.on("requestfailed", self._failed)
                self._windows.append(await context.new_page())
                context.on("page", self._opened)
                context.on("dialog", self._asked)
        except (PlaywrightError, OSError) as error:
            failure = launch_failure(found, str(error), sandbox=sandbox)
        except TimeoutError:
            failure = BrowserFailed(
                f"{found.path} did not start within {LAUNCH_LIMIT_S:.0f} s",
                hint="see: harvester doctor",
            )
        if failure is not None:
            raise failure
        self._context = context
        self._look_at_sandbox(found, choice)

    def _look_at_sandbox(self, found: Found, choice: BrowserChoice) -> None:
        """Playwright adds ``--no-sandbox`` unless told otherwise: believe the processes, not us."""
        lines = command_lines(descendants(os.getpid()))
        if lines:
            self.sandboxed = not any("--no-sandbox" in words for words in lines)
        if choice.sandbox == "on" and self.sandboxed is False:
            raise BrowserFailed(
                f"{found.path} runs without its sandbox although HARVESTER_SANDBOX is on",
                hint="run as another user than root, or set HARVESTER_SANDBOX=auto",
            )

    @property
    def window(self) -> Page:
        return self._windows[-1]

    async def go(self, url: str, origin: str) -> None:
        """Open ``url`` and return when its document begins to arrive."""
        failure: HarvesterError | None = None
        try:
            await self.window.goto(url, wait_until="commit", timeout=NAVIGATION_PATIENCE_S * 1000)
        except PlaywrightError as error:
            net = _NET.search(str(error))
            reason = net[1] if net else "no answer"
            # A redirect may have led elsewhere; that failure is known by its own origin.
            there = (self.traffic.visited or [origin])[-1]
            failure = self.traffic.trouble or self.traffic.down(there, reason)
        if failure is not None:
            raise failure

    async def look(self) -> View | None:
        """What is in front of us, or None while there is nothing that answers."""
        frames = [one for one in self.window.frames if not one.is_detached()]
        main = self.window.main_frame
        views = await asyncio.gather(*(self._look_in(one) for one in frames))
        seen = [(one, view) for one, view in zip(frames, views, strict=True) if view is not None]
        seen.sort(key=lambda pair: pair[0] is not main)
        if not seen or seen[0][0] is not main:
            return None
        self._frames = [frame for frame, _ in seen]
        return View(tuple(view for _, view in seen))

    async def _look_in(self, frame: Frame) -> FrameView | None:
        if frame.parent_frame is not None and not frame.url.startswith("http"):
            return None
        try:
            async with asyncio.timeout(_FRAME_LIMIT_S):
                told = await _through("look", frame.evaluate(f"() => ({_LOOK})().told"))
        except (Moved, TimeoutError):
            return None
        return _view(told, frame)

    async def hold(self, place: int) -> Grip:
        """Take hold of the document of a frame of the last look, and look at it once more."""
        frame = self._frames[place]
        handle = await _through("look", frame.evaluate_handle(_LOOK))
        told = await _through("look", handle.evaluate("(look) => look.told"))
        view = _view(told, frame)
        if view is None:
            raise Moved("look")
        self._pressed_at = time.monotonic()
        return Grip(frame, view, handle)

    async def cookies(self) -> list[dict[str, Any]]:
        """All cookies, as Playwright tells them."""
        found = await _through("read cookies", self._context.cookies())
        return [dict(one) for one in found]

    # -- events ---------------------------------------------------------------------------------

    def _later(self, call: Callable[[], Awaitable[None]]) -> None:
        async def quietly() -> None:
            try:
                await call()
            except PlaywrightError:
                return  # the page closed its window or answered its dialog first

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _asked(self, dialog: Dialog) -> None:
        """Dismissed, but for "leave this page?": a no to that would keep the sign-in there."""
        self._later(dialog.accept if dialog.type == "beforeunload" else dialog.dismiss)

    def _opened(self, page: Page) -> None:
        """Follow a window that our press opened; any other is closed."""
        if time.monotonic() - self._pressed_at > _POPUP_S or len(self._windows) > 1:
            self._later(page.close)
            return
        self._windows.append(page)
        page.on("close", self._closed)

    def _closed(self, page: Page) -> None:
        if page in self._windows and len(self._windows) > 1:
            self._windows.remove(page)

    def _is_main(self, request: Request) -> bool:
        if not request.is_navigation_request():
            return False
        try:
            frame = request.frame
        except PlaywrightError:
            return True  # a window that is only just opening
        return frame.parent_frame is None

    def _started(self, request: Request) -> None:
        if request.resource_type in _WAITED_FOR:
            self.traffic.started(
                id(request),
                request.url,
                navigation=self._is_main(request),
                user_agent=request.headers.get("user-agent", ""),
            )

    def _answered(self, response: Response) -> None:
        request = response.request
        if self._is_main(request):
            self.traffic.answered(
                id(request), request.url, response.status, response.headers, navigation=True
            )

    def _failed(self, request: Request) -> None:
        net = _NET.search(request.failure or "")
        self.traffic.failed(
            id(request),
            request.url,
            net[1] if net else "it broke off",
            navigation=self._is_main(request),
        )


def _view(told: object, frame: Frame) -> FrameView | None:
    """What a frame told, or None if it is too small to matter or bent the answer."""
    if not isinstance(told, str) or len(told) > _TOLD_CHARS:
        return None
    try:
        data = json.loads(told)
        width, height = data["size"]
        if frame.parent_frame is not None and (width < _FRAME_WIDTH or height < _FRAME_HEIGHT):
            return None
        return frame_view(data, frame.url)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
