"""Published programs, put into a folder of their own: Debian packages, PyPI, npm.

Nothing is installed into the system: Debian packages are downloaded and unpacked (no root needed,
no service started), PyPI goes into a private environment, npm into a private folder.  The folder
is kept, so that a second run starts at once; a changed list of packages is installed anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# The whole of an installation; the largest took a minute.
INSTALL_S = 560.0


def cache() -> Path:
    """Where programs are kept: ``TEST_PROGRAMS``, else a folder of the user's cache."""
    given = os.environ.get("TEST_PROGRAMS")
    if given:
        return Path(given)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "harvester-programs"


def debian(name: str, *packages: str, without: tuple[str, ...] = ()) -> Path:
    """The root of an unpacked set of packages: those named and what this machine lacks of theirs.

    ``without`` are beginnings of names of dependencies that are not needed here.
    """
    return _kept(f"debian-{name}", [*packages, *without], lambda at: _unpack(at, packages, without))


def python(name: str, *requirements: str) -> Path:
    """The ``bin`` of an environment that holds these."""

    def build(at: Path) -> None:
        _run([sys.executable, "-m", "venv", str(at)])
        pip = [str(at / "bin/python"), "-m", "pip", "--disable-pip-version-check", "-q"]
        _run([*pip, "install", *requirements])

    return _kept(f"python-{name}", list(requirements), build) / "bin"


def npm(name: str, *packages: str) -> Path:
    """A folder with ``node_modules`` that hold these."""

    def build(at: Path) -> None:
        (at / "package.json").write_text('{"private": true}\n')
        _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *packages], cwd=at)

    return _kept(f"npm-{name}", list(packages), build)


def _kept(name: str, wanted: list[str], build: Callable[[Path], None]) -> Path:
    at = cache() / name
    stamp = at / ".installed"
    if not stamp.exists() or stamp.read_text().split("\n") != wanted:
        shutil.rmtree(at, ignore_errors=True)
        at.mkdir(parents=True)
        build(at)
        stamp.write_text("\n".join(wanted))
    return at


def _unpack(at: Path, packages: tuple[str, ...], without: tuple[str, ...]) -> None:
    said = _run(["apt-get", "install", "--simulate", "--no-install-recommends", *packages])
    missing = [line.split()[1] for line in said.splitlines() if line.startswith("Inst ")]
    # What this machine has is used from there, except the named ones: their files are wanted here.
    wanted = [one for one in missing if not (without and one.startswith(without))]
    wanted += [one for one in packages if one not in wanted]
    archives = at / "archives"
    archives.mkdir()
    _run(["apt-get", "download", *wanted], cwd=archives)
    for one in sorted(archives.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(one), str(at)])
    shutil.rmtree(archives)
    for one in at.rglob("*"):
        if one.is_symlink() and one.readlink().is_absolute():
            # It means the root of a system into which it would have been installed.
            inside = at / one.readlink().relative_to("/")
            if os.path.lexists(inside):
                one.unlink()
                one.symlink_to(inside)


def _run(words: list[str], *, cwd: Path | None = None) -> str:
    done = subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_S, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout
