"""What a lease covers: which paths a pattern stands for, and which paths are none at all."""

from __future__ import annotations

import pytest

from harvester.errors import Usage
from harvester.lease import Rate, scope_of
from harvester.scope import Scope, has_one_reading, overriding

BELOW = "/api/managed-agents/*"


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        (BELOW, "/api/managed-agents/sessions", True),
        (BELOW, "/api/managed-agents/sessions/7/messages", True),
        (BELOW, "/api/managed-agents/sessions/", True),
        (BELOW, "/api/managed-agents/", False),
        (BELOW, "/api/managed-agents", False),
        (BELOW, "/api/managed-agentsx/y", False),
        (BELOW, "/api/Managed-Agents/sessions", False),
        (BELOW, "/x/api/managed-agents/sessions", False),
        (BELOW, "/api/managed-agents/a%20file", True),
        ("/*", "/", False),
        ("/*", "/x", True),
        ("/*", "/x/y/z", True),
        ("/", "/", True),
        ("/", "/x", False),
        ("/a/b", "/a/b", True),
        ("/a/b", "/a/b/", False),
        ("/a/b/", "/a/b/", True),
        ("/a/b/", "/a/b", False),
        ("/a/*/c", "/a/b/c", True),
        ("/a/*/c", "/a//c", False),
        ("/a/*/c", "/a/b/b/c", False),
        ("/a/*/c", "/a/b/c/d", False),
        ("/a/*/", "/a/b/", True),
        ("/a/*/", "/a/b", False),
        ("/a/v*", "/a/v", True),
        ("/a/v*", "/a/v2", True),
        ("/a/v*", "/a/v2/x", False),
        ("/a/*.json", "/a/x.json", True),
        ("/a/*.json", "/a/.json", True),
        ("/a/*.json", "/a/x.jsonp", False),
        ("/a/x*x", "/a/x", False),
        ("/a/x*x", "/a/xx", True),
        ("/a:b/@me", "/a:b/@me", True),
        ("/a:b/@me", "/a%3Ab/@me", False),
    ],
)
def test_a_pattern_stands_for(pattern: str, path: str, covered: bool) -> None:
    assert Scope(("GET",), (pattern,)).covers(path) is covered


@pytest.mark.parametrize(
    "path",
    [
        "", "x", "//", "//x", "/x//y", "/x//", "/.", "/..", "/x/.", "/x/..", "/x/../y", "/x/./y",
        "/x/.../y", "/%2e/x", "/%2e%2e/x", "/.%2E/x", "/x/%2e%2e", "/x%2fy", "/x%2Fy", "/x%5cy",
        "/x\\y", "/x/..\\y", "/x;a=b", "/x;/y", "/x/..;/y", "/x%3by", "/x?y", "/x#y", "/x%3fy",
        "/x%23y", "/%252e%252e/x", "/x%252fy", "/x%25", "/x%", "/x%2", "/x%zz", "/x%%20", "/x%00",
        "/x%0a", "/x%0d%0a", "/x%09", "/x%7f", "/x%80", "/x%c3%a9", "/caf\u00e9", "/x%c0%af",
        "/x%ef%bc%8f", "/x\u2215y", "/x%u002e", "/x\0", "/x y", "/x\ty", "/x\n", "/%41dmin",
        "/%61", "/x%2d", "/x%5f", "/x%7e", "/ ..", "/%20../x", "/..%20/x", "/+../x", "/%20",
        "/x/%20/y", "/x/%2b../y", "/x|y", "/x^y", "/x{y}", "/x[y]", '/x"y', "/x<y>", "/x`y",
    ],
)  # fmt: skip
def test_what_servers_may_read_differently_is_covered_by_nothing(path: str) -> None:
    assert not has_one_reading(path)
    assert not Scope(("GET",), ("/*", "/")).covers(path)


@pytest.mark.parametrize(
    "pattern",
    [
        "", "x", "*", "//", "/x//y", "/..", "/x/../y", "/./x", "/**", "/a*b*c", "/x;y", "/x?y",
        "/x#y", "/x%20y", "/x y", "/x\\y", "/caf\u00e9", "/x\n", "/" + "x" * 256, 7, None, ["/x"],
    ],
)  # fmt: skip
def test_a_pattern_that_is_not_plain_is_none(pattern: object) -> None:
    with pytest.raises(Usage, match="pattern"):
        scope_of(["GET"], [pattern])


@pytest.mark.parametrize("methods", [[], ["get"], ["TRACE"], ["CONNECT"], ["*"], "GET", [7], None])
def test_methods_are_named_one_by_one(methods: object) -> None:
    with pytest.raises(Usage, match="methods"):
        scope_of(methods, ["/x"])


def test_head_goes_with_get_and_with_nothing_else() -> None:
    assert scope_of(["GET"], ["/x"]).allows("HEAD")
    assert not scope_of(["POST"], ["/x"]).allows("HEAD")
    assert not scope_of(["HEAD"], ["/x"]).allows("GET")
    assert not scope_of(["GET"], ["/x"]).allows("OPTIONS")
    assert not scope_of(["GET"], ["/x"]).allows("get")


@pytest.mark.parametrize(
    ("names", "query", "overrides"),
    [
        (["X-HTTP-Method-Override"], "", True),
        (["x_http_method_override"], "", True),
        (["X-Http-Method"], "", True),
        (["X-Method-Override"], "", True),
        (["X-Original-URL"], "", True),
        (["X-Rewrite-URL"], "", True),
        (["X-Forwarded-Prefix"], "", True),
        (["Accept", "X-Request-Id"], "a=1&b=2", False),
        ([], "_method=DELETE", True),
        ([], "a=1&_METHOD=DELETE", True),
        ([], "a=1;_method=DELETE", True),
        ([], "%5fmethod=DELETE", True),
        ([], "%255fmethod=DELETE", True),
        ([], "+_method=DELETE", True),
        ([], "X-HTTP-Method-Override=PUT", True),
        ([], "method=x&sessionId=7", False),
        ([], "a=_method", False),
    ],
)
def test_what_makes_a_request_another_one_is_seen(
    names: list[str], query: str, overrides: bool
) -> None:
    assert (overriding(names, query) is not None) is overrides


@pytest.mark.parametrize(
    ("text", "times", "refill_s"), [("60/m", 60, 1.0), ("5/s", 5, 0.2), ("1000/h", 1000, 3.6)]
)
def test_a_rate_is_a_number_and_a_unit(text: str, times: int, refill_s: float) -> None:
    rate = Rate.read(text)
    assert (rate.times, rate.refill_s, str(rate)) == (times, refill_s, text)


@pytest.mark.parametrize("text", ["", "60", "0/m", "-1/m", "1.5/s", "60/w", "60 / m", "1e3/s"])
def test_any_other_rate_is_none(text: str) -> None:
    with pytest.raises(Usage, match="rate"):
        Rate.read(text)
