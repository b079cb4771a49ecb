"""The stand-in's API: 401 before anything happens, the Origin guard, limits, organisations."""

from __future__ import annotations

from typing import Any

import pytest

from standin import StandInProcess
from walker import Page, Walker
from walks import api, post, sign_in


@pytest.fixture
def ada(world: StandInProcess) -> Walker:
    person = Walker()
    sign_in(person, world)
    return person


def begin(person: Walker, world: StandInProcess, text: str = "hello") -> str:
    page = post(person, world, "session", {"text": text})
    assert page.status == 201
    return str(page.json()["sessionId"])


def switch(person: Walker, world: StandInProcess, body: Any) -> Page:
    url = f"{world.site}/api/auth/switch-org"
    return person.post_json(url, body, origin=world.site, follow=False)


def test_a_refused_post_did_nothing_whatever_its_body_and_origin(world: StandInProcess) -> None:
    nobody = Walker()
    for origin in (world.site, None):
        page = post(nobody, world, "session", {"text": "hello"}, origin=origin)
        assert page.status == 401
        assert page.json() == {"error": "unauthorized"}
    state = world.state()
    assert (state["api_401"], state["api_posts_executed"]) == (2, 0)


def test_what_changes_something_must_come_from_the_site(world: StandInProcess, ada: Walker) -> None:
    run = begin(ada, world)
    for origin in (None, world.identity):
        assert post(ada, world, "message", {}, origin=origin).status == 403
        headers = {"Origin": origin} if origin else {}
        gone = api(ada, world, f"session?sessionId={run}", method="DELETE", headers=headers)
        assert gone.status == 403
    assert world.state()["api_403"] == 4
    headers = {"Origin": world.site}
    page = api(ada, world, f"session?sessionId={run}", method="DELETE", headers=headers)
    assert page.status == 200


def test_a_session_is_begun_spoken_to_read_cancelled_and_deleted(
    world: StandInProcess, ada: Walker
) -> None:
    run = begin(ada, world)
    assert post(ada, world, "message", {"sessionId": run, "text": "again"}).status == 200
    events = api(ada, world, f"transcript?sessionId={run}&sinceEventId=2").json()["events"]
    assert [one["text"] for one in events] == ["again", "You said: again"]
    assert post(ada, world, "cancel", {"sessionId": run}).status == 200
    rows = api(ada, world).json()["sessions"]
    assert rows == [{"id": run, "title": "hello", "status": "cancelled"}]
    headers = {"Origin": world.site}
    for status in (200, 404):
        page = api(ada, world, f"session?sessionId={run}", method="DELETE", headers=headers)
        assert page.status == status
    assert world.state()["api_posts_executed"] == 4


def test_nonsense_gets_a_clear_answer(world: StandInProcess, ada: Walker) -> None:
    url = f"{world.site}/api/managed-agents/session"
    headers = {"Origin": world.site, "Content-Type": "application/json"}
    for body in (b"", b"[]", b"{", b"\xff", b'{"text": 5}', b"[" * 100_000):
        assert ada.ask(url, method="POST", body=body, headers=headers).status == 400
    assert api(ada, world, "transcript?sessionId=nope&sinceEventId=x").status == 404
    assert api(ada, world, "nothing-here").status == 404


@pytest.mark.parametrize(("name", "limit"), [("session", 10), ("message", 60), ("cancel", 30)])
def test_limits_of_a_minute_say_how_long_to_wait(
    world: StandInProcess, ada: Walker, name: str, limit: int
) -> None:
    run = begin(ada, world)
    world.advance(61)
    body = {"sessionId": run, "text": "x"}
    assert [post(ada, world, name, body).status < 300 for _ in range(limit)] == [True] * limit
    page = post(ada, world, name, body)
    assert page.status == 429
    assert 1 <= int(page.headers["Retry-After"]) <= 61
    world.advance(int(page.headers["Retry-After"]))
    assert post(ada, world, name, body).status < 300
    assert world.state()["api_429"] == 1


def test_twenty_new_sessions_an_hour(world: StandInProcess, ada: Walker) -> None:
    for _ in range(2):
        for _ in range(10):
            begin(ada, world)
        world.advance(61)
    page = post(ada, world, "session", {"text": "one more"})
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 3000


def test_a_cost_cap_tells_its_sums(world: StandInProcess, ada: Walker) -> None:
    world.set(cost_cap=True)
    page = post(ada, world, "session", {"text": "x"})
    assert page.status == 429
    assert page.json()["monthToDateUsd"] > page.json()["capUsd"]


def test_switching_gives_a_new_token_and_kills_the_old_one(
    world: StandInProcess, ada: Walker
) -> None:
    world.set(organizations="acme,globex")
    run = begin(ada, world)
    old = ada.jars["knoq.localhost"]["stytch_session"]
    assert switch(ada, world, {"organizationId": "globex"}).status == 200
    assert api(ada, world).json()["organization"] == "globex"
    assert api(Walker(), world, cookie=f"stytch_session={old}").status == 401
    me = ada.ask(f"{world.site}/api/me").json()
    assert me["organization"]["name"] == "Globex Inc"
    assert me["email"] == world.username
    assert api(ada, world, f"transcript?sessionId={run}").status == 404, "another organisation's"
    assert switch(ada, world, {"organizationId": "initech"}).status == 404
    world.set(switch_org_key="org")
    assert switch(ada, world, {"organizationId": "acme"}).status == 404
    assert switch(ada, world, {"org": "acme"}).status == 200


def test_thirty_switches_an_hour(world: StandInProcess, ada: Walker) -> None:
    world.set(organizations="acme,globex")
    for turn in range(30):
        to = ("globex", "acme")[turn % 2]
        assert switch(ada, world, {"organizationId": to}).status == 200
    page = switch(ada, world, {"organizationId": "globex"})
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 3500
    assert api(ada, world).json()["organization"] == "acme", "nothing was switched"


def test_an_organisation_with_its_own_sign_in_gives_an_intermediate_token(
    world: StandInProcess, ada: Walker
) -> None:
    world.set(organizations="acme,globex", strict_organizations="globex")
    page = switch(ada, world, {"organizationId": "globex"})
    assert page.status == 403
    assert page.set_cookies[0].startswith("stytch_intermediate_session_token=")
    assert api(ada, world).json()["organization"] == "acme"


def test_a_sign_in_can_end_in_the_organisation_that_was_used_last(world: StandInProcess) -> None:
    world.set(organizations="acme,globex", lands_in="globex")
    person = Walker()
    page = sign_in(person, world)
    assert page.path == "/app", "nobody was asked"
    assert api(person, world).json()["organization"] == "globex"
    world.set(lands_in="initech")
    other = Walker()
    assert sign_in(other, world).path == "/auth/organizations", "not one of the user's own"


@pytest.mark.parametrize(("how", "status"), [("403", 403), ("404", 404), ("page", 200)])
def test_a_site_can_say_no_in_other_ways(world: StandInProcess, how: str, status: int) -> None:
    world.set(denies_with=how)
    page = api(Walker(), world)
    assert page.status == status
    assert world.state()["api_401"] == 1, "counted as a refusal all the same"


def test_a_redirect_to_the_sign_in_page_is_one_more_way(world: StandInProcess) -> None:
    world.set(denies_with="redirect")
    page = api(Walker(), world)
    assert (page.status, page.headers["Location"]) == (303, "/login")


def test_a_plan_without_the_api_is_no_dead_session(world: StandInProcess, ada: Walker) -> None:
    world.set(plan_lacks=True)
    assert api(ada, world).status == 403
    assert api(Walker(), world).status == 401


def test_an_api_that_is_alive_for_everyone_proves_nothing(world: StandInProcess) -> None:
    world.set(alive_without_cookie=True)
    assert api(Walker(), world).status == 200
