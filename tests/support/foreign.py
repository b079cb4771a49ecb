"""Files that seem to be somebody else's, or of another kind, also where no test may make such."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


def belongs_to_another(monkeypatch: pytest.MonkeyPatch, path: Path) -> int:
    """From now on ``path`` has another owner, for whoever asks the system; returns the uid."""
    uid = os.geteuid() + 1
    seems(monkeypatch, path, st_uid=uid)
    return uid


def is_a_device(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A device node; who may not make one gets a file that the system calls one."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        path.touch(mode=0o600)
        seems(monkeypatch, path, st_mode=stat.S_IFCHR | 0o600)


def seems(monkeypatch: pytest.MonkeyPatch, path: Path, **fields: int) -> None:
    """From now on the system says this of ``path``."""
    inode, changes = path.lstat().st_ino, fields
    fstat, os_stat = os.fstat, os.stat

    def changed(seen: os.stat_result) -> Any:
        if seen.st_ino != inode:
            return seen
        fields = {name: getattr(seen, name) for name in dir(seen) if name.startswith("st_")}
        return SimpleNamespace(**fields | changes)

    monkeypatch.setattr(os, "fstat", lambda fd: changed(fstat(fd)))
    monkeypatch.setattr(os, "stat", lambda *args, **named: changed(os_stat(*args, **named)))
