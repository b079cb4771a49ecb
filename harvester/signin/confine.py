"""The signer's own small world: a private scratch directory and a short list of variables.

Everything that the browser writes goes into the scratch directory, which is gone afterwards; and
nothing of the user's environment reaches it that could print, redirect or keep what is typed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harvester.leftovers import PREFIX, is_locked_by_us, scratch_root, sweep

# DEBUG, PWDEBUG, NODE_OPTIONS, LD_*, SSLKEYLOGFILE, CHROME_* and proxies are not here on purpose.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "FONTCONFIG_PATH", "FONTCONFIG_FILE")
_HOME_NAMES = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
_TRIES = 5


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


def allowed_environment(environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """What the driver and the browser may know."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    kept.setdefault("LANG", "C.UTF-8")
    return kept | dict.fromkeys(_HOME_NAMES, str(scratch))
