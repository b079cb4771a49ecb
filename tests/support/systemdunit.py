"""Our systemd units as data, and the system call filter that one of them comes to."""

from __future__ import annotations

import errno
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import seccomp
from standin import ROOT

UNITS = ROOT / "packaging" / "systemd"
SYSTEM = UNITS / "system" / "harvester.service"
USER = UNITS / "user" / "harvester.service"

# The flags of clone() and unshare(), by the words of RestrictNamespaces.
_FLAGS = {
    "cgroup": 0x02000000, "ipc": 0x08000000, "net": 0x40000000, "mnt": 0x00020000,
    "pid": 0x20000000, "user": 0x10000000, "uts": 0x04000000,
}  # fmt: skip
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}


def settings(unit: Path) -> dict[str, list[str]]:
    """What stands in [Service], each name with all its values in order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in unit.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and line[0] not in "#;":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def calls(words: list[str]) -> set[str]:
    """System calls of a filter's words, with its @groups spelled out by systemd itself."""
    found: set[str] = set()
    for word in words:
        if not word.startswith("@"):
            found.add(word)
            continue
        found |= calls(_members(word))
    return found


@cache
def _members(group: str) -> list[str]:
    told = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", group],
        capture_output=True, text=True, timeout=30, check=True,
    ).stdout  # fmt: skip
    lines = [line.strip() for line in told.splitlines()[1:]]
    return [line for line in lines if line and line[0] != "#"]


def filter_of(unit: Path) -> dict[str, Any]:
    """The unit's SystemCallFilter, RestrictNamespaces and RestrictAddressFamilies, written as one
    of Docker's profiles: what ``seccomp.enter`` takes."""
    said = settings(unit)
    allowed: set[str] = set()
    for line in said["SystemCallFilter"]:
        if line.startswith("~"):
            allowed -= calls(line[1:].split())
        else:
            allowed |= calls(line.split())
    # systemd passes over the calls of other machines, and of kernels that libseccomp has not seen.
    allowed -= set(seccomp.unknown_calls({"syscalls": [{"names": sorted(allowed)}]}))
    allowed -= {"clone", "clone3", "unshare", "setns", "socket", "personality"}
    spaces = said["RestrictNamespaces"][0].split()
    forbidden = sum(flag for word, flag in _FLAGS.items() if word not in spaces)
    none_of_those = {"index": 0, "value": forbidden, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    families = said["RestrictAddressFamilies"][0].split()
    allow = "SCMP_ACT_ALLOW"
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "syscalls": [
            {"names": sorted(allowed), "action": allow},
            {"names": ["clone", "unshare"], "action": allow, "args": [none_of_those]},
            # As systemd does it: its flags lie where no filter looks, and libc falls back.
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
            *(
                {
                    "names": ["socket"],
                    "action": allow,
                    "args": [{"index": 0, "value": _FAMILIES[family], "op": "SCMP_CMP_EQ"}],
                }
                for family in families
            ),
        ],
    }
