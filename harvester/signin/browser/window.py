"""One browser with one context, and the window in front.

Knows processes, windows and requests; knows nothing of sign-ins.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from playwright.async_api import (
    Browser as Process,
)
from playwright.async_api import (
    BrowserContext,
    Dialog,
    Frame,
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
from harvester.signin.browser.authenticator import Authenticator
from harvester.signin.browser.camera import Camera
from harvester.signin.browser.grip import LOOK, Grip, Moved, says_gone, through, view_of
from harvester.signin.browser.launching import LAUNCH_LIMIT_S, launch
from harvester.signin.browser.listening import Heard, listen
from harvester.signin.browser.sandbox import sandboxed
from harvester.signin.browser.takeover import Taken, read_profile
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import Found
from harvester.signin.launch import launch_failure, wants_sandbox
from harvester.signin.observe import FrameView, View
from harvester.signin.taught import Taught
from harvester.signin.traffic import NAVIGATION_PATIENCE_S, Traffic

# A frame that does not answer a look (an advertisement that hangs) is left out of it.
_FRAME_LIMIT_S = 2.0
# A window that our press opened shows itself within this.
_POPUP_S = 2.0
# Big enough that sign-in forms need no scrolling.
_WINDOW = ViewportSize(width=1280, height=1000)
_WAITED_FOR = ("document", "xhr", "fetch")
_DOCTOR = "see: harvester doctor"
_NET = re.compile(r"net::(ERR_[A-Z_]+)")
# What dismissing would answer, without a dialog: one that opens while its page is being left stays
# for ever, and Chromium lets nobody close it (3 of 12 sign-ins on a page with late alerts hung).
_NO_DIALOGS = "alert = () => {}; confirm = () => false; prompt = () => null;"


class Browser:
    """One browser with one context, and the window in front."""

    def __init__(self) -> None:
        self.traffic: Traffic
        self.taught = Taught()
        """What a person's rules say of the pages that are looked at."""
        self.sandboxed: bool | None = None
        self.closed = False
        """A person closed the last window."""
        self._driver: Playwright | None = None
        self._process: Process | None = None
        self._context: BrowserContext
        self._windows: list[Page] = []
        self._frames: list[Frame] = []
        self.camera = Camera()
        self._screen: Mapping[str, str] | None = None
        self._choice = BrowserChoice()
        self._pressed_at = -_POPUP_S
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start the driver; it needs to know nothing, and takes the longest.  BrowserFailed."""
        await self._within("the driver", self._start())

    async def launch(
        self, found: Found, choice: BrowserChoice, *, screen: Mapping[str, str] | None = None
    ) -> None:
        """Start the browser, with no window yet.  Raises BrowserFailed.

        ``screen`` are the variables that lead to a person's screen (see ``screen.py``): with them
        its windows are shown there, and belong to the person.
        """
        self._screen, self._choice = screen, choice
        call = self._launch(found, choice)
        await self._within(found.path, call, found, sandbox=wants_sandbox(choice))

    async def open(
        self,
        cookies: Sequence[dict[str, Any]],
        traffic: Traffic,
        origins: Sequence[dict[str, Any]] = (),
        authenticator: Authenticator | None = None,
    ) -> None:
        """Open the window, with these cookies and no others; ``origins`` are what pages stored, as
        Playwright's storage state tells it.  Raises BrowserFailed."""
        self.traffic = traffic
        await self._within("a window", self._open(cookies, origins))
        await self._look_at_sandbox()
        if authenticator is not None:
            await self._within("the authenticator", authenticator.join(self.window))
            # A window that opens later has it a few milliseconds after its page began.
            self._context.on("page", lambda page: self._later(lambda: authenticator.join(page)))

    async def _within(
        self,
        what: str,
        call: Awaitable[None],
        found: Found | None = None,
        *,
        sandbox: bool = False,
    ) -> None:
        failure: HarvesterError | None = None
        try:
            async with asyncio.timeout(LAUNCH_LIMIT_S):
                await call
        except (PlaywrightError, OSError) as error:
            failure = launch_failure(found, str(error), sandbox=sandbox)
        except TimeoutError:
            failure = BrowserFailed(
                f"{what} did not start within {LAUNCH_LIMIT_S:.0f} s", hint="see: harvester doctor"
            )
        if failure is not None:
            raise failure

    async def _start(self) -> None:
        self._driver = await async_playwright().start()

    async def _launch(self, found: Found, choice: BrowserChoice) -> None:
        assert self._driver is not None  # noqa: S101  start() comes first
        self._process = await launch(self._driver, found, choice, self._screen)
        self._process.on("disconnected", self._ended)

    def _ended(self, _: Process) -> None:
        self.closed = True

    async def _open(
        self, cookies: Sequence[dict[str, Any]], origins: Sequence[dict[str, Any]]
    ) -> None:
        assert self._process is not None  # noqa: S101  launch() comes first
        state = cast(StorageState, {"cookies": list(cookies), "origins": list(origins)})
        if self._screen is None:
            context = await self._process.new_context(
                storage_state=state,
                locale="en-US",
                viewport=_WINDOW,
                reduced_motion="reduce",
                service_workers="block",
                accept_downloads=False,
            )
            await context.add_init_script(_NO_DIALOGS)
        else:
            # The person's own language, and a window that may be made larger.
            context = await self._process.new_context(
                storage_state=state, no_viewport=True, accept_downloads=False
            )
        context.on("request", self._started)
        context.on("response", self._answered)
        context.on("requestfinished", lambda request: self.traffic.finished(id(request)))
        context.on("requestfailed", self._failed)
        self._windows.append(await context.new_page())
        self._windows[0].on("close", self._closed)
        self._windows[0].on("websocket", self._socket)
        context.on("page", self._opened)
        context.on("dialog", self._asked)
        self._context = context

    async def _look_at_sandbox(self) -> None:
        """Believe the processes, not what they were told; a page is open by now."""
        self.sandboxed = await sandboxed()
        if self._choice.sandbox == "on" and self.sandboxed is False:
            raise BrowserFailed(
                "the browser runs without its sandbox although HARVESTER_SANDBOX is on",
                hint="run as another user than root, or set HARVESTER_SANDBOX=auto",
            )

    @property
    def window(self) -> Page:
        return self._windows[-1]

    async def go(self, url: str, origin: str) -> None:
        """Open ``url`` and return when its document begins to arrive."""
        failure: HarvesterError | None = None
        aborted = False
        try:
            await self.window.goto(url, wait_until="commit", timeout=NAVIGATION_PATIENCE_S * 1000)
        except PlaywrightError as error:
            net = _NET.search(str(error))
            reason = net[1] if net else "no answer"
            aborted = reason == "ERR_ABORTED"
            # A redirect may have led elsewhere; that failure is known by its own origin.
            there = (self.traffic.visited or [origin])[-1]
            failure = self.traffic.trouble or self.traffic.down(there, reason)
            if says_gone(str(error)):
                failure = BrowserFailed("the browser ended while it opened a page", hint=_DOCTOR)
        if aborted:
            # So ends a page whose own process died, too: then it answers no look.
            await self.look()
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
                look = frame.evaluate(f"(asked) => ({LOOK})(asked).told", self.taught.selectors)
                told = await through("look", look, frame)
        except (Moved, TimeoutError):
            return None
        return view_of(told, frame, self.taught)

    async def hold(self, place: int) -> Grip:
        """Take hold of the document of a frame of the last look, and look at it once more."""
        frame = self._frames[place]
        grip = await Grip.take(frame, self.taught)
        self._pressed_at = time.monotonic()
        return grip

    def picture(self, hidden: Sequence[str], *, sharp: bool = False) -> asyncio.Task[bytes | None]:
        """Begin to take one of what the last look saw (see ``camera.py``)."""
        # Frames without an address of their own are not looked at, yet may show what is typed.
        inner = [one for one in self.window.frames if not one.url.startswith("http")]
        frames = [*self._frames, *(one for one in inner if one not in self._frames)]
        return self.camera.begin(self.window, frames, hidden, sharp=sharp)

    async def cookies(self) -> list[dict[str, Any]]:
        """All cookies, as Playwright tells them."""
        found = await through("read cookies", self._context.cookies())
        return [dict(one) for one in found]

    async def listen(self, heard: Heard) -> None:
        """Tell ``heard`` what a person does in the windows, from the next page on."""
        await through("listen", listen(self._context, self.taught, heard))

    async def stored(self) -> list[dict[str, Any]]:
        """What pages keep in the browser beside cookies, by origin; costs a page load for each."""
        state = await through("read what pages stored", self._context.storage_state())
        return [dict(one) for one in state["origins"]]

    async def take_over(
        self, found: Found, choice: BrowserChoice, place: Path, origins: Iterable[str]
    ) -> Taken:
        """What an ordinary browser left in its profile directory.  Raises BrowserFailed."""
        assert self._driver is not None  # noqa: S101  start() comes first
        taken: list[Taken] = []

        async def read(driver: Playwright) -> None:
            taken.append(await read_profile(driver, found, choice, place, origins))

        sandbox = wants_sandbox(choice)
        await self._within(found.path, read(self._driver), found, sandbox=sandbox)
        return taken[0]

    async def close(self) -> None:
        """End the browser; the driver stays, and another browser may be launched."""
        self.closed, self._windows, self._frames = False, [], []
        process, self._process = self._process, None
        if process is not None:
            process.remove_listener("disconnected", self._ended)
            await through("close", process.close())
        self.closed = False

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
        """Dismissed, if it came about in spite of ``_NO_DIALOGS``; but for "leave this page?": a no
        to that would keep the sign-in there."""
        if self._screen is not None:
            return  # it is the person's to answer
        self._later(dialog.accept if dialog.type == "beforeunload" else dialog.dismiss)

    def _opened(self, page: Page) -> None:
        """Follow a window that our press opened, or a person; any other is closed."""
        ours = time.monotonic() - self._pressed_at <= _POPUP_S and len(self._windows) < 2
        if self._screen is None and not ours:
            self._later(page.close)
            return
        self._windows.append(page)
        page.on("close", self._closed)
        page.on("websocket", self._socket)

    def _socket(self, socket: object) -> None:
        self.traffic.sockets = True

    def _closed(self, page: Page) -> None:
        if page in self._windows and len(self._windows) > 1:
            self._windows.remove(page)
        elif page in self._windows:
            self.closed = True

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
        if request.resource_type in _WAITED_FOR:
            self.traffic.answered(
                id(request),
                request.url,
                response.status,
                response.headers,
                navigation=self._is_main(request),
            )

    def _failed(self, request: Request) -> None:
        net = _NET.search(request.failure or "")
        self.traffic.failed(
            id(request),
            request.url,
            net[1] if net else "it broke off",
            navigation=self._is_main(request),
        )
