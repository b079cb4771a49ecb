"""What a person pastes is understood, byte for byte, or told to be something else."""

from __future__ import annotations

import json
import shlex

import pytest

import browsers
from harvester import wire
from harvester.errors import HarvesterError, OriginMismatch, Usage
from harvester.pasted import FORMS, LARGEST_BYTES, read, recognised
from harvester.session import Served
from jars import cookie, session

ORIGIN = "https://knoq.one"
TOKEN = 'aZ3_-9.%2Fb%3D"q",{1}=='
PAIRS = (("_ga", "GA1.1.7"), ("stytch_session", TOKEN))


def taken(text: str | bytes, origin: str = ORIGIN, form: str | None = None) -> dict[str, str]:
    data = text if isinstance(text, bytes) else text.encode()
    return {one.name: one.value for one in read(data, form).for_origin(origin)}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *((form, write(PAIRS)) for form, write in browsers.FORMS.items()),
        ("json", browsers.extension(PAIRS)),
        ("json", json.dumps(dict(PAIRS))),
        ("curl", browsers.curl(PAIRS, flag="-H")),
        ("curl", browsers.curl(PAIRS, flag="--header").replace(" \\\n", " \\\r\n")),
        ("curl", browsers.curl_for_windows(PAIRS)),
        ("curl", "$ " + browsers.curl(PAIRS).replace(" \\\n", "\n")),
        ("curl", browsers.curl(PAIRS) + " ;\n" + browsers.curl([("other", "request")])),
        ("curl", f"curl.exe {browsers.URL} -b{shlex.quote(browsers.header(PAIRS))}"),
        ("header", f"GET / HTTP/1.1\r\nHost: knoq.one\r\nCOOKIE:{browsers.header(PAIRS)}\r\n\r\n"),
        ("header", f":authority: knoq.one\n:method: GET\ncookie\n{browsers.header(PAIRS)}\n"),
        ("header", "".join(f"cookie: {name}={value}\n" for name, value in PAIRS)),
        ("env", f"export KNOQ_COOKIE={shlex.quote(browsers.header(PAIRS))}\n"),
        ("cookie", browsers.header(PAIRS) + ";\n"),
        ("cookie", "\n".join(f"{name}={value}" for name, value in PAIRS)),
    ],
)
def test_every_form_is_recognised_and_gives_the_same_bytes(form, text):
    assert recognised(text.replace("\r\n", "\n")) == form
    assert taken(text) == dict(PAIRS)
    assert taken("\ufeff" + text) == dict(PAIRS)
    assert taken(text.encode("utf-16")) == dict(PAIRS), "as PowerShell's > writes it"
    assert taken(text, form=form) == dict(PAIRS)


@pytest.mark.parametrize("form", [form for form in wire.FORMATS if form != "value"])
def test_what_we_print_ourselves_can_be_brought_back(form):
    served = Served(session(cookies=(cookie("stytch_session", TOKEN),)))
    text = wire.printable(served, form)
    assert taken(text) == {"stytch_session": TOKEN}
    expected = "json" if form == "storage-state" else form
    assert recognised(text) == expected
    with pytest.raises(OriginMismatch):
        taken(text if form != "cookie" else browsers.curl(PAIRS), "https://other.example")


def test_a_bare_value_needs_the_name_that_is_configured():
    made = read(b"tok=en==\r\n", "value", name="sid").for_origin(ORIGIN)
    assert [(one.name, one.value) for one in made] == [("sid", "tok=en==")]
    with pytest.raises(Usage, match="which cookie"):
        read(b"token", "value")


def test_the_browser_that_made_the_request_is_known_where_it_says_so():
    for form in ("curl", "fetch", "powershell"):
        assert read(browsers.FORMS[form](PAIRS).encode()).user_agent == browsers.AGENT
    odd = json.dumps({"cookies": [{"name": "a", "value": "b"}], "user_agent": "a\nb"})
    assert read(odd.encode()).user_agent == ""


def test_attributes_are_kept_where_they_are_said():
    (found,) = read(browsers.extension([("sid", "v")]).encode()).for_origin(ORIGIN)
    assert (found.domain, found.expires_at) == ("knoq.one", 1_900_000_000.25)
    assert (found.http_only, found.secure, found.same_site) == (True, True, "None")
    (found,) = read(browsers.netscape([("sid", "v")], domain=".knoq.one").encode()).for_origin(
        "https://app.knoq.one"
    )
    assert (found.domain, found.expires_at, found.http_only) == (".knoq.one", None, True)


def test_a_cookie_header_says_nothing_of_scope_so_the_narrowest_is_taken():
    (found,) = read(b"sid=v").for_origin(ORIGIN)
    assert (found.domain, found.path, found.secure, found.expires_at) == (
        "knoq.one", "/", True, None,
    )  # fmt: skip
    plain, prefixed = read(b"sid=v; __Host-a=b").for_origin("http://knoq.localhost:1")
    assert (plain.secure, prefixed.secure) == (False, True)


@pytest.mark.parametrize("end", [0, -1, "0", "", None, "soon", True, [], 1e999, float("nan")])
def test_an_end_that_is_none_makes_a_session_cookie(end):
    text = json.dumps([{"name": "sid", "value": "v", "expires": end}])
    (found,) = read(text.encode()).for_origin(ORIGIN)
    assert found.expires_at is None


def test_only_cookies_that_go_to_the_origin_are_taken():
    text = browsers.netscape([("ours", "1")]) + browsers.netscape([("no", "2")], domain=".x.one")
    text += browsers.netscape([("wide", "3")], domain=".knoq.one")
    text += browsers.netscape([("deeper", "4")], domain="app.knoq.one")
    text += browsers.netscape([("look-alike", "5")], domain=".oq.one")
    assert taken(text) == {"ours": "1", "wide": "3"}


@pytest.mark.parametrize(
    "text",
    [
        browsers.curl(PAIRS, url="https://knoq.one.example/x"),
        browsers.curl(PAIRS, url="https://api.knoq.one/x"),
        browsers.netscape(PAIRS, domain="other.example"),
        f"Host: other.example\nCookie: {browsers.header(PAIRS)}",
        f"Cookie: {browsers.header(PAIRS)}\nOrigin: https://other.example",
    ],
)
def test_a_request_to_another_host_is_no_session_of_ours(text):
    with pytest.raises(OriginMismatch) as caught:
        taken(text)
    assert TOKEN not in str(caught.value) and ORIGIN in caught.value.message
    assert caught.value.hint


def test_a_cookie_does_not_mind_ports_and_other_pages_of_its_host():
    assert taken(browsers.curl(PAIRS, url="http://knoq.one:8080/a?b#c")) == dict(PAIRS)


def test_of_two_with_one_name_the_first_counts_as_a_browser_sends_the_nearer_first():
    assert taken("sid=near; sid=far") == {"sid": "near"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing in it"),
        (" \n\t\n", "nothing in it"),
        ("canary", "`name=value` pairs"),
        ("<html><a href=canary>", "`name=value` pairs"),
        ("Tulip-Anchor canary 42", "`name=value` pairs"),
        ("sid=caf\u00e9", "`name=value` pairs"),
        ("Cookie: canary", "request headers"),
        ("curl 'https://knoq.one/' -H 'accept: canary'", "a cURL command"),
        ("curl 'https://knoq.one/ -b 'sid=canary'", "not closed"),
        ('curl ^"https://knoq.one/ -b sid=canary', "not closed"),
        ("curl https://knoq.one -b canary.txt", "cookies are in a file"),
        ("curl https://knoq.one@canary.example/ -b sid=canary", "address is none"),
        ("curl https://u:canary@knoq.one/ -b sid=canary", "address is none"),
        (browsers.fetch(PAIRS, with_cookies=False), "a JavaScript fetch"),
        ("fetch(canary)", "a JavaScript fetch"),
        ('fetch("https://knoq.one/", [', "a JavaScript fetch"),
        ("$session = canary", "PowerShell"),
        ("# Netscape HTTP Cookie File\ncanary", "cookies.txt"),
        ('{"cookies": [{"name": "canary"', "broken off"),
        ("[" * 100_000, "broken off"),
        ("{}", "JSON"),
        ("[]", "JSON"),
        ('{"canary": 7}', "JSON"),
        ('{"error": {"code": "canary"}}', "JSON"),
        ('{"cookies": []}', "JSON"),
        ('["canary"]', "entry 1"),
        ('[{"name": "a", "value": "b"}, {"name": "canary", "value": 7}]', "entry 2"),
        ('[{"name": "a", "value": "b", "domain": 7}]', "entry 1"),
        ("KNOQ_COOKIE='canary", "shell exports"),
        ("a=\ud800".encode("utf-8", "surrogatepass"), "no text"),
        (b"\x89PNG\r\n\x1a\n\x00canary", "no text"),
        (b"\xff\xfea", "no text"),
        (b"sid=" + b"a" * LARGEST_BYTES, "over 1024 KiB"),
        ("; ".join(f"c{n}=v" for n in range(181)), "more than any site takes"),
        ("; ".join(f"c{n}={'v' * 4000}" for n in range(5)), "more than any site takes"),
    ],
)  # fmt: skip
def test_rubbish_is_told_what_it_was_taken_for_and_never_quoted(text, said):
    with pytest.raises(Usage) as caught:
        taken(text)
    assert said in caught.value.message and caught.value.hint
    assert "canary" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("form", [*FORMS, "value"])
def test_a_form_that_is_said_wrongly_is_one_sentence_too(form):
    for write in browsers.FORMS.values():
        try:
            taken(write(PAIRS), form=form)
        except HarvesterError as error:
            assert TOKEN not in error.message


@pytest.mark.parametrize(
    "path", ["/\nevil.example\tTRUE\t/\tTRUE\t0\tsid\tx", "/\tx", "/\r", "/\0"]
)
def test_a_path_that_would_begin_a_line_of_its_own_brings_no_cookie(path):
    told = [{"name": "sid", "value": "v"}, {"name": "odd", "value": "v", "path": path}]
    assert taken(json.dumps(told)) == {"sid": "v"}
