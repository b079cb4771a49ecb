"""What `doctor` says of handing out: whatever keeps a daemon that runs from it, though all else is
in order, with the one command that ends it.

Asks the daemon alone; where none runs, the command that is refused says so itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harvester.cli.call import Call
from harvester.cli.checks import Finding
from harvester.errors import HarvesterError

_CHECK = "serving"


def handing_out(call: Call) -> Iterator[Finding]:
    try:
        client = call.client()
        told = client.status()
        trouble = client.leases().get("trouble")
    except HarvesterError:
        return  # told by the check of the socket
    found = [*_process(told), *_leases(trouble)]
    for profile in told.get("profiles") or ():
        found += _profile(profile)
    yield from found or [Finding(_CHECK, "ok", "the daemon hands out, and keeps account of it")]


def _process(told: Mapping[str, Any]) -> Iterator[Finding]:
    paused = told.get("paused") or {}
    if paused.get("all_since"):
        yield Finding(
            _CHECK, "warn", f"everything is paused since {paused['all_since']}", "harvester resume"
        )
    for name, since in (paused.get("profiles") or {}).items():
        mend = f"harvester resume --profile {name}"
        yield Finding(_CHECK, "warn", f"{name} is paused since {since}", mend)
    trouble = (told.get("audit") or {}).get("trouble")
    if trouble:
        yield Finding(
            _CHECK, "fail", f"the audit cannot be written: {trouble}",
            "mend what it says of that file, or set HARVESTER_AUDIT=no",
        )  # fmt: skip


def _leases(trouble: Mapping[str, Any] | None) -> Iterator[Finding]:
    if trouble:
        yield Finding(
            _CHECK, "fail", f"no lease is honoured: {trouble.get('message')}",
            "harvester lease revoke --all begins anew",
        )  # fmt: skip


def _profile(profile: Mapping[str, Any]) -> Iterator[Finding]:
    name, alarm, latch = profile.get("profile"), profile.get("alarm"), profile.get("latch")
    if alarm:
        held = alarm.get("held")
        says = "nothing is handed out" if held else "serving goes on"
        yield Finding(
            _CHECK, "fail" if held else "warn",
            f"{name}: {says}, with an alarm: {alarm.get('message')}", str(alarm.get("hint")),
        )  # fmt: skip
    elif latch:
        helps = (profile.get("trouble") or {}).get("helps") or latch.get("hint")
        yield Finding(
            _CHECK, "fail", f"{name}: nobody signs in any more: {latch.get('message')}", str(helps)
        )
