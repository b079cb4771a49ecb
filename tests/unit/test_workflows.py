"""What runs at GitHub: pinned, with no more rights than its job, and published without a token."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
EACH = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
FILES = pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda one: one.name)

PUBLISH, ATTEST = "pypa/gh-action-pypi-publish", "actions/attest-build-provenance"
# Each right that a job has, and why it may have it.
RIGHTS = {
    ("ci.yml", "whole"): {"contents": "read"},
    ("ci.yml", "audit"): {"contents": "read"},
    ("release.yml", "whole"): {"contents": "read"},
    ("release.yml", "build"): {"contents": "read"},
    ("release.yml", "attest"): {"id-token": "write", "attestations": "write"},
    ("release.yml", "publish"): {"id-token": "write"},
    ("release.yml", "announce"): {"contents": "write"},
}


def read(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    whole = read(path)
    if "runs" in whole:
        return list(whole["runs"]["steps"])
    return [step for job in whole["jobs"].values() for step in job["steps"]]


def release() -> dict[str, Any]:
    return dict(read(ROOT / ".github" / "workflows" / "release.yml")["jobs"])


@FILES
def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    uses = [line for line in lines if re.match(r"\s*(-\s+)?uses:", line)]
    assert uses
    for line in uses:
        # The version behind it is for people, and for whoever renews the pin.
        pinned = r"\s*(-\s+)?uses: [\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
        assert re.fullmatch(pinned, line), line


def test_one_action_has_one_pin() -> None:
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for step in steps(path):
            if "uses" in step:
                name, _, commit = step["uses"].partition("@")
                pins.setdefault(name, set()).add(commit)
    assert {name: len(found) for name, found in pins.items() if len(found) != 1} == {}


@EACH
def test_no_job_has_more_rights_than_it_says(path: Path) -> None:
    whole = read(path)
    assert whole["permissions"] == {}
    found = {(path.name, name): job["permissions"] for name, job in whole["jobs"].items()}
    assert found == {key: rights for key, rights in RIGHTS.items() if key[0] == path.name}
    assert all(job["timeout-minutes"] <= 60 for job in whole["jobs"].values())


@EACH
def test_no_checkout_keeps_the_token_and_no_secret_is_named(path: Path) -> None:
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert "secrets." not in path.read_text(encoding="utf-8")
    # These run foreign code with our rights.
    assert "pull_request_target" not in str(read(path)) and "workflow_run" not in str(read(path))


@FILES
def test_no_foreign_text_becomes_a_line_of_shell(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step["name"]


@EACH
def test_what_is_installed_is_locked_with_hashes(path: Path) -> None:
    scripts = [ROOT / "scripts" / name for name in ("setup", "audit", "release")]
    texts = [step.get("run", "") for step in steps(path)]
    texts += [one.read_text(encoding="utf-8") for one in scripts]
    lines = "\n".join(texts).replace("\\\n", " ").splitlines()
    installs = [line for line in lines if re.search(r"\bpip install\b", line)]
    assert len(installs) >= 5
    for line in installs:
        # The project itself is put in place from this checkout, with nothing built for it anew.
        ours = "--no-deps --no-build-isolation" in line
        assert "--require-hashes" in line or ours, line


def test_the_release_is_published_without_a_token_and_attested() -> None:
    jobs = release()
    publish = jobs["publish"]
    assert set(publish["needs"]) == {"build", "attest"}
    assert publish["environment"]["name"] == "pypi"
    names = [step["uses"].partition("@")[0] for step in publish["steps"]]
    assert names == ["actions/download-artifact", PUBLISH], "and nothing else runs in it"
    given = publish["steps"][-1]["with"]
    assert given == {"attestations": True}, "no password, no other registry"
    attest = jobs["attest"]["steps"][-1]
    assert attest["uses"].startswith(ATTEST + "@")
    assert attest["with"]["subject-path"].split() == ["dist/*", "parts/*"]
    # Built from the lock, with the list of its parts, after all that a change must pass.
    assert jobs["build"]["needs"] == "whole"
    assert ".ci/run" in [step.get("run") for step in jobs["whole"]["steps"]]
    script = (ROOT / "scripts" / "release").read_text(encoding="utf-8")
    assert "--require-hashes" in script and "requirements-dev.lock" in script
    assert "scripts/audit --parts" in script and "pip wheel" not in script
    told = " ".join(step.get("run", "") for step in jobs["announce"]["steps"])
    assert "dist/* parts/*" in told


def test_the_lock_is_audited_strictly() -> None:
    script = (ROOT / "scripts" / "audit").read_text(encoding="utf-8").replace("\\\n", " ")
    audit = next(line for line in script.splitlines() if "pip-audit" in line and "-r" in line)
    assert {"--strict", "--require-hashes", "--disable-pip"} <= set(audit.split())
    assert "for one in requirements.lock requirements-dev.lock" in script
    ci = read(ROOT / ".github" / "workflows" / "ci.yml")
    # YAML 1.1 takes the word "on" for a truth.
    assert "schedule" in ci[True] and "pull_request" in ci[True]
    assert [step.get("run") for step in ci["jobs"]["audit"]["steps"]][-1] == "scripts/audit"


def test_zizmor_looks_at_all_of_them() -> None:
    script = (ROOT / "scripts" / "check").read_text(encoding="utf-8").replace("\\\n", " ")
    line = next(line for line in script.splitlines() if "zizmor" in line)
    assert {"--offline", "action.yml", ".github/workflows"} <= set(line.split())
    assert "--no-ignores" not in line
    for path in [*WORKFLOWS, ROOT / "action.yml"]:
        assert "zizmor: ignore" not in path.read_text(encoding="utf-8")
