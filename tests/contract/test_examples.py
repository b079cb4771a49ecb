"""The examples of ``docs/examples``, as they stand there, against a real API and the stand-in.

Those that need more than this machine has are in ``tests/languages``.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from examples import EXAMPLES, SESSIONS, Stage, stage
from harvester.errors import NeedsHuman
from standin import StandInProcess

# Playwright brings a Node of its own, so that no machine lacks one.
NODE = compute_driver_executable()[0]
WORDS = {
    "curl": ("sh", "curl/knoq.sh"),
    "python": (sys.executable, "-I", "python/knoq.py"),
    "node": (NODE, "node/http.mjs"),
}


@pytest.fixture
async def here(world: StandInProcess, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(world, tmp_path) as ready:
        yield ready


@pytest.fixture(params=WORDS)
def words(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found: tuple[str, ...] = WORDS[request.param]
    assert shutil.which(found[0]), f"{found[0]} is not on this machine"
    return found


async def test_an_example_gets_its_answer_and_survives_a_revocation(
    here: Stage, words: tuple[str, ...]
) -> None:
    await here.outlives_a_revocation(*words)


async def test_an_example_tells_what_only_a_person_can_mend(
    here: Stage, words: tuple[str, ...]
) -> None:
    here.keeper.fails = NeedsHuman("the provider wants to see you", hint="harvester login --headed")
    code, out, err = await here.run(*words, SESSIONS)
    assert code != 0
    assert out == ""
    assert "needs_human" in err and "harvester login --headed" in err


async def test_an_example_passes_a_refusal_on_and_reports_nothing(
    here: Stage, words: tuple[str, ...]
) -> None:
    here.world.set(plan_lacks=True)
    code, out, err = await here.run(*words, SESSIONS)
    assert code == 1
    assert "plan" in json.loads(out)["error"] and "403" in err
    assert here.keeper.reports == 0
    for cookie in here.keeper.cookies:
        assert len(cookie.value) < 8 or cookie.value not in out + err


def test_every_example_is_run() -> None:
    here = {word for words in WORDS.values() for word in words if "/" in word}
    elsewhere = {"node/undici.mjs", "go/main.go"}
    held = (path for path in EXAMPLES.rglob("*") if "node_modules" not in path.parts)
    found = {
        str(path.relative_to(EXAMPLES))
        for path in held
        if path.suffix in (".sh", ".py", ".mjs", ".go")
    }
    assert found == (here & found) | elsewhere
