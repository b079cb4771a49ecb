"""Where a session comes from: the daemon, and where none runs the sealed store.

Owns the order in which both are asked.  The engine is imported here, late, and only where no
daemon answers: a program that has a daemon beside it loads nothing but the standard library.
Must not know: what is remembered of an answer, or who waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from harvester import wire
from harvester.client import Client
from harvester.errors import Bug, HarvesterError, NoDaemon, SignInForbidden, Usage
from harvester.profile import DEFAULT_PROFILE, origin_of
from harvester.sdk.session import Session, from_object, from_text
from harvester.session import Served

# How the audit knows a program that uses this package.
_NAME = "harvester-sdk"
# The most that a daemon waits for one caller.
LONGEST_WAIT_S = 300.0


class Once(Protocol):
    """The engine run once (``harvester.oneshot``), as far as it is needed here."""

    async def token(self, name: str, *, min_valid_s: float, sign_in: bool) -> Served: ...
    async def report(self, name: str, generation: int, *, sign_in: bool) -> Served: ...


class Source:
    """The sources of one profile's session.  Every call blocks, and is safe in any thread.

    All calls give the session, and whether it was a daemon that gave it.
    """

    def __init__(
        self, profile: str, *, origin: str | None, socket: str | None, sign_in: bool, wait_s: float
    ) -> None:
        if not 0 <= wait_s <= LONGEST_WAIT_S:
            raise Usage("`wait_s` is no number of seconds from 0 to 300")
        self._profile = profile
        self._socket = socket
        self._sign_in = sign_in
        self._wait_s = wait_s
        self.origin = _named_origin(profile, origin, os.environ)
        """What the caller or the environment says the profile's origin is."""

    def session(self, min_valid_s: float, *, only_daemon: bool) -> tuple[Session, bool]:
        """Raises NoDaemon where ``only_daemon`` and none runs."""

        def ask(client: Client) -> Session:
            text = client.session(
                self._profile, min_valid_s=min_valid_s, wait_s=self._wait_s, origin=self.origin
            )
            return from_text(text)

        try:
            return ask(Client(self._socket, name=_NAME)), True
        except NoDaemon:
            if only_daemon:
                raise
        return self._without_daemon(
            ask,
            lambda once: once.token(self._profile, min_valid_s=min_valid_s, sign_in=self._sign_in),
        )

    def report(self, generation: int) -> tuple[Session, bool]:
        """This generation got a 401: what to go on with, with a verdict."""

        def ask(client: Client) -> Session:
            return from_object(client.report(self._profile, generation, wait_s=self._wait_s))

        try:
            return ask(Client(self._socket, name=_NAME)), True
        except NoDaemon:
            pass
        return self._without_daemon(
            ask, lambda once: once.report(self._profile, generation, sign_in=self._sign_in)
        )

    def _without_daemon(
        self, ask: Callable[[Client], Session], work: Callable[[Once], Awaitable[Served]]
    ) -> tuple[Session, bool]:
        from harvester.oneshot import OneShot
        from harvester.settings import load

        # The program is not ours: its log stays as it is, and so does its environment, of which
        # the engine gets a copy (what it starts inherits nothing but a short list anyway).
        logging.getLogger("harvester").addHandler(_SILENT)
        flags = {"profile": self._profile, "origin": self.origin, "socket": self._socket}
        settings = load(flags, dict(os.environ))
        try:
            # The config file may name a store, and a daemon may be found beside that.
            found = Client(settings.process.socket, store=settings.process.store, name=_NAME)
            return ask(found), True
        except NoDaemon:
            pass

        async def whole() -> Served:
            async with OneShot(settings, operation=_NAME) as once:
                return await work(once)

        try:
            return from_object(wire.session_object(asyncio.run(whole()))), False
        except SignInForbidden:
            wanted: HarvesterError = SignInForbidden(
                f"there is no live session of profile {self._profile}, and this program was not "
                "told to sign in",
                hint="start `harvester serve`, or run: harvester login; or let this program sign "
                "in: Credentials(sign_in=True)",
            )
        except HarvesterError:
            raise
        except Exception as surprise:  # its text may hold a secret: only its kind goes on
            wanted = Bug.of(surprise)
        raise wanted


_SILENT = logging.NullHandler()


def _named_origin(profile: str, told: str | None, environ: Mapping[str, str]) -> str | None:
    """The origin that the caller, else the environment, names for this profile."""
    variable = "HARVESTER_PROFILES__" + profile.upper().replace("-", "_") + "__ORIGIN"
    named = told or environ.get(variable)
    if not named and profile == DEFAULT_PROFILE:
        named = environ.get("HARVESTER_ORIGIN")
    if not named or not named.strip():
        return None
    found = origin_of(named.strip())
    if found is None:
        raise Usage("the origin is none", hint="write it as https://app.example")
    return found
