"""The one call that starts a browser: over a pipe, without a debugging port, told what we say."""

from __future__ import annotations

import os
from collections.abc import Mapping

from playwright.async_api import Browser as Process
from playwright.async_api import Playwright

from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import Found
from harvester.signin.launch import own_arguments, wants_sandbox

LAUNCH_LIMIT_S = 30.0


async def launch(
    driver: Playwright, found: Found, choice: BrowserChoice, screen: Mapping[str, str] | None
) -> Process:
    """Without ``screen`` it shows nothing.  Raises Playwright's errors."""
    return await driver.chromium.launch(
        executable_path=found.path,
        args=own_arguments(choice),
        headless=screen is None,
        env=None if screen is None else {**os.environ, **screen},
        chromium_sandbox=wants_sandbox(choice),
        proxy={"server": choice.https_proxy} if choice.https_proxy else None,
        handle_sigint=False,
        handle_sigterm=False,
        handle_sighup=False,
        timeout=LAUNCH_LIMIT_S * 1000,
    )
