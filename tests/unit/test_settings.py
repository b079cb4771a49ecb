"""Settings: which source wins, what each gives, and what they become."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from harvester.errors import ConfigInvalid, ConfigUnknown, UnknownProfile
from harvester.profile import KeptFile
from harvester.settings import Settings, load, sources, take


@pytest.fixture(autouse=True)
def no_secrets_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SECRETS_DIRECTORY", tmp_path / "run-secrets")


def loaded(tmp_path: Path, **given: Any) -> Settings:
    environ = {"HOME": str(tmp_path), **given.pop("environ", {})}
    return load(environ=environ, **given)


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def place_of(settings: Settings, name: str) -> str:
    return next(one.where for one in settings.sources if one.name == name)


def test_with_nothing_set_there_is_a_default_profile_for_knoq(tmp_path: Path) -> None:
    settings = loaded(tmp_path)
    profile = settings.profile("default")
    assert profile.site.origin == "https://knoq.one"
    assert profile.site.sign_in_url == "https://knoq.one/"
    assert profile.site.probe_path == "/api/managed-agents/sessions"
    assert profile.username is None and profile.password is None
    assert (profile.submits_per_hour, profile.submits_per_day) == (3, 30)
    assert profile.sign_in_timeout_s == 120.0
    process = settings.process
    assert process.store == tmp_path / ".local/state/harvester"
    assert process.allow_uids == (os.getuid(),)
    assert (process.key, process.socket, process.config_path) == (None, None, None)
    assert settings.selected == "default"


def test_each_source_wins_over_the_next(tmp_path: Path) -> None:
    names = ("provider", "username", "organization", "session_cookie", "probe_denied_text")
    written(tmp_path / "config.toml", "".join(f'{name} = "toml"\n' for name in names))
    written(tmp_path / "creds/provider", "creds")
    written(tmp_path / "creds/USERNAME", "creds\n")
    written(tmp_path / "creds/HARVESTER_ORGANIZATION", "creds")
    written(tmp_path / "creds/session_cookie", "creds")
    written(tmp_path / "env", "HARVESTER_PROVIDER=file\nHARVESTER_USERNAME=file\n"
            "HARVESTER_ORGANIZATION=file\nOTHER_PROGRAM=1\n")  # fmt: skip
    environ = {
        "HARVESTER_PROVIDER": "env",
        "HARVESTER_USERNAME": "env",
        "CREDENTIALS_DIRECTORY": str(tmp_path / "creds"),
    }
    settings = loaded(
        tmp_path,
        flags={"provider": "flag"},
        environ=environ,
        config=str(tmp_path / "config.toml"),
        env_file=str(tmp_path / "env"),
    )
    profile = settings.profile("default")
    assert profile.provider == "flag"
    assert profile.username == "env"
    assert profile.organization == "file"
    assert profile.session_cookie == "creds"
    assert profile.site.probe_denied_text == "toml"
    assert place_of(settings, "profiles.default.provider") == "flag --provider"
    assert place_of(settings, "profiles.default.username") == "environment HARVESTER_USERNAME"
    assert place_of(settings, "profiles.default.organization") == (
        f"{tmp_path}/env: HARVESTER_ORGANIZATION"
    )
    assert (
        place_of(settings, "profiles.default.session_cookie") == f"{tmp_path}/creds/session_cookie"
    )
    assert place_of(settings, "profiles.default.max_age") == "default"


def test_a_secret_in_the_environment_beats_the_same_secret_by_command_in_the_config(
    tmp_path: Path,
) -> None:
    config = written(tmp_path / "c.toml", 'password_command = "pass show knoq"\n')
    environ = {"HARVESTER_PASSWORD": "hunter2-canary"}
    settings = loaded(tmp_path, environ=environ, config=str(config))
    password = settings.profile("default").password
    assert password is not None
    assert (password.kind, password.value) == ("value", "hunter2-canary")
    below = loaded(tmp_path, config=str(config)).profile("default").password
    assert below is not None
    assert (below.kind, below.argv) == ("command", ("pass", "show", "knoq"))


def test_secrets_leave_the_environment_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "HARVESTER_PASSWORD": "canary-1",
        "HARVESTER_TOTP_SECRET": "canary-2",
        "HARVESTER_KEY": "canary-3",
        "HARVESTER_PROFILES__WORK__PASSWORD": "canary-4",
        "HARVESTER_HTTPS_PROXY": "http://u:canary-5@proxy.example:3128",
        "HARVESTER_USERNAME": "ada",
        "HARVESTER_PASSWORD_FILE": "",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load()
    assert not [value for value in os.environ.values() if "canary-" in value]
    assert os.environ["HARVESTER_USERNAME"] == "ada"
    password = settings.profile("work").password
    assert password is not None and password.value == "canary-4"
    assert "canary" not in repr(settings.profiles) and "canary" not in repr(settings.sources)


def test_they_leave_the_environment_also_when_the_settings_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HARVESTER_PASSWORD", "canary")
    monkeypatch.setenv("HARVESTER_NONSENSE", "1")
    with pytest.raises(ConfigUnknown):
        load()
    assert "HARVESTER_PASSWORD" not in os.environ


def test_what_was_taken_out_can_be_read_again(tmp_path: Path) -> None:
    environ = {"HARVESTER_PASSWORD": "canary", "HARVESTER_USERNAME": "ada"}
    taken = take(environ)
    assert environ == {"HARVESTER_USERNAME": "ada"}
    for _ in range(2):
        password = loaded(tmp_path, environ=taken).profile("default").password
        assert password is not None and password.value == "canary"


def test_named_profiles_come_from_tables_and_from_the_environment(tmp_path: Path) -> None:
    config = written(
        tmp_path / "c.toml",
        'username = "me"\n[profiles.work-eu]\nusername = "ada"\n'
        'identity_origins = ["https://login.example/", "HTTPS://Other.example:443"]\n'
        'refresh_every = "30m"\nsubmits_per_hour = 2\n',
    )
    environ = {"HARVESTER_PROFILES__WORK_EU__MAX_AGE": "12h", "HARVESTER_PROFILE": "work-eu"}
    settings = loaded(tmp_path, environ=environ, config=str(config))
    assert sorted(settings.profiles) == ["default", "work-eu"]
    work = settings.profile("work-eu")
    assert work.username == "ada"
    assert work.identity_origins == ("https://login.example", "https://other.example")
    assert (work.refresh_every_s, work.max_age_s) == (1800.0, 43200.0)
    assert work.submits_per_hour == 2
    assert settings.profile("default").username == "me"
    assert settings.selected == "work-eu"


def test_a_profile_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    flags = {"profile": "typo", "origin": "https://x.example"}
    settings = loaded(tmp_path, flags=flags)
    with pytest.raises(UnknownProfile) as told:
        settings.profile(settings.selected)
    assert "default" in told.value.hint and "typo" not in told.value.hint


def test_empty_variables_and_those_that_kubernetes_injects_are_nothing(tmp_path: Path) -> None:
    environ = {
        "HARVESTER_USERNAME": "",
        "HARVESTER_SERVICE_HOST": "10.0.0.1",
        "HARVESTER_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    }
    assert loaded(tmp_path, environ=environ).profile("default").username is None


def test_relative_paths_count_from_the_file_that_says_them(tmp_path: Path) -> None:
    config = written(
        tmp_path / "etc/c.toml",
        'store = "state"\npassword_file = "pw"\nfiles = ["header:out/h", "json:~/s.json"]\n',
    )
    settings = loaded(tmp_path, config=str(config))
    assert settings.process.store == tmp_path / "etc/state"
    profile = settings.profile("default")
    assert profile.password is not None and profile.password.path == str(tmp_path / "etc/pw")
    assert profile.files == (
        KeptFile("header", str(tmp_path / "etc/out/h")),
        KeptFile("json", os.path.expanduser("~/s.json")),
    )


def test_an_env_file_is_read_as_docker_and_systemd_read_it(tmp_path: Path) -> None:
    env = written(
        tmp_path / "env",
        "# a comment\n\nexport HARVESTER_USERNAME='a b # c'\n"
        'HARVESTER_PASSWORD="p\\"q$HOME" # why\nHARVESTER_PROVIDER=google # the button\n',
    )
    profile = loaded(tmp_path, env_file=str(env)).profile("default")
    assert profile.username == "a b # c"
    assert profile.password is not None and profile.password.value == 'p"q$HOME'
    assert profile.provider == "google"


def test_an_env_file_that_merely_lies_there_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / ".env", "HARVESTER_USERNAME=planted\n")
    monkeypatch.chdir(tmp_path)
    assert loaded(tmp_path).profile("default").username is None


def test_a_secret_in_a_secrets_directory_stays_there_and_foreign_files_are_left_alone(
    tmp_path: Path,
) -> None:
    mounted = tmp_path / "creds"
    written(mounted / "..data/password", "canary\n")
    (mounted / "password").symlink_to("..data/password")
    written(mounted / "key", "A" * 43 + "=")
    written(mounted / "database-url", "of another program")
    (mounted / "kubernetes.io").mkdir()
    settings = loaded(tmp_path, environ={"CREDENTIALS_DIRECTORY": str(mounted)})
    password = settings.profile("default").password
    assert password is not None
    assert (password.kind, password.path) == ("file", str(mounted / "password"))
    assert settings.process.key is not None
    assert settings.process.key.path == str(mounted / "key")


def test_the_personal_config_file_is_found_and_the_named_one_replaces_it(tmp_path: Path) -> None:
    written(tmp_path / "xdg/harvester/config.toml", 'username = "found"\n')
    other = written(tmp_path / "other.toml", 'username = "named"\n')
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    settings = loaded(tmp_path, environ=environ)
    assert settings.profile("default").username == "found"
    assert settings.process.config_path == tmp_path / "xdg/harvester/config.toml"
    named = loaded(tmp_path, environ={**environ, "HARVESTER_CONFIG": str(other)})
    assert named.profile("default").username == "named"


def test_serve_alone_heeds_the_state_directory_of_systemd(tmp_path: Path) -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/harvester:/var/lib/other"}
    serving = loaded(tmp_path, environ=environ, serving=True)
    assert serving.process.store == Path("/var/lib/harvester")
    assert loaded(tmp_path, environ=environ).process.store != Path("/var/lib/harvester")
    told = {**environ, "HARVESTER_STORE": str(tmp_path / "s")}
    assert loaded(tmp_path, environ=told, serving=True).process.store == tmp_path / "s"


def test_what_is_shown_never_holds_a_secret(tmp_path: Path) -> None:
    environ = {
        "HARVESTER_PASSWORD": "canary",
        "HARVESTER_TOTP_SECRET_COMMAND": "op read canary-path",
        "HARVESTER_HTTPS_PROXY": "http://user:canary@proxy.example:3128",
        "HARVESTER_SIGN_IN_TIMEOUT": "90s",
    }
    shown = {one.name: one for one in loaded(tmp_path, environ=environ).sources}
    assert "canary" not in repr(shown)
    assert shown["profiles.default.password"].value == "set, not shown"
    assert shown["profiles.default.totp_secret"].value == "command op"
    assert shown["https_proxy"].value == "http://proxy.example:3128"
    assert shown["profiles.default.sign_in_timeout"].value == "90s"


def test_a_path_as_sign_in_url_is_a_page_of_the_site(tmp_path: Path) -> None:
    environ = {
        "HARVESTER_ORIGIN": "http://knoq.localhost:8080",
        "HARVESTER_SIGN_IN_URL": "/login?next=/app",
    }
    site = loaded(tmp_path, environ=environ).profile("default").site
    assert site.sign_in_url == "http://knoq.localhost:8080/login?next=/app"


def test_the_process_settings_reach_the_process(tmp_path: Path) -> None:
    ca = written(tmp_path / "ca.pem", "x")
    environ = {
        "HARVESTER_SOCKET": str(tmp_path / "s.sock"),
        "HARVESTER_BROWSER": "chrome",
        "HARVESTER_SANDBOX": "off",
        "HARVESTER_ALLOW_UIDS": "1000, 1001",
        "HARVESTER_CA_FILE": str(ca),
        "HARVESTER_LOG_FORMAT": "JSON",
        "HARVESTER_LOG_LEVEL": "debug",
        "HARVESTER_PROXY": "off",
        "HARVESTER_KEY_FILE": str(tmp_path / "key"),
    }
    process = loaded(tmp_path, environ=environ).process
    assert process.socket == str(tmp_path / "s.sock")
    assert (process.browser.browser, process.browser.sandbox) == ("chrome", "off")
    assert process.browser.ca_file == process.ca_file == str(ca)
    assert process.allow_uids == (os.getuid(), 1000, 1001)
    assert (process.log_format, process.log_level) == ("json", "debug")
    assert process.key is not None and process.key.kind == "file"


def test_the_example_file_is_right_line_by_line_and_leaves_no_setting_out(tmp_path: Path) -> None:
    example = (Path(__file__).parents[2] / ".env.example").read_text()
    ca = written(tmp_path / "ca.pem", "x")
    everything = re.sub(r"^#(HARVESTER_)", r"\1", example, flags=re.MULTILINE)
    everything = everything.replace("/etc/ssl/certs/ca-certificates.crt", str(ca))
    # Two ways to give one secret exclude each other.
    everything = re.sub(r"^HARVESTER_PASSWORD_COMMAND=.*\n", "", everything, flags=re.MULTILINE)
    places = r"^HARVESTER_(KEY_FILE|PASSPHRASE_FILE|KEY_SOURCE)=.*\n"
    assert len(re.findall(places, everything, flags=re.MULTILINE)) == 3, "places of the one key"
    everything = re.sub(places, "", everything, flags=re.MULTILINE)
    written(tmp_path / "example", example)
    written(tmp_path / "everything", everything)
    assert loaded(tmp_path, env_file=str(tmp_path / "example")).profile("default").username
    with pytest.raises(ConfigInvalid, match="HARVESTER_CONFIRM"):
        loaded(tmp_path, env_file=str(tmp_path / "everything"))
    untold: list[set[str]] = []
    for other in ("CONFIRM", "FILES"):  # which exclude each other
        some = re.sub(f"^HARVESTER_{other}=.*\n", "", everything, flags=re.MULTILINE)
        written(tmp_path / other, some)
        settings = loaded(tmp_path, env_file=str(tmp_path / other))
        assert settings.profile("work-eu").password is not None
        untold.append(
            {
                one.name.rpartition(".")[2]
                for one in settings.sources
                if one.where == "default" and not one.name.startswith("profiles.work-eu")
            }
        )
    assert untold[0] & untold[1] == {"socket", "pages", "key", "passphrase", "key_source"}, (
        "not in this file"
    )


@pytest.mark.parametrize(
    ("said", "in_ci"), [("true", True), ("1", True), ("", False), ("false", False), (None, False)]
)
def test_a_job_of_a_ci_system_is_known_by_the_variable_that_they_all_set(
    tmp_path: Path, said: str | None, in_ci: bool
) -> None:
    environ = {} if said is None else {"CI": said}
    assert loaded(tmp_path, environ=environ).process.ci is in_ci
