"""What is kept of a failed sign-in: its steps with a picture of each, and the last page's skeleton.

Owns the form in which it is stored, and how it is made to fit a record.  Nothing in it is a secret
(``signin/film.py`` and ``signin/skeleton.py`` see to that); it is sealed all the same, because it
tells where somebody works.  Takes no pictures and opens no record.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any, Final

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Box:
    """A control where it stood: left, top, width and height in pixels of the page."""

    role: str
    label: str
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step: ``state`` is its name, ``action`` what was done there (``press``, ``fill``,
    ``stopped``, or nothing).  ``at_s`` is since the start, ``took_s`` until the next step.
    ``picture`` is a JPEG, None where none could be taken in time or had to go; ``outline`` is
    what can be drawn in its place.
    """

    state: str
    host: str
    path: str
    action: str
    at_s: float
    took_s: float
    picture: bytes | None = field(default=None, repr=False)
    outline: tuple[Box, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A failed sign-in.  ``at`` is seconds since 1970, of its end."""

    at: float
    rung: str
    code: str
    message: str
    steps: tuple[Step, ...]
    skeleton: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """Where it ended."""
        return self.steps[-1].host if self.steps else ""

    def as_dict(self, *, pictures: bool = False) -> dict[str, Any]:
        return {
            "evidence": VERSION,
            "at": self.at,
            "rung": self.rung,
            "code": self.code,
            "message": self.message,
            "steps": [_step(one, pictures=pictures) for one in self.steps],
            "skeleton": self.skeleton,
        }

    def to_bytes(self, limit_bytes: int) -> bytes:
        """Made to fit: pictures go from the middle outwards, the first and the last one last;
        then drawings go; the skeleton stays."""
        fitting = self
        while True:
            data = json.dumps(fitting.as_dict(pictures=True), ensure_ascii=False).encode()
            shown = [at for at, one in enumerate(fitting.steps) if one.picture is not None]
            if len(data) <= limit_bytes:
                return data
            if not shown:
                bare = tuple(replace(one, outline=()) for one in fitting.steps)
                told = replace(fitting, steps=bare).as_dict(pictures=True)
                return json.dumps(told, ensure_ascii=False).encode()
            middle = shown[(len(shown) - 1) // 2]
            steps = list(fitting.steps)
            steps[middle] = replace(steps[middle], picture=None)
            fitting = replace(fitting, steps=tuple(steps))

    @classmethod
    def from_bytes(cls, data: bytes) -> Evidence:
        """Raises KeyError, TypeError or ValueError for what another release wrote."""
        told = json.loads(data)
        if told["evidence"] != VERSION:
            raise ValueError("evidence of another version")
        return cls(
            at=float(told["at"]),
            rung=str(told["rung"]),
            code=str(told["code"]),
            message=str(told["message"]),
            steps=tuple(_step_again(one) for one in told["steps"]),
            skeleton=told["skeleton"],
        )


def _step(step: Step, *, pictures: bool) -> dict[str, Any]:
    picture = step.picture
    told: dict[str, Any] = {
        "state": step.state,
        "host": step.host,
        "path": step.path,
        "action": step.action,
        "at_s": step.at_s,
        "took_s": step.took_s,
    }
    if pictures:
        told["picture"] = None if picture is None else base64.b64encode(picture).decode("ascii")
        told["outline"] = [astuple(one) for one in step.outline]
    return told


def _step_again(data: Mapping[str, Any]) -> Step:
    picture = data.get("picture")
    return Step(
        state=str(data["state"]),
        host=str(data["host"]),
        path=str(data["path"]),
        action=str(data["action"]),
        at_s=float(data["at_s"]),
        took_s=float(data["took_s"]),
        picture=None if picture is None else base64.b64decode(picture, validate=True),
        outline=tuple(
            Box(str(role), str(label), *(int(side) for side in sides))
            for role, label, *sides in data.get("outline", ())
        ),
    )
