"""Hears what a person does in the windows of a browser (see ``listen.js``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext

from harvester.signin.browser.grip import LOOK, TOLD_CHARS, view_of
from harvester.signin.observe import FrameView
from harvester.signin.taught import Taught

# What a person did: the page then, the place of what was pressed (-1: Enter, or what looks like no
# control), of what was filled, and the id of what looks like none.
Heard = Callable[[FrameView, int, Sequence[int], str], None]

_LISTEN = (Path(__file__).parent.parent / "listen.js").read_text("utf-8")
# What a page is given to tell it by.
_NAME = "harvesterHeard"


async def listen(context: BrowserContext, taught: Taught, heard: Heard) -> None:
    """For pages that are opened from now on.  Raises Playwright's errors."""

    async def told(source: dict[str, Any], text: object) -> None:
        view, pressed, filled, name = None, -1, [], ""
        if isinstance(text, str) and len(text) <= TOLD_CHARS:
            try:
                data = json.loads(text)
                view = view_of(data["told"], source["frame"], taught)
                pressed, filled = int(data["pressed"]), [int(one) for one in data["filled"]]
                name = str(data["id"])
            except (KeyError, TypeError, ValueError, RecursionError):
                return  # a page bent it
        if view is not None and all(-1 <= one < len(view.controls) for one in (pressed, *filled)):
            heard(view, pressed, [one for one in filled if one >= 0], name)

    await context.expose_binding(_NAME, told)
    await context.add_init_script(
        f"({_LISTEN})({LOOK}, {json.dumps(taught.selectors)}, window.{_NAME})"
    )
