"""The work of a command without a daemon, done by nobody: says what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harvester.session import Cookie, Served, Session
from harvester.settings import Settings

Run = Callable[..., int]  # a command line, and ``once=`` a FakeOnce
COOKIE = Cookie("sid", "canary-cookie", "knoq.one")


def served(*cookies: Cookie, **about: Any) -> Served:
    session = Session(
        profile="default",
        origin="https://knoq.one",
        generation=7,
        cookies=cookies or (COOKIE,),
        jar=(),
        obtained_at=1_000.0,
        renewed_at=1_000.0,
        proved_at=1_000.0,
        identity="ada@acme.example",
        organization="acme",
    )
    return Served(session, **about)


class FakeOnce:
    """Give it as ``Call(once_maker=...)``.  ``answer`` is returned, or raised if it is an error."""

    def __init__(self, answer: Any = None, *, steps: tuple[Mapping[str, Any], ...] = ()) -> None:
        self.answer = answer
        self.steps = steps
        self.calls: list[tuple[Any, ...]] = []
        self.settings: Settings | None = None
        self.operation = "token"
        self._on_step: Callable[[Mapping[str, Any]], None] = lambda _: None

    def __call__(
        self, settings: Settings, on_step: Callable[[Mapping[str, Any]], None]
    ) -> FakeOnce:
        self.settings, self._on_step = settings, on_step
        return self

    async def __aenter__(self) -> FakeOnce:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.calls.append(("closed",))

    def _done(self, *call: Any) -> Any:
        self.calls.append(call)
        for step in self.steps:
            self._on_step(step)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def token(self, name: str, *, min_valid_s: float, sign_in: bool) -> Any:
        return self._done("token", name, min_valid_s, sign_in)

    async def login(self, name: str) -> Any:
        return self._done("login", name)

    async def login_in_person(self, name: str, *, plain: bool) -> Any:
        return self._done("login_in_person", name, plain)

    async def refresh(self, name: str, *, hard: bool) -> Any:
        return self._done("refresh", name, hard)

    async def bring(self, name: str, cookies: tuple[Cookie, ...], *, user_agent: str) -> Any:
        return self._done("bring", name, cookies, user_agent)

    async def logout(self, name: str) -> Any:
        return self._done("logout", name)

    async def unlock(self, name: str, *, force: bool) -> Any:
        return self._done("unlock", name, force)

    async def pause(self, name: str | None) -> Any:
        return self._done("pause", name)

    async def resume(self, name: str | None) -> Any:
        return self._done("resume", name)

    async def enroll(self, name: str, passkey_name: str) -> Any:
        return self._done("enroll", name, passkey_name)

    async def passkeys(self, name: str) -> Any:
        return self._done("passkeys", name)

    async def remove_passkey(self, name: str, passkey_name: str) -> Any:
        return self._done("remove_passkey", name, passkey_name)

    async def pack(self, name: str) -> Any:
        return self._done("pack", name)

    async def unpack(self, name: str, record: bytes) -> Any:
        return self._done("unpack", name, record)

    async def status(self) -> Any:
        return self._done("status")
