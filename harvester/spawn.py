"""Starts the signer's process: its words, its environment, the line to it.

A command that will probably sign in starts one **early**, before it has read a single setting: the
browser's driver takes a third of a second to wake up, and as long as that this process is busy
with its own start.  One that is not needed ends when its stdin closes.  Standard library only.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from harvester.process import core_limit_of_the_user

# What the signer may inherit.  Everything else stays here: DEBUG, NODE_OPTIONS, LD_PRELOAD,
# SSLKEYLOGFILE and their like each print or redirect what a browser types.
_INHERITED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME",
    "PLAYWRIGHT_BROWSERS_PATH", "FONTCONFIG_PATH", "FONTCONFIG_FILE", "CREDENTIALS_DIRECTORY",
    "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "SystemRoot",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spawned:
    """A signer that waits for its job; ``line`` is a socket that is its stdin and stdout."""

    process: subprocess.Popen[bytes]
    line: socket.socket


_early: list[Spawned] = []


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What of an environment the signer gets."""
    return {name: environ[name] for name in _INHERITED if name in environ}


def spawn(environ: Mapping[str, str]) -> Spawned:
    """Start one.  ``environ`` is what ``inherited`` gave."""
    ours, its = socket.socketpair()
    # -P: a playwright.py that lies in the working directory is not ours to run.
    words = [sys.executable, "-P", "-m", "harvester.signin"]
    try:
        # It hardens itself; what it hands on to a password command is the user's, by way of us.
        with core_limit_of_the_user():
            process = subprocess.Popen(
                words,
                stdin=its.fileno(),
                stdout=its.fileno(),
                stderr=subprocess.DEVNULL,
                env=dict(environ),
                start_new_session=True,
            )
    except OSError:
        ours.close()
        raise
    finally:
        its.close()
    return Spawned(process, ours)


def spawn_early() -> None:
    """Start one now, for whoever asks first."""
    _early.append(spawn(inherited(os.environ)))


def take_early() -> Spawned | None:
    """The one that was started early, if there is one and it still runs."""
    while _early:
        spawned = _early.pop()
        if spawned.process.poll() is None:
            return spawned
        spawned.line.close()
    return None


def end_early() -> None:
    """End what was started early and not needed: a signer whose stdin closes ends its tree."""
    while (spawned := take_early()) is not None:
        spawned.line.close()
        spawned.process.wait()
