"""Under the system calls that our systemd unit leaves, the browser starts with its sandbox.

systemd itself does not run here: its filter is spelled out by ``systemd-analyze`` and put on by
libseccomp, beside no_new_privs, its umask, and a user without rights.
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
from systemdunit import SYSTEM, USER, filter_of

UID = 10001 if os.geteuid() == 0 else os.geteuid()
RUN_S = 60.0


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
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
    return str(Path(shutil.copytree(found.parent, place / "browser")) / found.name)


def under(place: Path, held: dict[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    path, home = place / "filter.json", str(place / "home")
    path.write_text(json.dumps(held))
    return subprocess.run(
        [sys.executable, seccomp.__file__, path, str(UID), *words],
        env={"PATH": os.defpath, "HOME": home, "TMPDIR": home}, cwd=home, umask=0o077,
        capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip


PAGE = ("--dump-dom", "data:text/html,<p>it lives<script>document.title=[1,2].map(x=>x)</script>")


@pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])
def test_the_browser_starts_with_its_sandbox(browser: str, place: Path, unit: Path) -> None:
    ended = under(place, filter_of(unit), browser, *PAGE)
    assert (ended.returncode, "it lives" in ended.stdout) == (0, True), ended.stderr


def test_without_chroot_it_would_not(browser: str, place: Path) -> None:
    held = filter_of(SYSTEM)
    held["syscalls"][0]["names"].remove("chroot")
    ended = under(place, held, browser, *PAGE)
    assert ended.returncode != 0 and "sys_chroot" in ended.stderr


def test_without_its_namespaces_it_would_not(browser: str, place: Path) -> None:
    held = filter_of(SYSTEM)
    held["syscalls"][1]["args"][0]["value"] |= 0x10000000  # the user's
    ended = under(place, held, browser, *PAGE)
    assert ended.returncode != 0 and "No usable sandbox" in ended.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("unshare", "--user", "--mount", "true"),
        ("unshare", "--user", "--uts", "true"),
        ("keyctl",),
    ],
    ids=["mount", "uts", "keyring"],
)
def test_what_it_does_not_need_stays_shut(place: Path, words: tuple[str, ...]) -> None:
    if words == ("keyctl",):
        # add_key's number differs by machine; libc has none of it, so it is asked by its number.
        asked = (
            "import ctypes, sys; lib = ctypes.CDLL('libseccomp.so.2');"
            "n = lib.seccomp_syscall_resolve_name(b'keyctl');"
            "sys.exit(ctypes.CDLL(None).syscall(n, 0, -3, 0) == -1)"
        )
        words = ("/usr/bin/env", "python3", "-c", asked)
        assert subprocess.run(words, check=False).returncode == 0, "this machine has it"
    assert under(place, filter_of(SYSTEM), *words).returncode == 1
    assert under(place, filter_of(SYSTEM), "unshare", "--user", "--net", "true").returncode == 0
