"""The exchange played by hand: a test is fed the steps, and feeds what came of them."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import HarvesterError, NoDaemon, SignInForbidden
from harvester.sdk import NotReplayed, Session
from harvester.sdk.binding import carries, cookie_line, origin_at
from harvester.sdk.doubt import Hop, is_short_page, looks_like_sign_in
from harvester.sdk.exchange import Exchange, Send, exchange
from harvester.session import Cookie

ORIGIN = "https://app.example"


def a_session(generation: int, *names: str, **changes: Any) -> Session:
    cookies = tuple(
        Cookie(name, f"{name}-{generation}", "app.example") for name in names or ("sid",)
    )
    line = "; ".join(f"{one.name}={one.value}" for one in cookies)
    fields: dict[str, Any] = {
        "profile": "default",
        "origin": ORIGIN,
        "generation": generation,
        "headers": {"Cookie": line, "Origin": ORIGIN},
        "cookies": cookies,
    }
    return Session(**{**fields, **changes})


ONE, TWO = a_session(1), a_session(2)


class ByHand:
    """Credentials that ask the test: each question is a Future that the test answers."""

    def __init__(self, origin: str | None = None) -> None:
        self.origin = origin

    def session_flow(self) -> Generator[Future[Session], Session, Session]:
        return (yield Future())

    def report_flow(self, session: Session) -> Generator[Future[Session], Session, Session]:
        return (yield Future())


def begun(origin: str | None = ORIGIN) -> tuple[Exchange, Any]:
    """An exchange up to its first sending, with session ONE."""
    flow = exchange(ByHand(), "request", origin=origin)  # type: ignore[arg-type]
    assert isinstance(next(flow), Future)
    send = flow.send(ONE)
    assert isinstance(send, Send)
    return flow, send


def a_hop(status: int = 200, **changes: Any) -> Hop:
    fields: dict[str, Any] = {
        "request": "request",
        "method": "GET",
        "origin": ORIGIN,
        "path": "/api",
        "status": status,
        "sent": True,
    }
    return Hop(**{**fields, **changes})


def over(flow: Exchange, told: Any) -> bool:
    try:
        flow.send(told)
    except StopIteration:
        return True
    return False


def test_a_good_answer_ends_it() -> None:
    flow, send = begun()
    assert send == Send("request", ONE)
    assert over(flow, [a_hop()])


def test_a_request_elsewhere_is_sent_without_and_its_answer_is_nobodys_business() -> None:
    for origin in ("https://app.example:8443", "http://app.example", "https://x.app.example", None):
        flow, send = begun(origin)
        assert send == Send("request", None)
        assert over(flow, [a_hop(401, origin=origin, sent=False)])


def test_where_the_origin_is_known_nobody_is_asked_for_a_stranger() -> None:
    flow = exchange(ByHand(ORIGIN), "request", origin="https://b.example")  # type: ignore[arg-type]
    assert next(flow) == Send("request", None)


def test_a_401_is_reported_and_sent_again_once() -> None:
    flow, _ = begun()
    assert isinstance(flow.send([a_hop(401)]), Future)
    assert flow.send(replace(TWO, verdict="refreshed")).session.generation == 2  # type: ignore[union-attr]
    assert over(flow, [a_hop(401)])


def test_a_sign_in_page_after_the_second_time_is_given_back() -> None:
    flow, _ = begun()
    assert isinstance(flow.send([a_hop(302, location="/login")]), Future)
    assert isinstance(flow.send(TWO), Send)
    assert over(flow, [a_hop(302, location="/login")])


@pytest.mark.parametrize("verdict", ["alive", "unreachable"])
def test_the_same_session_again_is_not_worth_a_second_try(verdict: Any) -> None:
    flow, _ = begun()
    flow.send([a_hop(401)])
    assert over(flow, replace(ONE, verdict=verdict))


def test_a_value_that_was_rolled_is_another_session_also_where_it_lives() -> None:
    flow, _ = begun()
    flow.send([a_hop(401)])
    send = flow.send(replace(TWO, verdict="alive"))
    assert isinstance(send, Send)


def test_a_session_that_is_for_another_origin_by_now_is_not_sent() -> None:
    flow, _ = begun()
    flow.send([a_hop(401)])
    assert over(flow, replace(TWO, origin="https://b.example"))


def test_what_stops_a_refresh_stops_a_401_but_no_suspicion() -> None:
    flow, _ = begun()
    asked = flow.send([a_hop(401)])
    assert isinstance(asked, Future)
    with pytest.raises(SignInForbidden):
        flow.throw(SignInForbidden("no"))
    flow, _ = begun()
    assert isinstance(flow.send([a_hop(302, location="/login")]), Future)
    with pytest.raises(StopIteration):
        flow.throw(NoDaemon("gone"))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_after_a_401_nothing_happened_after_a_sign_in_page_something_may_have(method: str) -> None:
    flow, _ = begun()
    flow.send([a_hop(401, method=method)])
    assert isinstance(flow.send(TWO), Send)
    flow, _ = begun()
    flow.send([a_hop(302, method=method, location="/login")])
    assert over(flow, TWO)


def test_a_body_that_is_gone_is_an_error_after_the_refresh_and_never_before() -> None:
    flow, _ = begun()
    asked = flow.send([a_hop(401, method="POST", replayable=False)])
    assert isinstance(asked, Future)
    with pytest.raises(NotReplayed) as raised:
        flow.send(TWO)
    assert isinstance(raised.value, HarvesterError)
    assert (raised.value.code, raised.value.retryable) == ("not_replayed", True)


def test_a_client_that_went_on_without_us_is_sent_on_with_the_session() -> None:
    flow, _ = begun()
    chain = [
        a_hop(302, location="/b"),
        a_hop(302, request="second", path="/b", sent=False, location="https://idp.example/"),
        a_hop(200, request="third", origin="https://idp.example", path="/", sent=False),
    ]
    assert flow.send(chain) == Send("second", ONE)
    assert over(flow, [a_hop(path="/b")])


def test_where_the_first_hop_was_refused_the_first_is_sent_again() -> None:
    flow, _ = begun()
    chain = [
        a_hop(302, location="/login"),
        a_hop(200, request="second", path="/login", sent=False),
    ]
    assert isinstance(flow.send(chain), Future)
    assert flow.send(TWO) == Send("request", TWO)


@pytest.mark.parametrize(("status", "again"), [(401, True), (200, False), (403, False)])
def test_a_post_that_a_client_sent_on_without_us_is_sent_again_after_a_401_only(
    status: int, again: bool
) -> None:
    flow, _ = begun()
    second = a_hop(status, request="second", path="/b", sent=False, method="POST")
    chain = [a_hop(307, location="/b", method="POST"), second]
    if again:
        assert flow.send(chain) == Send("second", ONE)
    else:
        assert over(flow, chain)


def test_a_body_that_is_gone_is_not_sent_on_either_and_the_answer_stands() -> None:
    flow, _ = begun()
    second = a_hop(401, path="/b", sent=False, method="POST", replayable=False)
    assert over(flow, [a_hop(307, location="/b", method="POST"), second])


_ORIGINS = st.sampled_from([ORIGIN, "https://app.example:8443", "https://idp.example"])
_HOPS = st.builds(
    Hop,
    request=st.just("request"),
    method=st.sampled_from(["GET", "HEAD", "POST", "DELETE"]),
    origin=_ORIGINS,
    path=st.sampled_from(["/api", "/login"]),
    status=st.sampled_from([200, 302, 307, 401, 403, 500]),
    sent=st.booleans(),
    location=st.sampled_from(["", "/b", "/login", "https://idp.example/"]),
    page=st.sampled_from(["", "<title>Sign in</title>"]),
    replayable=st.booleans(),
)
_REPORTED = st.sampled_from(
    [ONE, TWO, replace(TWO, origin="https://b.example"), SignInForbidden("no"), NoDaemon("gone")]
)


@given(st.lists(st.lists(_HOPS, min_size=1, max_size=4), max_size=8), st.lists(_REPORTED))
def test_whatever_a_client_tells_nothing_is_sent_away_from_home_or_once_too_often(
    answers: list[list[Hop]], reported: list[Session | HarvesterError]
) -> None:
    flow, step = begun()
    told: list[Hop] = []
    refreshed = False
    try:
        while True:
            if isinstance(step, Future):
                assert not refreshed, "after the second sending nobody is asked again"
                answer = reported.pop() if reported else ONE
                failed = isinstance(answer, HarvesterError)
                step = flow.throw(answer) if failed else flow.send(answer)
                continue
            if told:
                again = next(hop for hop in told if hop.request == step.request)
                assert again.origin == ORIGIN
                assert again.replayable
                assert again.status == 401 or again.method in ("GET", "HEAD")
            refreshed = step.session is TWO
            if not answers:
                return
            # The first answer is to what we sent; what follows it, the client sent by itself.
            told = [replace(hop, request=object()) for hop in answers.pop()]
            told[0] = replace(told[0], request=step.request, origin=ORIGIN, sent=True)
            step = flow.send(told)
    except (StopIteration, NotReplayed, SignInForbidden, NoDaemon):
        return


# what looks like a sign-in


@pytest.mark.parametrize(
    "location",
    [
        "/login", "/log-in?next=/api", "/en/signin", "/sign_in", "/auth", "/auth/start",
        "/oauth2/authorize?x=1", "/sso/acme", "/saml/acs", "/session/new", "/login.html", "/",
        "https://idp.example/any", "http://app.example/api", "https://app.example:444/api",
        "//idp.example/any", "https://user@app.example/api", "/LOGIN",
    ],
)  # fmt: skip
def test_a_way_to_a_sign_in_is_suspected(location: str) -> None:
    assert looks_like_sign_in(a_hop(302, location=location))
    assert not looks_like_sign_in(a_hop(200, location=location)), "no redirect leads nowhere"


@pytest.mark.parametrize(
    "location", ["/api/", "/blog/login-tips", "/authors", "/v2/api", "?page=2", "", "/catalogin"]
)
def test_an_ordinary_redirect_is_not(location: str) -> None:
    assert not looks_like_sign_in(a_hop(302, location=location))


@given(st.text(max_size=12) | st.sampled_from(["http://[", "//[::1", "http://a:b/", "\\\\x"]))
def test_whatever_a_site_writes_there_is_no_error_of_ours(location: str) -> None:
    assert looks_like_sign_in(a_hop(302, location=location)) in (True, False)


@pytest.mark.parametrize(
    ("page", "suspected"),
    [
        ("<input type='password'>", True),
        ("<input TYPE = password >", True),
        ("<title>Sign in - App</title>", True),
        ("<h1 class=x>Log in</h1>", True),
        ("<title>Dashboard</title><p>Sign in history</p>", False),
        ("<title>Logistics</title>", False),
        ("", False),
    ],
)
def test_a_page_is_suspected_by_what_it_asks_or_is_called(page: str, suspected: bool) -> None:
    assert looks_like_sign_in(a_hop(200, page=page)) is suspected
    assert not looks_like_sign_in(a_hop(500, page=page)), "an error page is an error"


def test_only_short_pages_are_read() -> None:
    assert is_short_page("text/html; charset=utf-8", "")
    assert is_short_page("application/xhtml+xml", "1048576")
    assert not is_short_page("text/html", "1048577")
    assert not is_short_page("application/json", "10")


# origins and cookies


@pytest.mark.parametrize(
    ("parts", "origin"),
    [
        (("https", "app.example", 443), ORIGIN),
        (("https", "APP.example", None), ORIGIN),
        (("http", "app.example", 443), "http://app.example:443"),
        (("https", "::1", 8443), "https://[::1]:8443"),
        (("https", "[::1]", 8443), "https://[::1]:8443"),
        (("ftp", "app.example", None), None),
        (("https", "", None), None),
        (("https", "user@app.example", None), None),
    ],
)
def test_an_origin_is_scheme_host_and_port(parts: Any, origin: str | None) -> None:
    assert origin_at(*parts) == origin


_NAMES = st.text("abcs", min_size=1, max_size=3)
_VALUES = st.text('xyz="/+', max_size=4)
_PAIRS = st.lists(st.tuples(_NAMES, _VALUES), max_size=6)


@given(_PAIRS, st.sets(_NAMES, min_size=1, max_size=3))
def test_whatever_stood_there_the_session_is_whole_and_once_and_the_rest_is_kept(
    given_pairs: list[tuple[str, str]], ours: set[str]
) -> None:
    session = a_session(1, *sorted(ours))
    line = cookie_line(session, "; ".join(f"{name}={value}" for name, value in given_pairs))
    served = session.headers["Cookie"]
    assert line == served or line.startswith(served + "; ")
    rest = line.removeprefix(served).removeprefix("; ")
    others = [f"{name}={value}" for name, value in given_pairs if name not in ours]
    assert rest == "; ".join(others)
    assert carries(session, line)
    assert cookie_line(session, line) == line, "once more changes nothing"


def test_a_request_with_an_older_value_does_not_carry_the_session() -> None:
    assert not carries(TWO, ONE.headers["Cookie"])
    assert not carries(ONE, "")
