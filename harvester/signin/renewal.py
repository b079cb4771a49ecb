"""The renewal: the site's own page, opened with the site's own cookies, renews them as it loads.

Nothing is pressed and nothing is typed.  Knows no page: what it looks for is other cookies, and the
site's word on them.
"""

from __future__ import annotations

import asyncio
import time

from harvester.errors import NeedsHuman
from harvester.signin.arrival import Arrival, Arrived, Asked
from harvester.signin.browser import Browser
from harvester.signin.dialogue import Job
from harvester.signin.parent import Parent
from harvester.signin.stillness import Stillness

# A page with a live session renews it while loading; this is how long it gets.
_LIMIT_S = 12.0
_QUIET_S = 1.0
_LOOK_EVERY_S = 0.02


async def renew(job: Job, browser: Browser, parent: Parent) -> Arrived:
    """The renewed session.  Raises Asked where the site asks to sign in, or HarvesterError."""
    began_at = time.monotonic()
    traffic = browser.traffic
    arrival = Arrival(job, browser, parent)
    stillness = Stillness(traffic)
    await browser.go(job.sign_in_url, job.origin)
    arrival.know(job.jar)
    while True:
        traffic.raise_trouble()
        view = await browser.look()
        stillness.notice(view)
        jar, everything = await arrival.jar()
        away = traffic.left_site
        still = view is not None and view.settled and stillness.quiet_s > _QUIET_S
        late = time.monotonic() - began_at > _LIMIT_S
        done = away or late or (still and not traffic.in_flight)
        if jar and not away and (arrival.is_new(jar) or done):
            parent.step("renew", arrival.host)
            if await arrival.alive(jar):
                return Arrived(jar, everything)
        if done:
            told = f"{arrival.host} asks to sign in"
            raise Asked(NeedsHuman(told, hint="run: harvester login"))
        await asyncio.sleep(_LOOK_EVERY_S)
