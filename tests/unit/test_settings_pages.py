"""What a person teaches about pages: how config.toml says it, and how it is written into it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from harvester.digests import settings_digest
from harvester.errors import ConfigInvalid, ConfigUnknown
from harvester.profile import PageRule
from harvester.settings import Settings, load, sources
from harvester.settings.writing import ConfigFile, page_lines

AUTH = "login.acme.example"
RULES = (
    PageRule(AUTH, "/auth", "password", label='Pass"phrase'),
    PageRule(AUTH, "/auth", "submit", role="button", label="Let me in"),
    PageRule("id.example:8443", "/", "press", selector="#a > b"),
)


@pytest.fixture(autouse=True)
def no_secrets_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SECRETS_DIRECTORY", tmp_path / "run-secrets")


def read(tmp_path: Path, toml: str, environ: dict[str, str] | None = None) -> Settings:
    config = tmp_path / "config.toml"
    config.write_text(toml)
    config.chmod(0o600)
    return load(environ={"HOME": str(tmp_path), **(environ or {})}, config=str(config))


def test_a_page_is_host_and_path_and_a_control_is_found_by_what_one_sees(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [pages."Login.Acme.Example:443/auth"]
        password = { label = "Passphrase" }
        submit = { role = "button", label = "Let me in" }
        [profiles.work.pages."id.example:8443"]
        press = { selector = "#continue-acme" }
        """,
    )
    assert settings.profile("default").pages == (
        PageRule(AUTH, "/auth", "password", label="Passphrase"),
        PageRule(AUTH, "/auth", "submit", role="button", label="Let me in"),
    )
    assert settings.profile("work").pages == (
        PageRule("id.example:8443", "/", "press", selector="#continue-acme"),
    )


def test_config_show_names_pages_and_controls(tmp_path: Path) -> None:
    settings = read(tmp_path, '[pages."a.example/x"]\nuser = { label = "Badge" }\n')
    shown = next(one for one in settings.sources if one.name == "profiles.default.pages")
    assert shown.value == "a.example/x: user"
    assert "config.toml" in shown.where


def test_pages_of_the_top_and_of_the_default_profile_are_one_list(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        '[pages."a.example"]\nuser = { label = "A" }\n'
        '[profiles.default.pages."b.example"]\nuser = { label = "B" }\n',
    )
    assert {one.host for one in settings.profile("default").pages} == {"a.example", "b.example"}


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("pages = 3", "no table"),
        ('[pages]\n"a.example" = "canary"', "nothing of"),
        ('[pages."a.example"]', "nothing of"),
        ('[pages."https://a.example"]\nuser = { label = "canary" }', "scheme"),
        ('[pages."a b.example"]\nuser = { label = "canary" }', "no host"),
        ('[pages."/auth"]\nuser = { label = "canary" }', "no host"),
        ('[pages."a.example:x"]\nuser = { label = "canary" }', "no host"),
        ('[pages."a.example/x?y=1"]\nuser = { label = "canary" }', "more than a path"),
        ('[pages."a.example"]\nusr = { label = "canary" }', '"usr"'),
        ('[pages."a.example"]\nuser = "canary"', "which control"),
        ('[pages."a.example"]\nuser = {}', "which control"),
        ('[pages."a.example"]\nuser = { lable = "canary" }', '"lable"'),
        ('[pages."a.example"]\nuser = { label = "" }', "no text"),
        ('[pages."a.example"]\nuser = { label = 7 }', "no text"),
        ('[pages."a.example"]\nuser = { label = "can\\u001bary" }', "control characters"),
        ('[pages."a.example"]\nuser = { selector = "a", label = "canary" }', "by more"),
        ('[pages."a.example"]\nuser={label="x"}\n[pages."A.example/"]\nuser={label="y"}', "two"),
        (
            '[pages."a.example"]\nuser={label="x"}\n'
            '[profiles.default.pages."a.example"]\nuser={label="y"}',
            "one page twice",
        ),
    ],
)
def test_a_mistake_is_told_without_the_value(tmp_path: Path, toml: str, words: str) -> None:
    with pytest.raises(ConfigInvalid) as told:
        read(tmp_path, toml)
    assert words in told.value.message, told.value.message
    assert told.value.hint
    assert "canary" not in told.value.message + told.value.hint


@pytest.mark.parametrize("name", ["HARVESTER_PAGES", "HARVESTER_PROFILES__WORK__PAGES"])
def test_a_variable_cannot_hold_a_table_and_says_where_one_goes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigInvalid) as told:
        read(tmp_path, "", {name: "x"})
    assert name in told.value.message and "config.toml" in told.value.hint


def test_nor_can_a_secrets_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "pages").write_text("another program's")
    environ = {"CREDENTIALS_DIRECTORY": str(directory)}
    assert read(tmp_path, "", environ).profile("default").pages == ()
    (directory / "HARVESTER_PAGES").write_text("x")
    with pytest.raises(ConfigInvalid):
        read(tmp_path, "", environ)


def test_a_misspelt_table_is_an_error_that_names_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnknown) as told:
        read(tmp_path, '[page."a.example"]\nuser = { label = "x" }')
    assert "pages" in told.value.hint


def test_what_was_taught_may_mend_a_sign_in(tmp_path: Path) -> None:
    before = read(tmp_path, "").profile("default")
    after = read(tmp_path, '[pages."a.example"]\nuser = { label = "x" }').profile("default")
    assert settings_digest(before) != settings_digest(after), "so a latch opens"


# -- written ------------------------------------------------------------------------------------

OWN = '[profiles.default]\nusername = "x"  # mine\n'
KNOWN = (
    f'[pages."{AUTH}/auth"]\nuser = {{ label = "E" }}\npassword = {{ label = "old" }}\n'
    '\n# end\n[profiles.work]\nusername = "y"\n'
)
INLINE = f'[pages]\n"{AUTH}/auth" = {{ user = {{ label = "E" }} }}  # a comment\n'


@pytest.mark.parametrize("before", ["", 'origin = "https://a.b"  # c\n', OWN, KNOWN, INLINE])
@pytest.mark.parametrize("profile", ["default", "work"])
def test_what_is_written_reads_as_what_was_taught(
    tmp_path: Path, before: str, profile: str
) -> None:
    read(tmp_path, before)
    file = ConfigFile(tmp_path / "config.toml")
    plan = file.plan_pages(profile, RULES)
    file.write(plan)
    text = file.path.read_text()
    pages = read(tmp_path, text).profile(profile).pages
    assert set(RULES) <= set(pages)
    assert not file.plan_pages(profile, RULES).changes, "once is enough"
    kept = "its comments and its layout" not in plan.loses
    assert all(line in text for line in before.splitlines() if "#" in line and kept)


def test_only_the_file_that_a_rule_is_taken_from_is_kept_beside(tmp_path: Path) -> None:
    read(tmp_path, KNOWN)
    file = ConfigFile(tmp_path / "config.toml")
    plan = file.plan_pages("default", RULES)
    assert plan.loses == (f"{AUTH}/auth: password",)
    kept = file.write(plan)
    assert kept is not None and kept.read_text() == KNOWN
    assert "# end" in file.path.read_text()


def test_without_a_file_one_is_made(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "config.toml")
    file.write(file.plan_pages("work", RULES[:1]))
    written = tomllib.loads(file.path.read_text())
    assert written["profiles"]["work"]["pages"][f"{AUTH}/auth"] == {
        "password": {"label": 'Pass"phrase'}
    }


def test_a_file_with_pages_survives_what_init_writes(tmp_path: Path) -> None:
    read(tmp_path, 'username = """a"""  # odd\n\n' + INLINE)
    file = ConfigFile(tmp_path / "config.toml")
    file.write(file.plan("default", {"username": "b"}))
    assert read(tmp_path, file.path.read_text()).profile("default").pages == (
        PageRule(AUTH, "/auth", "user", label="E"),
    )


def test_what_is_shown_is_what_is_written(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "config.toml")
    text = file.plan_pages("work", RULES).text
    assert all(line in text.splitlines() for line in page_lines("work", RULES))
