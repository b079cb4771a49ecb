"""Completion, as a shell does it: the lines are sourced, and Tab is pressed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def tab(home: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    script = (
        'eval "$(harvester completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_harvester_completion harvester; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ended = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", "harvester", *words],
        env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home)},
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("exp",), ["export"]),
        (("token", "--format", "ne"), ["netscape"]),
        (("token", "--no"), ["--no-sign-in"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("credential-helper", ""), ["get"]),
    ],
)
def test_bash_offers_what_may_come_next(
    home: Path, words: tuple[str, ...], offered: list[str]
) -> None:
    assert tab(home, *words) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_get_lines_of_their_own(shell: str) -> None:
    lines = subprocess.check_output([BIN / "harvester", "completion", shell], text=True)
    assert f"_HARVESTER_COMPLETE={shell}_complete" in lines
