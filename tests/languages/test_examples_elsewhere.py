"""The examples that need a language's own tools: Node with undici, and Go."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import tools

from examples import EXAMPLES, Stage, stage
from standin import StandInProcess

SESSIONS, BEGIN = "/api/managed-agents/sessions", "/api/managed-agents/session"


@pytest.fixture
async def here(world: StandInProcess, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(world, tmp_path) as ready:
        yield ready


async def survives(here: Stage, *words: str | Path, **run: object) -> None:
    """The same story as of the examples in ``tests/contract``."""
    code, out, err = await here.run(*words, SESSIONS, **run)  # type: ignore[arg-type]
    assert (code, err) == (0, "")
    assert json.loads(out)["sessions"] == []
    here.world.revoke()
    code, out, err = await here.run(*words, BEGIN, '{"text": "hello"}', **run)  # type: ignore[arg-type]
    assert (code, err) == (0, "")
    assert json.loads(out)["sessionId"]
    state = here.world.state()
    assert (state["api_posts_executed"], state["api_401"], state["sign_ins"]) == (1, 1, 2)
    assert here.keeper.reports == 1


async def test_undici(here: Stage, tmp_path: Path) -> None:
    # Beside its modules, as after `npm install` in its folder.
    shutil.copy(EXAMPLES / "node/undici.mjs", tmp_path)
    os.symlink(tools.modules() / "node_modules", tmp_path / "node_modules")
    await survives(here, tools.node(), "undici.mjs", cwd=tmp_path)


async def test_nodes_own_http(here: Stage) -> None:
    await survives(here, tools.node(), "node/http.mjs")


async def test_go(here: Stage, tmp_path: Path) -> None:
    built = tmp_path / "knoq"
    for words in (("vet", "./..."), ("build", "-o", built, ".")):
        code, out, err = await here.run(
            tools.go(), *words, cwd=EXAMPLES / "go", limit_s=tools.BUILD_S, **tools.go_environment()
        )
        assert code == 0, out + err
    await survives(here, built)
