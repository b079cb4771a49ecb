"""Why a browser did not start, told from what it said.  Pure."""

from __future__ import annotations

from harvester.errors import BrowserFailed, HarvesterError
from harvester.signin.find import Found


def launch_failure(found: Found, text: str, *, sandbox: bool) -> HarvesterError:
    if sandbox and "sandbox" in text.lower():
        return BrowserFailed(
            f"{found.path} cannot start its sandbox here",
            hint="allow unprivileged user namespaces, or set HARVESTER_SANDBOX=off",
        )
    if "libatomic" in text or "shared librar" in text:
        return BrowserFailed(
            "the browser or its driver lacks a system library", hint="run: scripts/setup"
        )
    return BrowserFailed(
        f"the browser {found.path} did not start", hint="run: harvester doctor, or scripts/setup"
    )
