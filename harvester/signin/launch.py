"""Why a browser did not start, told from what it said.  Pure."""

from __future__ import annotations

import os

from harvester.errors import BrowserFailed, HarvesterError
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import Found


def wants_sandbox(choice: BrowserChoice) -> bool:
    """On, unless we are root: there it cannot start."""
    return choice.sandbox == "on" or (choice.sandbox == "auto" and os.geteuid() != 0)


def launch_failure(found: Found | None, text: str, *, sandbox: bool) -> HarvesterError:
    if found is not None and sandbox and "sandbox" in text.lower():
        return BrowserFailed(
            f"{found.path} cannot start its sandbox here",
            hint="allow unprivileged user namespaces, or set HARVESTER_SANDBOX=off",
        )
    if "libatomic" in text or "shared librar" in text:
        return BrowserFailed(
            "the browser or its driver lacks a system library", hint="run: scripts/setup"
        )
    what = "the browser's driver" if found is None else f"the browser {found.path}"
    return BrowserFailed(f"{what} did not start", hint="run: harvester doctor, or scripts/setup")
