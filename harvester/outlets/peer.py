"""Who is at the other end of a unix socket, as the kernel says: the last door, never left open.

Modes can be loosened by a mistake; the kernel's word cannot.  Decided by uid only: a pid may
have been given to another program by the time it is looked up.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
from collections.abc import Collection
from typing import Protocol

from harvester.visitor import STRANGER, Visitor

# struct ucred of Linux: pid, uid, gid.
_UCRED = struct.Struct("=iII")
# struct xucred of macOS: version, uid, number of groups (padded), 16 groups.
_XUCRED = struct.Struct("=IIh2x16I")
_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1
_LOCAL_PEERPID = 2
_PID = struct.Struct("=i")


class Connected(Protocol):
    """What is needed of a connected socket (asyncio hides the rest of it)."""

    @property
    def family(self) -> int: ...

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes: ...

    def fileno(self) -> int: ...


def visitor_of(connected: Connected) -> Visitor:
    """Uid and pid of who opened the other end, as far as the kernel says."""
    try:
        if sys.platform == "darwin":
            told = connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
            version, uid = _XUCRED.unpack(told)[:2]
            if version != 0:
                return STRANGER
            told = connected.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, _PID.size)
            return Visitor(int(uid), int(_PID.unpack(told)[0]))
        told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, uid, _ = _UCRED.unpack(told)
    except (OSError, struct.error):
        return STRANGER
    # The pid is nought where it has no number in our namespace.
    return Visitor(int(uid), int(pid) or None)


def may_enter(visitor: Visitor, allow_uids: Collection[int]) -> bool:
    """Whether the other end is us or one of ``allow_uids``; a peer nobody vouches for is not.

    Our own uid always may: it can read our memory and files anyway, and the command that asks
    for ``status`` must not be locked out by a setting about others.
    """
    uid = visitor.uid
    return uid is not None and (uid == os.geteuid() or uid in allow_uids)


def still_reads(connected: Connected) -> bool:
    """Whether the other end, which will send nothing more, waits for its answer (``nc -N`` does).

    Only a unix socket tells that from one who went away: on TCP both look alike, and he who went
    away, perhaps with a POST that he no longer wants, is by far the more frequent one."""
    return connected.family == socket.AF_UNIX and not hung_up(connected)


def hung_up(connected: Connected) -> bool:
    """Whether the other end neither sends nor reads, for all that the kernel tells."""
    poll = select.poll()
    poll.register(connected, 0)  # a hang-up is told in any case
    return bool(poll.poll(0))
