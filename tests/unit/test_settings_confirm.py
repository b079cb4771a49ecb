"""HARVESTER_CONFIRM and HARVESTER_AUDIT: how they are read, and with what they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester.errors import ConfigInvalid
from harvester.settings import Settings, load


def loaded(tmp_path: Path, **environ: str) -> Settings:
    home = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    return load({}, {**home, **environ})


def test_by_default_nobody_is_asked_and_everything_is_written_down(tmp_path: Path) -> None:
    process = loaded(tmp_path).process
    assert (process.confirm, process.audit) == ((), True)


def test_a_command_is_split_as_a_shell_would_and_its_words_are_not_shown(tmp_path: Path) -> None:
    settings = loaded(tmp_path, HARVESTER_CONFIRM="ask 'a b' $HOME", HARVESTER_AUDIT="no")
    assert settings.process.confirm == ("ask", "a b", "$HOME")
    assert settings.process.audit is False
    (shown,) = [one.value for one in settings.sources if one.name == "confirm"]
    assert shown == "command ask"


@pytest.mark.parametrize("profile", ["", "PROFILES__WORK_EU__"])
def test_what_lies_in_a_file_cannot_be_confirmed(tmp_path: Path, profile: str) -> None:
    files = {f"HARVESTER_{profile}FILES": f"cookie:{tmp_path}/cookie"}
    assert loaded(tmp_path, **files)
    with pytest.raises(ConfigInvalid, match="HARVESTER_CONFIRM") as refused:
        loaded(tmp_path, HARVESTER_CONFIRM="ask", **files)
    assert "HARVESTER_FILES" in refused.value.hint


def test_what_a_program_is_told_is_no_unknown_setting_to_a_harvester_that_it_calls(
    tmp_path: Path,
) -> None:
    told = dict.fromkeys(("CLIENT", "OPERATION", "PID", "UID"), "1")
    assert loaded(tmp_path, **{f"HARVESTER_{name}": value for name, value in told.items()})
