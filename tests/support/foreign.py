"""Files that seem to belong to somebody else, also where the tests do not run as root."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


def belongs_to_another(monkeypatch: pytest.MonkeyPatch, path: Path) -> int:
    """From now on ``path`` has another owner, for whoever asks the system; returns the uid."""
    inode, uid = path.lstat().st_ino, os.geteuid() + 1
    fstat, stat = os.fstat, os.stat

    def changed(seen: os.stat_result) -> Any:
        if seen.st_ino != inode:
            return seen
        fields = {name: getattr(seen, name) for name in dir(seen) if name.startswith("st_")}
        return SimpleNamespace(**fields | {"st_uid": uid})

    monkeypatch.setattr(os, "fstat", lambda fd: changed(fstat(fd)))
    monkeypatch.setattr(os, "stat", lambda *args, **named: changed(stat(*args, **named)))
    return uid
