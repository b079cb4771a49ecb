"""Telling a person that he is needed: once for each episode.

An episode begins when a climb ends at something that only a person can mend, and ends with a new
session or with ``unlock``.  That he was told stands in the ledger, so that neither a restart nor
the next look tells him again.  Decides whether to tell; how is the business of whoever is called
(``bell.py``).  Never in the way: what it does it does beside the climb and its callers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

from harvester import tripwire
from harvester.errors import (
    BrowserMissing,
    Busy,
    HarvesterError,
    KeyWrong,
    NeedsPerson,
    NotConfigured,
    NotNow,
    PageNotRecognised,
    Paused,
    Refused,
    SignInForbidden,
    StoreCorrupt,
    StoreError,
    WrongSetting,
)
from harvester.ledger import Ledger
from harvester.locking import locked, to_the_end
from harvester.log import event
from harvester.records import Records

# Another process that is at work on the profile is waited for so long; then the next look, which
# meets the same trouble, tells.
_PATIENCE_S = 60.0

# What to do when a person is needed: the profile's name, and what stopped it.
Call = Callable[[str, HarvesterError], None]


class Summons:
    """One profile's."""

    def __init__(self, profile: str, *, records: Records, call: Call | None) -> None:
        """Without ``call`` it tells nobody: a command's own user reads the error."""
        self._profile = profile
        self._records = records
        self._call = call
        self._task: asyncio.Task[None] | None = None
        self._unwritten = False

    def needed(self, error: HarvesterError, ledger: Ledger) -> None:
        """A climb ended with ``error``, or a record cannot be used; ``ledger`` as last read."""
        passes = isinstance(error, NotNow) and not error.latched
        passes = passes or tripwire.repeats(ledger.alarm, error)  # that one has a bell of its own
        if self._call is None or self._task is not None or passes or self._told(ledger):
            return
        self._start(self._tell(error))

    @property
    def calls(self) -> bool:
        """Somebody is called at all."""
        return self._call is not None

    def ring(self, error: HarvesterError) -> None:
        """Call him now: whether he was told is known to whoever asks for it (``handout.py``)."""
        if self._call is None:
            return
        event(
            "person.needed", level=logging.WARNING, profile=self._profile,
            code=error.code, why=error.message, next=error.hint or None,
        )  # fmt: skip
        self._call(self._profile, error)

    def over(self) -> None:
        """There is a session again, or a person unlocked."""
        self._unwritten = False

    def mended(self, ledger: Ledger) -> None:
        """A record that could not be used can be used again: what was told is settled."""
        self.over()
        if self._call is not None and self._task is None and ledger.person_told:
            self._start(self._settle())

    async def _settle(self) -> None:
        with suppress(Busy, StoreError, KeyWrong):
            async with locked(self._records.lock(), _PATIENCE_S):
                ledger = await asyncio.to_thread(self._records.ledger)
                if ledger.person_told:
                    settled = replace(ledger, person_told=False)
                    await to_the_end(self._records.keep_ledger, settled)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _start(self, what: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.create_task(what)
        self._task.add_done_callback(self._done)

    def _told(self, ledger: Ledger) -> bool:
        return ledger.person_told or self._unwritten

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None

    async def _tell(self, error: HarvesterError) -> None:
        try:
            if not await self._is_news(error):
                return
        except Busy:
            return
        except (StoreError, KeyWrong) as unwritten:
            # Until a restart this process remembers it all the same.
            self._unwritten = True
            event(
                "store.not_durable",
                level=logging.ERROR,
                profile=self._profile,
                code=unwritten.code,
                why=unwritten.message,
            )
        self.ring(error)

    async def _is_news(self, error: HarvesterError) -> bool:
        """Whether a person is to be told; then it is written down, before he is.

        Raises Busy, and StoreError or KeyWrong where it is to be told and cannot be written.
        """
        ledger = await asyncio.to_thread(self._records.ledger)
        if self._told(ledger) or not needs_person(error, ledger):
            return False
        async with locked(self._records.lock(), _PATIENCE_S):
            ledger = await asyncio.to_thread(self._records.ledger)
            if self._told(ledger):
                return False
            told = replace(ledger, person_told=True)
            await to_the_end(self._records.keep_ledger, told)
        return True


def needs_person(error: HarvesterError, ledger: Ledger) -> bool:
    """Whether this passes only when a person does something."""
    match error:
        case SignInForbidden() | Paused():
            return False
        case NotConfigured():
            # A profile that never had a session is one that nobody has set up yet.
            return ledger.generation > 0
        case PageNotRecognised():
            # The first time it is looked at again: the page may have been caught half drawn.
            latch = ledger.latch
            return latch is not None and latch.error.get("code") == error.code
        case StoreCorrupt():
            return error.latched  # a session that is damaged is made anew
        case NeedsPerson() | Refused() | WrongSetting() | BrowserMissing() | StoreError():
            return True
        case _:
            return error.latched
