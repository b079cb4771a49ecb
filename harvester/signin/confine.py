"""The signer's own small world: a private scratch directory and a short list of variables.

Everything that the browser writes goes into the scratch directory, which is gone afterwards; and
nothing of the user's environment reaches it that could print, redirect or keep what is typed.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harvester.signin.leftovers import PREFIX, is_locked_by_us, sweep

# DEBUG, PWDEBUG, NODE_OPTIONS, LD_*, SSLKEYLOGFILE, CHROME_* and proxies are not here on purpose.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "FONTCONFIG_PATH", "FONTCONFIG_FILE")
_HOME_NAMES = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
_TRIES = 5
_PROC_MOUNTS = Path("/proc/mounts")


class Scratch:
    """A directory of mode 0700 that is removed at the end.

    It is locked while it is in use: a later sign-in sweeps away what a ``kill -9`` left behind.
    """

    def __init__(self, root: Path | None = None) -> None:
        root = scratch_root() if root is None else root
        sweep(root)
        for _ in range(_TRIES):
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            # A sweeper may have been between the two lines above.
            if is_locked_by_us(self._lock) and self.path.exists():
                return
            os.close(self._lock)
        raise OSError(f"no private directory could be made in {root}")

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def scratch_root() -> Path:
    """Memory where there is some: what a browser writes then never reaches a disk."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_ours(Path(runtime)):
        return Path(runtime)
    shm = Path("/dev/shm")  # noqa: S108  only a directory of our own inside it is used
    if _on_tmpfs(shm) and os.access(shm, os.W_OK | os.X_OK):
        return shm
    return Path(tempfile.gettempdir())


def _is_ours(path: Path) -> bool:
    try:
        facts = path.stat()
    except OSError:
        return False
    private = stat.S_IMODE(facts.st_mode) & 0o077 == 0
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and private


def _on_tmpfs(path: Path) -> bool:
    try:
        mounts = _PROC_MOUNTS.read_text()
    except OSError:
        return False
    return any(line.split()[1:3] == [str(path), "tmpfs"] for line in mounts.splitlines())


def allowed_environment(environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """What the driver and the browser may know."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    kept.setdefault("LANG", "C.UTF-8")
    return kept | dict.fromkeys(_HOME_NAMES, str(scratch))
