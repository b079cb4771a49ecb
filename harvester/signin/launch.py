"""With which words a browser is started, and why one did not start, told from what it said.  Pure.

The list of words is made here and nowhere else: there is no setting that adds to it.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase

from harvester.errors import BrowserFailed, ConfigInvalid, HarvesterError
from harvester.signin.dialogue import BrowserChoice
from harvester.signin.find import Found


def wants_sandbox(choice: BrowserChoice) -> bool:
    """On, unless we are root: there it cannot start."""
    return choice.sandbox == "on" or (choice.sandbox == "auto" and os.geteuid() != 0)


def own_arguments(choice: BrowserChoice) -> list[str]:
    """What is said to the browser beyond what its driver says.  Raises ConfigInvalid."""
    if not choice.hosts:
        return []
    if choice.https_proxy:
        # Measured: with a proxy the rules hold for the proxy's own name and for no other.
        raise ConfigInvalid(
            "HARVESTER_BROWSER_HOSTS can do nothing beside HARVESTER_HTTPS_PROXY: the proxy looks "
            "hosts up, not the browser",
            hint="unset HARVESTER_BROWSER_HOSTS, and allow hosts at the proxy",
        )
    excluded = "".join(f" , EXCLUDE {host}" for host in choice.hosts)
    # Holds for addresses in numbers too, for pictures, sockets and what is fetched ahead.
    return [f"--host-resolver-rules=MAP * ~NOTFOUND{excluded}"]


def is_reachable(host: str, choice: BrowserChoice) -> bool:
    """Whether the browser may look this host up."""
    return not choice.hosts or any(fnmatchcase(host.lower(), one) for one in choice.hosts)


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
