"""The stand-in's session cookies: names, flags, values, lives, and what kills them."""

from __future__ import annotations

import base64
import json
import time
from email.utils import parsedate_to_datetime

import pytest

from standin import StandInProcess
from walker import Page, Walker
from walks import api, renew, sign_in

OPAQUE, JWT = "stytch_session", "stytch_session_jwt"


def site_jar(person: Walker) -> dict[str, str]:
    return person.jars["knoq.localhost"]


def line_of(page: Page, name: str) -> str:
    return next(one for one in page.set_cookies if one.startswith(f"{name}="))


def claims(jwt: str) -> dict[str, object]:
    body = jwt.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def answers(world: StandInProcess, jar: dict[str, str], *names: str) -> int:
    header = "; ".join(f"{name}={jar[name]}" for name in names)
    return api(Walker(), world, cookie=header).status


def test_two_session_cookies_stand_among_noise_that_was_there_before(
    world: StandInProcess,
) -> None:
    ada = Walker()
    ada.ask(f"{world.site}/")
    assert set(site_jar(ada)) == {"_ga", "theme", "device_id"}
    sign_in(ada, world)
    assert set(site_jar(ada)) == {"_ga", "theme", "device_id", OPAQUE, JWT}


@pytest.mark.parametrize(
    ("needed", "opaque", "jwt", "both"),
    [("opaque", 200, 401, 200), ("jwt", 401, 200, 200), ("both", 401, 401, 200)],
)
def test_the_api_checks_the_cookies_that_it_needs_and_no_others(
    world: StandInProcess, needed: str, opaque: int, jwt: int, both: int
) -> None:
    world.set(needed=needed)
    ada = Walker()
    sign_in(ada, world)
    jar = site_jar(ada)
    assert answers(world, jar, OPAQUE) == opaque
    assert answers(world, jar, JWT) == jwt
    assert answers(world, jar, OPAQUE, JWT) == both
    assert answers(world, jar, "_ga", "theme", "device_id") == 401


def test_cookies_of_two_sessions_do_not_make_one(world: StandInProcess) -> None:
    world.set(needed="both")
    ada, again = Walker(), Walker()
    sign_in(ada, world)
    sign_in(again, world)
    mixed = {OPAQUE: site_jar(ada)[OPAQUE], JWT: site_jar(again)[JWT]}
    assert answers(world, mixed, OPAQUE, JWT) == 401


def test_names_and_flags_are_as_the_switches_say(world: StandInProcess) -> None:
    world.set(opaque_name="sid", jwt_name="sid_claims", http_only=True, domain_cookie=True)
    ada = Walker()
    line = line_of(sign_in(ada, world), "sid")
    assert "; HttpOnly" in line
    assert "; Domain=knoq.localhost" in line
    assert "; Secure" not in line
    assert answers(world, site_jar(ada), "sid") == 200
    world.set(host_prefix=True)
    line = line_of(sign_in(Walker(), world), "__Host-sid")
    assert "; Secure" in line
    assert "Domain" not in line


@pytest.mark.parametrize(("cookies", "absent"), [("opaque", JWT), ("jwt", OPAQUE)])
def test_either_cookie_can_be_configured_away(
    world: StandInProcess, cookies: str, absent: str
) -> None:
    world.set(cookies=cookies, needed=cookies)
    ada = Walker()
    sign_in(ada, world)
    assert absent not in site_jar(ada)
    assert api(ada, world).status == 200
    assert renew(ada, world).status == 200


def test_an_odd_value_must_come_back_byte_for_byte(world: StandInProcess) -> None:
    world.set(odd_value=True)
    ada = Walker()
    sign_in(ada, world)
    value = site_jar(ada)[OPAQUE]
    assert '=="a%2Fb" c+/,{1}=' in value
    assert answers(world, {OPAQUE: value}, OPAQUE) == 200
    for changed in (value.replace("%2F", "/"), value.replace('"', ""), value.replace(" ", "+")):
        assert answers(world, {OPAQUE: changed}, OPAQUE) == 401


def test_a_session_named_cookie_before_sign_in_opens_nothing(world: StandInProcess) -> None:
    world.set(cookie_before_sign_in=True)
    ada = Walker()
    ada.ask(f"{world.site}/")
    assert site_jar(ada)[OPAQUE].startswith("anonymous-")
    assert api(ada, world).status == 401
    sign_in(ada, world)
    assert api(ada, world).status == 200


def test_a_declared_life_is_told_and_kept(world: StandInProcess) -> None:
    world.set(session_life_s=100)
    ada = Walker()
    line = line_of(sign_in(ada, world), OPAQUE)
    told = parsedate_to_datetime(line.partition("Expires=")[2].partition(";")[0]).timestamp()
    assert told == pytest.approx(time.time() + 100, abs=3)
    world.advance(90)
    assert api(ada, world).status == 200
    world.advance(11)
    assert api(ada, world).status == 401
    assert world.state()["sessions_live"] == 0


def test_an_undeclared_life_is_kept_and_not_told(world: StandInProcess) -> None:
    world.set(declare_expiry=False, session_life_s=50)
    ada = Walker()
    page = sign_in(ada, world)
    assert "Expires" not in line_of(page, OPAQUE)
    assert "Expires" not in line_of(page, JWT)
    world.advance(51)
    assert api(ada, world).status == 401


def test_a_sliding_life_starts_anew_with_each_use_and_tells_so(world: StandInProcess) -> None:
    world.set(sliding=True, session_life_s=100)
    ada = Walker()
    sign_in(ada, world)
    for _ in range(3):
        world.advance(80)
        page = api(ada, world)
        assert page.status == 200
        assert "Expires=" in line_of(page, OPAQUE)
    world.set(roll_cookies=False)
    assert api(ada, world).set_cookies == []
    world.advance(101)
    assert api(ada, world).status == 401


def test_rotation_gives_a_new_token_and_the_old_one_dies_after_its_grace(
    world: StandInProcess,
) -> None:
    world.set(rotate=True, rotate_grace_s=10)
    ada = Walker()
    sign_in(ada, world)
    old = dict(site_jar(ada))
    assert api(ada, world).status == 200
    assert site_jar(ada)[OPAQUE] != old[OPAQUE]
    world.set(rotate=False)
    assert answers(world, old, OPAQUE) == 200
    world.advance(11)
    assert answers(world, old, OPAQUE) == 401
    assert api(ada, world).status == 200


def test_a_jwt_ages_in_five_minutes_and_the_page_mints_a_new_one(world: StandInProcess) -> None:
    world.set(needed="both")
    ada = Walker()
    page = sign_in(ada, world)
    jar = dict(site_jar(ada))
    said = claims(jar[JWT])
    assert said["email"] == world.username
    assert said["https://stytch.com/organization"]["slug"] == "acme"  # type: ignore[index]
    assert said["exp"] == pytest.approx(time.time() + 300, abs=3)
    assert (
        line_of(page, JWT).partition("Expires=")[2]
        == (line_of(page, OPAQUE).partition("Expires=")[2])
    ), "the cookie claims the session's life, not the JWT's"
    world.advance(301)
    assert api(ada, world).status == 401
    assert ada.ask(f"{world.site}/").path == "/app", "the session lives"
    ends_in = world.state()["sessions"][0]["ends_in_s"]
    renewed = renew(ada, world)
    assert renewed.json()["organization"] == "Acme Inc"
    assert api(ada, world).status == 200
    assert site_jar(ada)[OPAQUE] == jar[OPAQUE]
    assert site_jar(ada)[JWT] != jar[JWT]
    assert world.state()["sessions"][0]["ends_in_s"] <= ends_in


def test_a_renewal_lengthens_the_session_only_where_the_site_asks_for_it(
    world: StandInProcess,
) -> None:
    world.set(session_life_s=100, renew_lengthens=True)
    ada = Walker()
    sign_in(ada, world)
    world.advance(80)
    renew(ada, world)
    world.advance(80)
    assert api(ada, world).status == 200


def test_a_renewal_that_fails_for_good_takes_the_cookies_away(world: StandInProcess) -> None:
    world.set(http_only=True)
    ada = Walker()
    sign_in(ada, world)
    world.revoke("sessions")
    assert ada.ask(f"{world.site}/app").path == "/app", "the shell; its script finds out"
    assert renew(ada, world).status == 401
    assert not {OPAQUE, JWT} & set(site_jar(ada))
    assert ada.ask(f"{world.site}/app").path == "/login"


def test_a_renewal_is_for_pages_of_the_site_only(world: StandInProcess) -> None:
    ada = Walker()
    sign_in(ada, world)
    page = ada.post_json(f"{world.site}/sdk/authenticate", {}, origin=world.identity)
    assert page.status == 403
    assert world.state()["jwt_renewals"] == 0


def test_logging_out_kills_the_session_at_the_site(world: StandInProcess) -> None:
    ada = Walker()
    sign_in(ada, world)
    jar = dict(site_jar(ada))
    out = f"{world.site}/api/auth/logout"
    assert ada.post_json(out, {}, origin=None).status == 403
    assert ada.post_json(out, {}, origin=world.site).status == 200
    assert answers(world, jar, OPAQUE) == 401
    assert OPAQUE not in site_jar(ada)
    assert world.state()["logouts"] == 1
