"""The examples of docs/sdk.md, run as they stand there, against the stand-in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plaindaemon import PlainDaemon
from standin import StandInProcess

PAGE = Path(__file__).parents[2] / "docs" / "sdk.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def _named(example: str) -> str:
    return example.split("\n", 1)[0].removeprefix("import ").removeprefix("from ")


@pytest.mark.parametrize("expired", [False, True], ids=["live", "expired"])
@pytest.mark.parametrize("example", EXAMPLES, ids=_named)
def test_an_example_works(
    example: str,
    expired: bool,
    world: StandInProcess,
    real: PlainDaemon,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HARVESTER_SOCKET", str(real.path))
    with_client = "HarvesterAuth" in example or "middleware" in example
    if expired and with_client:
        from harvester.sdk import Credentials

        Credentials().session()
        world.revoke()
    exec(compile(example.replace("https://knoq.one", world.site), str(PAGE), "exec"), {})
    printed = capsys.readouterr().out
    assert re.search(r"\b20[01]\b|alive", printed), printed
    if expired and with_client:
        assert real.one.begun == 2


def test_the_page_shows_every_adapter() -> None:
    shown = "\n".join(EXAMPLES)
    for adapter in ("httpx", "httpx2", "requests", "aiohttp"):
        assert f"from harvester.sdk.{adapter} import" in shown
