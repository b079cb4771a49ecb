"""The examples that need a language's own tools: Node with undici, and Go."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import tools

from examples import EXAMPLES, Stage, stage
from standin import StandInProcess


@pytest.fixture
async def here(world: StandInProcess, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(world, tmp_path) as ready:
        yield ready


async def test_undici(here: Stage, tmp_path: Path) -> None:
    # Beside its modules, as after `npm install` in its folder.
    shutil.copy(EXAMPLES / "node/undici.mjs", tmp_path)
    os.symlink(tools.modules() / "node_modules", tmp_path / "node_modules")
    await here.outlives_a_revocation(tools.node(), "undici.mjs", cwd=tmp_path)


async def test_nodes_own_http(here: Stage) -> None:
    await here.outlives_a_revocation(tools.node(), "node/http.mjs")


async def test_go(here: Stage, tmp_path: Path) -> None:
    built = tmp_path / "knoq"
    for words in (("vet", "./..."), ("build", "-o", built, ".")):
        code, out, err = await here.run(
            tools.go(), *words, cwd=EXAMPLES / "go", limit_s=tools.BUILD_S, **tools.go_environment()
        )
        assert code == 0, out + err
    await here.outlives_a_revocation(built)
