"""What goes wrong between a caller and the daemon, as the errors that are told.

Apart from ``dial.py``, which imports this only when something did: the error tree costs more time
than a whole request.
"""

from __future__ import annotations

import json
import os

from harvester.errors import Bug, Busy, ConfigUnsafe, HarvesterError, TimedOut, from_dict


def told(body: bytes) -> HarvesterError:
    """The error that the daemon tells in ``body``."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        return not_ours()
    return from_dict(problem)


def not_ours() -> HarvesterError:
    return Bug(
        "what answers at the socket does not speak as a harvester daemon",
        hint="check HARVESTER_SOCKET, and that daemon and command are of one version",
    )


def silent() -> HarvesterError:
    return Busy(
        "the daemon closed the connection without an answer",
        hint="it is stopping, or does not serve your user: see HARVESTER_ALLOW_UIDS",
    )


def hangs(message: str) -> HarvesterError:
    return TimedOut(message, hint="look at the daemon's log; `harvester doctor` checks it")


def not_allowed(path: str) -> HarvesterError:
    return ConfigUnsafe(
        f"you may not connect to {path}",
        hint=f"let the daemon's owner add {os.geteuid()} to HARVESTER_ALLOW_UIDS",
    )


def stranger(uid: int, path: str) -> HarvesterError:
    return ConfigUnsafe(
        f"user {uid} answers at {path}, who is neither you nor root nor the directory's owner",
        hint="point HARVESTER_SOCKET at the socket of a daemon that you trust",
    )
