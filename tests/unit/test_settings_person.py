"""Who is called when only a person can help: how it is written, and who may say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester.errors import ConfigInvalid, ConfigUnknown, ConfigUnsafe
from harvester.settings import Settings, load, sources


@pytest.fixture(autouse=True)
def no_secrets_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SECRETS_DIRECTORY", tmp_path / "run-secrets")


def loaded(tmp_path: Path, toml: str = "", **environ: str) -> Settings:
    config = tmp_path / "config.toml"
    config.write_text(toml)
    config.chmod(0o600)
    return load(environ={"HOME": str(tmp_path), **environ}, config=str(config))


def test_nobody_is_called_unless_it_is_said_and_the_desktop_shows_it_unless_not(tmp_path):
    process = loaded(tmp_path).process
    assert (process.on_person_needed, process.notify) == ((), "auto")
    assert loaded(tmp_path, 'notify = "off"').process.notify == "off"
    with pytest.raises(ConfigInvalid, match="NOTIFY"):
        loaded(tmp_path, 'notify = "sometimes"')


def test_a_list_is_taken_as_it_is_and_text_is_split_as_a_shell_would(tmp_path):
    toml = 'on_person_needed = ["mail", "-s", "a b $HOME", ""]'
    assert loaded(tmp_path, toml).process.on_person_needed == ("mail", "-s", "a b $HOME", "")
    said = loaded(tmp_path, HARVESTER_ON_PERSON_NEEDED="mail -s 'a b' \"$HOME\"")
    assert said.process.on_person_needed == ("mail", "-s", "a b", "$HOME")
    # What holds for every other setting: the environment is stronger, and empty is unset.
    both = loaded(tmp_path, toml, HARVESTER_ON_PERSON_NEEDED="tell")
    assert both.process.on_person_needed == ("tell",)
    assert loaded(tmp_path, HARVESTER_ON_PERSON_NEEDED=" ").process.on_person_needed == ()


def test_the_program_may_stand_in_the_home_directory_but_not_just_anywhere(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    said = loaded(tmp_path, 'on_person_needed = ["~/bin/tell"]').process.on_person_needed
    assert said == ("/home/ada/bin/tell",)
    with pytest.raises(ConfigInvalid, match="names no program"):
        loaded(tmp_path, 'on_person_needed = ["./tell"]')


@pytest.mark.parametrize(
    "toml",
    [
        "on_person_needed = []",
        'on_person_needed = [""]',
        'on_person_needed = ["tell", 3]',
        'on_person_needed = "tell \'unclosed"',
        'on_person_needed = "  "',
        "on_person_needed = 5",
        'on_person_needed = ["nul\\u0000"]',
    ],
)
def test_what_is_no_command_is_refused_in_words(tmp_path, toml):
    with pytest.raises(ConfigInvalid, match="ON_PERSON_NEEDED"):
        loaded(tmp_path, toml)


def test_it_belongs_to_the_process_and_to_no_profile(tmp_path):
    with pytest.raises(ConfigInvalid, match="whole process"):
        loaded(tmp_path, '[profiles.work]\non_person_needed = ["tell"]')


def test_a_file_that_others_can_write_names_no_program(tmp_path):
    loaded(tmp_path, 'on_person_needed = ["tell"]')
    (tmp_path / "config.toml").chmod(0o666)
    with pytest.raises(ConfigUnsafe):
        load(environ={"HOME": str(tmp_path)}, config=str(tmp_path / "config.toml"))


def test_its_words_may_hold_a_token_and_are_not_shown(tmp_path):
    settings = loaded(tmp_path, 'on_person_needed = ["curl", "https://hook/canary"]')
    [shown] = [one.value for one in settings.sources if one.name == "on_person_needed"]
    assert shown == "command curl"


@pytest.mark.parametrize("name", ["CODE", "MESSAGE", "HINT"])
def test_what_a_program_is_told_is_no_setting_and_stands_in_no_file(tmp_path, name):
    loaded(tmp_path, **{f"HARVESTER_{name}": "challenge"})
    env_file = tmp_path / "env"
    env_file.write_text(f"HARVESTER_{name}=x\n")
    env_file.chmod(0o600)
    with pytest.raises(ConfigUnknown):
        load(environ={"HOME": str(tmp_path)}, env_file=str(env_file))
