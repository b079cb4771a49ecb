"""`harvester pause`, the brake: it works though a file is wrong that serving does not need."""

from __future__ import annotations

import pytest

from fakedaemon import FakeDaemon
from fakeonce import Run

Out = pytest.CaptureFixture[str]
DONE = {"changed": True, "all_since": "2026-11-23T10:00:00Z", "profiles": {}}


@pytest.mark.parametrize(("words", "name"), [((), None), (("--profile", "work"), "work")])
def test_the_daemon_is_paused_though_the_settings_have_become_wrong(
    daemon: FakeDaemon, cli: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...],
    name: str | None,
) -> None:  # fmt: skip
    monkeypatch.setenv("HARVESTER_TRIPWIRE", "bogus")
    daemon.set("/v1/pause", DONE)
    assert cli("pause", *words) == 0
    assert [asked.body for asked in daemon.asked] == [{"profile": name}]


def test_without_a_daemon_wrong_settings_are_told(
    cli: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_TRIPWIRE", "bogus")
    assert cli("pause") == 78
    assert "HARVESTER_TRIPWIRE" in capsys.readouterr().err
