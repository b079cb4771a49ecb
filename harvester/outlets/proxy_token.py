"""The token of the proxy on TCP, in a file beside the socket: 0600, made by us, kept.

It is kept from one start to the next: a daemon is restarted by upgrades and by its supervisor, and
a program that was given the token must outlive that as it outlives a new session.  Removing the
file revokes it: the next start makes another one.  One that others could have read, or that is not
ours, is replaced, never used.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
from pathlib import Path

from harvester.errors import ConfigInvalid
from harvester.log import event

NAME = "proxy.token"
_FORM = re.compile(rb"hvp_[A-Za-z0-9_-]{43}\n")
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def token(directory: Path) -> str:
    """The token of a directory that is private to us, made if need be.  Raises ConfigInvalid."""
    path = directory / NAME
    try:
        kept = _kept(path)
        return _made(path) if kept is None else kept
    except OSError as error:
        raise ConfigInvalid(
            f"the proxy's token {path} cannot be kept: {os.strerror(error.errno or 0).lower()}",
            hint="name another place with HARVESTER_SOCKET, or leave the address out of "
            "HARVESTER_PROXY",
        ) from None


def _kept(path: Path) -> str | None:
    """What the file holds, or None where it cannot be used."""
    why = ""
    said = b""
    try:
        fd = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return None
    except OSError:
        why = "it is no file of ours"
    else:
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                why = "it is no file of ours"
            elif stat.S_IMODE(found.st_mode) & 0o077 or found.st_nlink > 1:
                why = "others could have read it"
            else:
                said = os.read(fd, 64)
                why = "" if _FORM.fullmatch(said) else "it holds no token"
        finally:
            os.close(fd)
    if why:
        event("proxy.token_replaced", level=logging.WARNING, path=str(path), why=why)
        return None
    return said.decode("ascii").strip()


def _made(path: Path) -> str:
    said = "hvp_" + secrets.token_urlsafe(32)
    new = path.with_name(f".{NAME}.{secrets.token_hex(8)}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    try:
        try:
            os.write(fd, said.encode("ascii") + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return said
