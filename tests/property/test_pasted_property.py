"""Any value that a browser may hold comes back as it is; any text at all is an answer or Usage."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import browsers
from harvester import wire
from harvester.errors import OriginMismatch, Usage
from harvester.pasted import FORMS, read
from harvester.session import Served
from jars import cookie, session

ORIGIN = "https://knoq.one"
NAMES = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=12)
# What a browser keeps: printable, no semicolon, and no white space around it.
LETTERS = [chr(code) for code in range(0x20, 0x7F) if chr(code) != ";"]
VALUES = st.text(st.sampled_from(LETTERS), max_size=40).filter(lambda text: text == text.strip(" "))
JARS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)
ODD = {"a": "", "b": "=", "c": '"quoted"', "d": "a%2Fb %41^^\\", "e": "$x`y!'z", "f": '\\\\"^%A'}
WRITERS = {**browsers.FORMS, "windows": browsers.curl_for_windows, "extension": browsers.extension,
           "long flag": lambda pairs: browsers.curl(pairs, flag="--header")}  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS)
@given(jar=JARS)
@example(jar=ODD)
def test_odd_bytes_come_back_through_every_form(writer: str, jar: dict[str, str]) -> None:
    text = WRITERS[writer](list(jar.items()))
    form = {"windows": "curl", "long flag": "curl", "extension": "json"}.get(writer, writer)
    made = read(text.encode(), form).for_origin(ORIGIN)
    assert {one.name: one.value for one in made} == jar


@pytest.mark.parametrize("form", [form for form in wire.FORMATS if form != "value"])
@given(jar=JARS)
@example(jar=ODD)
def test_odd_bytes_come_back_from_what_we_print(form: str, jar: dict[str, str]) -> None:
    cookies = tuple(cookie(name, value) for name, value in jar.items())
    text = wire.printable(Served(session(cookies=cookies)), form)
    made = read(text.encode(), form).for_origin(ORIGIN)
    assert {one.name: one.value for one in made} == jar


SHAPES = st.sampled_from(
    ["curl ", "curl -b '", 'curl ^"', "$'", "\\x", "\\U", "^\n", '{"cookies": ', '[{"name": "a"',
     "fetch(", '$session = System.Net.Cookie("', "`", "# Netscape HTTP Cookie File\n", "\t", "\n",
     "Cookie:", "KNOQ_COOKIE=", 'header = "', "=", ";", "a=b", "-H", "'", '"', "\\", "$([char]9)"]
)  # fmt: skip


@settings(max_examples=400)
@given(parts=st.lists(st.one_of(SHAPES, st.text(max_size=8)), max_size=12), form=st.sampled_from(
    [None, *FORMS]))  # fmt: skip
def test_any_text_gives_cookies_or_one_error(parts: list[str], form: str | None) -> None:
    data = "".join(parts).encode("utf-8", "surrogatepass")
    try:
        made = read(data, form).for_origin(ORIGIN)
    except (Usage, OriginMismatch) as error:
        assert error.hint
    else:
        assert made
        assert all(one.goes_to("knoq.one", one.path) for one in made)


@given(data=st.binary(max_size=80), form=st.sampled_from([None, *FORMS]))
def test_any_bytes_give_cookies_or_one_error(data: bytes, form: str | None) -> None:
    try:
        read(data, form).for_origin(ORIGIN)
    except (Usage, OriginMismatch) as error:
        assert error.hint
