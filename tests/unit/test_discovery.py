"""Which cookies matter: found with few questions, never guessed."""

import pytest

from harvester.discovery import Found, SiteSilent, jwt_claims, search
from harvester.session import Cookie
from jars import cookie, jwt

NOISE = [cookie("_ga"), cookie("theme", "dark"), cookie("device_id"), cookie("locale", "en")]


def run(jar: list[Cookie], needed: set[str], remembered: tuple[str, ...] = ()) -> Found:
    """Play a site that accepts exactly the supersets of ``needed``."""
    flow = search(jar, remembered=remembered)
    try:
        tried = next(flow)
        while True:
            tried = flow.send(needed <= tried)
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize("names", [("stytch_session",), ("sid",), ("x7",), ("a", "b"), ("_ga",)])
def test_the_smallest_set_is_found_whatever_it_is_called(names):
    jar = [*NOISE, *(cookie(name) for name in names if name != "_ga")]
    found = run(jar, set(names))
    assert set(found.names) == set(names)
    assert found.complete


def test_a_usual_session_cookie_is_found_with_one_question():
    jar = [*NOISE, cookie("stytch_session", http_only=True), cookie("stytch_session_jwt", jwt(a=1))]
    assert run(jar, {"stytch_session"}).probes == 1


def test_both_of_two_needed_cookies_are_found():
    jar = [*NOISE, cookie("stytch_session"), cookie("stytch_session_jwt", jwt(exp=1))]
    found = run(jar, {"stytch_session", "stytch_session_jwt"})
    assert set(found.names) == {"stytch_session", "stytch_session_jwt"}
    assert found.probes <= 5


def test_where_either_would_do_the_opaque_one_is_taken():
    jar = [cookie("session_jwt", jwt(exp=1)), cookie("session")]
    flow = search(jar)
    assert next(flow) == {"session"}


def test_what_was_needed_before_is_asked_first():
    found = run([*NOISE, cookie("odd")], {"odd"}, remembered=("odd",))
    assert (found.names, found.probes) == (("odd",), 1)


def test_a_changed_need_is_found_again():
    found = run([*NOISE, cookie("odd"), cookie("sid")], {"odd"}, remembered=("sid",))
    assert found.names == ("odd",)


def test_a_site_that_falls_silent_leaves_a_set_that_works():
    flow = search([*NOISE, cookie("session")])
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.throw(SiteSilent())
    assert end.value.value.complete is False
    assert "session" in end.value.value.names


@pytest.mark.parametrize("needed", [{"c0"}, {"c11"}, {"c0", "c11"}, {"c3", "c5", "c7"}])
def test_the_number_of_questions_stays_polite_with_a_jar_of_twelve(needed):
    found = run([cookie(f"c{n}") for n in range(12)], needed)
    assert set(found.names) == needed
    assert found.probes <= 3 + 3 + 12


@pytest.mark.parametrize("value", ["", "a.b.c", "eyJ.x.y", "eyJhIjoxfQ", "eyJ..", "opaque"])
def test_what_is_no_jwt_has_no_claims(value):
    assert jwt_claims(value) is None


def test_a_jwt_tells_its_claims():
    assert jwt_claims(jwt(exp=5, sub="ada")) == {"exp": 5, "sub": "ada"}
