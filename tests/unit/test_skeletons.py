"""Pages that were met once, replayed: the classifier still says of each what is right.

How a user's page comes here is told in ``tests/support/skeletons.py``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harvester.signin.blanks import Blanks
from harvester.signin.skeleton import known_of, skeleton_of, view_of
from skeletons import PLACE, as_test, said_now

PAGES = sorted(PLACE.glob("*.json"))


def page(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return told


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_page_is_taken_for_what_it_is(path: Path) -> None:
    told = page(path)
    assert said_now(told) == told["expected"], told["story"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_nobody_is_in_it(path: Path) -> None:
    """A page that a person gave us names no person: whoever adds one has looked."""
    text = path.read_text("utf-8")
    assert page(path)["story"]
    assert not re.search(r"@(?!example\.test)[\w-]+\.\w", text), "an address"
    assert '"value"' not in text


def test_there_are_pages_of_every_kind() -> None:
    states = {page(path)["expected"]["state"] for path in PAGES}
    assert len(PAGES) >= 12
    assert states >= {"ask_identifier", "ask_password", "ask_code", "choose_provider", "consent"}


def test_a_page_is_still_the_same_page_when_it_is_taken_again() -> None:
    for path in PAGES:
        told = page(path)
        view, known = view_of(told), known_of(told)
        once_more = skeleton_of(view, known, Blanks(known.username, ()))
        assert said_now(once_more) == told["expected"], path.stem
        assert json.loads(as_test(once_more, told["story"]))["expected"] == told["expected"]
