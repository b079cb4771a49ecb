"""One call of the command: its global flags, and the doors that commands go through.

Owns where flags end and work begins: settings are read once, the daemon is looked for, and where
none runs the same parts are run once.  Knows no command.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from harvester.cli.following import Following
from harvester.cli.progress import Progress
from harvester.cli.telling import put
from harvester.client import Client
from harvester.errors import ConfigInvalid
from harvester.passkeys import Passkey
from harvester.session import Cookie, Served
from harvester.settings import Settings, load, take

if TYPE_CHECKING:
    from harvester.wallet import Enrolled

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Once(Protocol):
    """The work of a command where no daemon runs (see ``harvester.oneshot``).  ``operation`` is
    what the audit calls a ``token``."""

    operation: str

    async def token(self, name: str, *, min_valid_s: float, sign_in: bool) -> Served: ...
    async def login(self, name: str) -> Served: ...
    async def login_in_person(self, name: str, *, plain: bool) -> Served: ...
    async def refresh(self, name: str, *, hard: bool) -> Served: ...
    async def bring(self, name: str, cookies: tuple[Cookie, ...], *, user_agent: str) -> Served: ...
    async def logout(self, name: str) -> dict[str, Any]: ...
    async def pause(self, name: str | None) -> dict[str, Any]: ...
    async def resume(self, name: str | None) -> dict[str, Any]: ...
    async def unlock(self, name: str, *, force: bool) -> dict[str, Any]: ...
    async def enroll(self, name: str, passkey_name: str) -> Enrolled: ...
    async def passkeys(self, name: str) -> tuple[Passkey, ...]: ...
    async def remove_passkey(self, name: str, passkey_name: str) -> Passkey: ...
    async def pack(self, name: str) -> bytes: ...
    async def unpack(self, name: str, record: bytes) -> dict[str, Any]: ...
    async def status(self) -> dict[str, Any]: ...


OnStep = Callable[[Mapping[str, Any]], None]
OnceMaker = Callable[[Settings, OnStep], AbstractAsyncContextManager[Once]]


def _real_once(settings: Settings, on_step: OnStep) -> AbstractAsyncContextManager[Once]:
    from harvester.oneshot import OneShot  # pulls in the engine: only where it is needed

    return OneShot(settings, on_step=on_step)


@dataclass(slots=True)
class Call:
    """The global flags as given, before or after the command's name."""

    once_maker: OnceMaker = _real_once
    profile: str | None = None
    config: str | None = None
    env_file: str | None = None
    socket: str | None = None
    origin: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    _settings: Settings | None = field(default=None, repr=False)
    _environ: Mapping[str, str] | None = field(default=None, repr=False)

    def settings(self, *, serving: bool = False) -> Settings:
        """Raises ConfigInvalid and its kin."""
        if self._settings is None:
            from harvester.process import harden

            harden()  # before any secret is in our memory
            self._settings = self.read_again(serving=serving)
        return self._settings

    def read_again(self, *, serving: bool = False) -> Settings:
        """The settings as their sources have them now.  Raises ConfigInvalid and its kin."""
        if self._environ is None:
            self._environ = take(os.environ)  # the secrets are gone from there after this
        return load(
            {"profile": self.profile, "origin": self.origin, "socket": self.socket},
            self._environ,
            config=self.config,
            env_file=self.env_file,
            serving=serving,
        )

    def with_settings(self, settings: Settings) -> Call:
        """The same call over other settings than those that its sources have now."""
        return replace(self, _settings=settings)

    def profile_name(self) -> str:
        """The chosen profile.  Raises UnknownProfile."""
        settings = self.settings()
        return settings.profile(settings.selected).name

    def named_origin(self) -> str | None:
        """The chosen profile's origin where a flag or the environment names it, else None."""
        settings = self.settings()
        name = f"profiles.{self.profile_name()}.origin"
        named = any(
            shown.name == name and shown.where.startswith(("flag", "environment"))
            for shown in settings.sources
        )
        return settings.profile(settings.selected).site.origin if named else None

    def named_profile(self) -> str | None:
        """The profile that a flag or the environment chose, None where none did: then a command
        about all of them is about all.  Raises UnknownProfile."""
        named = self.profile or os.environ.get("HARVESTER_PROFILE")
        return self.profile_name() if named else None

    def client(self, operation: str = "") -> Client:
        """The daemon; ``operation`` is what we call ourselves to it."""
        process = self.settings().process
        name = f"harvester-{operation}" if operation else "harvester"
        return Client(process.socket, store=process.store, name=name)

    def client_anyway(self) -> Client:
        """The daemon, though the settings have become wrong: it runs with those of before, and
        who must stop something has no file to mend first.  Raises nothing."""
        try:
            return self.client()
        except ConfigInvalid:
            return Client(self.socket)

    def once(
        self, work: Callable[[Once], Awaitable[T]], on_step: OnStep | None = None, *,
        operation: str = "",
    ) -> T:  # fmt: skip
        """Do the work in this process, showing the steps of a sign-in, or telling ``on_step``."""
        from harvester.log import configure

        settings = self.settings()
        # A person reads this, and the steps are shown anyway: LOG_LEVEL and LOG_FORMAT are for
        # the daemon's log.
        level = ("warning", "info", "debug")[min(self.verbose, 2)]
        configure("error" if self.quiet else level, "text")

        async def whole() -> T:
            with Progress(quiet=self.quiet) as progress:
                async with self.once_maker(settings, on_step or progress.step) as once:
                    once.operation = operation or once.operation
                    return await work(once)

        return asyncio.run(whole())

    def following(self, what: str) -> Following:
        """Shows that the daemon was asked to sign in, and how far it is."""
        progress = Progress(quiet=self.quiet, what=what)
        return Following(self.client(), self.profile_name(), progress)

    def waiting(self, what: str) -> Progress:
        """Shows that the daemon was asked and has not answered yet."""
        return Progress(quiet=self.quiet, what=what)

    def say(self, line: str) -> None:
        """A line for a person, beside the value."""
        if not self.quiet:
            sys.stderr.write(f"harvester: {line}\n")
            sys.stderr.flush()

    def put_json(self, value: Any) -> int:
        return put(json.dumps(value, ensure_ascii=False, indent=2))


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value and param.name:
        setattr(ctx.ensure_object(Call), param.name, value)


def global_options(command: F) -> F:
    """The global flags, which may stand before and after the command's name."""
    for option in reversed(
        (
            click.option("--profile", metavar="NAME", help="The account; HARVESTER_PROFILE."),
            click.option("--config", metavar="FILE", help="This config.toml and no other."),
            click.option("--env-file", metavar="FILE", help="Also read settings from this file."),
            click.option("--socket", metavar="PATH", help="The daemon's socket."),
            click.option("--origin", metavar="URL", help="The site's origin."),
            click.option("--json", is_flag=True, help="JSON on standard output, errors too."),
            click.option("--quiet", "-q", is_flag=True, help="No progress, no warnings."),
            click.option("--verbose", "-v", count=True, help="Say more; -vv still more."),
        )
    ):
        option(command)
    for parameter in getattr(command, "__click_params__", []):
        if parameter.name in Call.__slots__ and parameter.callback is None:
            parameter.callback, parameter.expose_value = _keep, False
    return command


pass_call = click.make_pass_decorator(Call)
