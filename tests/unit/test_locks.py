"""The locks: every package with hashes, no registry named, and true to what the project asks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-audit.lock")


def packages(lock: str) -> dict[str, str]:
    """Name to the whole entry."""
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=[a-z])", "\n" + "\n".join(
        line for line in text.splitlines() if not line.startswith("#")
    ))  # fmt: skip
    return {entry.split("==")[0]: entry for entry in entries if entry.strip()}


def name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9-]", requirement)[0].lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_of_one_version_with_its_hashes(lock: str) -> None:
    found = packages(lock)
    assert len(found) > 20
    for name, entry in found.items():
        assert re.match(rf"{re.escape(name)}==[0-9][\w.]*( ;[^\\]+)? \\\n", entry), name
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), name


@pytest.mark.parametrize("lock", LOCKS)
def test_no_registry_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"(?m)^-", text), "no option, so no index and no folder of wheels"


def test_what_is_tested_is_what_is_shipped() -> None:
    shipped, tested = packages(LOCKS[0]), packages(LOCKS[1])
    assert {name: tested.get(name) for name in shipped} == shipped


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {name_of(one) for one in project["project"]["dependencies"]}
    assert wanted <= set(packages(LOCKS[0]))
    groups = project["dependency-groups"]
    # The auditor's tools stand apart, with all that they need.
    audit = groups.pop("audit")
    assert {name_of(one) for one in audit} <= set(packages(LOCKS[2]))
    wanted |= {name_of(one) for group in groups.values() for one in group if isinstance(one, str)}
    assert wanted <= set(packages(LOCKS[1]))
