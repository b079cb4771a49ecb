"""Set-Cookie, read as a browser reads it, byte for byte."""

from email.utils import formatdate

import pytest

from harvester.session import Cookie
from harvester.setcookie import parse_set_cookie, take_in

NOW = 1_000_000.0


def parse(header: str) -> Cookie | None:
    return parse_set_cookie(header, host="knoq.one", path="/api/x?y=1", now_s=NOW)


@pytest.mark.parametrize(
    "value", ["abc", 'a"b"c', "a=b=c", "a%2Fb", "a,b", "a b", "{j:1}", '"quoted"', "", "a\\b"]
)
def test_a_value_comes_out_exactly_as_it_came(value):
    found = parse(f"sid={value}; Path=/")
    assert found is not None and found.value == value


def test_attributes_are_read_without_regard_to_case():
    found = parse("sid=x; PATH=/a; httponly; SECURE; samesite=strict; max-age=60; DOMAIN=.knoq.one")
    assert found == Cookie("sid", "x", ".knoq.one", "/a", NOW + 60, True, True, "Strict")


def test_the_scope_defaults_to_the_request():
    found = parse("sid=x")
    assert found is not None and (found.domain, found.path) == ("knoq.one", "/api")


def test_an_expires_date_is_read_and_max_age_wins():
    found = parse("sid=x; Expires=Wed, 21 Oct 2026 07:28:00 GMT")
    assert found is not None and found.expires_at == 1792567680
    both = parse("sid=x; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=5")
    assert both is not None and both.expires_at == NOW + 5


@pytest.mark.parametrize(
    "header",
    ["sid", "=x", "s id=x", "sid=a\r\nX: y", "sid=\x1b[2J", "sid=ü", "sid=x; Domain=evil.example"],
)
def test_what_a_browser_or_a_header_would_refuse_is_no_cookie(header):
    assert parse(header) is None


def test_a_jar_takes_new_values_and_ignores_emptied_and_expired_ones():
    jar = (Cookie("sid", "old", "knoq.one"), Cookie("theme", "dark", "knoq.one"))
    fresh = [
        Cookie("sid", "new", "knoq.one"),
        Cookie("theme", "", "knoq.one"),
        Cookie("gone", "x", "knoq.one", expires_at=NOW - 1),
        Cookie("more", "y", "knoq.one"),
    ]
    after = take_in(jar, fresh, now_s=NOW)
    assert [(one.name, one.value) for one in after] == [
        ("sid", "new"), ("theme", "dark"), ("more", "y"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "domain", "path", "replaced"),
    [
        ("knoq.one", ".knoq.one", "/", True),
        ("app.knoq.one", ".knoq.one", "/", True),
        ("knoq.one", ".app.knoq.one", "/", False),
        ("otherknoq.one", ".knoq.one", "/", False),
        ("knoq.one", ".knoq.one", "/auth", False),
        (".knoq.one", "knoq.one", "/", False),
    ],
)
def test_a_cookie_of_the_whole_domain_takes_the_place_of_the_hosts_own(
    host, domain, path, replaced
):
    # A pasted header does not say which it was; with both, the old value would be sent first.
    jar = (Cookie("sid", "old", host), Cookie("theme", "dark", host))
    after = take_in(jar, [Cookie("sid", "new", domain, path)], now_s=NOW)
    values = [one.value for one in after if one.name == "sid"]
    assert values == (["new"] if replaced else ["old", "new"])
    assert len(after) == len(values) + 1


@pytest.mark.parametrize(
    ("domain", "host", "path", "goes"),
    [
        ("knoq.one", "knoq.one", "/", True),
        ("knoq.one", "api.knoq.one", "/", False),
        (".knoq.one", "api.knoq.one", "/", True),
        (".knoq.one", "evilknoq.one", "/", False),
        (".knoq.one", "knoq.one", "/", True),
    ],
)
def test_a_cookie_goes_where_a_browser_would_send_it(domain, host, path, goes):
    assert Cookie("a", "b", domain).goes_to(host, path) is goes


@pytest.mark.parametrize(
    ("scope", "path", "goes"),
    [("/", "/x", True), ("/api", "/api", True), ("/api", "/api/x", True), ("/api", "/apix", False),
     ("/api", "/api?q=1", True)],
)  # fmt: skip
def test_a_cookie_keeps_to_its_path(scope, path, goes):
    assert Cookie("a", "b", "knoq.one", scope).goes_to("knoq.one", path) is goes


@pytest.mark.parametrize("ahead_s", [86400.0, -86400.0])
def test_an_end_is_meant_by_the_clock_of_the_site(ahead_s):
    site_now = NOW - ahead_s
    told = f"sid=x; Expires={formatdate(site_now + 3600, usegmt=True)}"
    found = parse_set_cookie(told, host="knoq.one", path="/", now_s=NOW, ahead_s=ahead_s)
    assert found is not None and found.expires_at == NOW + 3600
    relative = parse_set_cookie(
        "sid=x; Max-Age=60", host="knoq.one", path="/", now_s=NOW, ahead_s=ahead_s
    )
    assert relative is not None and relative.expires_at == NOW + 60
