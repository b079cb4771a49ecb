"""The store that settings name, with its keys, opened.

Owns which kind of store it is and that the keys are looked at before anything is read.  What lies
in it is for ``records.py``.
"""

from __future__ import annotations

import logging
import os

from harvester.log import event
from harvester.records import Store
from harvester.settings import Process
from harvester.vault.directory import DirectoryStore, prepare
from harvester.vault.nothing import NoStore
from harvester.vault.ring import LiveRing, ring_of
from harvester.vault.seal import Seal


def open_store(process: Process, *, only_look: bool) -> tuple[Store, LiveRing | None]:
    """The store and its keys; none where there is no store yet.  Raises StoreError, KeyWrong."""
    if only_look and not os.path.lexists(process.store):
        return NoStore(), None
    prepare(process.store)
    ring = ring_of(process.sealing, process.store)
    store = DirectoryStore(process.store, Seal(ring))
    for warning in ring.open(may_create=not store.has_records()):
        event("key.warning", level=logging.WARNING, why=warning)
    return store, ring
