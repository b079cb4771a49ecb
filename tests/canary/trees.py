"""The files that a test leaves: temp files, state, logs, evidence, dumps.

Sealed evidence is opened, with the key that lies in its store, and what is in it searched.  A file
that the test wrote as the user it plays, and that still has those very bytes, is his own.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from canary.known import Known, fingerprint
from canary.scan import LOOKED_AT_BYTES, Place
from harvester.errors import HarvesterError

_KINDS = (
    ("crash dump", re.compile(r"(^|/)core(\.\d+)?$|\.dmp$|[Cc]rash")),
    ("log file", re.compile(r"\.log$")),
    ("state", re.compile(r"/profiles/|/ledgers?/|/run/|\.record$")),
)


def files(directories: Iterable[Path], own: dict[str, bytes]) -> Iterator[Place]:
    """Each regular file once, read whole or at both its ends."""
    seen: set[tuple[int, int]] = set()
    for directory in directories:
        for folder, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(folder, name)
                data = _content(path, seen)
                if data and own.get(os.path.realpath(path)) != fingerprint(data):
                    yield Place(_kind(path), _short(path), data)


def _content(path: str, seen: set[tuple[int, int]]) -> bytes | None:
    try:
        about = os.lstat(path)
        if not stat.S_ISREG(about.st_mode) or (about.st_dev, about.st_ino) in seen:
            return None
        seen.add((about.st_dev, about.st_ino))
        with open(path, "rb") as file:
            data = file.read(LOOKED_AT_BYTES)
            if about.st_size > 2 * LOOKED_AT_BYTES:
                file.seek(-LOOKED_AT_BYTES, os.SEEK_END)
            return data + file.read()
    except OSError:
        return None


def _kind(path: str) -> str:
    return next((kind for kind, words in _KINDS if words.search(path)), "file")


def _short(path: str) -> str:
    """Without the numbers of this run, so that an outlet can name it."""
    return re.sub(r"^.*?/pytest-of-[^/]+/pytest-\d+/(popen-gw\d+/)?", "", path)


def keys(directories: Iterable[Path], known: Known) -> None:
    """Have the keys told that stores below made for themselves."""
    for path in _named(directories, "key"):
        with contextlib.suppress(OSError, ValueError):
            known.tell("key", base64.b64decode(path.read_bytes(), validate=False))


def evidence(directories: Iterable[Path]) -> Iterator[Place]:
    """What is in the sealed evidence and ledgers below, where the key lies beside them."""
    from harvester.vault.keys import KeyRing, MasterKey
    from harvester.vault.seal import Seal

    for key in _named(directories, "key"):
        try:
            ring = KeyRing(MasterKey(base64.b64decode(key.read_bytes())))
        except (OSError, ValueError):  # of a test that spoils keys
            continue
        yield from opened(Seal(ring), key.parent)


def opened(seal: Any, store: Path) -> Iterator[Place]:
    for path in store.glob("profiles/*/*"):
        purpose = re.sub(r"-\d{4,9}$", "", path.name)
        if purpose not in ("evidence", "ledger") or not path.is_file():
            continue
        try:
            held = seal.open(path.read_bytes(), profile=path.parent.name, purpose=purpose)
        except (OSError, HarvesterError):  # of a test that spoils records
            continue
        yield Place("opened", _short(str(path)), _unpacked(held.plaintext))


def _unpacked(plaintext: bytes) -> bytes:
    """With its pictures taken out: what is drawn on them is another test's."""
    try:
        told = json.loads(plaintext)
    except ValueError:
        return plaintext
    for step in told.get("steps", []) if isinstance(told, dict) else []:
        if isinstance(step, dict):
            step.pop("picture", None)
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _named(directories: Iterable[Path], name: str) -> Iterator[Path]:
    for directory in directories:
        for folder, _, names in os.walk(directory):
            if name in names and os.path.isfile(os.path.join(folder, name)):
                yield Path(folder, name)


class TempDirectory:
    """The directory for temp files of a whole run: what is in it at the end was left there by us,
    whatever its name, and by no other program of this machine."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="cn-", dir=tempfile.gettempdir()))
        # As the machine's own: some tests start programs of another user.
        self.path.chmod(0o1777)
        self._before = os.environ.get("TMPDIR"), tempfile.tempdir
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.path)

    def left(self) -> Iterator[Place]:
        for place in files([self.path], {}):
            yield Place("left behind", place.where, place.data)

    def close(self) -> None:
        variable, tempfile.tempdir = self._before
        if variable is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = variable
        shutil.rmtree(self.path, ignore_errors=True)
