"""The profile's passkeys in this process: unsealed, lent to the browser, sealed again.

Owns the only place where their private keys are in clear.  Whatever changed (a sign count, a new
passkey) is handed to the parent sealed, and stored before anything else happens.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from harvester.errors import HarvesterError, StoreCorrupt
from harvester.passkeys import Passkey, covers, for_origins, from_bytes, to_bytes
from harvester.signin.browser import Authenticator
from harvester.signin.decision import host_of
from harvester.signin.dialogue import Job
from harvester.signin.observe import FrameView
from harvester.signin.parent import Parent
from harvester.signin.refusal import passkey_refused, passkey_unknown
from harvester.vault.seal import Seal

# A press may be lost on a page whose script was still on its way; a second one is not.
_IN_VAIN = 2


class Carried:
    """``fitting`` are those that this sign-in's pages may ask for; others never reach the browser.

    ``authenticator`` is None where there is nothing for one to do: it would answer every prompt.
    ``asked`` counts the ways by which pages were led to ask for a passkey.
    """

    def __init__(self, job: Job, seal: Seal, parent: Parent) -> None:
        """Raises StoreCorrupt, or what ``Seal.open`` does, for a record that cannot be read."""
        self._job = job
        self._seal = seal
        self._parent = parent
        self._generation = 0
        self._all = () if job.passkeys is None else self._open(job.passkeys)
        self.fitting = for_origins(self._all, (job.origin, *job.identity_origins))
        self.authenticator: Authenticator | None = None
        self._changed = False
        self.asked: Counter[tuple[str, ...]] = Counter()
        if self.fitting or job.passkey_name is not None:
            self.authenticator = Authenticator(self.fitting, makes=job.passkey_name is not None)
            self.authenticator.on_change = self._note

    def _open(self, sealed: str) -> tuple[Passkey, ...]:
        opened = self._seal.open(
            sealed.encode("ascii", "replace"), profile=self._job.profile, purpose="passkey"
        )
        self._generation = opened.generation
        try:
            return from_bytes(opened.plaintext)
        except (ValueError, KeyError, TypeError):
            raise StoreCorrupt(
                "the stored passkeys cannot be understood",
                hint="they were written by another version of harvester; use that one",
            ) from None

    @property
    def domains(self) -> tuple[str, ...]:
        """What the passkeys at hand are for."""
        return tuple(sorted({one.rp_id for one in self.fitting}))

    def elsewhere(self) -> str:
        """What the stored passkeys are for, where none of them fits."""
        return ", ".join(sorted({one.rp_id for one in self._all}))

    @property
    def signed(self) -> bool:
        """Whether one of them was used on this way."""
        return self.authenticator is not None and bool(self.authenticator.used)

    def refused_by(self, frame: FrameView) -> HarvesterError | None:
        """The error where one signed for this page, and it asks for a sign-in all the same.

        No password follows by itself: the site may have said no to the person, not to the key.
        """
        if self.authenticator is None:
            return None
        used = (self.authenticator.held[one] for one in self.authenticator.used)
        names = [one.name for one in used if covers(one.rp_id, frame.url)]
        return passkey_refused(host_of(frame), names[0]) if names else None

    def refusal(self, frame: FrameView, way: tuple[str, ...]) -> HarvesterError | None:
        """The error where a page asks for a passkey by ``way`` although it was given one, or asked
        for it in vain before."""
        in_vain = passkey_unknown(host_of(frame)) if self.asked[way] >= _IN_VAIN else None
        return self.refused_by(frame) or in_vain

    def _note(self) -> None:
        self._changed = True

    async def keep(self) -> HarvesterError | None:
        """Have the parent store what changed, if anything did; what it says against it."""
        if self.authenticator is None or not self._changed:
            return None
        self._changed = False
        return await self._parent.keep_passkeys(self._sealed(self.authenticator))

    @property
    def made(self) -> tuple[Passkey, ...]:
        """The passkeys that pages made on this way, under the name that they are kept by."""
        if self.authenticator is None:
            return ()
        old = {one.credential_id for one in self._all}
        held = self.authenticator.held.values()
        return tuple(self._named(one) for one in held if one.credential_id not in old)

    def _named(self, passkey: Passkey) -> Passkey:
        return passkey if passkey.name else replace(passkey, name=self._job.passkey_name or "")

    def _sealed(self, authenticator: Authenticator) -> str:
        known = (authenticator.held.get(one.credential_id, one) for one in self._all)
        now_s = time.time()
        # Later than the one before, also where the clock went back.
        self._generation = max(int(now_s), self._generation + 1)
        return self._seal.seal(
            to_bytes((*known, *self.made)),
            profile=self._job.profile,
            purpose="passkey",
            generation=self._generation,
            now_s=now_s,
        ).decode("ascii")
