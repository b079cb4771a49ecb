"""docs/security.md says what is so: every file, test and mutant that it names exists, and no
threat stands there without a control and a test."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "security.md"
HEADING = ["threat", "control (file)", "test that fails without it"]
# The subjects of a review; each needs rows of its own.
SUBJECTS = (
    "The password on its way (P, T)",
    "The process (P, T, C, K)",
    "The store (C, S, K)",
    "The sealing key (K)",
    "The account (A)",
    "The session, kept (C, V)",
    "Where a secret may be typed (P, T)",
    "Serving (C, V)",
    "Who is given it (C)",
    "Leases (C)",
    "A session that was stolen (C)",
    "How it comes to you",
)
ROWS_LEAST = 4
_A_FILE = re.compile(r"[\w./-]+\.(py|js|json|yml|toml|lock|service|sysusers)")
_A_TEST = re.compile(r"(?P<file>(?:[\w-]+/)*test_\w+\.py)(?:::(?P<name>test_\w+))?")


def rows() -> Iterator[tuple[str, list[str]]]:
    """Every row of every table of three columns below "Threat, control, test", by its subject."""
    subject = ""
    began = False
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            began = line == "## Threat, control, test"
        elif line.startswith("### "):
            subject = line[4:]
        elif began and line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            if cells != HEADING and not set(cells[0]) <= set("-: "):
                yield subject, cells


ROWS = list(rows())
EACH_ROW = pytest.mark.parametrize("cells", [row for _, row in ROWS], ids=lambda row: row[0][:60])


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def cases_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )


@cache
def files_called(name: str) -> tuple[Path, ...]:
    """Where a test file lies; it may be named by its name alone."""
    tests = ROOT / "tests"
    found = [path for path in tests.rglob(name.rpartition("/")[2]) if str(path).endswith(name)]
    return tuple(found)


@cache
def mutants() -> frozenset[str]:
    place = str(ROOT / "tests" / "mutants")
    sys.path.insert(0, place)
    try:
        import controls  # as tests/mutants imports them
        import rules

        return frozenset(one.name for of in (rules, controls) for one in of.mutants())
    finally:
        sys.path.remove(place)


def there(name: str) -> bool:
    return any(
        (base / name).exists() for base in (ROOT / "harvester", ROOT, ROOT / "harvester/cli")
    )


def test_every_subject_has_its_rows() -> None:
    for subject in SUBJECTS:
        assert sum(of == subject for of, _ in ROWS) >= ROWS_LEAST, subject
    assert {of for of, _ in ROWS} <= {*SUBJECTS}, "a subject that this test does not know"


@EACH_ROW
def test_a_threat_has_a_control_and_a_test(cells: list[str]) -> None:
    assert len(cells) == 3 and all(cells), cells
    files = [one for one in named(cells[1]) if _A_FILE.fullmatch(one)]
    assert files, f"no file: {cells[1]}"
    assert named(cells[2]), f"no test: {cells[2]}"


@EACH_ROW
def test_every_file_of_a_control_exists(cells: list[str]) -> None:
    for one in named(cells[1]):
        if _A_FILE.fullmatch(one):
            assert there(one), f"{one} is nowhere"


@EACH_ROW
def test_every_test_and_mutant_of_a_row_exists(cells: list[str]) -> None:
    for one in named(cells[2]):
        if one.startswith("mutant "):
            assert one.removeprefix("mutant ") in mutants(), one
            continue
        match = _A_TEST.fullmatch(one)
        assert match, f"neither a test nor a mutant: {one}"
        files = files_called(match["file"])
        assert len(files) == 1, f"{match['file']} is {len(files)} files"
        if match["name"]:
            assert match["name"] in cases_of(files[0]), one


def test_no_threat_stands_there_twice() -> None:
    threats = [cells[0] for _, cells in ROWS]
    assert len(set(threats)) == len(threats)


def test_what_is_not_defended_is_said() -> None:
    text = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    said = text[text.index("**Not defended**") : text.index("## Threat, control, test")]
    for words in ("same user", "root", "identity provider", "*all* our files", "not wiped"):
        assert words in said, words
