"""Every mistake in the settings is one clear error: what, where, how to write it right."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from harvester.errors import ConfigInvalid, ConfigSecret, ConfigUnknown, ConfigUnsafe
from harvester.settings import load, sources


@pytest.fixture(autouse=True)
def no_secrets_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SECRETS_DIRECTORY", tmp_path / "run-secrets")


def refused(tmp_path: Path, environ: dict[str, str] | None = None, toml: str = "") -> ConfigInvalid:
    config = None
    if toml:
        config = tmp_path / "config.toml"
        config.write_text(toml)
        config.chmod(0o600)
    with pytest.raises(ConfigInvalid) as told:
        load(
            environ={"HOME": str(tmp_path), **(environ or {})},
            config=str(config) if config else None,
        )
    assert told.value.hint, "an error without a hint helps nobody"
    return told.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ORIGIN", "knoq.one"),
        ("ORIGIN", "ftp://knoq.one"),
        ("ORIGIN", "http://knoq.one"),
        ("ORIGIN", "http://127.0.0.1.evil.example"),
        ("ORIGIN", "https://canary@knoq.one"),
        ("ORIGIN", "https://knoq.one/path"),
        ("ORIGIN", "https://knoq.one?canary"),
        ("ORIGIN", "https://knоq.one"),  # a Cyrillic o
        ("ORIGIN", "https://knoq.one:99999"),
        ("ORIGIN", "https://"),
        ("ORIGIN", "https://[::1"),
        ("ORIGIN", "https://knoq.one\\@evil.example"),
        ("ORIGIN", "https://*.knoq.one"),
        ("IDENTITY_ORIGINS", "https://login.example,login.example"),
        ("IDENTITY_ORIGINS", "https://login.example/realms/x"),
        ("SIGN_IN_URL", "javascript:alert(1)"),
        ("SIGN_IN_URL", "//evil.example/"),
        ("PROBE_PATH", "https://knoq.one/api"),
        ("PROBE_PATH", "//evil.example/api"),
        ("PROBE_PATH", "/a b"),
        ("PROBE_PATH", "/a#b"),
        ("WHOAMI_IDENTITY", "user/email"),
        ("SWITCH_ORG_BODY", "{"),
        ("SWITCH_ORG_BODY", '{"organizationId": "fixed"}'),
        ("SESSION_COOKIE", "name=canary"),
        ("FILES", "cookies.txt"),
        ("FILES", "yaml:/tmp/x"),
        ("FILES", "header:/tmp/x,json:/tmp/x"),
        ("REFRESH_EVERY", "30"),
        ("REFRESH_EVERY", "-5m"),
        ("REFRESH_EVERY", "0s"),
        ("MAX_AGE", "999999999d"),
        ("SUBMITS_PER_HOUR", "many"),
        ("SUBMITS_PER_DAY", "-1"),
        ("SIGN_IN_TIMEOUT", "1s"),
        ("SIGN_IN_TIMEOUT", "2h"),
        ("USERNAME", "ada\r\nX-Injected: 1"),
        ("BROWSER", "firefox"),
        ("SANDBOX", "maybe"),
        ("ALLOW_UIDS", "root"),
        ("ALLOW_UIDS", "4294967295"),
        ("LOG_LEVEL", "loud"),
        ("HTTPS_PROXY", "proxy.example:3128"),
        ("CA_FILE", "/nonexistent/ca.pem"),
        ("STORE", "postgresql://user:canary@db/harvester"),
        ("STORE", "s3://bucket"),
        ("PROXY", "0.0.0.0:8080"),
        ("PROXY", "192.0.2.7:8080"),
        ("PROXY", "localhost:8080"),
        ("PROXY", "127.0.0.1:70000"),
        ("PROXY", "127.0.0.1"),
        ("PROXY", "http://proxy.example:3128"),
        ("PROXY_GOVERNOR", "sometimes"),
        ("KEY_SOURCE", "pocket"),
        ("PASSWORD_COMMAND", "pass 'canary"),
    ],
)
def test_a_wrong_value_is_told_by_its_setting_and_never_shown(
    tmp_path: Path, name: str, value: str
) -> None:
    error = refused(tmp_path, {f"HARVESTER_{name}": value})
    told = f"{error.message} {error.hint}"
    assert name in told
    assert value not in error.message
    assert "canary" not in told
    assert "\n" not in told


def test_nothing_that_hangs_on_the_error_holds_the_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(environ={"HOME": str(tmp_path), "HARVESTER_ORIGIN": "https://canary@knoq.one"})
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert "canary" not in "".join(traceback.format_exception_only(caught.value))


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    error = refused(tmp_path, {"HARVESTER_ORIGIN": "x", "HARVESTER_MAX_AGE": "y"})
    assert "HARVESTER_ORIGIN" in error.message and "HARVESTER_MAX_AGE" in error.message


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("HARVESTER_PASWORD", "HARVESTER_PASSWORD?"),
        ("HARVESTER_PASSWORD_FIEL", "HARVESTER_PASSWORD_FILE?"),
        ("HARVESTER_INDENTITY_ORIGIN", "HARVESTER_IDENTITY_ORIGINS?"),
        ("HARVESTER_username", "HARVESTER_USERNAME?"),
        ("HARVESTER_PROFILES__WORK__USER_NAME", "HARVESTER_PROFILES__WORK__USERNAME?"),
    ],
)
def test_an_unknown_variable_names_the_nearest_right_one(
    tmp_path: Path, variable: str, nearest: str
) -> None:
    error = refused(tmp_path, {variable: "canary"})
    assert isinstance(error, ConfigUnknown)
    assert variable in error.message
    assert nearest in error.hint


def test_an_unknown_key_in_the_config_names_the_nearest_and_the_file(tmp_path: Path) -> None:
    error = refused(tmp_path, toml='[profiles.work]\nusernam = "ada"\n')
    assert isinstance(error, ConfigUnknown)
    assert "config.toml" in error.message and "profiles.work.username" in error.hint
    assert "username" in refused(tmp_path, toml="usernme = 'x'\n").hint


def test_an_unknown_variable_of_ours_in_an_env_file_is_one_too(tmp_path: Path) -> None:
    env = tmp_path / "env"
    env.write_text("HARVESTER_USRNAME=x\n")
    env.chmod(0o600)
    assert isinstance(refused(tmp_path, {"HARVESTER_ENV_FILE": str(env)}), ConfigUnknown)


def test_a_file_with_our_prefix_and_a_wrong_name_in_a_secrets_directory_is_one_too(
    tmp_path: Path,
) -> None:
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds/HARVESTER_PASWORD").write_text("canary")
    error = refused(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path / "creds")})
    assert isinstance(error, ConfigUnknown) and "password" in error.hint


@pytest.mark.parametrize("name", ["password", "totp_secret", "key", "passphrase"])
def test_a_secret_in_the_config_is_refused_with_its_right_places(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, toml=f'{name} = "canary"\n')
    assert isinstance(error, ConfigSecret)
    assert "canary" not in error.message + error.hint
    assert f"{name}_file" in error.hint and f"HARVESTER_{name.upper()}" in error.hint


def test_the_right_place_for_a_profiles_secret_is_that_profiles_variable(tmp_path: Path) -> None:
    error = refused(tmp_path, toml='[profiles.work-eu]\npassword = "canary"\n')
    assert "HARVESTER_PROFILES__WORK_EU__PASSWORD" in error.hint


@pytest.mark.parametrize("name", ["socket", "profile", "env_file", "config"])
def test_what_the_fast_command_must_know_stands_in_no_file(tmp_path: Path, name: str) -> None:
    assert f"HARVESTER_{name.upper()}" in refused(tmp_path, toml=f'{name} = "/x"\n').hint
    env = tmp_path / "env"
    env.write_text(f"HARVESTER_{name.upper()}=/x\n")
    env.chmod(0o600)
    assert "environment" in refused(tmp_path, {"HARVESTER_ENV_FILE": str(env)}).hint


def test_what_belongs_to_the_process_is_refused_in_a_profile(tmp_path: Path) -> None:
    assert "process" in refused(tmp_path, toml='[profiles.work]\nstore = "/x"\n').message
    environ = {"HARVESTER_PROFILES__WORK__KEY_FILE": "/x"}
    assert "HARVESTER_KEY_FILE" in refused(tmp_path, environ).hint


@pytest.mark.parametrize(
    "environ",
    [
        {"HARVESTER_PASSWORD": "canary", "HARVESTER_PASSWORD_FILE": "/x"},
        {"HARVESTER_USERNAME": "a", "HARVESTER_PROFILES__DEFAULT__USERNAME": "b"},
    ],
)
def test_one_setting_said_twice_in_one_source_is_refused(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    error = refused(tmp_path, environ)
    assert "twice" in error.message and "canary" not in error.message


@pytest.mark.parametrize(
    "toml",
    [
        "username = ",
        'username = "a"\nusername = "canary"',
        "profiles = 3",
        "profiles = ['work']",
        "[profiles.Work]\nusername = 'x'",
        "[profiles.'../up']\nusername = 'x'",
        "username = 3",
        "username = ['a']",
        "submits_per_hour = 3.5",
        "submits_per_hour = true",
        "refresh_every = 30",
        "identity_origins = [3]",
        "password_file = 3",
        "password_command = [1]",
        "password_command = []",
        "allow_uids = [-1]",
        "origin = {a = 1}",
        "files = {a = 1}",
        "store = 3",
        "store = false",
        "whoami_identity = '/user'",
    ],
)
def test_a_config_of_the_wrong_shape_is_told_without_a_traceback(tmp_path: Path, toml: str) -> None:
    error = refused(tmp_path, toml=toml)
    assert "canary" not in error.message + error.hint


def test_a_syntax_error_tells_the_place_and_not_the_line(tmp_path: Path) -> None:
    error = refused(tmp_path, toml='a = 1\npassword = "canary\n')
    assert "line 2" in error.message
    assert "canary" not in error.message


def test_a_config_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    config = tmp_path / "latin.toml"
    config.write_bytes(b'username = "\xe4"\n')
    config.chmod(0o600)
    with pytest.raises(ConfigInvalid, match="UTF-8") as told:
        load(environ={"HOME": str(tmp_path)}, config=str(config))
    assert told.value.__context__ is None


@pytest.mark.parametrize("variable", ["HARVESTER_CONFIG", "HARVESTER_ENV_FILE"])
def test_a_named_file_that_does_not_exist_is_told(tmp_path: Path, variable: str) -> None:
    assert "does not exist" in refused(tmp_path, {variable: str(tmp_path / "nothing")}).message
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    assert "does not exist" in refused(tmp_path, {variable: str(tmp_path / "dangling")}).message


@pytest.mark.parametrize("variable", ["HARVESTER_CONFIG", "HARVESTER_ENV_FILE"])
def test_a_file_that_others_may_write_is_refused_with_the_chmod(
    tmp_path: Path, variable: str
) -> None:
    path = tmp_path / "file"
    path.write_text("")
    path.chmod(0o666)
    error = refused(tmp_path, {variable: str(path)})
    assert isinstance(error, ConfigUnsafe)
    assert "chmod" in error.hint and str(path) in error.hint


@pytest.mark.parametrize(
    "line", ["no equals sign", "HARVESTER_USERNAME='open", "1X=2", 'HARVESTER_PROVIDER="a"b']
)
def test_a_line_of_an_env_file_that_says_nothing_is_told_by_its_number(
    tmp_path: Path, line: str
) -> None:
    env = tmp_path / "env"
    env.write_text(f"# first\n{line}\n")
    env.chmod(0o600)
    error = refused(tmp_path, {"HARVESTER_ENV_FILE": str(env)})
    assert "line 2" in error.message and line not in error.message


@pytest.mark.parametrize(
    "variable", ["HARVESTER_PROFILES__", "HARVESTER_PROFILES__WORK", "HARVESTER_PROFILES__-__X"]
)
def test_a_profile_variable_that_names_no_profile_is_told(tmp_path: Path, variable: str) -> None:
    assert "WORK_EU" in refused(tmp_path, {variable: "x"}).hint


def test_two_profiles_may_not_keep_one_file(tmp_path: Path) -> None:
    environ = {
        "HARVESTER_FILES": "header:/srv/knoq",
        "HARVESTER_PROFILES__WORK__FILES": "json:/srv/knoq",
    }
    assert "/srv/knoq" in refused(tmp_path, environ).message
