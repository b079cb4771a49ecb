"""What is to be said of a stored session that is not the last one that was written.

Either the last one was damaged, and the one before it is all there is; or somebody put an older
file back: a backup, or in malice.  Both are whole and ours, and may long have been replaced at the
site: so the site is asked before such a one is served, and a person is told.  An error in form, a
warning in effect: it is shown and logged, never raised.
"""

from __future__ import annotations

import logging

from harvester.errors import StoreCorrupt, StoreError, StoreRolledBack
from harvester.log import event
from harvester.profile import Profile
from harvester.vault.directory import Stored


def warning_of(stored: Stored, profile: str) -> StoreError | None:
    """None for the last one that was written."""
    if stored.rolled_back:
        return StoreRolledBack(
            f"the stored session of profile {profile}, generation {stored.generation}, is older "
            "than the last one that was written: somebody put it back",
            hint="if nobody restored a backup, find out who can write to the store; then run: "
            f"harvester --profile {profile} refresh --hard",
        )
    if stored.from_previous:
        kept = f" and is kept as {stored.set_aside}" if stored.set_aside else ""
        return StoreCorrupt(
            f"the stored session of profile {profile} was damaged{kept}; the one before it, "
            f"generation {stored.generation}, took its place",
            hint="run: harvester doctor (is the disk in order?)",
        )
    return None


def tell(profile: Profile, warning: StoreError, *, then: str) -> None:
    """Say so, once for each time that it was found."""
    rolled = isinstance(warning, StoreRolledBack)
    event(
        "store.rolled_back" if rolled else "store.set_aside",
        level=logging.WARNING,
        profile=profile.name,
        code=warning.code,
        why=warning.message,
        next=then,
        hint=warning.hint,
    )


def tell_sealed(profile: str, purpose: str) -> None:
    """The same of what only the signer opens: it costs a sign-in at most, so it is used."""
    event(
        "store.rolled_back",
        level=logging.WARNING,
        profile=profile,
        code=StoreRolledBack.code,
        why=f"the stored {purpose} of profile {profile} is older than the last one that was "
        "written: it was put back, or the last one was damaged",
        next="it is used, and the next sign-in writes a new one",
    )
