"""Another user of this machine, without rights, who can run this program: for tests that root runs.

The interpreter, the libraries and the browser may lie where only root gets through to; what of them
does, is linked (or copied) into a folder that all may enter.
"""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import harvester
from harvester.signin.find import find_browser

NOBODY = 65534


def become_nobody() -> None:
    """In a child before it runs a program: his user, his group, no other, and no capabilities."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    os.umask(0o077)


def open_to_all(path: Path) -> bool:
    return all(one.stat().st_mode & 0o001 for one in (path.resolve(), *path.resolve().parents))


# Large, and not needed to run anything of ours.
_LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "test", "idlelib", "ensurepip", "mypy*", "*ruff*", "*.pth"
)
# What his programs import: compiled here once, since he may write nothing down beside it.
_COMPILED = "import harvester.daemon, harvester.cli.app, harvester.signin.attempt"


def linked(what: Path, to: Path) -> Path:
    """A tree at another place: by hard links where that is possible, else a copy."""

    def place(one: str, there: str) -> None:
        try:
            os.link(one, there)
        except OSError:
            shutil.copy2(one, there)

    if what.is_dir():
        shutil.copytree(what, to, copy_function=place, ignore=_LEFT_OUT)
    else:
        place(str(what), str(to))
    return to


class Land:
    """``python`` runs this program for everybody; ``browser`` is one that everybody may start."""

    def __init__(self, place: Path) -> None:
        place.chmod(0o755)
        base = Path(sys.base_prefix)
        real = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
        if not open_to_all(real):
            made = place / "python"
            (made / "bin").mkdir(parents=True)
            real = _interpreter(real, base / "lib", made / "bin" / real.name)
            version = f"python{sys.version_info.major}.{sys.version_info.minor}"
            (made / "lib").mkdir()
            for shared in (base / "lib").glob("libpython*"):
                linked(shared, made / "lib" / shared.name)
            linked(Path(sysconfig.get_path("stdlib")), made / "lib" / version)
        venv = place / "venv"
        home = Path(site.getsitepackages([str(venv)])[0])
        linked(Path(sysconfig.get_path("purelib")), _parent(home))
        linked(Path(harvester.__file__).parent, home / "harvester")
        (venv / "bin").mkdir()
        (venv / "pyvenv.cfg").write_text(f"home = {real.parent}\n")
        self.python = venv / "bin" / "python"
        self.python.symlink_to(real)
        subprocess.run([str(self.python), "-c", _COMPILED], check=True, env={"PATH": os.defpath})
        self.browser = Path(find_browser(os.environ.get("HARVESTER_BROWSER") or None).path)
        if not open_to_all(self.browser):
            found = self.browser.resolve()
            self.browser = linked(found.parent, place / "browser") / found.name

    def environ(self, home: Path) -> dict[str, str]:
        """What every program of his starts with."""
        kept = {"PATH": os.defpath, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"}
        return {**kept, "HARVESTER_BROWSER": str(self.browser)}

    def room(self, place: Path) -> Path:
        """A folder of his own."""
        place.mkdir(mode=0o700)
        os.chown(place, NOBODY, NOBODY)
        return place

    def start(
        self, *words: str, environ: Mapping[str, str], cwd: Path, log: Path | None = None
    ) -> subprocess.Popen[bytes]:
        with (log or Path(os.devnull)).open("ab") as told:
            return subprocess.Popen(
                [str(self.python), *words],
                env=dict(environ),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=told,
                preexec_fn=become_nobody,
            )

    def ask(self, script: str, *words: str, cwd: Path) -> str:
        """What a script of his prints."""
        ended = subprocess.run(
            [str(self.python), "-c", script, *words],
            env={"PATH": os.defpath},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            preexec_fn=become_nobody,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def _interpreter(real: Path, libraries: Path, to: Path) -> Path:
    """The program, told to look for its shared library beside itself and not where it was built:
    no variable can tell it, since our own processes hand none on."""
    there, beside = os.fsencode(libraries), b"$ORIGIN/../lib"
    program = real.read_bytes()
    if len(there) >= len(beside):
        program = program.replace(there + b"\0", beside.ljust(len(there) + 1, b"\0"), 1)
    to.write_bytes(program)
    to.chmod(0o755)
    return to


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    return path


def end(process: subprocess.Popen[bytes]) -> int:
    """TERM, and its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    return process.returncode
