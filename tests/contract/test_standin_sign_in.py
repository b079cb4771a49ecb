"""The stand-in's sign-in, walked without a browser from the landing page to the app."""

from __future__ import annotations

from standin import StandInProcess
from walker import Page, Walker


def to_the_provider(person: Walker, world: StandInProcess, *, provider: str = "sso") -> Page:
    landing = person.ask(f"{world.site}/")
    assert landing.status == 200
    assert "/login" in landing.links()
    login = person.ask(f"{world.site}/login")
    assert f"/auth/start?provider={provider}" in login.links()
    return person.ask(f"{world.site}/auth/start?provider={provider}")


def sign_in(person: Walker, world: StandInProcess) -> Page:
    page = to_the_provider(person, world)
    return person.submit(page, "/signin", username=world.username, password=world.password)


def sessions(person: Walker, world: StandInProcess, **rest: object) -> Page:
    return person.ask(f"{world.site}/api/managed-agents/sessions", follow=False, **rest)


def test_a_sign_in_on_one_page_ends_in_the_app_with_a_session_that_the_api_takes(
    standin: StandInProcess,
) -> None:
    ada = Walker()
    assert sessions(ada, standin).status == 401
    page = sign_in(ada, standin)
    assert page.url == f"{standin.site}/app"
    assert [hop.partition("?")[0] for hop in page.hops] == [
        f"{standin.identity}/signin",
        f"{standin.site}/auth/callback",
        f"{standin.site}/app",
    ]
    assert sessions(ada, standin).json() == {"sessions": [], "organization": "acme"}
    state = standin.state()
    assert (state["sign_ins"], state["silent_sign_ins"], state["password_submits"]) == (1, 0, 1)
    assert state["secrets_at_site"] == 0
    assert state["sessions_live"] == 1
