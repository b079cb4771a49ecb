"""docker/seccomp.json lets the browser keep its sandbox, and is no wider than that needs.

As in a container, but for the container: another user without rights, who can get none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import seccomp
from harvester.signin.find import find_browser
from standin import ROOT

PROFILE: dict[str, Any] = json.loads((ROOT / "docker" / "seccomp.json").read_text())
NAMESPACES, CHROOT = PROFILE["syscalls"][:2]
# Nobody of this machine; whoever is not root already is a user without rights.
UID = 10001 if os.geteuid() == 0 else os.geteuid()
RUN_S = 60.0


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the other user gets through to; pytest's own are for us alone."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "home").mkdir()
        (folder / "home").chmod(0o777)
        yield folder


@pytest.fixture(scope="module")
def browser(place: Path) -> str:
    found = Path(find_browser(os.environ.get("HARVESTER_BROWSER") or None).path).resolve()
    if os.geteuid() == UID or all(one.stat().st_mode & 0o001 for one in found.parents):
        return str(found)
    # A download into root's own home.
    return str(Path(shutil.copytree(found.parent, place / "browser")) / found.name)


def under(
    rules: list[dict[str, Any]], place: Path, uid: int, *words: str
) -> subprocess.CompletedProcess[str]:
    """A program under these rules of the profile, to its end."""
    path, home = place / "profile.json", str(place / "home")
    path.write_text(json.dumps({**PROFILE, "syscalls": rules}))
    return subprocess.run(
        [sys.executable, seccomp.__file__, path, str(uid), *words],
        env={"PATH": os.defpath, "HOME": home, "TMPDIR": home}, cwd=home,
        capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip


def start(browser: str, place: Path, rules: list[dict[str, Any]]) -> tuple[int, str, str]:
    page = ("--dump-dom", "data:text/html,<p>it lives")
    ended = under(rules, place, UID, browser, *page)
    return ended.returncode, ended.stdout, ended.stderr


def test_the_browser_starts_with_its_sandbox(browser: str, place: Path) -> None:
    code, out, err = start(browser, place, PROFILE["syscalls"])
    assert (code, "it lives" in out) == (0, True), err


@pytest.mark.parametrize(
    ("left_out", "complaint"),
    [((NAMESPACES,), "No usable sandbox"), ((CHROOT,), "sys_chroot")],
    ids=["namespaces", "chroot"],
)
def test_without_a_rule_that_was_added_it_does_not(
    browser: str, place: Path, left_out: tuple[dict[str, Any], ...], complaint: str
) -> None:
    code, out, err = start(browser, place, [r for r in PROFILE["syscalls"] if r not in left_out])
    assert code != 0
    assert "it lives" not in out
    assert complaint in err


@pytest.mark.parametrize("kind", ["--mount", "--ipc", "--uts", "--cgroup"])
def test_no_other_namespace_is_to_be_had(place: Path, kind: str) -> None:
    words, rules = ["unshare", "--user", kind, "true"], PROFILE["syscalls"]
    assert subprocess.run(words, check=False).returncode == 0, "this machine has them"
    assert under(rules, place, os.geteuid(), *words).returncode != 0
    assert under(rules, place, os.geteuid(), "unshare", "--user", "--net", "true").returncode == 0


def test_every_name_in_it_is_a_system_call_and_every_rule_says_why() -> None:
    assert seccomp.unknown_calls(PROFILE) == []
    assert all(rule["comment"] for rule in PROFILE["syscalls"])
    assert PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"


@pytest.mark.parametrize(
    "name",
    [
        "mount", "umount2", "setns", "pivot_root", "ptrace", "process_vm_readv", "bpf", "keyctl",
        "add_key", "perf_event_open", "io_uring_setup", "userfaultfd", "open_by_handle_at",
        "init_module", "kexec_load", "reboot", "settimeofday", "clock_settime", "mknod", "swapon",
        "fsopen", "move_mount", "kcmp", "personality",
    ],
)  # fmt: skip
def test_what_programs_have_broken_out_with_stays_shut(name: str) -> None:
    open_ones = {
        name
        for rule in PROFILE["syscalls"]
        for name in rule["names"]
        if rule["action"] == "SCMP_ACT_ALLOW"
    }
    assert name not in open_ones
