"""A copy of the program with one thing wrong, and whether the tests notice.

A mutant is a replacement of text that stands exactly once in one file: when the program changes,
a mutant that no longer fits says so, and nothing is tested by mistake as it was.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The tests of the rules: no browser, no process, seconds.
NOTICING = (
    "tests/unit/test_ladder.py",
    "tests/unit/test_ledger.py",
    "tests/unit/test_lifetime.py",
    "tests/unit/test_settle.py",
    "tests/unit/test_prices.py",
    "tests/unit/test_rest.py",
    "tests/unit/test_overseer.py",
    "tests/unit/test_witnesses.py",
    "tests/unit/test_classes.py",
    "tests/unit/test_keeper.py",
    "tests/unit/test_lives.py",
    "tests/unit/test_union.py",
)
# A mutant may wait for ever for what it no longer does; that is noticed too.
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Mutant:
    """``old`` stands once in ``file`` (below ``harvester/``) and becomes ``new``.

    ``also`` are further such changes, of (file, old, new): where two walls stand behind each other,
    neither is missed alone.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = NOTICING
    also: tuple[tuple[str, str, str], ...] = ()

    def made_in(self, directory: Path) -> Path:
        """The whole package with the one change, below ``directory``."""
        made = directory / "harvester"
        shutil.copytree(ROOT / "harvester", made, ignore=shutil.ignore_patterns("__pycache__"))
        for file, old, new in self.changes():
            path = made / file
            text = path.read_text("utf-8")
            assert text.count(old) == 1, f"{self.name}: {file} no longer says {old!r} once"
            path.write_text(text.replace(old, new), "utf-8")
        return made

    def changes(self) -> tuple[tuple[str, str, str], ...]:
        return ((self.file, self.old, self.new), *self.also)

    def noticed(self, directory: Path, *, patience_s: float = PATIENCE_S) -> bool:
        """Whether some test fails, or hangs, with it."""
        self.made_in(directory)
        environ = {**os.environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
        # -P: the folder it is started in must not come before the mutant's.
        python = [sys.executable, "-P"]
        where = subprocess.run(
            [*python, "-c", "import harvester; print(harvester.__file__)"],
            env=environ, cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert Path(where.strip()).is_relative_to(directory), "the tests would see the original"
        # Whether the tests notice is the question; elsewhere the canary run looks at them.
        plain = ["-p", "no:cacheprovider", "-p", "no:canary"]
        command = [*python, "-m", "pytest", "-x", "-q", *plain, *self.tests]
        try:
            ended = subprocess.run(
                command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=patience_s,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return True
        # 1: tests failed; 2: they could not even be read, as with a name that is gone.
        assert ended.returncode in (0, 1, 2), ended.stdout[-2000:]
        return ended.returncode != 0
