"""What an ordinary browser left in its profile directory, read by itself without a window.

Only that browser can read it: cookies are encrypted, and every release has a form of its own.
Opens no page of the network: whatever a page would ask for is answered here with nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Playwright, Route

from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import Found
from harvester.signin.launch import wants_sandbox


@dataclass(frozen=True, slots=True)
class Taken:
    """``cookies`` and ``origins`` as Playwright tells them; ``user_agent`` is the window's own."""

    cookies: list[dict[str, Any]] = field(repr=False)
    origins: list[dict[str, Any]] = field(repr=False)
    user_agent: str = ""


async def read_profile(
    driver: Playwright, found: Found, choice: BrowserChoice, place: Path, origins: Iterable[str]
) -> Taken:
    """Raises Playwright's errors; the caller translates them."""
    context = await driver.chromium.launch_persistent_context(
        place,
        executable_path=found.path,
        headless=True,
        chromium_sandbox=wants_sandbox(choice),
        offline=True,
        handle_sigint=False,
        handle_sigterm=False,
        handle_sighup=False,
    )
    cookies = [dict(one) for one in await context.cookies()]
    page = context.pages[0] if context.pages else await context.new_page()
    agent: str = await page.evaluate("navigator.userAgent")
    await context.route("**/*", _nothing)
    for origin in origins:
        # What pages stored is told for origins that a page stands on, and for no others.
        await page.goto(origin + "/", wait_until="commit")
    state = await context.storage_state()
    await context.close()
    stored = [dict(one) for one in state["origins"]]
    return Taken(cookies, stored, agent.replace("HeadlessChrome", "Chrome"))


async def _nothing(route: Route) -> None:
    await route.fulfill(status=200, content_type="text/html", body="")
