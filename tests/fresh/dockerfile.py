"""A Dockerfile, read: the stages with their instructions, as far as ours has them.

Knows the form only, runs nothing.  An instruction that is not known here is an error, so that a
line added to the Dockerfile cannot go unproved.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

_KNOWN = (
    "FROM", "LABEL", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "HEALTHCHECK",
    "ENTRYPOINT", "CMD",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instruction:
    word: str
    text: str

    @property
    def words(self) -> list[str]:
        """As JSON, where it is written so, else as a shell would split it."""
        if self.text.startswith("["):
            return [str(one) for one in json.loads(self.text)]
        return shlex.split(self.text)

    def pairs(self, known: dict[str, str]) -> dict[str, str]:
        """What an ENV sets, with $NAME put in."""
        found = {}
        for one in self.words:
            name, _, value = one.partition("=")
            found[name] = re.sub(r"\$(\w+)", lambda match: known.get(match[1], ""), value)
        return found


@dataclass(slots=True)
class Stage:
    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, word: str) -> Instruction:
        return [one for one in self.instructions if one.word == word][-1]

    @property
    def health(self) -> list[str]:
        """The words of the health check's command."""
        _, _, command = self.last("HEALTHCHECK").text.partition("CMD ")
        return Instruction("CMD", command).words


def read(path: Path) -> list[Stage]:
    """Raises ValueError for what is not known here."""
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    stages: list[Stage] = []
    for entry in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        word, _, text = entry.strip().partition(" ")
        if not word:
            continue
        if word not in _KNOWN:
            raise ValueError(f"no idea how to do {word} outside of Docker")
        if word == "FROM":
            base, _, name = text.partition(" AS ")
            stages.append(Stage(base, name))
        else:
            stages[-1].instructions.append(Instruction(word, text.strip()))
    return stages
