"""The screen at which a person may sit: whether there is one, and what leads a window to it.

Only variables are read; nothing is connected.  A browser gets these and nothing else of the
user's environment (see ``confine.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from harvester.errors import NeedsHuman

_NAMES = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR")


def screen_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables for a browser with windows.  Raises NeedsHuman where there is no screen."""
    if sys.platform == "darwin":
        return {}  # a window server is asked for by no variable
    if not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        raise NeedsHuman(
            "there is no screen here to open a window on (neither DISPLAY nor WAYLAND_DISPLAY)",
            hint="come in with `ssh -X` and run it again; or sign in in a browser anywhere and "
            "give the session here with: harvester import -",
        )
    found = {name: environ[name] for name in _NAMES if environ.get(name)}
    # `ssh -X` and most display managers leave it to the default, which hangs on a HOME that the
    # browser is not told.
    default = Path(environ.get("HOME", "/")) / ".Xauthority"
    if "XAUTHORITY" not in found and default.is_file():
        found["XAUTHORITY"] = str(default)
    return found
