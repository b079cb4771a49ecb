"""Kept files: the current session, written where a tool that reads only files looks for it.

Each is replaced in one step and is ours alone (0600), so that a reader sees the last session or
the next one, whole.  A file that cannot be written is told in the log and tried again at the
next publishing; it never stops a session from being served elsewhere.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from harvester import wire
from harvester.errors import ConfigUnsafe, HarvesterError, StoreFull
from harvester.log import event
from harvester.profile import KeptFile, Profile
from harvester.session import Served, Session
from harvester.vault.durable import Disk


def _always() -> bool:
    return True


def _nobody(session: Session) -> None:
    """Keeps no account of it."""


class Files:
    """The kept files of one profile."""

    def __init__(
        self,
        profile: Profile,
        *,
        disk: Disk | None = None,
        allowed: Callable[[], bool] = _always,
        filed: Callable[[Session], None] = _nobody,
    ) -> None:
        """``allowed``: whether a session may lie there now; ``filed`` is told of each one that
        was written."""
        self._allowed = allowed
        self._filed = filed
        # A pause and a new session come from two threads, and the pause has the last word.
        self._lock = threading.Lock()
        self._profile = profile.name
        self._kept = profile.files
        self._disk = Disk() if disk is None else disk
        self._last: Served | None = None
        self._troubles: dict[str, str] = {}

    @property
    def troubles(self) -> Mapping[str, str]:
        """Which paths could not be written, why, and what helps: for status."""
        return dict(self._troubles)

    def publish(self, served: Served) -> None:
        """Write ``served`` to every kept file, unless nothing may lie there now.  Never raises;
        blocks for as long as disks do."""
        with self._lock:
            self._last = served
            self._settle()

    def settle(self) -> None:
        """Write or remove them, as it is allowed now."""
        with self._lock:
            self._settle()

    def retry(self) -> None:
        """Try those again that failed last time: for the tick."""
        with self._lock:
            if not self._allowed():
                if self._troubles:
                    self._remove()
                return
            if self._last is None:
                return
            for kept in self._kept:
                if kept.path in self._troubles:
                    self._write(kept, self._last)

    def withdraw(self) -> None:
        """Remove every kept file: the session in it was signed out."""
        with self._lock:
            self._last = None
            self._remove()

    def _settle(self) -> None:
        if not self._allowed():
            self._remove()
        elif self._last is not None:
            for kept in self._kept:
                self._write(kept, self._last)

    def _remove(self) -> None:
        self._troubles.clear()
        for kept in self._kept:
            path = Path(kept.path)
            try:
                _refuse_foreign(path)
                path.unlink(missing_ok=True)
            except (HarvesterError, OSError) as error:
                self._failed(kept, error)

    def _write(self, kept: KeptFile, served: Served) -> None:
        path = Path(kept.path)
        try:
            text = wire.printable(served, kept.format) + "\n"
            refuse_shared(path.parent)
            _refuse_foreign(path)
            self._disk.write_atomic(path.parent, path.name, text.encode(), keep_previous=False)
        except (HarvesterError, OSError) as error:
            self._failed(kept, error)
        else:
            event("file.written", level=logging.DEBUG, profile=self._profile, format=kept.format)
            self._filed(served.session)
            if self._troubles.pop(kept.path, None) is not None:
                event("file.written_again", profile=self._profile, path=kept.path)

    def _failed(self, kept: KeptFile, error: HarvesterError | OSError) -> None:
        if isinstance(error, HarvesterError):
            code, why, hint = error.code, error.message, error.hint or None
        else:
            code, hint = StoreFull.code, None
            why = (error.strerror or type(error).__name__).lower()
        told = f"{why}; {hint}" if hint else why
        # Once for each reason: the tick tries every 30 s, and a full disk needs no fuller log.
        if self._troubles.get(kept.path) != told:
            event(
                "file.not_written",
                level=logging.WARNING,
                profile=self._profile,
                path=kept.path,
                code=code,
                why=why,
                hint=hint,
            )
        self._troubles[kept.path] = told


def refuse_shared(directory: Path) -> None:
    """A directory in which others may rename things is no place for a secret's file.  One that is
    not there, or cannot be looked at, is for the disk to tell."""
    try:
        found = os.stat(directory)
    except OSError:
        return
    shared = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    if shared or found.st_uid not in (0, os.geteuid()):
        raise ConfigUnsafe(
            f"others may change what stands in {directory}",
            hint=f"chmod go-w {directory}   or keep the file in a directory of your own",
        )


def _refuse_foreign(path: Path) -> None:
    """What stands at the path must be a file of ours, or nothing."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigUnsafe(
            f"{path} is there already and is not a plain file of ours",
            hint="remove it, or keep the session in another file (HARVESTER_FILES)",
        )
