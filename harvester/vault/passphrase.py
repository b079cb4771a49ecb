"""A sealing key from a passphrase: Argon2id, and the salts that belong to the store's keys.

    ROOT/key.kdf      {"version": 1, "keys": [{"kid": ..., "kdf": {...}}]}; not secret

A salt belongs to a key and not to a record, so a process derives once.  The file is made O_EXCL:
of two first starts one makes the salt and the other takes it.  Each record's header names the
same, so a file that is lost is made again from any record.

Owns the derivation, its costs and that file.  Knows not where a passphrase comes from.
"""

from __future__ import annotations

import json
import os
import shlex
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from harvester.errors import StoreCorrupt, StoreFull, StoreTampered
from harvester.vault.durable import Disk
from harvester.vault.keys import MASTER_KEY_BYTES, Kdf, MasterKey

SALTS_NAME: Final = "key.kdf"
_VERSION = 1
_SALT_BYTES = 16
# A line is under 200 bytes.
_LIMIT_BYTES = 16 * 1024
# Of more keys than this a store has been told too often that nothing was sealed with the last.
MOST_SALTS: Final = 8


def fresh_kdf() -> Kdf:
    return Kdf(os.urandom(_SALT_BYTES))


def derived(passphrase: str, kdf: Kdf) -> MasterKey:
    """The key, after 0.1 to 0.5 s and 64 MiB.  Raises StoreTampered for costs beyond all reason,
    and StoreFull where the memory for it is not to be had."""
    if kdf.too_costly:
        raise StoreTampered(
            f"a passphrase would cost {kdf.memory_kib // 1024} MiB and {kdf.passes} passes here, "
            "and harvester never asks for so much",
            hint=f"somebody changed {SALTS_NAME} in the store, or a record; nothing was derived",
        )
    # A keyboard that composes and one that does not write the same word in other bytes.
    text = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    try:
        material = Argon2id(
            salt=kdf.salt,
            length=MASTER_KEY_BYTES,
            iterations=kdf.passes,
            lanes=kdf.lanes,
            memory_cost=kdf.memory_kib,
        ).derive(text)
    except MemoryError:
        material = b""
    if not material:
        raise StoreFull(
            f"there are not the {kdf.memory_kib // 1024} MiB of memory that a passphrase needs",
            hint="give a key in the place of the passphrase: HARVESTER_KEY_FILE",
        )
    return MasterKey(material, kdf)


class Salts:
    """The salts of one store's passphrases, with the name of the key that each makes."""

    def __init__(self, disk: Disk, root: Path) -> None:
        self._disk = disk
        self._root = root
        self._path = root / SALTS_NAME

    def read(self) -> dict[str, Kdf]:
        """By key id; the last one added first.  Raises StoreCorrupt, StoreTampered."""
        data = self._disk.read(self._root, SALTS_NAME, _LIMIT_BYTES)
        if data is None:
            return {}
        found: dict[str, Kdf] = {}
        try:
            told = json.loads(data)
            if told["version"] != _VERSION or not isinstance(told["keys"], list):
                raise ValueError("of another form")
            for one in told["keys"]:
                found[str(one["kid"])] = Kdf.from_dict(one["kdf"])
        except (ValueError, KeyError, TypeError, RecursionError):
            found = {}
        if not found:
            raise StoreCorrupt(
                f"{self._path} is damaged: it holds the salts of the store's passphrases",
                hint=f"move it away, and it is made again from the records: "
                f"mv {shlex.quote(str(self._path))} {shlex.quote(str(self._path))}.bad",
            )
        return found

    def make(self, key: MasterKey) -> bool:
        """Write the file with its first salt; False, and nothing done, where there is one."""
        self._disk.make_dir(self._root)
        return self._disk.create(self._root, SALTS_NAME, _text([key]))

    def add(self, key: MasterKey) -> None:
        """Before the others.  Whoever calls holds the lock of the keys."""
        before = [kid_kdf for kid_kdf in self.read().items() if kid_kdf[0] != key.kid]
        self._write([(key.kid, key.kdf), *before][:MOST_SALTS])

    def drop(self, kid: str) -> None:
        """Forget one; the last one stays, since a file without any would look damaged."""
        left = [kid_kdf for kid_kdf in self.read().items() if kid_kdf[0] != kid]
        if left:
            self._write(left)

    def _write(self, pairs: Iterable[tuple[str, Kdf | None]]) -> None:
        self._disk.write_atomic(self._root, SALTS_NAME, _dumped(pairs))


def _text(keys: Iterable[MasterKey]) -> bytes:
    return _dumped((key.kid, key.kdf) for key in keys)


def _dumped(pairs: Iterable[tuple[str, Kdf | None]]) -> bytes:
    keys = [{"kid": kid, "kdf": kdf.as_dict()} for kid, kdf in pairs if kdf is not None]
    return json.dumps({"version": _VERSION, "keys": keys}).encode("ascii") + b"\n"
