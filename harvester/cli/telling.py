"""How the value reaches the caller, and how errors and warnings do.

The value alone goes to standard output; an error is two lines on standard error, or with
``--json`` one object on standard output.  Standard library only: the hot command uses it where
something is wrong.  Decides no exit code (the error does).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from harvester.errors import Bug, HarvesterError
from harvester.hot import put

__all__ = ["bug", "put", "tell", "warn"]

# A message may list all profiles or origins; more than this is a page pasted into an error.
_MESSAGE_LIMIT = 2000


def tell(error: HarvesterError, *, as_json: bool) -> int:
    """Show the error; returns its exit code."""
    from harvester.redact import clean  # costs time that only a failure should pay

    if as_json:
        put(json.dumps({"error": error.as_dict()}, ensure_ascii=False))
        return error.exit_code
    lines = [f"harvester: {clean(error.message, _MESSAGE_LIMIT)}"]
    if error.hint:
        lines.append(f"  hint: {clean(error.hint, _MESSAGE_LIMIT)}")
    if error.evidence:
        lines.append(f"  see: harvester history {clean(error.evidence)}")
    if error.retry_after_s is not None:
        lines.append(f"  again in: {max(1, round(error.retry_after_s))} s")
    _say(lines)
    return error.exit_code


def warn(warnings: Iterable[str]) -> None:
    from harvester.redact import clean

    _say(f"harvester: warning: {clean(warning, _MESSAGE_LIMIT)}" for warning in warnings)


def bug(error: BaseException, *, as_json: bool, with_frames: bool) -> int:
    """An exception that nobody expected.  Its text is never shown: it may hold a secret."""
    if with_frames:
        import traceback  # as above

        _say(line.rstrip("\n") for line in traceback.format_tb(error.__traceback__))
    return tell(Bug.of(error), as_json=as_json)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stderr.write(line + "\n")
    sys.stderr.flush()
