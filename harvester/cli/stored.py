"""What `doctor` says of the records themselves: each fault with the one command that mends it.

Opens every record with the key that is set, as a reader would, and touches none.  A key that a
command gives is not asked for: it may want a person's finger.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from harvester.cli.checks import Finding, failed
from harvester.errors import HarvesterError, StoreRolledBack
from harvester.settings import Settings
from harvester.vault import keys
from harvester.vault.inspection import Inspection
from harvester.vault.seal import Seal


def records(settings: Settings) -> Iterator[Finding]:
    """Every record of the store opens, and is the last one that was written."""
    process = settings.process
    if not os.path.lexists(process.store):
        return
    if process.key is not None and process.key.kind == "command":
        yield Finding("records", "ok", "not looked into: a command gives the key (not run)")
        return
    try:
        ring, _ = keys.load(process.key, process.store, may_create=False)
    except HarvesterError:
        return  # told by the check of the key
    found = list(Inspection(process.store, Seal(ring)).faults())
    for fault in found:
        warns = isinstance(fault.error, StoreRolledBack) or not fault.grave
        yield failed("records", fault.error, "warn" if warns else "fail")
    if not found:
        yield Finding("records", "ok", "each opens, and is the last one that was written")
