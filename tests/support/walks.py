"""Ways through the stand-in that more than one test takes, without a browser."""

from __future__ import annotations

import time
from typing import Any

import pyotp

from standin import StandInProcess
from walker import Page, Walker


def to_the_provider(person: Walker, world: StandInProcess, *, provider: str = "sso") -> Page:
    """From the landing page by its links to the first page of the identity provider."""
    landing = person.ask(f"{world.site}/")
    assert "/login" in landing.links()
    login = person.ask(f"{world.site}/login")
    start = f"/auth/start?provider={provider}"
    assert start in login.links()
    return person.ask(f"{world.site}{start}")


def give_password(person: Walker, world: StandInProcess, page: Page, password: str = "") -> Page:
    """Answer the sign-in page, be it one page or two."""
    typed = password or world.password
    if page.form("/signin").fields["stage"] == "identifier":
        page = person.submit(page, "/signin", username=world.username)
        return person.submit(page, "/signin", password=typed)
    return person.submit(page, "/signin", username=world.username, password=typed)


def sign_in(person: Walker, world: StandInProcess) -> Page:
    """Sign in where nothing but user and password is asked."""
    return give_password(person, world, to_the_provider(person, world))


def code(world: StandInProcess, *, later_steps: int = 0) -> str:
    return pyotp.TOTP(world.totp_secret).at(int(time.time()) + 30 * later_steps)


def api(person: Walker, world: StandInProcess, name: str = "sessions", **rest: Any) -> Page:
    return person.ask(f"{world.site}/api/managed-agents/{name}", follow=False, **rest)


def post(person: Walker, world: StandInProcess, name: str, data: Any, **rest: Any) -> Page:
    rest.setdefault("origin", world.site)
    return person.post_json(f"{world.site}/api/managed-agents/{name}", data, follow=False, **rest)


def renew(person: Walker, world: StandInProcess) -> Page:
    """What the app page's own script does."""
    return person.post_json(f"{world.site}/sdk/authenticate", {}, origin=world.site)
