"""What a person does to a profile by hand: unlocks it, signs it out, brings a session along.

The keeper calls each with no climb under way and takes up what comes of it.  Each holds the
profile's lock: of all processes one works.  Nothing here counts as a sign-in or clears what the
ledger holds against one, but ``unlock``, which is for that.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from harvester.bucket import Bucket
from harvester.clock import Clock
from harvester.errors import HarvesterError, NeedsHuman, RateLimited, SiteDown
from harvester.held import Held
from harvester.ledger import Ledger
from harvester.locking import locked, to_the_end
from harvester.pardon import unlocked
from harvester.profile import Profile
from harvester.records import Records
from harvester.session import Cookie, Session
from harvester.sign_ins import LOCK_PATIENCE_S
from harvester.signin.dialogue import SignedIn
from harvester.staging import Staging
from harvester.switching import Switching
from harvester.verdict import Verdict

# Each session that is brought costs the site a probe or a few.  A person tries twice; a program
# that tries all day must cost the site no more than one that reports all day.
BROUGHT = 5
BROUGHT_REFILL_S = 10.0


class ByHand:
    """One profile, in a person's hands."""

    def __init__(
        self, profile: Profile, *, held: Held, staging: Staging, records: Records, clock: Clock
    ) -> None:
        self._profile = profile
        self._held = held
        self._staging = staging
        self._records = records
        self._clock = clock
        self._switching = Switching(profile, staging=staging, records=records, clock=clock)
        self._bucket = Bucket(float(BROUGHT), clock.awake_s())

    async def unlock(self, *, asked_at: float, force: bool) -> tuple[Ledger, Ledger]:
        """The ledger after it, and the one before.  Raises AccountLocked (see pardon.py)."""
        async with locked(self._records.lock(), LOCK_PATIENCE_S):
            ledger = await asyncio.to_thread(self._records.ledger)
            now = self._clock.wall_s()
            after = unlocked(ledger, now, asked_at=asked_at, force=force)
            await to_the_end(self._records.keep_unlocked_ledger, after)
        return after, ledger

    async def logout(self) -> tuple[Ledger, dict[str, Any]]:
        """The ledger after it, and whether the site ended the session and refuses it now."""
        async with locked(self._records.lock(), LOCK_PATIENCE_S):
            # Another process may have made a newer one since we looked: that is the one to end.
            session = await asyncio.to_thread(self._records.session_at, self._profile.site.origin)
            held = self._held.session
            if session is None or (held is not None and held.generation >= session.generation):
                session = held
            # The mark first: a record that is gone without it is a store that lost something; and
            # a session that the site ended without it would be made anew unasked.
            ledger = await asyncio.to_thread(self._records.ledger)
            ledger = ledger.with_signed_out(self._held.highest)
            await to_the_end(self._records.keep_ledger, ledger)
            signed_out: bool | None = None
            denied: bool | None = None
            if session is not None:
                path = self._profile.site.sign_out_path
                if path is not None:
                    signed_out = await self._staging.sign_out(session, path)
                denied = (await self._staging.verdict(session)).verdict is Verdict.DENIED
            await to_the_end(self._records.forget)
            await self._held.let_go()
        told = {"had_session": session is not None, "signed_out": signed_out, "denied": denied}
        return ledger, told

    async def bring(self, cookies: tuple[Cookie, ...], user_agent: str) -> Session:
        """A session that a person has in a browser: proved as a sign-in's, then stored.

        Raises HarvesterError, and then nothing is stored: what was there stays as it was.
        """
        # Another process may be in the middle of a sign-in.
        patience_s = self._profile.sign_in_limit_s + LOCK_PATIENCE_S
        async with locked(self._records.lock(), patience_s):
            ledger = await asyncio.to_thread(self._records.ledger)
            pictured = await self._staging.with_picture(ledger)
            if pictured != ledger:
                await to_the_end(self._records.keep_ledger, pictured)
            await self._prove(cookies)
            session, ledger = await self._switching.stage(
                SignedIn(cookies, user_agent),
                self._held.session,
                pictured,
                last_generation=max(pictured.generation, self._held.highest),
            )
            if isinstance(session, HarvesterError):
                raise session
            session = replace(session, brought=True)
            ledger = ledger.with_generation(session.generation)
            await to_the_end(self._records.keep_ledger, ledger)
            await to_the_end(self._records.keep_session, session)
        return session

    def admit(self) -> None:
        """Raises RateLimited where too many were brought of late."""
        now = self._clock.awake_s()
        bucket = self._bucket.filled(now, capacity=float(BROUGHT), refill_s=BROUGHT_REFILL_S)
        if bucket.tokens < 1:
            raise RateLimited(
                "too many sessions were brought in a short time",
                hint="bring one that works in a browser",
                retry_after_s=(1 - bucket.tokens) * BROUGHT_REFILL_S,
            )
        self._bucket = Bucket(bucket.tokens - 1, now)

    async def _prove(self, cookies: tuple[Cookie, ...]) -> None:
        origin = self._profile.site.origin
        match await self._staging.candidate(cookies):
            case Verdict.DENIED:
                raise NeedsHuman(
                    f"{origin} refuses the session that was brought: it has ended, or a cookie "
                    "is missing or changed; nothing was stored",
                    hint="sign in there in a browser and copy it again, with all its cookies, "
                    "from a request made just now",
                )
            case Verdict.UNREACHABLE:
                silent = SiteDown(
                    f"{origin} did not say whether the session lives; nothing was stored",
                    hint="try again in a moment",
                )
                raise self._staging.explains(silent)
