"""Pages that want the password for somebody else: not a piece of it arrives.

``lures.py`` has the pages, ``sink.py`` what counts as a piece.  All that a page could send lands in
one sink.  More such pages, which bend the form itself: ``test_signin_hostile.py``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from hostile import Asked, Hostile
from lures import LURES, NEW_PASSWORD, bait, form, honeypots
from parent import Outcome, Spawned, job_for
from sink import SECRET, given_away

# Where a secret may arrive: the provider's own door, and nothing else of all that is served.
DOORS = {("login", "/in"), ("login", "/first")}


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as running:
        running.password = SECRET
        running.pages |= {
            "login /form": form(),
            "evil /form": form(to="/take"),
            "login /take": running.go(running.site + "/home"),
        }
        yield running


def sign_in(hostile: Hostile, **changes: Any) -> Outcome:
    return Spawned(job_for(hostile, **{"totp": None, "timeout_s": 25.0, **changes})).run()  # type: ignore[arg-type]


def astray(hostile: Hostile, *also: tuple[str, str]) -> list[tuple[Asked, list[str]]]:
    """Requests to elsewhere that carried a piece of the password."""
    doors = {*DOORS, *also}
    return [
        (one, found)
        for one in hostile.asked
        if (one.host, one.path.partition("?")[0]) not in doors or one.method == "GET"
        if (found := given_away(one, SECRET))
    ]


@pytest.mark.parametrize("lure", LURES)
def test_not_a_piece_of_the_password_goes_astray(hostile: Hostile, lure: str) -> None:
    LURES[lure].set(hostile, hostile.evil)
    with_code = {"totp": job_for(hostile).totp} if "code" in lure else {}  # type: ignore[arg-type]
    outcome = sign_in(hostile, **with_code)
    assert astray(hostile) == [], outcome.result
    # Whole: its own answer holds sealed records, and four letters of base64 come by chance.
    assert SECRET.encode() not in outcome.raw + outcome.stderr
    assert outcome.codes == [], "nor a code"
    expected = LURES[lure].code
    if expected is not None:
        assert outcome.error is not None and outcome.error.code == expected, outcome.result
    assert hostile.asked, "it was led to the page"


@pytest.mark.parametrize("lure", [name for name, one in LURES.items() if one.twin])
def test_without_the_trick_the_same_pages_sign_in(
    hostile: Hostile, lure: str, size: Callable[[int, int], int]
) -> None:
    names = [name for name, one in LURES.items() if one.twin]
    if names.index(lure) % size(9, 1):
        return  # its turn comes with --full; that they all can fail is told by the mutants
    LURES[lure].set(hostile, hostile.identity)
    with_code = {"totp": job_for(hostile).totp} if "code" in lure else {}  # type: ignore[arg-type]
    outcome = sign_in(hostile, **with_code)
    assert outcome.error is None, outcome.result


def test_fields_that_nobody_sees_stay_empty(hostile: Hostile) -> None:
    hostile.pages["login /"] = honeypots()
    outcome = sign_in(hostile)
    assert outcome.error is None, outcome.result
    [sent] = [one for one in hostile.asked if one.path == "/in"]
    fields = parse_qs(sent.body, keep_blank_values=True)
    pots = {name: values for name, values in fields.items() if name.startswith("pot ")}
    assert len(pots) >= 12 and set(map(tuple, pots.values())) == {("",)}, pots
    assert fields["p"] == [SECRET]


def test_a_form_beside_the_one_that_is_meant_gets_nothing(hostile: Hostile) -> None:
    hostile.pages["login /"] = bait(hostile.evil)
    outcome = sign_in(hostile)
    assert outcome.error is None, outcome.result
    assert astray(hostile) == [] and not [one for one in hostile.asked if one.path == "/take"]


def test_a_new_password_is_chosen_by_nobody_but_the_person(hostile: Hostile) -> None:
    hostile.pages["login /"] = NEW_PASSWORD
    outcome = sign_in(hostile)
    assert outcome.error is not None and outcome.submits == []
    assert astray(hostile) == []


def test_another_port_is_another_place(hostile: Hostile) -> None:
    with Hostile() as other:
        other.pages["login /form"] = form(to="/take")
        hostile.pages["login /"] = hostile.go(other.identity + "/form")
        outcome = sign_in(hostile)
        assert outcome.error is not None and outcome.error.code == "origin_not_allowed"
        assert other.asked and astray(other) == [] and astray(hostile) == []


def test_http_is_not_https_though_all_else_is_the_same(hostile: Hostile) -> None:
    secure = hostile.identity.replace("http:", "https:")
    outcome = sign_in(hostile, identity_origins=(secure,))
    hostile.pages["login /"] = form(to="/take")
    assert outcome.error is not None and astray(hostile) == [] and outcome.submits == []


@pytest.mark.parametrize("after_ms", [0, 60, 120, 180, 240, 320, 400, 500, 600, 800])
def test_a_page_that_goes_on_at_any_moment_gets_nothing_elsewhere(
    hostile: Hostile, after_ms: int, size: Callable[[int, int], int]
) -> None:
    if after_ms % size(240, 1):
        return  # all moments come with --full
    code = f"setTimeout(() => location = '{hostile.evil}/form', {after_ms})"
    hostile.pages["login /"] = form(more=f"<script>{code}</script>")
    outcome = sign_in(hostile)
    assert astray(hostile) == [], outcome.result


# How a page could send it: each is found in the sink.
WAYS: dict[str, Callable[[str], str]] = {
    "plain": lambda s: s,
    "percent": lambda s: quote(s, safe=""),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 within": lambda s: base64.urlsafe_b64encode(f"p={s}&x".encode()).decode(),
    "hex": lambda s: s.encode().hex(),
    "backwards": lambda s: s[::-1],
    "a piece": lambda s: "x" + s[5:9] + "x",
    "a piece of it backwards": lambda s: s[8:12][::-1],
    "codes": lambda s: ",".join(str(ord(one)) for one in s),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_sink_finds_it_in_any_form(way: str) -> None:
    said = WAYS[way](SECRET)
    for request in (
        Asked("evil", "GET", "/take?" + said, ""),
        Asked("evil", "POST", "/take", said),
        Asked("evil", "GET", "/", "", f"Referer: http://x/?{said}"),
    ):
        assert given_away(request, SECRET), way
    assert not given_away(Asked("evil", "POST", "/take?Password", "u=ada&sign=in"), SECRET)
