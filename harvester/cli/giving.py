"""Where a session's text comes from, and where it goes: what `token`, `export` and `exec` share.

From the daemon if one runs, else from the same parts run once; to standard output, or to a file
that is ours alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester import wire
from harvester.cli.call import Call
from harvester.cli.telling import put, warn
from harvester.client import TOKEN_WAIT_S, warnings_of
from harvester.errors import Bug, NoDaemon
from harvester.outlets.files import refuse_shared
from harvester.session import Served
from harvester.vault.durable import Disk


def session_text(
    call: Call, *, form: str, min_valid_s: float = 0.0, sign_in: bool, operation: str = "token"
) -> str:
    """The session of the chosen profile in one of ``wire.FORMATS``; warnings are told.
    ``operation`` is what the audit calls it.

    Raises HarvesterError; never gives an empty text.
    """
    name = call.profile_name()
    try:
        with call.following(""):
            text, warnings = call.client(operation).token(
                name,
                min_valid_s=min_valid_s,
                form=form,
                origin=call.named_origin(),
                wait_s=TOKEN_WAIT_S,
                sign_in=sign_in,
            )
    except NoDaemon:
        served = call.once(
            lambda once: once.token(name, min_valid_s=min_valid_s, sign_in=sign_in),
            operation=operation,
        )
        text = wire.printable(served, form)
        warnings = warnings_of(wire.session_object(served))
    if not text:
        raise Bug("there is a session, but nothing to print", hint="try --format cookie")
    if warnings and not call.quiet:
        warn(warnings)
    return text


def in_form(told: Mapping[str, Any], form: str) -> str:
    """The same session in another form.  Asked for a second time, it might be another one."""
    if form == "json":
        return json.dumps(told, ensure_ascii=False)
    return wire.printable(Served(wire.session_of(told)), form)


def deliver(text: str, output: str | None) -> int:
    """Print it, or put it into the file: whole, 0600, in a directory where others change nothing.
    Returns the exit code."""
    if output is None or output == "-":
        return put(text)
    path = Path(output).expanduser().absolute()
    keep(path, text)
    return 0


def keep(path: Path, text: str) -> None:
    """Raises StoreUnsafe, StoreFull or ConfigUnsafe, and then what was there is still there."""
    refuse_shared(path.parent)
    Disk().write_atomic(path.parent, path.name, (text + "\n").encode())
