"""Where the session goes and where not, what is sent twice and what never: in every client."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester.errors import CredentialsRejected
from harvester.sdk import Credentials, NotReplayed
from plaindaemon import PlainDaemon
from sdkclients import CLIENTS, Call, Client
from tinysite import Came, Say, TinySite

LOGIN_PAGE = Say(
    200,
    b"<!doctype html><title>Tiny</title><form><input name=p type=password></form>",
    content_type="text/html; charset=utf-8",
)


def _name(client: Client) -> str:
    return client.name


def to(where: str, status: int = 302) -> Say:
    return Say(status, b"", (("Location", where),))


# where it goes


def test_the_session_is_sent_as_served_and_the_origin_with_what_changes_something(
    client: Client, tiny: TinySite, credentials: Credentials
) -> None:
    url = f"{tiny.origin}/api"
    client.ask(credentials, Call(url), Call(url, "POST", json={}), Call(url, "DELETE"))
    asked, posted, deleted = tiny.came
    assert asked.headers["cookie"] == posted.headers["cookie"] == "sid=v1"
    assert "origin" not in asked.headers
    assert posted.headers["origin"] == deleted.headers["origin"] == tiny.origin


def test_another_host_port_or_scheme_gets_nothing(
    client: Client, tiny: TinySite, credentials: Credentials
) -> None:
    with TinySite(routes={"/": Say()}) as other:
        assert other.name == tiny.name, "cookies know no ports: only we tell these two apart"
        tiny.routes["/"] = Say()
        calls = [
            Call(url, "POST", json={}) for url in (f"{other.origin}/", f"{tiny.at('x.localhost')}/")
        ]
        # Once before the session is known, and once after.
        client.ask(credentials, *calls, Call(f"{tiny.origin}/api"), *calls)
        strangers = other.came + tiny.got("/")
    assert len(strangers) == 4
    assert all(not one.cookies and "origin" not in one.headers for one in strangers)
    assert tiny.got("/api")[0].cookies == ["sid=v1"]


def test_a_session_is_not_asked_for_where_the_origin_is_told_and_is_another(
    client: Client, tiny: TinySite, daemon: PlainDaemon
) -> None:
    tiny.routes["/"] = Say()
    credentials = Credentials(socket=str(daemon.path), origin=tiny.origin)
    client.ask(credentials, Call(f"{tiny.at('x.localhost')}/"))
    assert daemon.one.asked == []


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_another_host_takes_no_cookie_along(
    client: Client, tiny: TinySite, credentials: Credentials, status: int
) -> None:
    tiny.routes["/away"] = to(f"{tiny.at('x.localhost')}/elsewhere", status)
    tiny.routes["/elsewhere"] = Say()
    url = f"{tiny.origin}/away"
    told = client.ask(credentials, Call(url), Call(url, "POST", json={"a": 1}), follow=True)
    assert [one.status for one in told] == [200, 200]
    got, posted = tiny.got("/elsewhere")
    assert got.host.startswith("x.localhost")
    assert got.cookies == posted.cookies == []
    assert "origin" not in got.headers
    # httpx takes every header along but Cookie and Authorization, and asks nobody (docs/sdk.md).
    assert posted.headers.get("origin") == (tiny.origin if "httpx" in client.name else None)


def test_a_redirect_inside_the_origin_keeps_the_session(
    client: Client, tiny: TinySite, credentials: Credentials
) -> None:
    tiny.routes["/one"] = to("/two")
    tiny.routes["/two"] = to(f"{tiny.origin}/api", 307)
    (told,) = client.ask(credentials, Call(f"{tiny.origin}/one"), follow=True)
    assert (told.status, told.text) == (200, "fine")
    assert tiny.got("/api")[-1].cookies == ["sid=v1"]


def test_a_post_that_is_redirected_inside_the_origin_is_done_once(
    client: Client, tiny: TinySite, credentials: Credentials
) -> None:
    tiny.routes["/one"] = to("/api", 307)
    call = Call(f"{tiny.origin}/one", "POST", json={"a": 1})
    (told,) = client.ask(credentials, call, follow=True)
    assert told.status == 200
    done = [one for one in tiny.got("/api") if "sid=v1" in one.cookies]
    assert [one.body.replace(b" ", b"") for one in done] == [b'{"a":1}']


# beside the caller's own cookies


def test_the_callers_other_cookies_stay_and_a_second_value_of_ours_goes(
    client: Client, tiny: TinySite, credentials: Credentials
) -> None:
    url = f"{tiny.origin}/api"
    client.ask(credentials, Call(url, headers={"Cookie": "theme=dark; sid=old; lang=a=b"}))
    client.ask(credentials, Call(url), cookies={"theme": "dark", "sid": "old"})
    assert tiny.came[0].cookies == ["sid=v1", "theme=dark", "lang=a=b"]
    assert tiny.came[1].cookies == ["sid=v1", "theme=dark"]


def test_what_the_site_sets_for_the_session_never_comes_back_as_a_second_value(
    client: Client, tiny: TinySite, credentials: Credentials
) -> None:
    tiny.routes["/set"] = Say(
        headers=(("Set-Cookie", "sid=stale; Path=/"), ("Set-Cookie", "seen=yes; Path=/"))
    )
    client.ask(credentials, Call(f"{tiny.origin}/set"), Call(f"{tiny.origin}/api"))
    assert tiny.came[1].cookies == ["sid=v1", "seen=yes"]


# httpx reads answers into its jar before anybody else sees them.
@pytest.mark.parametrize("client", [one for one in CLIENTS if "httpx" not in one.name], ids=_name)
def test_the_session_does_not_leave_by_the_clients_own_jar(
    client: Client, tiny: TinySite, credentials: Credentials
) -> None:
    tiny.routes["/set"] = Say(headers=(("Set-Cookie", "sid=v1; Path=/"),))
    with TinySite(routes={"/": Say()}) as other:
        client.ask(credentials, Call(f"{tiny.origin}/set"), Call(f"{other.origin}/"))
        assert other.came[0].cookies == []


# a refusal


def test_a_refused_request_is_sent_once_more_and_never_twice(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    tiny.routes["/always"] = Say(401, b"no")
    client.ask(credentials, Call(f"{tiny.origin}/api"))
    tiny.end()
    told = client.ask(credentials, Call(f"{tiny.origin}/always", "POST", json={}))
    assert [one.status for one in told] == [401]
    assert [one.cookies for one in tiny.got("/always")] == [["sid=v1"], ["sid=v2"]]
    assert daemon.one.reports == [1]


def test_a_request_that_was_sent_twice_is_not_sent_again_where_it_is_led_on(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    tiny.routes["/always"] = Say(401, b"no")
    tiny.routes["/one"] = lambda came: to("/always") if "sid=v2" in came.cookies else Say(401)
    credentials.session()
    tiny.end()
    (told,) = client.ask(credentials, Call(f"{tiny.origin}/one"), follow=True)
    assert told.status == 401
    assert [one.cookies for one in tiny.got("/always") if one.cookies] == [["sid=v2"]]
    # To aiohttp's middleware each hop is a request of its own, and a 401 of its own.
    assert daemon.one.reports == ([1, 2] if client.name == "aiohttp" else [1])


def test_a_401_with_a_session_that_lives_is_given_back_as_it_is(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    tiny.routes["/always"] = Say(401, b"not for you")
    (told,) = client.ask(credentials, Call(f"{tiny.origin}/always"))
    assert (told.status, told.text) == (401, "not for you")
    assert len(tiny.got("/always")) == 1
    assert (daemon.one.reports, daemon.one.begun) == ([1], 1)


@pytest.mark.parametrize("status", [403, 404, 429, 500, 502, 503])
def test_nothing_else_is_reported_or_sent_again(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials, status: int
) -> None:
    tiny.routes["/other"] = Say(status)
    (told,) = client.ask(credentials, Call(f"{tiny.origin}/other"))
    assert (told.status, len(tiny.came)) == (status, 1)
    assert daemon.one.reports == []


def test_what_stops_a_refresh_is_raised_and_not_a_bare_401(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    client.ask(credentials, Call(f"{tiny.origin}/api"))
    tiny.end()
    daemon.one.fails = CredentialsRejected("refused", hint="mend the password")
    with pytest.raises(CredentialsRejected) as raised:
        client.ask(credentials, Call(f"{tiny.origin}/api"))
    assert raised.value.__notes__ == ["What helps: mend the password"], "a traceback shows it"


# a refusal that does not say so


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("denial", ["login page", "login path", "front door", "other origin"])
def test_a_get_that_is_led_to_a_sign_in_is_sent_once_more(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials,
    denial: str, follow: bool,
) -> None:  # fmt: skip
    tiny.routes["/login"] = tiny.routes["/"] = Say(200, b"sign in here")
    tiny.denial = {
        "login page": LOGIN_PAGE,
        "login path": to("/login?next=/api"),
        "front door": to("/"),
        "other origin": to(f"{tiny.at('idp.localhost')}/login"),
    }[denial]
    credentials.session()
    tiny.end()
    told = client.ask(credentials, Call(f"{tiny.origin}/api"), follow=follow)
    assert [(one.status, one.text) for one in told] == [(200, "fine")]
    assert (daemon.one.reports, daemon.one.begun) == ([1], 2)


@pytest.mark.parametrize("denial", [LOGIN_PAGE, to("/login")])
def test_a_post_that_is_led_to_a_sign_in_is_reported_and_not_sent_again(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials, denial: Say
) -> None:
    tiny.denial = denial
    credentials.session()
    tiny.end()
    call = Call(f"{tiny.origin}/api", "POST", json={})
    told = client.ask(credentials, call)
    assert [one.status for one in told] == [denial.status]
    assert len(tiny.came) == 1
    assert (daemon.one.reports, daemon.one.begun) == ([1], 2)
    assert client.ask(credentials, call)[0].text == "fine"


def test_a_page_that_only_looks_like_a_sign_in_is_given_back_whole(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    tiny.routes["/account"] = LOGIN_PAGE
    tiny.routes["/old"] = to(f"{tiny.at('cdn.localhost')}/file")
    tiny.routes["/file"] = Say(200, b"bytes")
    page, file = client.ask(
        credentials, Call(f"{tiny.origin}/account"), Call(f"{tiny.origin}/old"), follow=True
    )
    assert page.text.encode() == LOGIN_PAGE.body
    assert file.text == "bytes"
    assert daemon.one.begun == 1
    assert len(tiny.got("/account")) == 1


def test_a_suspicion_that_nobody_can_judge_changes_nothing(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    tiny.denial = LOGIN_PAGE
    credentials.session()
    tiny.end()
    daemon.one.fails = CredentialsRejected("refused", hint="mend the password")
    (told,) = client.ask(credentials, Call(f"{tiny.origin}/api"))
    assert told.text.encode() == LOGIN_PAGE.body


# bodies


def _sync_generator() -> Iterator[bytes]:
    yield b"once "
    yield b"only"


async def _async_generator() -> AsyncIterator[bytes]:
    yield b"once "
    yield b"only"


def test_a_body_that_can_be_read_once_is_not_sent_again_and_the_error_says_so(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    body: Callable[[], Any] = _async_generator if client.is_async else _sync_generator
    call = Call(f"{tiny.origin}/api", "POST", body=body)
    assert client.ask(credentials, call)[0].status == 200
    tiny.end()
    with pytest.raises(NotReplayed) as raised:
        client.ask(credentials, call)
    assert f"POST {tiny.origin}/api" in raised.value.message
    assert raised.value.hint
    assert [one.body for one in tiny.came] == [b"once only"] * 2
    assert daemon.one.begun == 2, "the session is refreshed"
    assert client.ask(credentials, call)[0].status == 200


def test_a_401_for_such_a_body_with_a_session_that_lives_is_an_answer_like_any_other(
    client: Client, tiny: TinySite, credentials: Credentials
) -> None:
    body: Callable[[], Any] = _async_generator if client.is_async else _sync_generator
    tiny.routes["/always"] = Say(401, b"not for you")
    (told,) = client.ask(credentials, Call(f"{tiny.origin}/always", "POST", body=body))
    assert (told.status, told.text) == (401, "not for you")


def test_a_body_in_memory_is_sent_again_whole(
    client: Client, tiny: TinySite, credentials: Credentials
) -> None:
    credentials.session()
    tiny.end()
    call = Call(f"{tiny.origin}/api", "POST", body=lambda: b"all of it")
    assert client.ask(credentials, call)[0].status == 200
    assert [one.body for one in tiny.came] == [b"all of it"] * 2


# The async clients of httpx and httpx2 take no files.
@pytest.mark.parametrize(
    "client", [one for one in CLIENTS if not one.name.endswith("-async")], ids=_name
)
def test_a_file_is_sent_again_from_where_it_began(
    client: Client, tiny: TinySite, credentials: Credentials, tmp_path: Path
) -> None:
    # httpx declares the length of the whole file wherever reading begins.
    before = b"" if client.name == "httpx" else b"read before|"
    path = tmp_path / "upload"
    path.write_bytes(before + b"all of it")
    files: list[io.BufferedReader] = []

    def opened() -> io.BufferedReader:
        files.append(path.open("rb"))
        files[-1].seek(len(before))
        return files[-1]

    credentials.session()
    tiny.end()
    try:
        call = Call(f"{tiny.origin}/api", "POST", body=opened)
        assert client.ask(credentials, call)[0].status == 200
    finally:
        for file in files:
            file.close()
    assert [one.body for one in tiny.came] == [b"all of it"] * 2


def test_an_answer_that_did_not_come_is_never_asked_for_again(
    client: Client, tiny: TinySite, daemon: PlainDaemon, credentials: Credentials
) -> None:
    def breaks_off(_: Came) -> Say:
        raise ConnectionAbortedError

    tiny.routes["/lost"] = breaks_off
    with pytest.raises(Exception) as raised:
        client.ask(credentials, Call(f"{tiny.origin}/lost", "POST", json={}))
    assert not isinstance(raised.value, AssertionError)
    assert len(tiny.got("/lost")) == 1
    assert daemon.one.reports == []
