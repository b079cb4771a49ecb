"""A canary in each kind of place, and in each form: the search that does not find it is no search.

Each is put where a leak would be, by the way that a leak would take, and has to be found by the
very instruments that look at the tests.  Done once by each worker, before its first test.
"""

from __future__ import annotations

import base64
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from canary import trees
from canary.marks import mark
from canary.processes import Processes
from canary.scan import Hit, Place
from canary.taps import Scope

PLANT = mark("s") + "planted, and to be found/again"
# What each form looks like when others write it: not made by forms.py.
FORMS = {
    "plain": PLANT,
    "base64 at 0": base64.b64encode(PLANT.encode()).decode(),
    "base64 at 1": base64.b64encode(b"u" + PLANT.encode()).decode(),
    "base64 at 2": base64.b64encode(b"u:" + PLANT.encode()).decode(),
    "base64 twice": base64.b64encode(base64.b64encode(PLANT.encode())).decode(),
    "hex": PLANT.encode().hex(),
    "UTF-16": PLANT.encode("utf-16-le").decode("latin-1"),
    "URL": quote(PLANT, safe=""),
}
KEY = bytes(range(100, 132))
_SEEN_WITHIN_S = 5.0


class NotFound(Exception):
    """The search is blind in some kind of place."""


def planted(scope: Scope, processes: Processes, read_capture: Callable[[], str] | None) -> None:
    """Put one everywhere.  ``scope`` is what the taps tell now."""
    logging.getLogger("harvester.planted").debug("at %s", "debug", extra={"fields": [PLANT]})
    for behind in ("cause", "context", "note"):
        with pytest.raises(LookupError):
            _raise(behind)
    from harvester.errors import Usage

    Usage(f"words of ours: {PLANT}")
    scope.known.tell("key", KEY)
    subprocess.run(["cat"], input=PLANT, capture_output=True, text=True, check=True)
    subprocess.run(["sh", "-c", "cat >&2"], input=PLANT.encode(), capture_output=True, check=True)
    subprocess.run(["true", PLANT], check=True)
    if read_capture is not None:
        os.write(1, PLANT.encode())
        scope.text("captured", "of the plants", read_capture())
    with tempfile.TemporaryDirectory() as profile, _living(profile):
        _write(Path(profile, "Cookies"), b"SQLite" + PLANT.encode())
        _until_seen(processes, scope)


def _raise(behind: str) -> None:
    told = ValueError(f"{behind}: {PLANT}")
    if behind == "note":
        error = LookupError(behind)
        error.add_note(PLANT)
        raise error
    if behind == "cause":
        raise LookupError(behind) from told
    try:
        raise told
    except ValueError:
        # ``from None`` hides it and keeps it.
        raise LookupError(behind) from None


@contextmanager
def _living(profile: str) -> Iterator[None]:
    """A browser, as far as anybody looks, with a canary in its words; with a child that has one
    in its environment; not started by the way that is tapped."""
    inner = f"PLANTED='{PLANT}' sh -c 'read line; :'; :"
    end, begin = os.pipe()
    pid = os.posix_spawn(
        "/bin/sh", ["sh", "-c", inner, "harvester", PLANT, f"--user-data-dir={profile}"],
        {"PATH": os.environ.get("PATH", "")},
        file_actions=[(os.POSIX_SPAWN_DUP2, end, 0), (os.POSIX_SPAWN_CLOSE, begin)],
    )  # fmt: skip
    try:
        yield
    finally:
        os.close(begin)
        os.close(end)
        os.waitpid(pid, 0)


def _until_seen(processes: Processes, scope: Scope) -> None:
    until = time.monotonic() + _SEEN_WITHIN_S
    while time.monotonic() < until:
        processes.look()
        told = [place.kind for place in scope.places() if PLANT.encode() in place.data]
        if {"cmdline", "environ", "browser file"} <= set(told):
            return
        time.sleep(0.01)


def files(at: Path) -> Iterator[Place]:
    """Files with a canary in every form, of every kind, and sealed evidence that holds one."""
    from harvester.vault.keys import KeyRing, MasterKey
    from harvester.vault.seal import Seal

    profile = at / "profiles" / "default"
    profile.mkdir(parents=True)
    for name, text in FORMS.items():
        _write(at / f"form {name}", text.encode("latin-1"))
    _write(at / "daemon.log", b'{"event": "x"}\n' * 1000 + PLANT.encode())
    _write(at / "core.17", b"\0" * 4096 + PLANT.encode("utf-16-le") + b"\0" * 100)
    _write(profile / "seen", base64.b64encode(b"x" + PLANT.encode()))
    _write(at / "key", base64.b64encode(KEY))
    record = Seal(KeyRing(MasterKey(KEY))).seal(
        PLANT.encode(), profile="default", purpose="evidence", generation=1, now_s=1.0
    )
    _write(profile / "evidence-0001", record)
    yield from trees.files([at], {})
    yield from trees.evidence([at])


def left_behind(temp: trees.TempDirectory) -> list[Place]:
    """One that lies in the directory for temp files when all is over."""
    made = Path(tempfile.mkdtemp(prefix="harvester-planted-"))
    try:
        _write(made / "left", PLANT.encode())
        return list(temp.left())
    finally:
        shutil.rmtree(made)


def _write(path: Path, data: bytes) -> None:
    # Not Path.write_bytes: that would make it the user's own file.
    with path.open("wb") as file:
        file.write(data)


EXPECTED = {
    "log", "exception", "error", "argv", "cmdline", "environ", "stdout", "stderr", "file",
    "log file", "crash dump", "state", "opened", "left behind", "browser file",
}  # fmt: skip


def judge(hits: list[Hit], *, captures: bool) -> None:
    """Raises NotFound, naming each kind of place and each form in which none was found."""
    wanted = EXPECTED | ({"captured"} if captures else set())
    missing = sorted(wanted - {hit.place for hit in hits if hit.secret != "key"})
    behind = {hit.where for hit in hits if hit.place == "exception"}
    forms = {name for name in FORMS if not any(f"form {name}" in hit.where for hit in hits)}
    missing += [f"form {name}" for name in sorted(forms)]
    if "LookupError" not in behind:
        missing.append("exception chain")
    if not any(hit.secret == "key" for hit in hits):
        missing.append("key")
    if missing:
        raise NotFound(f"a planted canary was not found: {', '.join(missing)}")
