"""From ``openapi.json`` alone a published generator makes a client that compiles and works."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import tools

from examples import Stage, stage
from harvester.outlets.api import openapi_text
from standin import StandInProcess

HERE = Path(__file__).parent
# As docs/examples/README.md says.  The first of the three would refuse an answer that has a field
# more than today, the second a code that is new: the API promises that both may come.
GO_OPTIONS = (
    "disallowAdditionalPropertiesIfNotPresent=false,enumUnknownDefaultCase=true"
    ",packageName=harvesterapi"
)
GO_PARTS = (
    "apis,models,supportingFiles,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"
)
USED = {"before": 1, "after": 2, "verdict": "refreshed"}


@pytest.fixture
async def here(world: StandInProcess, tmp_path: Path) -> AsyncIterator[Stage]:
    (tmp_path / "openapi.json").write_text(openapi_text())
    async with stage(world, tmp_path) as ready:
        yield ready


async def done(here: Stage, *words: str | Path, cwd: Path, **env: str) -> str:
    code, out, err = await here.run(*words, cwd=cwd, limit_s=tools.BUILD_S, **env)
    assert code == 0, out + err
    return out


def check(out: str) -> None:
    used, unknown = out.splitlines()
    assert json.loads(used) == USED
    assert unknown == "unknown_profile"


async def test_typescript(here: Stage, tmp_path: Path) -> None:
    shutil.copytree(HERE / "typescript", tmp_path, dirs_exist_ok=True)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    os.symlink(tools.modules() / "node_modules", tmp_path / "node_modules")
    node, binaries = tools.node(), tmp_path / "node_modules/.bin"
    await done(
        here, node, binaries / "openapi-typescript", "openapi.json", "-o", "api.d.ts", cwd=tmp_path
    )
    await done(here, node, binaries / "tsc", cwd=tmp_path)
    check(await done(here, node, "client.js", cwd=tmp_path))


async def test_go(here: Stage, tmp_path: Path) -> None:
    made, java = tmp_path / "client", tools.java()
    await done(
        here, tools.generator(), "generate", "-g", "go", "-i", "openapi.json", "-o", made,
        "--global-property", GO_PARTS, "--additional-properties", GO_OPTIONS,
        cwd=tmp_path, PATH=f"{java.parent}:{os.environ['PATH']}",
    )  # fmt: skip
    shutil.copytree(HERE / "go", made / "use")
    (made / "go.mod").write_text("module harvester.example/harvesterapi\n\ngo 1.19\n")
    for words in (("vet", "./..."), ("build", "-o", "using", "./use")):
        await done(here, tools.go(), *words, cwd=made, **tools.go_environment())
    check(await done(here, made / "using", cwd=made))
