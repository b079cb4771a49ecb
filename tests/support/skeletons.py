"""Skeletons of pages as tests: what ``harvester history ID --skeleton`` prints, and what is right.

    harvester history s-0007 --skeleton > page.json
    python tests/support/skeletons.py "a code page in Welsh" < page.json > tests/skeletons/NAME.json

This writes what the classifier says *today* as the expectation.  For a page that was not
recognised that is the fault: write there what is right, and make the test pass.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harvester.signin.decide import decide
from harvester.signin.skeleton import known_of, said_of, view_of, written

PLACE = Path(__file__).parents[1] / "skeletons"


def said_now(skeleton: Mapping[str, Any]) -> dict[str, Any]:
    """What the classifier says of it today."""
    return said_of(decide(view_of(skeleton), known_of(skeleton)))


def as_test(skeleton: Mapping[str, Any], story: str) -> str:
    kept = {name: skeleton[name] for name in ("skeleton", "known", "frames")}
    return written({"story": story, "expected": said_now(skeleton), **kept}) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_test(json.load(sys.stdin), " ".join(sys.argv[1:])))
