"""Which browser a sign-in uses: searched for without starting anything and without Playwright.

Order: what the settings name; Playwright's own build; an installed Chrome or Edge; a Chromium on
PATH, the headless shell first (it starts two to four times faster).  Owns the search only.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harvester.errors import BrowserMissing

CHANNELS = ("chrome", "msedge", "chromium")

_ON_PATH = (
    "chromium-headless-shell", "chrome-headless-shell", "headless_shell", "chromium",
    "chromium-browser", "ungoogled-chromium", "google-chrome-stable", "google-chrome",
)  # fmt: skip
_INSTALLED: Mapping[str, tuple[str, ...]] = {
    "chrome": (
        "/opt/google/chrome/chrome",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ),
    "msedge": (
        "/opt/microsoft/msedge/msedge",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
}
_BUILDS = (
    ("chromium-headless-shell", ("chrome-headless-shell", "headless_shell")),
    ("chromium", ("chrome", "Google Chrome for Testing", "Chromium")),
)
# A launcher script is a few lines; a browser is megabytes.
_SCRIPT_BYTES = 4096
_HINT = "run: scripts/setup (it finds or installs one), or set HARVESTER_BROWSER to its path"
_WINDOWS_HINT = (
    "a headless shell shows no windows: install Google Chrome, Microsoft Edge or Chromium, "
    "or set HARVESTER_BROWSER to the path of one"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A browser: its executable, the channel it belongs to if any, and how it was found."""

    path: str
    channel: str | None
    kind: str


def find_browser(
    choice: str | None, environ: Mapping[str, str] | None = None, *, windows: bool = False
) -> Found:
    """The browser to use.  ``choice`` is HARVESTER_BROWSER: a path, a channel, or None.

    With ``windows`` one that can show windows: a headless shell cannot, and where it is what the
    settings name, another one is looked for.  Raises BrowserMissing.
    """
    environ = os.environ if environ is None else environ
    if windows:
        if choice is not None and _is_shell(choice):
            choice = None
        if choice is None or choice in CHANNELS:
            return _with_windows(choice, environ)
    if choice is not None and choice not in CHANNELS:
        return _given(choice)
    return _chosen(choice, _search(environ), hint=_HINT)


def _with_windows(choice: str | None, environ: Mapping[str, str]) -> Found:
    able = (one for one in _search(environ) if not _is_shell(one.path))
    # The person's own browser is the one that providers know; a bundled build comes last.
    ranked = sorted(able, key=lambda one: one.kind == "playwright")
    return _chosen(choice, iter(ranked), hint=_WINDOWS_HINT)


def _is_shell(path: str) -> bool:
    return Path(path).name.replace("_", "-").endswith("headless-shell")


def _chosen(choice: str | None, searched: Iterator[Found], *, hint: str) -> Found:
    if choice is None:
        found = next(searched, None)
    elif choice == "chromium":
        found = next((one for one in searched if one.channel is None), None)
    else:
        found = next((one for one in searched if one.channel == choice), None)
    if found is None:
        what = "no browser was found" if choice is None else f"there is no {choice} here"
        raise BrowserMissing(what, hint=hint)
    return found


def _given(choice: str) -> Found:
    path = Path(choice).expanduser()
    if not path.is_absolute():
        raise BrowserMissing(
            f"HARVESTER_BROWSER is {choice!r}: neither a full path nor a channel",
            hint=f"give the whole path of the executable, or one of: {', '.join(CHANNELS)}",
        )
    if not _runs(path):
        raise BrowserMissing(f"HARVESTER_BROWSER names {path}, which is no executable", hint=_HINT)
    return Found(str(path), None, "configured")


def _search(environ: Mapping[str, str]) -> Iterator[Found]:
    for path in _playwright_builds(environ):
        yield Found(str(path), None, "playwright")
    for channel, places in _INSTALLED.items():
        for place in places:
            if _runs(Path(place)):
                yield Found(place, channel, "installed")
    for name in _ON_PATH:
        found = shutil.which(name, path=environ.get("PATH"))
        if found is not None and not _is_stub(Path(found)):
            yield Found(found, "chrome" if name.startswith("google") else None, "on PATH")


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _is_stub(path: Path) -> bool:
    """A snap cannot be driven over a pipe, and Ubuntu's ``chromium-browser`` only installs one."""
    real = path.resolve()
    if real.name == "snap" or "snap" in real.parts:
        return True
    try:
        with real.open("rb") as file:
            start = file.read(_SCRIPT_BYTES)
    except OSError:
        return True
    return start.startswith(b"#!") and b"/snap/" in start


def _playwright_builds(environ: Mapping[str, str]) -> Iterator[Path]:
    """Executables of the builds that this Playwright asks for, in our order of preference."""
    package = driver_package()
    root = _builds_root(environ, package)
    if package is None or root is None:
        return
    try:
        listed: list[dict[str, Any]] = json.loads((package / "browsers.json").read_text())[
            "browsers"
        ]
        revisions = {str(one["name"]): str(one["revision"]) for one in listed}
    except (OSError, ValueError, KeyError, TypeError):
        return
    for name, executables in _BUILDS:
        home = root / f"{name.replace('-', '_')}-{revisions.get(name, '')}"
        for executable in executables:
            # One level below: the folder is named for the platform, differently over the years.
            yield from (path for path in sorted(home.glob(f"*/{executable}")) if _runs(path))
            inside = f"*/*.app/Contents/MacOS/{executable}"
            yield from (path for path in sorted(home.glob(inside)) if _runs(path))


def driver_package() -> Path | None:
    """Where Playwright's driver keeps its own package, found without importing anything."""
    spec = find_spec("playwright")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "driver" / "package"


def _builds_root(environ: Mapping[str, str], package: Path | None) -> Path | None:
    given = environ.get("PLAYWRIGHT_BROWSERS_PATH")
    if given == "0":
        return None if package is None else package / ".local-browsers"
    if given:
        return Path(given)
    home = environ.get("HOME")
    if not home:
        return None
    if sys.platform == "darwin":
        return Path(home) / "Library" / "Caches" / "ms-playwright"
    return Path(environ.get("XDG_CACHE_HOME") or Path(home) / ".cache") / "ms-playwright"
