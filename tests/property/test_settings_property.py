"""Whatever stands in the environment or in a file: settings, or one error with a hint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.errors import ConfigInvalid
from harvester.settings import load, sources
from harvester.settings.model import every_name

NAMES = st.sampled_from(every_name())
TRICKY = st.sampled_from(
    ["https://a.example", "https://u@x", "http://[::1]:80", "https://[::1", "https://a:99999",
     "//x", "a\\b", "~nobody/x", "header:/x", "1e9s", "{}", "0", "٣", "\x00", "\ud800", "'", "off"]
)  # fmt: skip
WORDS = st.one_of(TRICKY, st.text(max_size=20), st.text("htps:/.[]@%019abx,", max_size=20))
VARIABLES = st.one_of(
    NAMES.map(lambda name: f"HARVESTER_{name.upper()}"),
    NAMES.map(lambda name: f"HARVESTER_PROFILES__W__{name.upper()}"),
    st.text(max_size=8).map(lambda name: f"HARVESTER_{name}"),
)
VALUES = st.recursive(
    st.one_of(WORDS, st.integers(), st.booleans()), lambda one: st.lists(one, max_size=3)
)
# The directory is shared by the examples of one test on purpose: each writes its file anew.
MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def no_secrets_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SECRETS_DIRECTORY", tmp_path / "run-secrets")


def settings_or_one_error(tmp_path: Path, environ: dict[str, str], **files: str) -> None:
    try:
        loaded = load(environ={"HOME": str(tmp_path), **environ}, **files)
    except ConfigInvalid as error:
        assert error.hint
        assert error.__context__ is None or isinstance(error.__context__, OSError)
    else:
        assert loaded.profile("default").site.origin


@MANY
@given(environ=st.dictionaries(VARIABLES, WORDS, max_size=3))
def test_any_environment(tmp_path: Path, environ: dict[str, str]) -> None:
    settings_or_one_error(tmp_path, environ)


@MANY
@given(
    top=st.dictionaries(NAMES, VALUES, max_size=2), table=st.dictionaries(NAMES, VALUES, max_size=2)
)
def test_any_config(tmp_path: Path, top: dict[str, Any], table: dict[str, Any]) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in top.items()]
    lines += ["[profiles.w]", *(f"{name} = {json.dumps(value)}" for name, value in table.items())]
    config = tmp_path / "config.toml"
    config.write_text("\n".join(lines))
    config.chmod(0o600)
    settings_or_one_error(tmp_path, {}, config=str(config))


@MANY
@given(content=st.binary(max_size=60))
def test_any_bytes_in_a_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    path.chmod(0o600)
    settings_or_one_error(tmp_path, {}, config=str(path))
    settings_or_one_error(tmp_path, {}, env_file=str(path))
