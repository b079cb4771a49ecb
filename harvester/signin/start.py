"""The driver and the browser, started ahead: what takes longest begins first.

Begins before the job is known, because the driver needs to know nothing; the browser follows as
soon as it is said which.  Owns the moment at which the user's environment is taken away: nothing
that is started here knows of it.  Opens no page.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from harvester.signin import compiled
from harvester.signin.browser import Browser, Taken
from harvester.signin.confine import allowed_environment
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import Found, find_browser
from harvester.signin.trust import trust


class Start:
    """``environ`` is what this process was given: for the user's own commands, and no others.
    ``scratch`` is the private directory of this sign-in."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.environ = dict(os.environ)
        kept = allowed_environment(self.environ, scratch)
        os.environ.clear()
        os.environ.update(kept)
        cache = compiled.cache_of(self.environ)
        if cache is not None:
            self._filling = compiled.fill(cache)
            os.environ[compiled.VARIABLE] = str(cache)
        self._browser = Browser()
        self._driver = asyncio.create_task(self._browser.start())
        self._launched: asyncio.Task[None] | None = None
        self._believes = False

    def launch(self, choice: BrowserChoice) -> None:
        """Begin to start the browser; what goes wrong is told by ``browser``."""
        if self._launched is None:
            self._launched = asyncio.create_task(self._launch(choice))

    async def browser(self, choice: BrowserChoice) -> Browser:
        """The browser, running.  Raises BrowserMissing or BrowserFailed."""
        self.launch(choice)
        assert self._launched is not None  # noqa: S101  the line above
        await self._launched
        return self._browser

    async def believe(self, choice: BrowserChoice) -> None:
        """Have every browser started from here believe a company's own authorities.  Raises
        ConfigInvalid, ConfigUnsafe or BrowserFailed."""
        if choice.ca_file is not None and not self._believes:
            await asyncio.to_thread(trust, choice.ca_file, self.scratch)
            self._believes = True

    async def window(self, choice: BrowserChoice, screen: Mapping[str, str]) -> Browser:
        """A browser whose windows a person sees and uses.  Raises BrowserMissing, BrowserFailed."""
        found = find_browser(choice.browser, self.environ, windows=True)
        await self._driver
        await self._browser.launch(found, choice, screen=screen)
        return self._browser

    async def take_over(
        self, choice: BrowserChoice, found: Found, place: Path, origins: Iterable[str]
    ) -> Taken:
        """What a browser left in ``place``, see ``takeover.py``.  Raises BrowserFailed."""
        await self._driver
        return await self._browser.take_over(found, choice, place, origins)

    async def _launch(self, choice: BrowserChoice) -> None:
        found = find_browser(choice.browser, self.environ)
        await self.believe(choice)
        await self._driver
        await self._browser.launch(found, choice)
