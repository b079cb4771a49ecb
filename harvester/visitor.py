"""Who asks: the process at the other end of a socket, as the kernel says, and its own word for it.

The uid decides who is let in; pid and name are for the audit and for a person who is asked.  A pid
is of the moment of connecting, and a name is a claim: nothing is ever decided by them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

# By which a client of the API or of the proxy may name itself.
CLIENT_HEADER = "Harvester-Client"
_CLIENT = re.compile(r"[!-~]{1,64}")


@dataclass(frozen=True, slots=True, eq=False)
class Visitor:
    """One end of one connection.  None: nobody vouches for it (TCP).

    Compared by identity: it is a key of what is counted for each request, and a hash of its
    fields would cost more there than all the rest."""

    uid: int | None
    pid: int | None


STRANGER = Visitor(None, None)


def ourselves() -> Visitor:
    """This process: a command, or the daemon where it writes a file unasked."""
    return Visitor(os.geteuid(), os.getpid())


def _stays() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Caller:
    """A visitor who asks something.  ``is_gone``: he does not wait for it any more."""

    visitor: Visitor
    client: str | None = None
    is_gone: Callable[[], bool] = _stays


def is_client_name(said: str) -> bool:
    """Short printable ASCII without a blank: it goes into a log and into an environment."""
    return _CLIENT.fullmatch(said) is not None
