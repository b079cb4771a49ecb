"""What a killed sign-in left is ended and removed; what lives, and what is another's, stays."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvester.leftovers import PREFIX, Swept, sweep
from harvester.signin.confine import Scratch
from processes import ended

Start = Callable[[Path], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program as the browser of a sign-in is started: its HOME says whose it is."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(home: Path) -> int:
        words = ["sh", "-c", "sleep 60 & wait"]
        running.append(subprocess.Popen(words, env={"PATH": os.defpath, "HOME": str(home)}))
        return running[-1].pid

    yield begin
    for one in running:
        one.kill()
        one.wait()


def left_in(root: Path, name: str = "left") -> Path:
    place = root / (PREFIX + name)
    place.mkdir(mode=0o700)
    (place / "profile").write_text("cookies")
    return place


def test_a_browser_and_its_directory_are_gone(tmp_path: Path, start: Start) -> None:
    left = left_in(tmp_path)
    pid = start(left)
    swept = sweep(tmp_path)
    assert swept.directories == 1 and swept.processes >= 1
    assert ended(pid) and not left.exists()
    assert sweep(tmp_path) == Swept()


def test_a_browser_whose_directory_is_gone_already_is_ended(tmp_path: Path, start: Start) -> None:
    left = left_in(tmp_path)
    pid = start(left)
    (left / "profile").unlink()
    left.rmdir()
    assert sweep(tmp_path) == Swept(), "not looked for by each sign-in"
    swept = sweep(tmp_path, thorough=True)
    assert swept.directories == 0 and swept.processes >= 1
    assert ended(pid)


def test_a_sign_in_that_lives_keeps_both(tmp_path: Path, start: Start) -> None:
    living = Scratch(tmp_path)
    pid = start(living.path)
    assert sweep(tmp_path, thorough=True) == Swept()
    assert not ended(pid, 0) and living.path.exists()
    living.remove()


def test_a_program_that_only_stands_near_is_left_alone(tmp_path: Path, start: Start) -> None:
    left = left_in(tmp_path)
    pids = [start(tmp_path), start(left / "below"), start(tmp_path / "other"), start(Path("/"))]
    assert sweep(tmp_path, thorough=True).processes == 0
    assert not any(ended(pid, 0) for pid in pids)


def test_a_link_leads_nowhere(tmp_path: Path, start: Start) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / (PREFIX + "link")).symlink_to(elsewhere)
    pid = start(root / (PREFIX + "link"))
    assert sweep(root, thorough=True) == Swept()
    assert (elsewhere / "kept").exists() and not ended(pid, 0)
