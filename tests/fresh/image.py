"""The image that the Dockerfile makes, made in folders: its own lines, run one after the other.

What an instruction does outside of Docker is written here; what it says to Docker alone (LABEL,
VOLUME, HEALTHCHECK, ENTRYPOINT, CMD, USER) is not run here: ``story.py`` takes it up from the
stage.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from dockerfile import Instruction, Stage
from room import Room

Say = Callable[[str], None]


def build(base: Room, stages: list[Stage], context: Path, say: Say) -> Room:
    """The last stage's room.  Raises SystemExit where a line fails."""
    allowed = (context / ".dockerignore").read_text(encoding="utf-8").splitlines()
    made: dict[str, Room] = {}
    room = base
    for number, stage in enumerate(stages):
        room = base.copy(f"stage-{number}")
        made[stage.name] = room
        left = []
        for one in stage.instructions:
            began = time.monotonic()
            match one.word:
                case "RUN":
                    room.run("sh", "-c", one.text)
                case "ENV":
                    room.env.update(one.pairs(room.env))
                case "WORKDIR":
                    room.workdir = one.text
                    (room.root / one.text[1:]).mkdir(parents=True, exist_ok=True)
                case "COPY":
                    _copy(one, room, made, context, allowed)
                case _:
                    left.append(one.word)
                    continue
            say(f"  {time.monotonic() - began:5.1f} s  {one.word} {one.text[:60]}")
        if left:
            say(f"         left to the story below: {', '.join(left)}")
    return room


def _copy(
    one: Instruction, room: Room, made: dict[str, Room], context: Path, allowed: list[str]
) -> None:
    words = one.words
    origin = context
    if words[0].startswith("--from="):
        origin = made[words.pop(0).removeprefix("--from=")].root
    elif missing := [name for name in words[:-1] if f"!{name}" not in allowed]:
        raise SystemExit(f"test-fresh: .dockerignore keeps {missing} out of the build")
    target = room.root / Path(room.workdir, words[-1]).relative_to("/")
    for name in words[:-1]:
        source = origin / name.lstrip("/")
        if source.is_dir():
            # As Docker has it: what is in the folder, not the folder.
            target.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
        else:
            shutil.copy(source, target)
