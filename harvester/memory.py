"""What keeps this process's memory to itself: who may look in, core files, swap.

Reads the kernel's own words and changes nothing; what is done about it is ``process.py``'s, and
systemd's (``MemorySwapMax=0``).  Memory cannot be wiped in Python: what is kept from others here
is kept while the process lives.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harvester.process import is_dumpable

# ``none``: this machine has no swap; ``off``: it has, and our control group may not use it.
Swap = Literal["none", "off", "possible", "unknown"]

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")

READABLE = "other programs of this user may read its memory"
CORE = "a crash may write its memory to a core file"
SWAPPED = "its memory may be written to swap"
UNKNOWN = "whether its memory may be written to swap is not known here"


def kept() -> dict[str, Any]:
    """As ``/v1/status`` tells it.  ``dumpable`` is null where the system cannot say."""
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    return {
        "dumpable": is_dumpable(),
        "core_bytes": None if soft == resource.RLIM_INFINITY else soft,
        "core_files": soft != 0,
        "swap": swap(),
    }


def swap(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> Swap:
    """Whether the kernel may write our memory to a disk's swap."""
    try:
        lines = (proc / "swaps").read_text().splitlines()
    except OSError:
        return "unknown"
    if len(lines) <= 1:  # the first one is a heading
        return "none"
    return "off" if _forbidden(proc, cgroups) else "possible"


def _forbidden(proc: Path, cgroups: Path) -> bool:
    """Whether our control group, or one above it, has no swap (version 2 of control groups)."""
    try:
        told = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return False
    ours = next((line[len("0::") :] for line in told if line.startswith("0::")), None)
    if ours is None:
        return False
    group = cgroups / ours.strip("/")
    while group != cgroups.parent:
        try:
            if (group / "memory.swap.max").read_text().strip() == "0":
                return True
        except OSError:
            pass  # the root has none, and a group without the controller has none
        group = group.parent
    return False


def faults(told: Mapping[str, Any]) -> list[str]:
    """What is not so, of what ``kept`` told: whole sentences, none where all is well."""
    found = []
    if told.get("dumpable") is not False:
        found.append(READABLE)
    if told.get("core_files") is not False:
        found.append(CORE)
    match told.get("swap"):
        case "possible":
            found.append(SWAPPED)
        case "unknown":
            found.append(UNKNOWN)
    return found


def in_words(told: Mapping[str, Any]) -> str:
    """One line for a person."""
    wrong = faults(told)
    if wrong:
        return "; ".join(wrong)
    how = "no swap on this machine" if told.get("swap") == "none" else "no swap for it"
    return f"not readable for other programs, no core files, {how}"


def mend(told: Mapping[str, Any]) -> str:
    """The one thing that helps against what ``faults`` found first."""
    if told.get("dumpable") is not False or told.get("core_files") is not False:
        return "start it anew with this release; on macOS nothing keeps other programs out"
    return "run it as a systemd service with MemorySwapMax=0 (packaging/systemd), or encrypt swap"
