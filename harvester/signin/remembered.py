"""The identity state: what the provider remembers us by, and what was agreed to there.

Owns its form and its seal.  More dangerous than a session: it is opened in the signer alone, and
never leaves it in clear.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from harvester.errors import StoreCorrupt
from harvester.profile import origin_of
from harvester.signin.consents import Consents
from harvester.signin.dialogue import Job
from harvester.signin.jar import is_for
from harvester.vault import keys
from harvester.vault.seal import MAX_PLAINTEXT_BYTES, Seal


class Remembered:
    """The identity state, opened: the provider's cookies, and what was agreed to there.

    ``origins`` is what its pages stored in the browser, as Playwright's storage state tells it.
    """

    def __init__(self, job: Job, ring: keys.KeyRing) -> None:
        self._job = job
        self._seal = Seal(ring)
        self.cookies: list[dict[str, Any]] = []
        self.origins: list[dict[str, Any]] = []
        self.consents = Consents()
        self._generation = 0
        if job.identity_state is not None:
            self._open(job.identity_state)

    def _open(self, sealed: str) -> None:
        try:
            opened = self._seal.open(
                sealed.encode("ascii", "replace"),
                profile=self._job.profile,
                purpose="identity-state",
            )
            state = json.loads(opened.plaintext)
            self.cookies = list(state["cookies"])
            self.origins = list(state.get("origins", ()))
            self.consents = Consents.from_stored(state.get("consents", {}))
            self._generation = opened.generation
        except (StoreCorrupt, ValueError, KeyError, TypeError):
            return  # a state that cannot be read is none: the provider asks again

    def replace(
        self, everything: Sequence[dict[str, Any]], origins: Sequence[dict[str, Any]]
    ) -> None:
        """Take up what another browser holds, in place of what was stored."""
        host = urlsplit(self._job.origin).hostname or ""
        self.cookies = [one for one in everything if not is_for(host, str(one["domain"]))]
        self.origins = list(origins)

    def sealed(
        self,
        everything: Sequence[dict[str, Any]],
        origins: Sequence[dict[str, Any]] | None = None,
    ) -> str | None:
        """The state after this sign-in: all cookies but the site's own.

        ``origins`` replaces what the pages stored; None keeps it, because asking for it costs a
        page load for each of them.
        """
        host = urlsplit(self._job.origin).hostname or ""
        kept = [one for one in everything if not is_for(host, str(one["domain"]))]
        stored = self.origins if origins is None else origins
        state = {
            "cookies": kept,
            "origins": [one for one in stored if origin_of(str(one["origin"])) != self._job.origin],
            "consents": self.consents.given,
        }
        plaintext = json.dumps(state).encode()
        if len(plaintext) > MAX_PLAINTEXT_BYTES:
            # What is stored is often caches; the cookies are what signs in.
            plaintext = json.dumps({**state, "origins": []}).encode()
        if not kept or len(plaintext) > MAX_PLAINTEXT_BYTES:
            return None
        now_s = time.time()
        return self._seal.seal(
            plaintext,
            profile=self._job.profile,
            purpose="identity-state",
            # Later than the one before, also where that one could not be read.
            generation=max(int(now_s), self._generation + 1),
            now_s=now_s,
        ).decode("ascii")
