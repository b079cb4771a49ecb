"""What Docker is told, as far as it can be tried at once; ``scripts/test-fresh`` has the rest."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path

from fakehouse import FakeHouse, serving
from standin import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "docker" / "compose.yaml").read_text()


async def health(socket: Path) -> int:
    """The exit code of the image's own health check."""
    found = re.search(r"^HEALTHCHECK .*?CMD (\[[^\n]*\])$", DOCKERFILE, re.DOTALL | re.MULTILINE)
    assert found
    python, *words = json.loads(found[1])
    assert python == "python"
    asked = await asyncio.create_subprocess_exec(
        sys.executable, *words, env={**os.environ, "HARVESTER_SOCKET": str(socket)},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await asked.wait()


async def test_the_health_check_says_whether_the_socket_answers_and_nothing_of_the_site(
    tmp_path: Path,
) -> None:
    socket, house = tmp_path / "run" / "harvester.sock", FakeHouse()
    assert await health(socket) != 0
    for keeper in house.keepers():
        keeper.ready, keeper.fails = False, RuntimeError("nothing of this is asked")
    async with serving(socket, house):
        assert await health(socket) == 0
    assert await health(socket) != 0


def test_the_compose_file_is_for_this_image() -> None:
    user = re.search(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    socket = re.search(r"HARVESTER_SOCKET=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert user and socket
    assert f'user: "{user[1]}"' in COMPOSE
    assert f"HARVESTER_SOCKET: {socket[1]}" in COMPOSE
    for volume in ("/var/lib/harvester", "/run/harvester"):
        assert f":{volume}\n" in COMPOSE and f'"{volume}"' in DOCKERFILE
    named = re.findall(r"seccomp=(\S+)|(\.\./docs/\S+?):", COMPOSE)
    assert len(named) == 2
    assert all((ROOT / "docker" / (one or other)).is_file() for one, other in named)


def test_the_build_sees_only_what_it_copies() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = {
        word
        for words in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for word in words.split()
    }
    assert copied == allowed
