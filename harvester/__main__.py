"""The command ``harvester``: the hot way for a plain `token`, everything else through ``cli/``.

Imports nothing itself that ``hot.py`` does not need: see there.
"""

import os
import sys

from harvester import hot

TYPE_CHECKING = False  # typing's own, without importing typing
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn


def main(args: "Sequence[str] | None" = None) -> int:
    """Run the command; returns the exit code."""
    args = sys.argv[1:] if args is None else args
    known = hot.knows(os.environ)
    asked = hot.plain_token(args) if known else None
    if asked is not None:
        try:
            code = hot.token(asked, os.environ)
        except KeyboardInterrupt:
            return 130
        if code is not None:
            return code
        # Nobody serves: the long way looks into the store.
        if _will_sign_in(asked, os.environ):
            return _long_way(args)
    if known and list(args) == ["credential-helper", "get"]:
        from harvester.credential import fast  # a build asks as often as a loop

        code = fast(os.environ)
        if code is not None:
            return code
    from harvester.cli.app import run

    return run(list(args))


def _will_sign_in(asked: "Mapping[str, str]", environ: "Mapping[str, str]") -> bool:
    """A guess, from the outside: somebody is named to sign in, and nothing is stored yet.

    A wrong one costs a process that is not needed, or a third of a second.
    """
    from pathlib import Path

    from harvester.paths import default_store

    store = Path(environ.get("HARVESTER_STORE") or default_store(environ))
    named = any(name.startswith("HARVESTER_") and "USERNAME" in name for name in environ)
    session = store / "profiles" / hot.profile_of(asked, environ) / "session"
    # Not Path.exists, which raises for a name that no file can have.
    return named and not os.path.exists(session)


def _long_way(args: "Sequence[str]") -> int:
    """The long way, with the browser's driver waking up meanwhile."""
    from harvester import spawn

    spawn.spawn_early()
    try:
        from harvester.cli.app import run

        return run(list(args))
    finally:
        spawn.end_early()


def _fill_in_descriptors() -> None:
    """A descriptor that the caller has closed would be the next file's that is opened: what is
    printed would go into a socket or a lock.  Ours read as ended, take errors, and refuse a value,
    as a closed one does."""
    for number, name, mode in (
        (0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY),
    ):  # fmt: skip
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number, inheritable=False)
                os.close(opened)
            form = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, form, encoding="utf-8", closefd=False))


def command() -> "NoReturn":
    """``main`` as a program of its own.

    When the work is done it is over: taking an interpreter with 600 modules apart piece by piece
    takes as long as a page of a sign-in, and frees nothing that the system does not.
    """
    _fill_in_descriptors()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105  contextlib costs the hot command a tenth of its time
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(code)


if __name__ == "__main__":
    command()
