"""Foreign text becomes one harmless line, URLs lose their queries, secrets go however written."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.redact import bare_url, clean, scrub

SECRET = 'p&ss w/rd+"ü'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, ümläüt, 日本", "plain words, ümläüt, 日本"),
        ("two\nlines\r\nand\ttab", "two lines and tab"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x9b31mred", "red"),
        ("\x1bPq#0\x1b\\drawn", "drawn"),
        ("nul\x00bell\x07del\x7f", "nul bell del"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("zero\u200bwidth", "zerowidth"),
        ("half \ud800 a pair", "half a pair"),
        ("   spaces   around   ", "spaces around"),
        ("", ""),
    ],
)
def test_a_line_cannot_act_on_a_terminal_or_forge_a_log(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_long_text_is_cut_and_says_so() -> None:
    assert clean("x" * 301) == "x" * 299 + "…"
    assert clean("x" * 300) == "x" * 300
    assert clean("word " * 3, limit=7) == "word w…"
    assert clean("\n" * 10_000 + "the end") == "…"


@given(st.text(), st.integers(1, 50))
def test_whatever_comes_in_what_goes_out_is_printable_and_short(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown) <= limit
    # Unassigned code points are not "printable" for Python, but no terminal acts on them.
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in shown)
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://knoq.one/callback?code=SECRET#SECRET", "https://knoq.one/callback"),
        ("https://ada:SECRET@login.example:8443/a/b", "https://login.example:8443/a/b"),
        ("http://[::1]:80/x?SECRET", "http://[::1]:80/x"),
        ("HTTPS://Login.Example", "https://login.example"),
        ("data:text/html,SECRET", "data:"),
        ("blob:https://knoq.one/SECRET", "blob:"),
        ("about:blank", "about:"),
        ("https://a:SECRET", "(not a URL)"),
        ("http://[SECRET", "(not a URL)"),
        ("SECRET", "(not a URL)"),
        ("", "(not a URL)"),
        ("https://a.example/\x1b[2J", "https://a.example/"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert bare_url(url) == shown


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        "p&amp;ss w/rd+&quot;ü",
    ],
)
def test_a_secret_goes_however_it_is_written(written: str) -> None:
    assert scrub(f"before {written} after", [SECRET]) == "before *** after"


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_base64_of_something_longer_does_not_hold_the_secret(before: bytes, after: bytes) -> None:
    secret = "correct horse battery"
    text = base64.b64encode(before + secret.encode() + after).decode()
    scrubbed = scrub(text, [secret])
    assert "***" in scrubbed
    # What is left on both sides cannot be decoded to more than the secret's edges.
    assert len(scrubbed.replace("***", "")) <= len(text) - len(secret)


def test_a_secret_that_contains_another_goes_whole() -> None:
    assert scrub("x hunter2hunter2 y hunter2", ["hunter2", "hunter2hunter2"]) == "x *** y ***"


def test_no_secret_changes_nothing() -> None:
    assert scrub("text", []) == "text"
    assert scrub("text", [""]) == "text"
