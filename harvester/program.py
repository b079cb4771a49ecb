"""A user's program, run by us for him: what it may know, how long it may take, and how it ends.

    {PATH, HOME, DISPLAY, ...} + what it is told ──► program, no shell ──► its exit code

Owns the list of variables that it inherits (none of ours, and none that may hold a secret), that it
has nothing to read and nowhere to write to, its time limit, and the end of its whole group.  Why it
is run is for others (``bell.py``, ``confirm.py``).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from harvester.process import core_limit_of_the_user

# A program that tells somebody is done in a second; one that asks a person gets as long as he
# needs to look up, and must not wait in the daemon for one who is away.
LIMIT_S = 30.0
# What it may inherit: enough to find programs, the desktop and the user's language.
_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR",
    "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME",
    "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS",
)  # fmt: skip


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What of an environment a user's program is given."""
    return {name: environ[name] for name in _INHERITED if name in environ}


async def failure(
    words: Sequence[str], environ: Mapping[str, str], *, limit_s: float = LIMIT_S
) -> str | None:
    """Run it to its end; why it failed, None where it ended with 0.  ``environ`` is all it gets.

    Whoever cancels this ends the program too."""
    try:
        with core_limit_of_the_user():
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=dict(environ),
                cwd="/",
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        return f"it could not be started: {why or type(error).__name__}".lower()
    try:
        async with asyncio.timeout(limit_s):
            code = await process.wait()
    except TimeoutError:
        return f"it took more than {limit_s:g} s and was ended"
    finally:
        if process.returncode is None:
            # It is not waited for yet, so the number is still its group's.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return None if code == 0 else f"it ended with {code}"
