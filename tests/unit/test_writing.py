"""config.toml is changed without losing what a person put into it."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from harvester.errors import ConfigInvalid
from harvester.settings.writing import ConfigFile

COMMENTED = """\
# the machine in the cellar

store = "/srv/harvester"  # the big disk
username = "ada"

# the other account
[profiles.work]
username = "ada@work.example"
password_command = "pass show work"
"""


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    return ConfigFile(tmp_path / "config.toml")


def put(file: ConfigFile, text: str, mode: int = 0o600) -> None:
    file.path.write_text(text)
    file.path.chmod(mode)


@pytest.mark.parametrize(
    ("text", "profile", "changes", "added"),
    [
        ("", "default", {"username": "a"}, {"username": "a"}),
        ("", "eu", {"username": "a"}, {"profiles": {"eu": {"username": "a"}}}),
        (COMMENTED, "default", {"provider": "sso"}, {"provider": "sso"}),
        ("# mine\n\n[profiles.work]\n", "default", {"username": "a"}, {"username": "a"}),
        ("# mine\n[profiles.work]\n", "default", {"username": "a"}, {"username": "a"}),
        ("files = [\n  'header:/x',  # one\n]\n", "default", {"username": "a"}, {"username": "a"}),
        ("store = '/s'", "default", {"username": "a"}, {"username": "a"}),
    ],
)
def test_an_addition_leaves_every_other_line_as_it_was(file, text, profile, changes, added) -> None:
    put(file, text)
    plan = file.plan(profile, changes)
    assert plan.loses == ()
    assert tomllib.loads(plan.text) == {**tomllib.loads(text), **added}
    kept = [line for line in text.splitlines() if line.strip()]
    assert [line for line in plan.text.splitlines() if line in kept] == kept
    assert file.write(plan) is None
    assert list(file.path.parent.iterdir()) == [file.path]


def test_an_addition_to_a_table_goes_into_that_table(file: ConfigFile) -> None:
    put(file, COMMENTED)
    plan = file.plan("work", {"identity_origins": ["https://login.example"], "provider": 'a "b"'})
    assert plan.text == COMMENTED + (
        'identity_origins = ["https://login.example"]\nprovider = "a \\"b\\""\n'
    )


def test_a_change_replaces_one_line_and_the_old_file_is_kept(file: ConfigFile) -> None:
    put(file, COMMENTED)
    plan = file.plan("work", {"password_file": "secrets/work.password"})
    assert plan.loses == ("password_command",)
    old, new = 'password_command = "pass show work"', 'password_file = "secrets/work.password"'
    assert plan.text == COMMENTED.replace(old, new)
    kept = file.write(plan)
    assert kept is not None and kept.name == "config.toml.before"
    assert kept.read_text() == COMMENTED


def test_an_older_kept_file_is_not_overwritten(file: ConfigFile) -> None:
    put(file, COMMENTED)
    names = []
    for name in ("b", "c"):
        kept = file.write(file.plan("default", {"username": name}))
        assert kept is not None
        names.append(kept.name)
    assert names == ["config.toml.before", "config.toml.before-2"]
    assert (file.path.parent / names[0]).read_text() == COMMENTED


@pytest.mark.parametrize(
    "text",
    [
        'username = "ada"  # that is me\nallow_uids = [1000, 1001]\nproxy = false\n',
        '"username" = "ada"\n# mine\nsubmits_per_hour = 2\n',
        "username = '''\nada'''\n[profiles]\nwork.username = 'a'\n",
        'identity_origins = [\n  "https://a.example", # one\n]\nusername = "ada"\n'
        '[profiles]\n[profiles."default"]\nprovider = "sso"\n',
    ],
)
def test_a_layout_that_cannot_be_kept_is_told_and_loses_no_setting(file, text) -> None:
    put(file, text)
    changes = {"username": "bob", "identity_origins": ["https://b.example"]}
    plan = file.plan("default", changes)
    document = tomllib.loads(text)
    assert tomllib.loads(plan.text) == {**document, **changes}
    assert "its comments and its layout" in plan.loses
    kept = file.write(plan)
    assert kept is not None and kept.read_text() == text


def test_the_same_again_changes_nothing(file: ConfigFile) -> None:
    put(file, COMMENTED)
    plan = file.plan("work", {"username": "ada@work.example"})
    assert not plan.changes and plan.loses == ()


def test_the_file_is_ours_alone_whatever_it_was(file: ConfigFile) -> None:
    put(file, COMMENTED, mode=0o644)
    file.write(file.plan("default", {"provider": "sso"}))
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_link_stays_a_link_and_secrets_stay_out_of_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "config").mkdir()
    real = tmp_path / "dotfiles/config.toml"
    real.write_text("")
    real.chmod(0o600)
    (tmp_path / "config/config.toml").symlink_to(real)
    file = ConfigFile(tmp_path / "config/config.toml")
    assert file.keep_secret("default.password", "x") == "secrets/default.password"
    file.write(file.plan("default", {"username": "a"}))
    assert file.path.is_symlink() and 'username = "a"' in real.read_text()
    secret = tmp_path / "config/secrets/default.password"
    assert secret.read_text() == "x\n" and stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(file: ConfigFile) -> None:
    put(file, COMMENTED)
    plan = file.plan("default", {"username": "b"})
    put(file, COMMENTED + "# more\n")
    with pytest.raises(ConfigInvalid, match="meanwhile"):
        file.write(plan)
    assert file.path.read_text() == COMMENTED + "# more\n"
