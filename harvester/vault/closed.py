"""Which keys seal no more, for all processes of a store to see.

    ROOT/key.closed   {"version": 1, "primary": KID, "closed": [KID, ...], "rotating": true}

A rotation ends with a key that opens nothing any more.  A process that was given that key (by
environment, say) cannot be told so but by the disk: it looks here before it seals.  Writing this
file is the instant in which a key is promoted.  Holds names of keys, no key; not secret.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.errors import StoreCorrupt
from harvester.vault.durable import Disk

CLOSED_NAME: Final = "key.closed"
_VERSION = 1
_LIMIT_BYTES = 16 * 1024
# One a day for half a year; the oldest were forgotten by everybody else before.
_KEPT_MOST = 200


@dataclass(frozen=True, slots=True)
class Ban:
    """``kids`` seal no more; ``primary`` does in their place, None where nothing was rotated yet.
    ``rotating``: not every record is known to be sealed with it."""

    primary: str | None = None
    kids: tuple[str, ...] = ()
    rotating: bool = False

    def after(self, primary: str, others: Iterable[str], *, rotating: bool) -> Ban:
        """``primary`` is promoted over ``others``.  It may have been closed itself once."""
        kids = dict.fromkeys((*self.kids, *others))
        kids.pop(primary, None)
        return Ban(primary, tuple(kids)[-_KEPT_MOST:], rotating)


class Closed:
    """The file of one store."""

    def __init__(self, disk: Disk, root: Path) -> None:
        self._disk = disk
        self._root = root
        self._path = root / CLOSED_NAME

    def stamp(self) -> object:
        """Changes when somebody writes it."""
        return self._disk.stamp(self._root, CLOSED_NAME)

    def read(self) -> Ban:
        """Raises StoreCorrupt: then nobody knows which keys must not seal, and none does."""
        data = self._disk.read(self._root, CLOSED_NAME, _LIMIT_BYTES)
        if data is None:
            return Ban()
        try:
            told = json.loads(data)
            primary, kids, rotating = told["primary"], told["closed"], told["rotating"]
            if told["version"] == _VERSION and isinstance(primary, str) and type(rotating) is bool:
                return Ban(primary, tuple(str(kid) for kid in kids), rotating)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise StoreCorrupt(
            f"{self._path} is damaged: it names the keys that seal no more",
            hint="if no key was rotated in this store of late, it can go: "
            f"rm {shlex.quote(str(self._path))}",
        )

    def write(self, ban: Ban) -> None:
        """Whoever calls holds the lock of the keys."""
        told = {
            "version": _VERSION,
            "primary": ban.primary,
            "closed": list(ban.kids),
            "rotating": ban.rotating,
        }
        self._disk.write_atomic(self._root, CLOSED_NAME, json.dumps(told).encode("ascii") + b"\n")
