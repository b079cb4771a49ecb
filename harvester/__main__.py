"""The command ``harvester``: the fast way for `token`, everything else through ``cli/``.

A shell loop calls ``harvester token`` thousands of times.  With a daemon the whole answer is one
round trip, so the plain forms of that command are read by hand and answered with the standard
library: no click, no settings, no file is read.  Whatever is unusual goes the long way, which
knows everything that this knows.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from harvester.cli.telling import put, tell, warn
from harvester.client import TOKEN_WAIT_S, Client
from harvester.errors import HarvesterError, NoDaemon, Usage
from harvester.paths import default_store

# As wire.FORMATS, which is not imported here: it would double the time that the command takes.
# A test holds the two together.
FORMATS = frozenset(
    {"value", "cookie", "header", "json", "env", "curl", "netscape", "storage-state"}
)

_VALUED = {
    "--profile": "profile",
    "--socket": "socket",
    "--origin": "origin",
    "--min-valid": "min_valid",
    "--format": "format",
}
_PLAIN = {"--json": "json", "--quiet": "quiet", "-q": "quiet"}


def main(args: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = sys.argv[1:] if args is None else args
    asked = plain_token(args)
    if asked is not None:
        try:
            return _fast_token(asked, os.environ)
        except NoDaemon:
            # Nobody serves: the long way looks into the store.
            if _will_sign_in(asked, os.environ):
                return _long_way(args)
        except KeyboardInterrupt:
            return 130
    if list(args) == ["credential-helper", "get"]:
        from harvester.credential import fast  # a build asks as often as a loop

        code = fast(os.environ)
        if code is not None:
            return code
    from harvester.cli.app import run

    return run(list(args))


def _will_sign_in(asked: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """A guess, from the outside: somebody is named to sign in, and nothing is stored yet.

    A wrong one costs a process that is not needed, or a third of a second.
    """
    profile = asked.get("profile") or environ.get("HARVESTER_PROFILE") or "default"
    store = Path(environ.get("HARVESTER_STORE") or default_store(environ))
    named = any(name.startswith("HARVESTER_") and "USERNAME" in name for name in environ)
    return named and not (store / "profiles" / profile / "session").exists()


def _long_way(args: Sequence[str]) -> int:
    """The long way, with the browser's driver waking up meanwhile."""
    from harvester import spawn

    spawn.spawn_early()
    try:
        from harvester.cli.app import run

        return run(list(args))
    finally:
        spawn.end_early()


def plain_token(args: Sequence[str]) -> dict[str, str] | None:
    """The options of a plain ``token`` command, or None for anything else.

    Every option takes part at most once, as people write it; all else is the long way's.
    """
    found: dict[str, str] = {}
    command = False
    words = iter(args)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "token" and not command:
            command = True
            continue
        if word in _PLAIN:
            key, value = _PLAIN[word], "yes"
        elif name in _VALUED:
            key = _VALUED[name]
            value = value if equals else next(words, "")
        else:
            return None
        # An option of `token` in front of it is a mistake that the long way explains.
        if key in found or not value or (not command and key in ("min_valid", "format")):
            return None
        found[key] = value
    if not command or found.get("format", "cookie") not in FORMATS:
        return None
    return found


def _fast_token(asked: Mapping[str, str], environ: Mapping[str, str]) -> int:
    as_json = "json" in asked
    try:
        min_valid_s = 0.0
        if "min_valid" in asked:
            min_valid_s = _seconds(asked["min_valid"])
        profile = asked.get("profile") or environ.get("HARVESTER_PROFILE") or "default"
        with contextlib.ExitStack() as shown:
            client = Client(
                asked.get("socket"),
                environ=environ,
                on_wait=None if "quiet" in asked else lambda: _follow(shown, asked, profile),
            )
            text, warnings = client.token(
                profile,
                min_valid_s=min_valid_s,
                form="json" if as_json else asked.get("format", "cookie"),
                origin=_named_origin(profile, asked.get("origin"), environ),
                wait_s=TOKEN_WAIT_S,
            )
    except NoDaemon:
        raise
    except HarvesterError as error:
        return tell(error, as_json=as_json)
    if warnings and "quiet" not in asked:
        warn(warnings)
    return put(text)


def _follow(shown: contextlib.ExitStack, asked: Mapping[str, str], profile: str) -> None:
    """The daemon signs in meanwhile: its steps are shown, a number to compare among them."""
    from harvester.cli.following import Following
    from harvester.cli.progress import Progress

    shown.enter_context(Following(Client(asked.get("socket")), profile, Progress(quiet=False)))


def _seconds(text: str) -> float:
    from harvester.clock import parse_duration

    try:
        return parse_duration(text)
    except ValueError:
        wrong = Usage("--min-valid is no duration", hint="write it like 90s, 15m, 12h or 7d")
    raise wrong


def _named_origin(profile: str, flag: str | None, environ: Mapping[str, str]) -> str | None:
    """The origin that the caller's flag or environment names for this profile."""
    variable = "HARVESTER_PROFILES__" + profile.upper().replace("-", "_") + "__ORIGIN"
    named = flag or environ.get(variable)
    if not named and profile == "default":
        named = environ.get("HARVESTER_ORIGIN")
    return named.strip() if named and named.strip() else None


def command() -> NoReturn:
    """``main`` as a program of its own.

    When the work is done it is over: taking an interpreter with 600 modules apart piece by piece
    takes as long as a page of a sign-in, and frees nothing that the system does not.
    """
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    command()
