"""The register of all kinds that can be signed in to."""

from __future__ import annotations

import consumer
import directories
import enterprise
import federation
import frameworks
import oddities
import selfhosted
import travels
from kind import Kind
from tongues import TONGUES

_ROOMS = (
    enterprise, directories, selfhosted, federation, consumer, frameworks, oddities, travels,
)  # fmt: skip


def _of(room: object) -> list[type[Kind]]:
    """The kinds that a module defines, in its order; what they share is no kind."""
    return [
        one
        for one in vars(room).values()
        if isinstance(one, type)
        and issubclass(one, Kind)
        and one.__module__ == room.__name__  # type: ignore[attr-defined]
        and not one.__name__.startswith("_")
        and one is not oddities.OnePage
    ]


KINDS: tuple[type[Kind], ...] = (*(one for room in _ROOMS for one in _of(room)), *TONGUES)
