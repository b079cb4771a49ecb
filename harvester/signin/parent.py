"""The parent, as the signer sees it: told of steps, asked for leave and for verdicts.

The other end is ``harvester/signer.py``; the words are in ``dialogue.py``.  A parent that is gone
needs no handling here: the watcher ends this process.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

from harvester.errors import HarvesterError, from_dict
from harvester.profile import PageRule
from harvester.session import Cookie
from harvester.signin.dialogue import BrowserChoice, Job, SignedIn, Stopped, order_of

# A job holds a sealed identity state and passkeys (1 MiB each at most), and a jar.
_LINE_BYTES = 8 * 1024 * 1024


class ParentGone(Exception):
    """The other end of the pipe is closed."""


class Parent:
    def __init__(self, answers: int, words: int) -> None:
        self._answers = answers
        self._words = words
        self._started = time.monotonic()
        self._reader: asyncio.StreamReader | None = None

    async def connect(self) -> None:
        reader = asyncio.StreamReader(limit=_LINE_BYTES)
        pipe = os.fdopen(self._answers, "rb", buffering=0)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        self._reader = reader

    def step(self, state: str, host: str, number: str | None = None) -> None:
        """``number`` is one that a person must compare or tap on a telephone."""
        elapsed = round(time.monotonic() - self._started, 2)
        told = {"event": "step", "state": state, "host": host, "number": number}
        self._say({**told, "elapsed_s": elapsed})

    def lesson(self, rule: PageRule) -> None:
        """What a person at the window did on a page that we would not have passed."""
        told = {"event": "step", "state": "lesson", "host": rule.host, "number": None}
        self._say({**told, "rule": rule.as_dict()})

    async def orders(self) -> BrowserChoice | Job:
        """What is to be done, or what to make ready for it.  Steps are timed from here on."""
        line = await self._hear()
        self._started = time.monotonic()
        return order_of(line.decode())

    async def may_submit(self, fingerprint: str, origin: str) -> HarvesterError | None:
        """None when the attempt is written down; else why nothing may be typed."""
        return await self._leave({"ask": "submit", "fingerprint": fingerprint, "origin": origin})

    async def may_type_code(self, step: int) -> HarvesterError | None:
        return await self._leave({"ask": "code", "step": step})

    async def keep_passkeys(self, sealed: str) -> HarvesterError | None:
        """None when they are stored; else why not."""
        return await self._leave({"ask": "passkeys", "sealed": sealed})

    async def verdict(self, cookies: tuple[Cookie, ...], user_agent: str) -> str:
        """``alive``, ``denied`` or ``unreachable``."""
        jar = [one.as_dict() for one in cookies]
        told = await self._ask({"ask": "candidate", "cookies": jar, "user_agent": user_agent})
        return str(told.get("verdict"))

    def finish(self, result: SignedIn | Stopped) -> None:
        self._say(result.as_dict())

    async def _leave(self, question: dict[str, Any]) -> HarvesterError | None:
        told = await self._ask(question)
        if told.get("granted") is True:
            return None
        return from_dict(told.get("error") or {})

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        self._say(question)
        told: dict[str, Any] = json.loads(await self._hear())
        return told

    async def _hear(self) -> bytes:
        assert self._reader is not None  # noqa: S101  connect() comes first
        line = await self._reader.readline()
        if not line:
            raise ParentGone
        return line

    def _say(self, words: dict[str, Any]) -> None:
        data = (json.dumps(words) + "\n").encode()
        try:
            while data:
                data = data[os.write(self._words, data) :]
        except (BrokenPipeError, ConnectionResetError):
            raise ParentGone from None
