"""The systemd units: systemd reads them, finds little to say, and the browser can work in them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from systemdunit import SYSTEM, USER, settings

# systemd's own figure, of 10; the browser's namespaces and the network are what is left.
EXPOSURE_MOST = {SYSTEM: 2.5, USER: 7.5}
UNITS = pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])

# What keeps its memory, its files and its rights to itself, in both.
IN_BOTH = {
    "NoNewPrivileges": "yes", "UMask": "0077", "LimitCORE": "0", "MemorySwapMax": "0",
    "RuntimeDirectory": "harvester", "RuntimeDirectoryMode": "0700", "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes", "RestrictRealtime": "yes", "SystemCallArchitectures": "native",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK", "KillMode": "mixed",
    "OOMPolicy": "continue", "RestartPreventExitStatus": "69 74 78",
}  # fmt: skip
IN_THE_SYSTEMS = {
    "User": "harvester", "StateDirectory": "harvester", "StateDirectoryMode": "0700",
    "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
    "CapabilityBoundingSet": "", "ProtectKernelTunables": "yes", "ProtectControlGroups": "yes",
    "ProtectProc": "invisible", "KeyringMode": "private",
}  # fmt: skip
# Each of them ends the browser's sandbox, the browser itself, or the check of who calls.
BREAKS_IT = {"MemoryDenyWriteExecute", "PrivateUsers", "ProcSubset", "RootDirectory", "PrivateIPC"}


def checked(unit: Path, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """systemd's word on a unit whose program exists on this machine."""
    copied = place / unit.name
    text = unit.read_text(encoding="utf-8")
    copied.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text))
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *words, str(copied)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(place)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@UNITS
def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    whose = "--user" if unit == USER else "--system"
    found = checked(unit, tmp_path, whose, "verify")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@UNITS
def test_a_line_that_systemd_does_not_know_would_be_noticed(unit: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong" / unit.name
    wrong.parent.mkdir()
    wrong.write_text(unit.read_text().replace("NoNewPrivileges=", "NoNewPriviledges="))
    whose = "--user" if unit == USER else "--system"
    assert "NoNewPriviledges" in checked(wrong, tmp_path, whose, "verify").stderr


@UNITS
def test_it_is_not_more_exposed_than_it_must_be(unit: Path, tmp_path: Path) -> None:
    most = EXPOSURE_MOST[unit]
    words = ("security", "--offline=true", f"--threshold={most * 10:.0f}")
    found = checked(unit, tmp_path, *words)
    assert found.returncode == 0, found.stdout
    told = re.search(r"Overall exposure level for \S+: ([0-9.]+)", found.stdout)
    assert told is not None and float(told[1]) <= most


@UNITS
def test_what_is_promised_of_it_stands_there(unit: Path) -> None:
    said = settings(unit)
    wanted = {**IN_BOTH, **(IN_THE_SYSTEMS if unit == SYSTEM else {})}
    assert {name: said.get(name) for name in wanted} == {
        name: [value] for name, value in wanted.items()
    }
    assert not BREAKS_IT & said.keys()
    # The browser's sandbox: three kinds of namespaces, chroot within them, filters of its own.
    assert said["RestrictNamespaces"] == ["user pid net"]
    assert {"chroot", "seccomp"} <= set(said["SystemCallFilter"][0].split())


def test_secrets_come_as_credentials_and_never_by_environment() -> None:
    said = settings(SYSTEM)
    names = [line.partition(":")[0] for line in said["LoadCredentialEncrypted"]]
    assert names == ["password", "totp_secret", "key"]
    for unit in (SYSTEM, USER):
        assert all("HARVESTER" not in line for line in settings(unit).get("Environment", ()))
        assert "EnvironmentFile" not in settings(unit)


def test_a_daemon_that_says_nothing_to_systemd_is_not_waited_for() -> None:
    root = SYSTEM.parents[3] / "harvester"
    speaks = any("NOTIFY_SOCKET" in path.read_text() for path in root.rglob("*.py"))
    for unit in (SYSTEM, USER):
        said = settings(unit)
        assert said["Type"] == ["notify" if speaks else "exec"]
        assert speaks or "WatchdogSec" not in said
